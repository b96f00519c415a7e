"""Draws trips within an extract, and compares the answers of two servers of OSRM's API to them. See roads.sh."""

import json
import os
import random
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

OURS, OSRM, BY_TIME = (os.environ.get(name) for name in ("BIAOTU", "OSRM", "BY_TIME"))


def ask(server, path):
    """An answer, whatever its status."""
    try:
        with urllib.request.urlopen(server + path, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def segments(extract):
    """Straight pieces of its highways."""
    import osmium

    found = []
    for way in osmium.FileProcessor(extract, osmium.osm.NODE | osmium.osm.WAY).with_locations():
        if way.is_way() and "highway" in way.tags:
            nodes = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
            found += zip(nodes, nodes[1:])
    return sorted(set(found))


def draw(extract, work, count):
    """Seeded pairs of places on roads that OSRM's car drives, and the paths that are asked about them."""
    known, chance = segments(extract), random.Random(1)

    def place():
        # Never a junction itself: which of its roads is meant there, nobody knows.
        while True:
            (x, y), (u, v) = chance.choice(known)
            share = chance.uniform(0.1, 0.9)
            lon, lat = x + share * (u - x), y + share * (v - y)
            near = ask(OSRM, f"/nearest/v1/driving/{lon},{lat}")["waypoints"][0]
            if near["distance"] < 100:
                return "{:.6f},{:.6f}".format(*near["location"])

    pairs = [(place(), place()) for _ in range(count)]
    targets = [place() for _ in range(1000)]

    def write(name, lines):
        with open(f"{work}/{name}", "w") as file:
            file.writelines(f"{line}\n" for line in lines)

    write("targets", targets)
    write("pairs", [";".join(pair) for pair in pairs])
    # What is timed has an answer of both.
    found = lambda pair: all(ask(server, f"/route/v1/driving/{';'.join(pair)}?overview=false")["code"] == "Ok" for server in (OURS, OSRM))
    pairs = [pair for pair in pairs if found(pair)]
    write("route", [f"/route/v1/driving/{a};{b}?overview=full&geometries=polyline" for a, b in pairs])
    write("steps", [f"/route/v1/driving/{a};{b}?overview=full&geometries=polyline&steps=true" for a, b in pairs])
    write("table", [f"/table/v1/driving/{';'.join([a] + targets)}?sources=0" for a, _ in pairs])
    write("reach", [f"/isochrone/v1/driving/{a}?contours_minutes=10" for a, _ in pairs])
    write("isochrone", ["/isochrone?json=" + quote(json.dumps(minutes(a))) for a, _ in pairs])


def close(work, count):
    """Closes places on roads, elsewhere than where the trips of `work` begin and end, and tells what that does to them."""
    with open(f"{work}/targets") as file:
        places = [list(map(float, line.split(","))) for line in file][:count]
    features = [
        {"type": "Feature", "properties": {"name": f"C{n}", "kind": "closed"}, "geometry": {"type": "Point", "coordinates": at}}
        for n, at in enumerate(places)
    ]
    body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    path = "/import?layer=closure&format=geojson&allow_new=true"
    with urllib.request.urlopen(urllib.request.Request(OURS + path, body, method="POST")) as answer:
        counts = json.load(answer)["layers"]["closure"]["counts"]
    with open(f"{work}/route") as file:
        paths = file.read().split()
    answers = [ask(OURS, path) for path in paths]
    touched = sum(bool(answer["answer"]["closures"]) for answer in answers)
    print(f"{counts}: {touched} of {len(paths)} trips are longer for them, {sum(answer['code'] != 'Ok' for answer in answers)} are cut off")


def minutes(at):
    lon, lat = map(float, at.split(","))
    return {"locations": [{"lon": lon, "lat": lat}], "costing": "auto", "contours": [{"time": 10}], "polygons": True}


def compare(work):
    with open(f"{work}/pairs") as file:
        pairs = file.read().split()
    servers = [OURS, OSRM, BY_TIME]

    def trips(pair):
        answers = [ask(server, f"/route/v1/driving/{pair}?overview=false") for server in servers]
        return [answer["routes"][0] if answer["code"] == "Ok" else None for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(trips, pairs))
    for name, theirs in ("OSRM", 1), ("OSRM, minimising time alone", 2):
        both = [(pair, trip[0], trip[theirs]) for pair, trip in zip(pairs, answers) if trip[0] and trip[theirs]]
        alone = [sum(1 for trip in answers if trip[a] and not trip[b]) for a, b in ((0, theirs), (theirs, 0))]
        print(f"\nBeside {name}: {len(both)} of {len(pairs)} trips found by both; only by Biaotu {alone[0]}, only by the other {alone[1]}")
        for pair in [pair for pair, trip in zip(pairs, answers) if bool(trip[0]) != bool(trip[theirs])][:5]:
            print("  found by one only:", pair)
        for what, unit in ("duration", "s"), ("distance", "m"):
            # Beside at least a hundred: what a trip of a few metres differs by tells nothing.
            apart = sorted(((ours[what] - other[what]) / max(other[what], 100), pair, ours[what], other[what]) for pair, ours, other in both)
            at = lambda percent: apart[min(len(apart) - 1, len(apart) * percent // 100)][0]
            print(f"| {what} |", " | ".join(f"p{p} {100 * at(p):+.1f} %" for p in (1, 5, 25, 50, 75, 95, 99)), "|")
            for part, pair, own, other in sorted(apart, key=lambda one: -abs(one[0]))[:10]:
                print(f"  {100 * part:+.0f} %: {own:.0f} {unit} beside {other:.0f}: {pair}")


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        draw(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1] == "close":
        close(sys.argv[2], int(sys.argv[3]))
    else:
        compare(sys.argv[2])
