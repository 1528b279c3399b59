-- Versions of an instance: what a later one with the same SOP Instance UID has replaced, where that is configured. The
-- current version stands in `instances`. Revisions up to before `ended_revision` still see this one.
CREATE TABLE superseded_instances (
  entry                INTEGER PRIMARY KEY,
  instance             INTEGER NOT NULL,                     -- of the row that took its place: its order in the study
  study                INTEGER NOT NULL REFERENCES studies,
  series               INTEGER NOT NULL REFERENCES series,
  revision             INTEGER,                              -- null until the next completion, like ended_revision
  ended_revision       INTEGER,
  sop_instance_uid     TEXT NOT NULL,
  sop_class_uid        TEXT NOT NULL,
  transfer_syntax_uid  TEXT NOT NULL,
  blob                 TEXT NOT NULL,
  size_bytes           INTEGER NOT NULL,
  sha256               TEXT NOT NULL,
  data_set_sha256      TEXT NOT NULL,
  received_at          TEXT NOT NULL,
  replaced_at          TEXT NOT NULL,
  series_provenance    TEXT NOT NULL,                        -- what its series was known by until then
  series_attributes    TEXT NOT NULL
) STRICT;
CREATE INDEX superseded_sop ON superseded_instances (sop_instance_uid);
CREATE INDEX superseded_series ON superseded_instances (study, series, revision);

CREATE VIEW instance_versions AS
  SELECT instance, study, series, revision, NULL AS ended_revision, 1 AS is_current, sop_instance_uid, sop_class_uid,
         transfer_syntax_uid, blob, size_bytes, sha256, data_set_sha256, received_at
  FROM instances
  UNION ALL
  SELECT instance, study, series, revision, ended_revision, 0, sop_instance_uid, sop_class_uid,
         transfer_syntax_uid, blob, size_bytes, sha256, data_set_sha256, received_at
  FROM superseded_instances;

-- What is needed of a pack of the spool is asked pack by pack: '<pack>#' <= blob < '<pack>$'.
CREATE INDEX instances_blob ON instances (blob);
CREATE INDEX superseded_blob ON superseded_instances (blob);
CREATE INDEX quarantine_items_blob ON quarantine_items (blob);

-- Studies whose received instances were removed after delivery: up to which revision, and when.
CREATE TABLE expired_studies (
  study       INTEGER PRIMARY KEY REFERENCES studies,
  revision    INTEGER NOT NULL,
  expired_at  TEXT NOT NULL
) STRICT;

-- What the timeline still tells of them.
CREATE TABLE expired_series (
  study             INTEGER NOT NULL REFERENCES studies,
  series            INTEGER NOT NULL REFERENCES series,
  revision          INTEGER NOT NULL,
  first_instance    INTEGER NOT NULL,
  instances         INTEGER NOT NULL,
  first_received_at TEXT NOT NULL,
  last_received_at  TEXT NOT NULL
) STRICT;
CREATE INDEX expired_series_study ON expired_series (study);

-- Runs whose results were removed after delivery.
CREATE TABLE expired_runs (
  run         INTEGER PRIMARY KEY REFERENCES runs,
  expired_at  TEXT NOT NULL
) STRICT;
