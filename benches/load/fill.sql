-- A million depots in clusters over 73–135° E, 18–54° N, a tenth of them with three stock lines; and 4,096 places to ask about.
-- Triggers rest meanwhile: what is measured is answering, not logging.
SELECT setseed(0.42);
ALTER TABLE supply_depot DISABLE TRIGGER USER;
ALTER TABLE stock DISABLE TRIGGER USER;
CREATE TEMP TABLE town AS
  SELECT n, 73.5 + 61 * random() AS lon, 18.5 + 35 * random() AS lat, 0.03 + 0.15 * random() * random() AS spread FROM generate_series(0, 399) n;
CREATE TEMP TABLE spot AS
  SELECT n, floor(random() * 400)::int AS town, sqrt(-2 * ln(1 - random())) AS r, 2 * pi() * random() AS a FROM generate_series(1, 1000000) n;
INSERT INTO supply_depot (id, code, name, area_code, source, verified, state, level, custodian, geom)
  SELECT gen_random_uuid(), 'D' || lpad(spot.n::text, 7, '0'), '储备点 ' || spot.n, '990000000000', 'bench', random() > 0.1, CASE WHEN random() > 0.05 THEN 'open' ELSE 'closed' END,
         'village', '保管员', ST_SetSRID(ST_MakePoint(greatest(73, least(135, lon + spread * r * cos(a))), greatest(18, least(54, lat + spread * r * sin(a)))), 4326)
  FROM spot JOIN town ON town.n = spot.town;
INSERT INTO stock (id, depot, item_code, item_name, unit, lot, on_hand, reserved, source, verified)
  SELECT gen_random_uuid(), d.id, '301010' || i, '物资 ' || i, (ARRAY['件', '吨', '条'])[1 + i % 3], '1', round((random() * 1000)::numeric), 0, 'bench', true
  FROM supply_depot d, generate_series(1, 3) i WHERE d.code LIKE '%0';
ALTER TABLE supply_depot ENABLE TRIGGER USER;
ALTER TABLE stock ENABLE TRIGGER USER;
CREATE INDEX ON supply_depot USING gist ((geom::geography));
CREATE INDEX ON stock (depot);
CREATE TABLE asked AS
  SELECT row_number() OVER () AS n, round((ST_X(geom) + 0.003)::numeric, 6)::float8 AS lon, round((ST_Y(geom) + 0.003)::numeric, 6)::float8 AS lat
  FROM (SELECT geom FROM supply_depot TABLESAMPLE BERNOULLI (1) ORDER BY random() LIMIT 4096) s;
ALTER TABLE asked ADD PRIMARY KEY (n);
VACUUM ANALYZE;
-- The tile round one of the places that comes nearest to 10,000 points.
CREATE TABLE asked_tile AS
  SELECT t.z, t.x, t.y, (SELECT count(*) FROM supply_depot d WHERE d.geom && ST_Transform(ST_TileEnvelope(t.z, t.x, t.y), 4326)) AS points
  FROM (SELECT DISTINCT z, floor((lon + 180) / 360 * 2 ^ z)::int AS x, floor((1 - asinh(tan(radians(lat))) / pi()) / 2 * 2 ^ z)::int AS y
        FROM (SELECT * FROM asked LIMIT 100) q, generate_series(6, 10) z) t
  ORDER BY abs((SELECT count(*) FROM supply_depot d WHERE d.geom && ST_Transform(ST_TileEnvelope(t.z, t.x, t.y), 4326)) - 10000) LIMIT 1;
