-- Which replica received of a study last, and took a storage commitment: only there it is known what is on its way.
ALTER TABLE studies ADD COLUMN node TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE commitments ADD COLUMN node TEXT COLLATE "C" NOT NULL DEFAULT '';

-- By what the replicas know that they have the same keys; the keys themselves stand nowhere here.
CREATE TABLE key_fingerprints (
  purpose      TEXT COLLATE "C" PRIMARY KEY,
  fingerprint  TEXT COLLATE "C" NOT NULL
);
