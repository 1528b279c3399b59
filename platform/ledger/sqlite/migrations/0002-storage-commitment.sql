-- Storage Commitment Push Model (PS3.4 Annex J): what a source asked the hub to be answerable for, and what it was told.

CREATE TABLE commitments (
  commitment         INTEGER PRIMARY KEY,
  commitment_id      TEXT NOT NULL UNIQUE,
  source             TEXT NOT NULL,
  transaction_uid    TEXT NOT NULL,
  calling_ae_title   TEXT NOT NULL,
  called_ae_title    TEXT NOT NULL,
  association_id     TEXT NOT NULL,                          -- the one that asked last
  state              TEXT NOT NULL CHECK (state IN ('deciding', 'reporting', 'reported', 'failed')),
  requested_at       TEXT NOT NULL,
  decide_by          INTEGER NOT NULL,
  decided_at         TEXT,
  ended_at           TEXT,
  attempts           INTEGER NOT NULL DEFAULT 0,             -- since it was asked last
  due_at             INTEGER,                                -- null: nothing is to be done
  reason             TEXT,
  UNIQUE (source, calling_ae_title, transaction_uid)
) STRICT;
CREATE INDEX commitments_due ON commitments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX commitments_state ON commitments (state, commitment);

CREATE TABLE commitment_items (
  commitment        INTEGER NOT NULL REFERENCES commitments,
  item              INTEGER NOT NULL,                        -- its place in the request
  sop_class_uid     TEXT NOT NULL,
  sop_instance_uid  TEXT NOT NULL,
  failure_reason    INTEGER,                                 -- null: committed, once the commitment is decided
  PRIMARY KEY (commitment, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX commitment_items_instance ON commitment_items (sop_instance_uid);

CREATE TABLE commitment_attempts (
  entry        INTEGER PRIMARY KEY,
  commitment   INTEGER NOT NULL REFERENCES commitments,
  attempt      INTEGER NOT NULL,
  started_at   TEXT NOT NULL,
  way          TEXT NOT NULL CHECK (way IN ('same-association', 'new-association', 'none')),
  outcome      TEXT NOT NULL CHECK (outcome IN ('answered', 'failed')),
  detail       TEXT
) STRICT;
CREATE INDEX commitment_attempts_commitment ON commitment_attempts (commitment);

-- What is held at the door must not be promised.
CREATE INDEX quarantine_items_instance ON quarantine_items (sop_instance_uid) WHERE sop_instance_uid IS NOT NULL;
