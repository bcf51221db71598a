-- +goose Up
-- Feed data that was sent, until it is taken over or refused: a worker takes it from here, wherever it was received.
CREATE TABLE upload (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest     text CHECK (digest ~ '^sha256:[0-9a-f]{64}$'), -- NULL while it is being received
  size       bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL
);
CREATE TABLE upload_part (
  upload bigint NOT NULL REFERENCES upload ON DELETE CASCADE,
  part   integer NOT NULL, -- from 0, without gaps; all but the last are of one size
  data   bytea NOT NULL,
  PRIMARY KEY (upload, part)
);
-- Most of it is compressed.
ALTER TABLE upload_part ALTER COLUMN data SET STORAGE EXTERNAL;

ALTER TABLE sync_run
  DROP CONSTRAINT sync_run_kind_check,
  ADD CONSTRAINT sync_run_kind_check CHECK (kind IN ('sync', 'flush', 'delete', 'upload'));
