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
