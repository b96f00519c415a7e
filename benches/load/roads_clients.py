"""routingpy's client of OSRM beside a running server; writes the pairs that have a trip. See roads_clients.sh."""

import random
import sys

from routingpy import OSRM

server, box, out = sys.argv[1:]
west, south, east, north = map(float, box.split(","))
chance = random.Random(2)
client = OSRM(base_url=server, timeout=30)


def place():
    return [round(chance.uniform(west, east), 6), round(chance.uniform(south, north), 6)]


pairs, refused = [], 0
while len(pairs) < 200:
    pair = [place(), place()]
    try:
        trip = client.directions(pair, "driving", steps=True, overview="full", geometries="geojson", annotations=True, radiuses=[2000, 2000])
    except Exception as error:
        assert "NoRoute" in str(error) or "NoSegment" in str(error), error
        refused += 1
        assert refused < 2000, "hardly any trip in this box"
        continue
    assert len(trip.geometry) >= 2 and trip.duration >= 0 and trip.distance >= 0, trip
    # On its roads from here on.
    pairs.append([trip.geometry[0], trip.geometry[-1]])
for geometries in "polyline", "polyline6":
    encoded = client.directions(pairs[0], "driving", geometries=geometries, overview="full")
    plain = client.directions(pairs[0], "driving", geometries="geojson", overview="full")
    assert len(encoded.geometry) == len(plain.geometry)
    assert all(abs(a - b) < 2e-5 for one, other in zip(encoded.geometry, plain.geometry) for a, b in zip(one, other))
several = client.directions(pairs[0], "driving", alternatives=2, overview="simplified", continue_straight=True, geometries="geojson")
assert len(several) >= 1 and several[0].duration > 0
turned = client.directions(pairs[0], "driving", bearings=[[90, 180], [90, 180]], geometries="geojson", overview="full")
assert turned.duration > 0
places = [pair[0] for pair in pairs[:20]]
table = client.matrix(places, "driving", annotations=["duration", "distance"])
assert len(table.durations) == len(table.distances) == 20 and all(len(row) == 20 for row in table.durations)
assert all(table.durations[i][i] == 0 for i in range(20))
part = client.matrix(places, "driving", sources=[0, 3], destinations=[1, 2, 4], annotations=["duration"])
assert [len(row) for row in part.durations] == [3, 3]
assert part.durations[1][2] == table.durations[3][4]
with open(out, "w") as file:
    file.writelines(";".join(f"{lon},{lat}" for lon, lat in pair) + "\n" for pair in pairs)
print(f"routingpy: {len(pairs)} trips, {refused} places without, a table of 20 x 20: ok")
