-- 0 goes before 1, 1 before 2. `claim`: of those that lease, which one took it, so that one whose answer was lost can be
-- given back. `code`: of the last attempt, for lists.
ALTER TABLE deliveries ADD COLUMN priority INTEGER NOT NULL DEFAULT 1 CHECK (priority IN (0, 1, 2));
ALTER TABLE deliveries ADD COLUMN claim TEXT COLLATE "C";
ALTER TABLE deliveries ADD COLUMN code TEXT COLLATE "C";
UPDATE deliveries SET code =
  (SELECT a.code FROM delivery_attempts a WHERE a.delivery = deliveries.delivery ORDER BY a.entry DESC LIMIT 1)
  WHERE state IN ('pending', 'dead');
ALTER TABLE jobs ADD COLUMN claim TEXT COLLATE "C";

-- What was asked and answered, in a line each without values of a data set, and how much was read for it.
ALTER TABLE delivery_attempts ADD COLUMN request TEXT COLLATE "C";
ALTER TABLE delivery_attempts ADD COLUMN answer TEXT COLLATE "C";
ALTER TABLE delivery_attempts ADD COLUMN size_bytes BIGINT;

-- 1: the destination was found not to have it, so it goes again even though an earlier revision brought it.
ALTER TABLE delivered_instances ADD COLUMN is_missing INTEGER NOT NULL DEFAULT 0 CHECK (is_missing IN (0, 1));

DROP INDEX deliveries_ready;
CREATE INDEX deliveries_ready ON deliveries (destination, priority, ready_at, delivery) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (ready_at) WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (destination, ready_at) WHERE state = 'pending' AND leased = 1;
CREATE INDEX jobs_claimed ON jobs (claim) WHERE state = 'running';

-- Failures in a row of a destination; it has a row only while there are some.
CREATE TABLE breakers (
  destination     TEXT COLLATE "C" PRIMARY KEY,
  failures        INTEGER NOT NULL,
  first_delivery  TEXT COLLATE "C" NOT NULL,                 -- of the row of failures
  is_several      INTEGER NOT NULL DEFAULT 0,                -- 1: another delivery failed too
  reason          TEXT COLLATE "C" NOT NULL,
  opened_at       BIGINT,                                    -- null: closed
  until           BIGINT,                                    -- open: nothing goes before; then one delivery, to see
  trips           INTEGER NOT NULL DEFAULT 0                 -- pauses so far
);
