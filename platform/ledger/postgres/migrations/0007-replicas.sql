-- What may have one owner among replicas of the hub: held until `until`, in milliseconds since 1970. A row stays when it
-- is given back, so that its fence only grows.
CREATE TABLE leases (
  name    TEXT COLLATE "C" PRIMARY KEY,
  owner   TEXT COLLATE "C" NOT NULL,
  fence   BIGINT NOT NULL,
  until   BIGINT NOT NULL
);

-- Each replica has a spool of its own.
ALTER TABLE spool_positions DROP CONSTRAINT spool_positions_pkey;
ALTER TABLE spool_positions ADD COLUMN node TEXT COLLATE "C" NOT NULL;
ALTER TABLE spool_positions ADD PRIMARY KEY (node, segment);
