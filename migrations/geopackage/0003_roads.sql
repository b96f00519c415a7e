-- The road graph in use, in parts, under the hash of all its bytes; `biaotu_meta` names it and the log tells every server.
CREATE TABLE biaotu_roads (
    hash TEXT NOT NULL,
    part INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (hash, part)
);
