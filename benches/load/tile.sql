SELECT ST_AsMVT(t, 'supply_depot', 4096, 'g') FROM (SELECT d.id::text, d.code, d.name, d.verified, d.state, d.level, d.custodian,
  ST_AsMVTGeom(ST_Transform(d.geom, 3857), ST_TileEnvelope(a.z, a.x, a.y), 4096, 64) AS g
  FROM asked_tile a JOIN supply_depot d ON d.geom && ST_Transform(ST_TileEnvelope(a.z, a.x, a.y, margin => 64.0 / 4096), 4326)) t;
