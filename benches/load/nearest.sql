\set i random(1, 4096)
SELECT d.*, ST_AsGeoJSON(d.geom), ST_Distance(d.geom::geography, q.g) FROM (SELECT ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geography AS g FROM asked WHERE n = :i) q
CROSS JOIN LATERAL (SELECT * FROM supply_depot WHERE state = 'open' AND verified ORDER BY geom::geography <-> q.g LIMIT 10) d;
