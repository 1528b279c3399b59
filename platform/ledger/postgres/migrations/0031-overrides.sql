-- What a held run goes on with when a person says so, and who did: the working set and the facts as JSON, emptied when
-- they have been taken. A replay drops the row: it makes everything anew.
CREATE TABLE held_results (
  entry            BIGINT PRIMARY KEY REFERENCES quarantine,
  job              BIGINT NOT NULL REFERENCES jobs,
  items            TEXT COLLATE "C" NOT NULL,
  events           TEXT COLLATE "C" NOT NULL,
  overridden_at    TEXT COLLATE "C",
  overridden_by    TEXT COLLATE "C",
  overridden_role  TEXT COLLATE "C",
  override_reason  TEXT COLLATE "C",
  override_note    TEXT COLLATE "C"                           -- somebody's own words: for whoever looks at the entry
);
CREATE INDEX held_results_job ON held_results (job);
