-- What else than silence says that a study is complete, and when to judge again. One row a study that is being received;
-- gone with its completion. Not a reference: a release may be told before the first instance of its study.

CREATE TABLE completion (
  study_instance_uid  TEXT COLLATE "C" PRIMARY KEY,
  look_at             BIGINT,                               -- null: the timer of the study is enough
  at_arrival          BIGINT NOT NULL DEFAULT 0 CHECK (at_arrival IN (0, 1)),
  looked_version      BIGINT NOT NULL DEFAULT -1,           -- of the study's timer, at the last look
  looked_at           BIGINT NOT NULL DEFAULT 0,
  released_at         BIGINT,
  released_by         TEXT COLLATE "C",                                  -- association, request or batch
  answer_version      BIGINT,                               -- of the study's timer, when its source was asked
  answer_at           BIGINT,
  answer_attempts     BIGINT NOT NULL DEFAULT 0,            -- with that version
  answer_instances    BIGINT,                               -- null: it did not say
  answer_failure      TEXT COLLATE "C",
  told_at             BIGINT NOT NULL                       -- when the row was made, to forget what never came
);
CREATE INDEX completion_look ON completion (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX completion_arrival ON completion (looked_at) WHERE at_arrival = 1;
