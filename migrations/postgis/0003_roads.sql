-- The road graph in use, in parts, under the hash of all its bytes; `biaotu_meta` names it and the log tells every server.
CREATE TABLE biaotu_roads (
    hash text NOT NULL,
    part integer NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (hash, part)
);
-- It is packed as it comes.
ALTER TABLE biaotu_roads ALTER COLUMN bytes SET STORAGE EXTERNAL;
