-- What else than silence says that a study is complete, and when to judge again. One row a study that is being received;
-- gone with its completion. Not a reference: a release may be told before the first instance of its study.

CREATE TABLE completion (
  study_instance_uid  TEXT PRIMARY KEY,
  look_at             INTEGER,                               -- null: the timer of the study is enough
  at_arrival          INTEGER NOT NULL DEFAULT 0 CHECK (at_arrival IN (0, 1)),
  looked_version      INTEGER NOT NULL DEFAULT -1,           -- of the study's timer, at the last look
  looked_at           INTEGER NOT NULL DEFAULT 0,
  released_at         INTEGER,
  released_by         TEXT,                                  -- association, request or batch
  answer_version      INTEGER,                               -- of the study's timer, when its source was asked
  answer_at           INTEGER,
  answer_attempts     INTEGER NOT NULL DEFAULT 0,            -- with that version
  answer_instances    INTEGER,                               -- null: it did not say
  answer_failure      TEXT,
  told_at             INTEGER NOT NULL                       -- when the row was made, to forget what never came
) STRICT, WITHOUT ROWID;
CREATE INDEX completion_look ON completion (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX completion_arrival ON completion (looked_at) WHERE at_arrival = 1;

-- A commitment is decided when the ledger holds what it names: that may be all of a study. In the transaction of the
-- decision, so that no crash comes between.
CREATE TRIGGER commitment_decided AFTER UPDATE OF state ON commitments
WHEN OLD.state = 'deciding' AND NEW.state = 'reporting'
BEGIN
  INSERT INTO completion (study_instance_uid, look_at, told_at)
    SELECT DISTINCT s.study_instance_uid, 0, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM commitment_items c JOIN instances i USING (sop_instance_uid) JOIN studies s USING (study)
    WHERE c.commitment = NEW.commitment AND i.revision IS NULL AND s.due_at IS NOT NULL
    ON CONFLICT DO UPDATE SET look_at = 0;
END;
