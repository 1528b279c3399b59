-- Studies that are fetched from a source: when, what was asked, what was found, and what came of each.

CREATE TABLE pull_states (
  pull       TEXT PRIMARY KEY,
  paused     INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  schedule   TEXT,                                            -- what `next_at` was worked out from
  next_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE pull_runs (
  pull_run      INTEGER PRIMARY KEY,
  run_id        TEXT NOT NULL UNIQUE,
  pull          TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('scheduled', 'manual', 'backfill')),
  state         TEXT NOT NULL CHECK (state IN ('requested', 'active', 'done', 'incomplete', 'cancelled')),
  day_from      TEXT,
  day_to        TEXT,
  requested_at  TEXT NOT NULL,
  ended_at      TEXT,
  reason        TEXT,
  questions     INTEGER NOT NULL DEFAULT 0,
  answered      INTEGER NOT NULL DEFAULT 0,
  unanswered    INTEGER NOT NULL DEFAULT 0,
  found         INTEGER NOT NULL DEFAULT 0,
  fetched       INTEGER NOT NULL DEFAULT 0,
  skipped       INTEGER NOT NULL DEFAULT 0,
  failed        INTEGER NOT NULL DEFAULT 0,
  instances     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX pull_runs_open ON pull_runs (pull, state) WHERE state IN ('requested', 'active');
CREATE INDEX pull_runs_pull ON pull_runs (pull, pull_run);

-- Only those still to be asked, and those given up: what was answered is counted in its run.
CREATE TABLE pull_questions (
  question          INTEGER PRIMARY KEY,
  pull_run          INTEGER NOT NULL REFERENCES pull_runs,
  pull              TEXT NOT NULL,
  state             TEXT NOT NULL CHECK (state IN ('waiting', 'failed')),
  rank              INTEGER NOT NULL,                         -- 1: of a back-fill, after all others
  day_from          TEXT,
  day_to            TEXT,
  time_from         TEXT,
  time_to           TEXT,
  accession_number  TEXT,
  attempts          INTEGER NOT NULL DEFAULT 0,
  due_at            INTEGER NOT NULL,
  reason            TEXT
) STRICT;
CREATE INDEX pull_questions_due ON pull_questions (pull, rank, due_at) WHERE state = 'waiting';
CREATE INDEX pull_questions_run ON pull_questions (pull_run);

-- One row a study and pull, for good: removed here after its delivery, a study is not fetched once more.
CREATE TABLE pull_studies (
  entry               INTEGER PRIMARY KEY,
  pull                TEXT NOT NULL,
  study_instance_uid  TEXT NOT NULL,
  pull_run            INTEGER NOT NULL REFERENCES pull_runs,  -- that found it last
  state               TEXT NOT NULL CHECK (state IN ('found', 'fetching', 'done', 'failed', 'cancelled')),
  rank                INTEGER NOT NULL,
  attempts            INTEGER NOT NULL DEFAULT 0,
  fence               INTEGER NOT NULL DEFAULT 0,             -- of the lease under which it is fetched
  due_at              INTEGER NOT NULL,
  instances           INTEGER,                                -- at the source, when it was found last
  held                INTEGER,
  verified            INTEGER,                                -- at the source, when all of it was held last
  found_at            TEXT NOT NULL,
  updated_at          TEXT NOT NULL,
  code                TEXT,
  reason              TEXT,
  UNIQUE (pull, study_instance_uid)
) STRICT;
CREATE INDEX pull_studies_due ON pull_studies (pull, rank, due_at) WHERE state = 'found';
CREATE INDEX pull_studies_state ON pull_studies (pull, state, entry);
CREATE INDEX pull_studies_run ON pull_studies (pull_run, state);
