-- A sender that tries again brings what is held already: told by its content, counted, and kept once.
ALTER TABLE quarantine ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN repeated_at TEXT;
ALTER TABLE quarantine_items ADD COLUMN data_set_sha256 TEXT;
CREATE INDEX quarantine_items_content ON quarantine_items (data_set_sha256) WHERE data_set_sha256 IS NOT NULL;
