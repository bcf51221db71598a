-- +goose Up
-- Files that sources pass on as they are, such as malware signatures. What is in them lies by its digest, once, and in parts:
-- nobody has to hold a hundred megabytes in memory.
CREATE TABLE content (
  digest text PRIMARY KEY CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  size   bigint NOT NULL
);
CREATE TABLE content_part (
  digest text NOT NULL REFERENCES content ON DELETE CASCADE,
  part   integer NOT NULL, -- from 0, without gaps
  data   bytea NOT NULL,
  PRIMARY KEY (digest, part)
);
-- Most of them are compressed.
ALTER TABLE content_part ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE file (
  source     text NOT NULL,
  group_name text NOT NULL,
  name       text NOT NULL,
  digest     text NOT NULL REFERENCES content,
  version    text NOT NULL, -- what the file says of itself
  built_at   timestamptz,
  fetched_at timestamptz NOT NULL,
  PRIMARY KEY (source, group_name, name),
  FOREIGN KEY (source, group_name) REFERENCES feed_group ON DELETE CASCADE
);
CREATE INDEX file_digest ON file (digest);
