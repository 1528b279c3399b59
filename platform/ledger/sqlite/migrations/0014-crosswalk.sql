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

-- A role of its own for who may ask what a pseudonym stands for. SQLite changes no CHECK: the table is made anew.
CREATE TABLE tokens_with_roles (
  token_id       TEXT PRIMARY KEY,
  secret_sha256  TEXT NOT NULL UNIQUE,
  role           TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'auditor', 'partner', 'reidentifier')),
  partner        TEXT,
  created_at     TEXT NOT NULL,
  expires_at     TEXT,
  last_used_at   TEXT,
  revoked_at     TEXT,
  scopes         TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO tokens_with_roles SELECT token_id, secret_sha256, role, partner, created_at, expires_at, last_used_at, revoked_at, scopes FROM tokens;
DROP TABLE tokens;
ALTER TABLE tokens_with_roles RENAME TO tokens;
CREATE INDEX tokens_partner ON tokens (partner, token_id) WHERE partner IS NOT NULL;
