-- +goose Up
-- What happened, for people and programs to follow. Rows are written in the transaction that makes it happen.
CREATE TABLE event (
  number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  account       text NOT NULL REFERENCES account ON DELETE CASCADE,
  type          text NOT NULL, -- category.subcategory.event
  level         text NOT NULL CHECK (level IN ('INFO', 'ERROR')),
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  message       text NOT NULL,
  details       jsonb NOT NULL,
  service       text NOT NULL, -- who wrote it
  host          text NOT NULL,
  request_id    text NOT NULL,
  key           text NOT NULL, -- an event whose step may be repeated is told once by it; '' of all others
  created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX event_key ON event (account, key) WHERE key <> '';
CREATE INDEX event_page ON event (account, created_at DESC, number DESC);
CREATE INDEX event_resource ON event (account, resource_id, created_at DESC, number DESC);
CREATE INDEX event_age ON event (created_at);
