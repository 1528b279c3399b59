-- What SQLite's migration of the same number makes.

-- On a partner's stream: the route whose results an event tells of, so that what its partner may read is decided anew
-- whenever it is read.
ALTER TABLE events ADD COLUMN route TEXT COLLATE "C";

-- Of events that are there already: the hub's own facts say it. Where two routes released the same study for a partner,
-- nobody can tell them apart: without a route an event is for those alone that may have every route.
UPDATE events SET route = known.route
  FROM (
    SELECT 'partner.' || (data::json ->> 'partner') || '.v1' AS stream, data::json ->> 'releasedStudyInstanceUid' AS key,
           min(data::json ->> 'route') AS route
    FROM events
    WHERE stream IN ('hub.result.v1', 'hub.delivery.v1') AND data::json ->> 'partner' IS NOT NULL
      AND data::json ->> 'releasedStudyInstanceUid' IS NOT NULL
    GROUP BY 1, 2 HAVING count(DISTINCT data::json ->> 'route') = 1
  ) AS known
  WHERE events.stream >= 'partner.' AND events.stream < 'partner/'
    AND events.stream = known.stream AND events.key = known.key;
