-- +goose Up
-- An operation collects what a client says about one image. Its status follows from the image it was finished
-- for; image_digest is empty until then.
CREATE TABLE import_operation (
  id           text PRIMARY KEY,
  account      text NOT NULL REFERENCES account ON DELETE CASCADE,
  image_digest text NOT NULL DEFAULT '',
  contents     jsonb NOT NULL DEFAULT '{}', -- kind to digest, as the import was finished with
  expires_at   timestamptz NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX import_operation_account ON import_operation (account, created_at DESC, id);
CREATE INDEX import_operation_expiry ON import_operation (expires_at);

CREATE TABLE import_content (
  operation  text NOT NULL REFERENCES import_operation ON DELETE CASCADE,
  kind       text NOT NULL,
  digest     text NOT NULL REFERENCES blob,
  size       bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (operation, kind, digest)
);
CREATE INDEX import_content_blob ON import_content (digest);

-- The import the latest submission of the record asks for; empty when the image is to be pulled.
ALTER TABLE image ADD COLUMN import_operation text NOT NULL DEFAULT '';
