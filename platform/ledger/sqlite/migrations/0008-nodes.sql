-- Which replica received of a study last, and took a storage commitment. A ledger in a file has one: ''.
ALTER TABLE studies ADD COLUMN node TEXT NOT NULL DEFAULT '';
ALTER TABLE commitments ADD COLUMN node TEXT NOT NULL DEFAULT '';

-- By what replicas know that they have the same keys; the keys themselves stand nowhere here.
CREATE TABLE key_fingerprints (
  purpose      TEXT PRIMARY KEY,
  fingerprint  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
