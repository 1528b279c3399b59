-- Storage commitments that destinations were asked for (PS3.4 Annex J, the hub as SCU). A report comes when it comes,
-- perhaps to another process of the hub: what was asked must be known to all of them, before it is asked.
CREATE TABLE asked_commitments (
  asked            INTEGER PRIMARY KEY,
  transaction_uid  TEXT NOT NULL UNIQUE,
  delivery         INTEGER NOT NULL REFERENCES deliveries,
  instances        INTEGER NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('waiting', 'reported', 'over')),
  asked_at         TEXT NOT NULL,
  wait_until       INTEGER NOT NULL,
  reported_at      TEXT,
  report           TEXT                                       -- JSON: which are committed, which failed and why
) STRICT;
CREATE INDEX asked_commitments_delivery ON asked_commitments (delivery);
