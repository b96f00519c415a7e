\set i random(1, 4096)
SELECT d.*, ST_AsGeoJSON(d.geom), ST_Distance(d.geom::geography, q.g) AS m FROM (SELECT ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geography AS g FROM asked WHERE n = :i) q
JOIN supply_depot d ON ST_DWithin(d.geom::geography, q.g, 10000) AND d.state = 'open' AND d.verified ORDER BY m LIMIT 100;
