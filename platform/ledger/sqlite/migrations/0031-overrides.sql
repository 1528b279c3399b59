-- What a held run goes on with when a person says so, and who did: the working set and the facts as JSON, emptied when
-- they have been taken. A replay drops the row: it makes everything anew.
CREATE TABLE held_results (
  entry            INTEGER PRIMARY KEY REFERENCES quarantine,
  job              INTEGER NOT NULL REFERENCES jobs,
  items            TEXT NOT NULL,
  events           TEXT NOT NULL,
  overridden_at    TEXT,
  overridden_by    TEXT,
  overridden_role  TEXT,
  override_reason  TEXT,
  override_note    TEXT                                       -- somebody's own words: for whoever looks at the entry
) STRICT;
CREATE INDEX held_results_job ON held_results (job);
