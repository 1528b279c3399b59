-- Copies with other bytes that were rejected, nothing of which is kept: their sender must not be promised the first one.
CREATE TABLE rejected_copies (
  sop_instance_uid  TEXT COLLATE "C" NOT NULL,
  data_set_sha256   TEXT COLLATE "C" NOT NULL,
  source            TEXT COLLATE "C" NOT NULL,
  rejected_at       TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (sop_instance_uid, data_set_sha256)
);
