-- The GeoPackage frame (OGC 12-128r17, version 1.3) and the fixed tables. Layer tables derive from the definitions and are
-- kept in step when the server starts.

CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL,
    srs_id INTEGER PRIMARY KEY,
    organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL,
    definition TEXT NOT NULL,
    description TEXT
);
INSERT INTO gpkg_spatial_ref_sys VALUES
    ('Undefined cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined cartesian coordinate reference system'),
    ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system'),
    ('WGS 84 geodetic', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]', 'longitude/latitude coordinates in decimal degrees on the WGS 84 spheroid');

CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY,
    data_type TEXT NOT NULL,
    identifier TEXT UNIQUE,
    description TEXT DEFAULT '',
    last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    min_x DOUBLE,
    min_y DOUBLE,
    max_x DOUBLE,
    max_y DOUBLE,
    srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
);

CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL,
    z TINYINT NOT NULL,
    m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
    CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents (table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
);

CREATE TABLE biaotu_meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
-- Up to which seq the log has been pruned: a reader that stands before it must read everything anew.
INSERT INTO biaotu_meta VALUES ('pruned_to', '0');

-- The definitions that the layer tables follow.
CREATE TABLE biaotu_layer (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    changed_at DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- Writers take turns here, so a plain counter is commit order.
CREATE TABLE biaotu_change_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    actor TEXT NOT NULL,
    layer TEXT NOT NULL,
    id TEXT NOT NULL,
    old TEXT,
    new TEXT,
    -- Beside the JSON, which would round them.
    old_geom BLOB,
    new_geom BLOB
);
CREATE INDEX biaotu_change_log_feature ON biaotu_change_log (id, seq);
CREATE TRIGGER biaotu_pruned AFTER DELETE ON biaotu_change_log BEGIN
    UPDATE biaotu_meta SET value = OLD.seq WHERE key = 'pruned_to' AND CAST(value AS INTEGER) < OLD.seq;
END;

-- What triggers need to know, in one row: whether an inner update is to stay unlogged, whether the ledger is writing a
-- balance, and who is writing. Set and reset within one transaction, so no other connection ever sees it set.
CREATE TABLE biaotu_gate (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    quiet INTEGER NOT NULL,
    ledger INTEGER NOT NULL,
    actor TEXT
);
INSERT INTO biaotu_gate VALUES (1, 0, 0, NULL);
