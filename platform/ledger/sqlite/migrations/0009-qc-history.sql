-- What quality control measured, one row a scan and revision. Keys are keyed digests of what makes a scan, a scanner and
-- its protocol what they are; `accepted`: later scans are held against this one, as its verdict or a person decided.
CREATE TABLE qc_history (
  entry                INTEGER PRIMARY KEY,
  quality_id           TEXT NOT NULL UNIQUE,
  scan_key             TEXT NOT NULL,
  study                INTEGER NOT NULL REFERENCES studies,
  revision             INTEGER NOT NULL,
  protocol_key         TEXT NOT NULL,
  scanner_key          TEXT NOT NULL,
  series_instance_uid  TEXT NOT NULL,                       -- as the step saw it
  kind                 TEXT NOT NULL,
  verdict              TEXT NOT NULL,
  accepted             INTEGER NOT NULL,
  decided_at           TEXT,                                -- when a person did
  recorded_at          TEXT NOT NULL,
  measures             TEXT NOT NULL,                       -- JSON
  parameters           TEXT NOT NULL,                       -- JSON
  UNIQUE (scan_key, revision)
) STRICT;
CREATE INDEX qc_history_protocol ON qc_history (protocol_key, entry);
CREATE INDEX qc_history_study ON qc_history (study);
CREATE INDEX qc_history_scanner ON qc_history (scanner_key, entry);
