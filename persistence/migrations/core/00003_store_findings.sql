-- +goose Up
-- What searches found in an image's files, and files kept; null for analyses from before there were searches.
ALTER TABLE analysis ADD COLUMN findings_blob text REFERENCES blob;
-- Removing a blob looks at every column that may refer to it.
CREATE INDEX analysis_findings_blob ON analysis (findings_blob);
