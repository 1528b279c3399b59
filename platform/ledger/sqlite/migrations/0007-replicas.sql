-- What may have one owner among replicas of the hub: held until `until`, in milliseconds since 1970. A row stays when it
-- is given back, so that its fence only grows.
CREATE TABLE leases (
  name    TEXT PRIMARY KEY,
  owner   TEXT NOT NULL,
  fence   INTEGER NOT NULL,
  until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each replica has a spool of its own. A ledger in a file has one, whatever its machine is called: its node is ''.
CREATE TABLE node_spool_positions (
  node            TEXT NOT NULL,
  segment         TEXT NOT NULL,
  segment_offset  INTEGER NOT NULL,
  PRIMARY KEY (node, segment)
) STRICT, WITHOUT ROWID;
INSERT INTO node_spool_positions SELECT '', segment, segment_offset FROM spool_positions;
DROP TABLE spool_positions;
ALTER TABLE node_spool_positions RENAME TO spool_positions;

-- What it did is said with the decision itself, in words that every database understands.
DROP TRIGGER commitment_decided;
