-- What QIDO-RS searches by. One row a study, made with it: the study's own row is rewritten with each instance and stays
-- narrow. Of the first instance received. Names are folded (upper and lower case are the same), by component group.
CREATE TABLE study_headers (
  study                     BIGINT PRIMARY KEY REFERENCES studies,
  patient_name              TEXT COLLATE "C",
  patient_name_ideographic  TEXT COLLATE "C",
  patient_name_phonetic     TEXT COLLATE "C",
  physician_name            TEXT COLLATE "C",
  physician_name_ideographic TEXT COLLATE "C",
  physician_name_phonetic   TEXT COLLATE "C",
  patient_id                TEXT COLLATE "C",
  patient_birth_date        TEXT COLLATE "C",
  study_date                TEXT COLLATE "C",
  study_time                TEXT COLLATE "C",
  accession_number          TEXT COLLATE "C",
  study_id                  TEXT COLLATE "C",
  study_description         TEXT COLLATE "C"
);
CREATE INDEX study_headers_patient_name ON study_headers (patient_name);
CREATE INDEX study_headers_patient_name_ideographic ON study_headers (patient_name_ideographic) WHERE patient_name_ideographic IS NOT NULL;
CREATE INDEX study_headers_patient_name_phonetic ON study_headers (patient_name_phonetic) WHERE patient_name_phonetic IS NOT NULL;
CREATE INDEX study_headers_patient_id ON study_headers (patient_id);
CREATE INDEX study_headers_study_date ON study_headers (study_date);
CREATE INDEX study_headers_accession_number ON study_headers (accession_number);
CREATE INDEX study_headers_study_description ON study_headers (study_description);

-- One row a series, made with it: the header that the series' own row has is long, and a scan would read all of it.
CREATE TABLE series_headers (
  series              BIGINT PRIMARY KEY REFERENCES series,
  study               BIGINT NOT NULL REFERENCES studies,
  modality            TEXT COLLATE "C",
  series_number       BIGINT,
  series_description  TEXT COLLATE "C",
  step_start_date     TEXT COLLATE "C",
  step_start_time     TEXT COLLATE "C"
);
CREATE INDEX series_headers_study ON series_headers (study, modality);
CREATE INDEX series_headers_modality ON series_headers (modality);
CREATE INDEX series_headers_description ON series_headers (series_description);
CREATE INDEX series_headers_step_start ON series_headers (step_start_date);
CREATE INDEX series_uid ON series (series_instance_uid);

-- Null for instances that came before this column was there.
ALTER TABLE instances ADD COLUMN instance_number BIGINT;
