-- Copies with other bytes that were rejected, nothing of which is kept: their sender must not be promised the first one.
CREATE TABLE rejected_copies (
  sop_instance_uid  TEXT NOT NULL,
  data_set_sha256   TEXT NOT NULL,
  source            TEXT NOT NULL,
  rejected_at       TEXT NOT NULL,
  PRIMARY KEY (sop_instance_uid, data_set_sha256)
) STRICT, WITHOUT ROWID;
