-- What a token may be used for, as a JSON array; null: it was made before tokens had scopes.
ALTER TABLE tokens ADD COLUMN scopes TEXT;
CREATE INDEX tokens_partner ON tokens (partner, token_id) WHERE partner IS NOT NULL;
CREATE INDEX deliveries_partner ON deliveries (partner, delivery) WHERE partner IS NOT NULL;

-- What an administrator set for a partner of the configuration; it only narrows.
CREATE TABLE partner_grants (
  partner      TEXT PRIMARY KEY,
  granted      TEXT NOT NULL,
  changed_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What a partner may retrieve: the results of a run, under the pseudonym.
CREATE TABLE partner_releases (
  release             INTEGER PRIMARY KEY,
  partner             TEXT NOT NULL,
  study_instance_uid  TEXT NOT NULL,
  run_id              TEXT NOT NULL,
  route               TEXT NOT NULL,
  released_at         INTEGER NOT NULL,
  UNIQUE (partner, run_id)
) STRICT;
CREATE INDEX partner_releases_study ON partner_releases (partner, study_instance_uid, release);
CREATE INDEX partner_releases_partner ON partner_releases (partner, release);
INSERT INTO partner_releases (partner, study_instance_uid, run_id, route, released_at)
  SELECT json_extract(data, '$.partner'), json_extract(data, '$.releasedStudyInstanceUid'), json_extract(data, '$.runId'),
         json_extract(data, '$.route'), unixepoch(time) * 1000
  FROM events WHERE stream = 'hub.result.v1' AND type = 'study.processed' AND json_extract(data, '$.partner') IS NOT NULL
  ORDER BY position
  ON CONFLICT DO NOTHING;

CREATE TABLE webhooks (
  webhook           INTEGER PRIMARY KEY,
  webhook_id        TEXT NOT NULL UNIQUE,
  partner           TEXT NOT NULL,
  url               TEXT NOT NULL,
  description       TEXT,
  types             TEXT,                               -- JSON array; null: all
  ordered           INTEGER NOT NULL CHECK (ordered IN (0, 1)),
  state             TEXT NOT NULL CHECK (state IN ('enabled', 'disabled')),
  disabled_because  TEXT CHECK (disabled_because IN ('partner', 'gone', 'failing')),
  disabled_at       TEXT,
  position          INTEGER NOT NULL,                   -- of the partner's stream: messages were made up to here
  failures          INTEGER NOT NULL DEFAULT 0,         -- since the last success
  failing_since     INTEGER,
  paused_until      INTEGER NOT NULL DEFAULT 0,
  created_at        TEXT NOT NULL
) STRICT;
CREATE INDEX webhooks_partner ON webhooks (partner, webhook);

CREATE TABLE webhook_secrets (
  secret      INTEGER PRIMARY KEY,
  webhook     INTEGER NOT NULL REFERENCES webhooks,
  sealed      TEXT NOT NULL,
  public_key  TEXT NOT NULL,
  created_at  TEXT NOT NULL,
  expires_at  INTEGER                                   -- null: the current one
) STRICT;
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (webhook);

CREATE TABLE webhook_messages (
  message      INTEGER PRIMARY KEY,                     -- in the order of the stream, for each webhook
  webhook      INTEGER NOT NULL REFERENCES webhooks,
  message_id   TEXT NOT NULL,                           -- the event's id
  position     INTEGER,                                 -- of the event; null: a test, in no stream
  type         TEXT NOT NULL,
  key          TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'cancelled')),
  attempts     INTEGER NOT NULL DEFAULT 0,
  fence        INTEGER NOT NULL DEFAULT 0,
  leased       INTEGER NOT NULL DEFAULT 0,
  ready_at     INTEGER NOT NULL,                        -- not leased: due; leased: the lease ends
  last_status  INTEGER,
  created_at   INTEGER NOT NULL,
  ended_at     INTEGER,
  UNIQUE (webhook, message_id)
) STRICT;
CREATE INDEX webhook_messages_ready ON webhook_messages (webhook, ready_at, message) WHERE state = 'pending';
CREATE INDEX webhook_messages_leased ON webhook_messages (webhook, ready_at) WHERE state = 'pending' AND leased = 1;
CREATE INDEX webhook_messages_key ON webhook_messages (webhook, key, message) WHERE state = 'pending';
CREATE INDEX webhook_messages_list ON webhook_messages (webhook, state, message);
CREATE INDEX webhook_messages_ended ON webhook_messages (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE webhook_attempts (
  entry        INTEGER PRIMARY KEY,
  message      INTEGER NOT NULL REFERENCES webhook_messages,
  attempt      INTEGER NOT NULL,
  started_at   TEXT NOT NULL,
  duration_ms  INTEGER NOT NULL,
  outcome      TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
  status       INTEGER,
  code         TEXT,
  detail       TEXT
) STRICT;
CREATE INDEX webhook_attempts_message ON webhook_attempts (message);
