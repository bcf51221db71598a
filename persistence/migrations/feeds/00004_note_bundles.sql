-- +goose Up
-- Data sets that were brought in a file, newest last.
CREATE TABLE bundle (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name        text NOT NULL,
  checksum    text NOT NULL, -- SHA-256 of the manifest
  signed_by   text NOT NULL, -- id of the key; empty: nobody
  built_at    timestamptz NOT NULL,
  received_at timestamptz NOT NULL
);
