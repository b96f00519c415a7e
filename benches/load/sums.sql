\set i random(1, 4096)
SELECT s.item_code, s.unit, sum(s.on_hand), sum(s.reserved), count(DISTINCT d.id) FROM (SELECT ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geography AS g FROM asked WHERE n = :i) q
JOIN supply_depot d ON ST_DWithin(d.geom::geography, q.g, 10000) AND d.state = 'open' AND d.verified LEFT JOIN stock s ON s.depot = d.id GROUP BY 1, 2;
