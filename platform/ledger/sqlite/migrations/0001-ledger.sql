-- The ledger: what was received, what was decided about it, the work and its history, and the log of facts.
-- Times that something waits for are milliseconds since 1970 (compared), times that are shown are ISO 8601 (copied).

CREATE TABLE studies (
  study               INTEGER PRIMARY KEY,
  study_instance_uid  TEXT NOT NULL UNIQUE,
  source              TEXT NOT NULL,
  patient_digest      TEXT NOT NULL,
  correlation_id      TEXT NOT NULL,
  state               TEXT NOT NULL CHECK (state IN ('receiving', 'completed', 'unrouted', 'routed')),
  revision            INTEGER NOT NULL DEFAULT 0,
  instances           INTEGER NOT NULL DEFAULT 0,
  first_received_at   TEXT NOT NULL,
  last_received_at    TEXT NOT NULL,
  completed_at        INTEGER,
  holds               INTEGER NOT NULL CHECK (holds >= 0),   -- quarantine entries that hold the whole study
  quiet_ms            INTEGER NOT NULL,
  timer_version       INTEGER NOT NULL DEFAULT 0,            -- never goes back, so that an old timer cannot pass for a new one
  due_at              INTEGER,                               -- null: nothing arrived since the last completion
  force_at            INTEGER
) STRICT;
CREATE INDEX studies_due ON studies (due_at) WHERE due_at IS NOT NULL AND holds = 0;
CREATE INDEX studies_state ON studies (state, study);
CREATE INDEX studies_completed ON studies (completed_at) WHERE completed_at IS NOT NULL;

-- Further patients an operator accepted for a study by releasing it from quarantine.
CREATE TABLE accepted_patients (
  study           INTEGER NOT NULL REFERENCES studies,
  patient_digest  TEXT NOT NULL,
  PRIMARY KEY (study, patient_digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
  series               INTEGER PRIMARY KEY,
  study                INTEGER NOT NULL REFERENCES studies,
  series_instance_uid  TEXT NOT NULL,
  provenance           TEXT NOT NULL,
  attributes           TEXT NOT NULL,
  UNIQUE (study, series_instance_uid)
) STRICT;

CREATE TABLE instances (
  instance             INTEGER PRIMARY KEY,
  study                INTEGER NOT NULL REFERENCES studies,
  series               INTEGER NOT NULL REFERENCES series,
  revision             INTEGER,                              -- null until the next completion
  sop_instance_uid     TEXT NOT NULL UNIQUE,
  sop_class_uid        TEXT NOT NULL,
  transfer_syntax_uid  TEXT NOT NULL,
  blob                 TEXT NOT NULL,
  size_bytes           INTEGER NOT NULL,
  sha256               TEXT NOT NULL,
  data_set_sha256      TEXT NOT NULL,
  received_at          TEXT NOT NULL
) STRICT;
CREATE INDEX instances_series ON instances (study, series, revision);

CREATE TABLE spool_positions (
  segment        TEXT PRIMARY KEY,
  segment_offset INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  run              INTEGER PRIMARY KEY,
  run_id           TEXT NOT NULL UNIQUE,
  study            INTEGER NOT NULL REFERENCES studies,
  revision         INTEGER NOT NULL,
  route            TEXT NOT NULL,
  config_version   TEXT NOT NULL,
  explanation      TEXT NOT NULL,
  series           TEXT,                                     -- null: the whole study
  steps            TEXT NOT NULL,
  destinations     TEXT NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'processed', 'quarantined', 'cancelled')),
  next_step        INTEGER NOT NULL DEFAULT 0,
  created_at       TEXT NOT NULL,
  routed_event_id  TEXT,
  replay_of        TEXT
) STRICT;
CREATE INDEX runs_study ON runs (study);

-- The working set after the last finished step, as one JSON text: thousands of items are written and read at once
-- and never searched. Absent before the first step: the instances of the revision are the working set.
CREATE TABLE run_items (
  run    INTEGER PRIMARY KEY REFERENCES runs,
  items  TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
  job          INTEGER PRIMARY KEY,
  job_id       TEXT NOT NULL UNIQUE,
  run          INTEGER NOT NULL REFERENCES runs,
  step         INTEGER NOT NULL,
  processor    TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'quarantined', 'cancelled')),
  attempt      INTEGER NOT NULL DEFAULT 0,
  fence        INTEGER NOT NULL DEFAULT 0,
  ready_at     INTEGER NOT NULL,                             -- waiting: may start; running: the lease ends
  UNIQUE (run, step)
) STRICT;
CREATE INDEX jobs_ready ON jobs (ready_at) WHERE state IN ('waiting', 'running');

CREATE TABLE job_attempts (
  job         INTEGER NOT NULL REFERENCES jobs,
  attempt     INTEGER NOT NULL,
  owner       TEXT NOT NULL,
  started_at  TEXT NOT NULL,
  ended_at    TEXT,                                          -- null: under way, or its lease was lost
  outcome     TEXT CHECK (outcome IN ('done', 'retry', 'quarantined')),
  reason      TEXT,
  PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  delivery                     INTEGER PRIMARY KEY,
  delivery_id                  TEXT NOT NULL UNIQUE,
  run                          INTEGER NOT NULL REFERENCES runs,
  destination                  TEXT NOT NULL,
  partner                      TEXT,
  released_study_instance_uid  TEXT NOT NULL,
  state                        TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'dead', 'cancelled')),
  created_at                   TEXT NOT NULL,
  attempts                     INTEGER NOT NULL DEFAULT 0,
  fence                        INTEGER NOT NULL DEFAULT 0,
  leased                       INTEGER NOT NULL DEFAULT 0,
  ready_at                     INTEGER NOT NULL,             -- not leased: due; leased: the lease ends
  reason                       TEXT
) STRICT;
CREATE INDEX deliveries_ready ON deliveries (destination, ready_at) WHERE state = 'pending';
CREATE INDEX deliveries_state ON deliveries (state, delivery);
CREATE INDEX deliveries_run ON deliveries (run);
CREATE INDEX deliveries_released ON deliveries (released_study_instance_uid);

CREATE TABLE delivery_attempts (
  entry        INTEGER PRIMARY KEY,
  delivery     INTEGER NOT NULL REFERENCES deliveries,
  attempt      INTEGER NOT NULL,
  started_at   TEXT NOT NULL,
  duration_ms  INTEGER NOT NULL,
  outcome      TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
  code         TEXT,
  retry        TEXT,
  detail       TEXT
) STRICT;
CREATE INDEX delivery_attempts_delivery ON delivery_attempts (delivery);

CREATE TABLE delivered_instances (
  delivery          INTEGER NOT NULL REFERENCES deliveries,
  sop_instance_uid  TEXT NOT NULL,
  PRIMARY KEY (delivery, sop_instance_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
  entry               INTEGER PRIMARY KEY,
  quarantine_id       TEXT NOT NULL UNIQUE,
  stage               TEXT NOT NULL CHECK (stage IN ('gateway', 'routers', 'processors')),
  reason              TEXT NOT NULL,
  detail              TEXT NOT NULL,
  study_instance_uid  TEXT,                                  -- not a reference: it may be held before its study is known
  run_id              TEXT REFERENCES runs (run_id),
  provenance          TEXT,
  holds_study         INTEGER NOT NULL CHECK (holds_study IN (0, 1)),
  state               TEXT NOT NULL CHECK (state IN ('held', 'released', 'replayed')),
  created_at          TEXT NOT NULL,
  ended_at            TEXT,
  association_id      TEXT                                   -- gathers what one association brought into one entry
) STRICT;
CREATE INDEX quarantine_study ON quarantine (study_instance_uid, reason) WHERE study_instance_uid IS NOT NULL;
CREATE INDEX quarantine_state ON quarantine (state, entry);

CREATE TABLE quarantine_items (
  item              INTEGER PRIMARY KEY,
  entry             INTEGER NOT NULL REFERENCES quarantine,
  blob              TEXT NOT NULL,
  size_bytes        INTEGER NOT NULL,
  sop_instance_uid  TEXT,
  instance          TEXT                                     -- the whole record, where a release takes it into its study
) STRICT;
CREATE INDEX quarantine_items_entry ON quarantine_items (entry);

-- One writer appends, so the order of positions is the order of commits. AUTOINCREMENT: a position is never used twice.
CREATE TABLE events (
  position        INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT NOT NULL UNIQUE,
  type            TEXT NOT NULL,
  stream          TEXT NOT NULL,
  key             TEXT NOT NULL,
  time            TEXT NOT NULL,
  correlation_id  TEXT,
  causation_id    TEXT,
  replay_of       TEXT,
  data            TEXT NOT NULL
) STRICT;
CREATE INDEX events_stream ON events (stream, position, type);
CREATE INDEX events_key ON events (key, type);

CREATE TABLE inbox (
  group_name   TEXT NOT NULL,
  event_id     TEXT NOT NULL,
  recorded_at  INTEGER NOT NULL,
  PRIMARY KEY (group_name, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
  group_name  TEXT PRIMARY KEY,
  position    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_events (
  group_name  TEXT NOT NULL REFERENCES groups,
  position    INTEGER NOT NULL REFERENCES events,
  attempts    INTEGER NOT NULL,
  due_at      INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  PRIMARY KEY (group_name, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  token_id       TEXT PRIMARY KEY,
  secret_sha256  TEXT NOT NULL UNIQUE,
  role           TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'auditor', 'partner')),
  partner        TEXT,
  created_at     TEXT NOT NULL,
  expires_at     TEXT,
  last_used_at   TEXT,
  revoked_at     TEXT
) STRICT, WITHOUT ROWID;
