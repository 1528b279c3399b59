-- On a partner's stream: the route whose results an event tells of, so that what its partner may read is decided anew
-- whenever it is read.
ALTER TABLE events ADD COLUMN route TEXT;

-- Of events that are there already: the hub's own facts say it. Where two routes released the same study for a partner,
-- nobody can tell them apart: without a route an event is for those alone that may have every route.
CREATE TEMPORARY TABLE routes_of_partners (stream TEXT, key TEXT, route TEXT, PRIMARY KEY (stream, key)) WITHOUT ROWID;
INSERT INTO routes_of_partners
  SELECT 'partner.' || json_extract(data, '$.partner') || '.v1', json_extract(data, '$.releasedStudyInstanceUid'),
         min(json_extract(data, '$.route'))
  FROM events
  WHERE stream IN ('hub.result.v1', 'hub.delivery.v1') AND json_extract(data, '$.partner') IS NOT NULL
    AND json_extract(data, '$.releasedStudyInstanceUid') IS NOT NULL
  GROUP BY 1, 2 HAVING count(DISTINCT json_extract(data, '$.route')) = 1;
UPDATE events SET route = (SELECT r.route FROM routes_of_partners r WHERE r.stream = events.stream AND r.key = events.key)
  WHERE stream >= 'partner.' AND stream < 'partner/';
DROP TABLE routes_of_partners;

-- Partners that were made at run time. What they may have is what was granted, as for those of the configuration.
CREATE TABLE partners (
  partner      TEXT PRIMARY KEY,
  description  TEXT,
  contact      TEXT,
  created_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who set what for a partner.
CREATE TABLE partner_changes (
  entry       INTEGER PRIMARY KEY,
  partner     TEXT NOT NULL,
  actor       TEXT NOT NULL,
  change      TEXT NOT NULL,                            -- JSON: what was asked for
  changed_at  TEXT NOT NULL
) STRICT;
CREATE INDEX partner_changes_partner ON partner_changes (partner, entry);
