-- Configurations that were in force. A version is what was written, as JSON; an activation says since when it held on a
-- node, and through whom. Secrets are references in it.
CREATE TABLE configuration_versions (
  version       TEXT PRIMARY KEY,
  document      TEXT NOT NULL,
  first_at      TEXT NOT NULL
) STRICT;

CREATE TABLE configuration_activations (
  entry          INTEGER PRIMARY KEY,
  activation_id  TEXT NOT NULL UNIQUE,
  version        TEXT NOT NULL REFERENCES configuration_versions,
  previous       TEXT,                                      -- on the same node; NULL: nothing was
  node           TEXT NOT NULL,
  cause          TEXT NOT NULL,                             -- start, signal, file, request, rollback
  actor          TEXT NOT NULL,
  file           TEXT,
  activated_at   TEXT NOT NULL
) STRICT;
CREATE INDEX configuration_activations_node ON configuration_activations (node, entry);
CREATE INDEX configuration_activations_version ON configuration_activations (version, entry);
