-- The fixed tables. Layer tables derive from the definitions and are kept in step when the server starts.
CREATE EXTENSION IF NOT EXISTS postgis;

CREATE TABLE biaotu_meta (
    key text PRIMARY KEY,
    value text NOT NULL
);
-- Up to which seq the log has been pruned: a reader that stands before it must read everything anew.
INSERT INTO biaotu_meta VALUES ('pruned_to', '0');

-- The definitions that the layer tables follow.
CREATE TABLE biaotu_layer (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    definition text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE biaotu_seq;

CREATE TABLE biaotu_change_log (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Commit order; given just before the commit, so no reader ever sees it empty.
    seq bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    layer text NOT NULL,
    id uuid NOT NULL,
    old jsonb,
    new jsonb,
    -- Beside the JSON, which would round them.
    old_geom geometry,
    new_geom geometry,
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- True for one row a statement: that row's trigger stamps the others too.
    leads boolean NOT NULL
);
CREATE UNIQUE INDEX biaotu_change_log_seq ON biaotu_change_log (seq);
CREATE INDEX biaotu_change_log_open ON biaotu_change_log (tx) WHERE seq IS NULL;
CREATE INDEX biaotu_change_log_feature ON biaotu_change_log (id, seq);

-- A plain sequence would give a transaction that began earlier and commits later the lower number, and a reader polling
-- `seq > last` would lose its rows. The lock is taken when nothing but the commit is left to do, so it is held briefly and
-- an idle transaction blocks nobody.
CREATE FUNCTION biaotu_stamp() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1651078511, hashtext(current_schema()));
    UPDATE biaotu_change_log AS l SET seq = n.seq
    FROM (
        SELECT entry, nextval('biaotu_seq') AS seq
        FROM (SELECT entry FROM biaotu_change_log WHERE tx = pg_current_xact_id() AND seq IS NULL ORDER BY entry) AS o
    ) AS n
    WHERE l.entry = n.entry;
    PERFORM pg_notify('biaotu', current_schema());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER biaotu_stamp AFTER INSERT ON biaotu_change_log
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.leads) EXECUTE FUNCTION biaotu_stamp();

CREATE FUNCTION biaotu_pruned() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE biaotu_meta SET value = greatest(value::bigint, (SELECT coalesce(max(seq), 0) FROM old_rows))::text
    WHERE key = 'pruned_to';
    RETURN NULL;
END $$;
CREATE TRIGGER biaotu_pruned AFTER DELETE ON biaotu_change_log
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION biaotu_pruned();

-- Identity and version of a feature are kept here, whoever edits.
CREATE FUNCTION biaotu_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, gen_random_uuid());
        NEW.version := 1;
    ELSE
        NEW.fid := OLD.fid;
        NEW.id := OLD.id;
        NEW.version := OLD.version + 1;
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

-- TRUNCATE fires no row triggers, so nobody would hear of it.
CREATE FUNCTION biaotu_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE would bypass the change log; use DELETE' USING ERRCODE = 'BT002';
END $$;
