-- An attempt that ended with everything sent and nothing said yet: the destination reports later whether it has it.
CREATE TABLE delivery_attempts_anew (
  entry        INTEGER PRIMARY KEY,
  delivery     INTEGER NOT NULL REFERENCES deliveries,
  attempt      INTEGER NOT NULL,
  started_at   TEXT NOT NULL,
  duration_ms  INTEGER NOT NULL,
  outcome      TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'waiting')),
  code         TEXT,
  retry        TEXT,
  detail       TEXT,
  request      TEXT,
  answer       TEXT,
  size_bytes   INTEGER
) STRICT;
INSERT INTO delivery_attempts_anew
  SELECT entry, delivery, attempt, started_at, duration_ms, outcome, code, retry, detail, request, answer, size_bytes FROM delivery_attempts;
DROP TABLE delivery_attempts;
ALTER TABLE delivery_attempts_anew RENAME TO delivery_attempts;
CREATE INDEX delivery_attempts_delivery ON delivery_attempts (delivery);
