-- What became of which identifier in de-identification: sealed with a key that is not here, a few hundred mappings a row.
CREATE TABLE crosswalk_parts (
  part      INTEGER PRIMARY KEY,
  part_key  TEXT NOT NULL UNIQUE,                   -- keyed digest of what it says
  study     INTEGER NOT NULL REFERENCES studies,
  sealed    TEXT NOT NULL
) STRICT;

-- Keyed digests of pseudonymous UIDs. `kind`: 0 study, 1 series, 2 instance, 3 other, 4 returned.
CREATE TABLE crosswalk_uids (
  uid_key  TEXT NOT NULL,
  kind     INTEGER NOT NULL,
  part     INTEGER NOT NULL REFERENCES crosswalk_parts,
  PRIMARY KEY (uid_key, kind, part)
) STRICT, WITHOUT ROWID;
