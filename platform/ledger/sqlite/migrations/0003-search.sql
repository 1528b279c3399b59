-- What QIDO-RS searches by. One row a study, made with it: the study's own row is rewritten with each instance and stays
-- narrow. Of the first instance received. Names are folded (upper and lower case are the same), by component group.
CREATE TABLE study_headers (
  study                     INTEGER PRIMARY KEY REFERENCES studies,
  patient_name              TEXT,
  patient_name_ideographic  TEXT,
  patient_name_phonetic     TEXT,
  physician_name            TEXT,
  physician_name_ideographic TEXT,
  physician_name_phonetic   TEXT,
  patient_id                TEXT,
  patient_birth_date        TEXT,
  study_date                TEXT,
  study_time                TEXT,
  accession_number          TEXT,
  study_id                  TEXT,
  study_description         TEXT
) STRICT;
CREATE INDEX study_headers_patient_name ON study_headers (patient_name);
CREATE INDEX study_headers_patient_name_ideographic ON study_headers (patient_name_ideographic) WHERE patient_name_ideographic IS NOT NULL;
CREATE INDEX study_headers_patient_name_phonetic ON study_headers (patient_name_phonetic) WHERE patient_name_phonetic IS NOT NULL;
CREATE INDEX study_headers_patient_id ON study_headers (patient_id);
CREATE INDEX study_headers_study_date ON study_headers (study_date);
CREATE INDEX study_headers_accession_number ON study_headers (accession_number);
CREATE INDEX study_headers_study_description ON study_headers (study_description);

-- One row a series, made with it: the header that the series' own row has is long, and a scan would read all of it.
CREATE TABLE series_headers (
  series              INTEGER PRIMARY KEY REFERENCES series,
  study               INTEGER NOT NULL REFERENCES studies,
  modality            TEXT,
  series_number       INTEGER,
  series_description  TEXT,
  step_start_date     TEXT,
  step_start_time     TEXT
) STRICT;
CREATE INDEX series_headers_study ON series_headers (study, modality);
CREATE INDEX series_headers_modality ON series_headers (modality);
CREATE INDEX series_headers_description ON series_headers (series_description);
CREATE INDEX series_headers_step_start ON series_headers (step_start_date);
CREATE INDEX series_uid ON series (series_instance_uid);

-- Null for instances that came before this column was there.
ALTER TABLE instances ADD COLUMN instance_number INTEGER;

INSERT INTO study_headers
  SELECT s.study, name_group(json_extract(a, '$.PatientName[0]'), 0),
         name_group(json_extract(a, '$.PatientName[0]'), 1), name_group(json_extract(a, '$.PatientName[0]'), 2),
         name_group(json_extract(a, '$.ReferringPhysicianName[0]'), 0),
         name_group(json_extract(a, '$.ReferringPhysicianName[0]'), 1),
         name_group(json_extract(a, '$.ReferringPhysicianName[0]'), 2),
         json_extract(a, '$.PatientID[0]'), replace(json_extract(a, '$.PatientBirthDate[0]'), '.', ''),
         replace(json_extract(a, '$.StudyDate[0]'), '.', ''), replace(json_extract(a, '$.StudyTime[0]'), ':', ''),
         json_extract(a, '$.AccessionNumber[0]'), json_extract(a, '$.StudyID[0]'),
         json_extract(a, '$.StudyDescription[0]')
  FROM (SELECT study, (SELECT attributes FROM series WHERE series.study = studies.study ORDER BY series LIMIT 1) AS a
        FROM studies) AS s;

INSERT INTO series_headers
  SELECT series, study, json_extract(attributes, '$.Modality[0]'),
         CAST(json_extract(attributes, '$.SeriesNumber[0]') AS INTEGER), json_extract(attributes, '$.SeriesDescription[0]'),
         replace(json_extract(attributes, '$.PerformedProcedureStepStartDate[0]'), '.', ''),
         replace(json_extract(attributes, '$.PerformedProcedureStepStartTime[0]'), ':', '')
  FROM series;
