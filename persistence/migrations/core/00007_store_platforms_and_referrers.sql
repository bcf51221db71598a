-- +goose Up
-- What an image says about itself before anything of it is read: os/arch[/variant], and the labels of its config
-- with the annotations of its manifest over them. Records from before have neither until they are added again.
ALTER TABLE image ADD COLUMN platform text NOT NULL DEFAULT '';
ALTER TABLE image ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
CREATE INDEX image_labels ON image USING gin (labels jsonb_path_ops) WHERE labels <> '{}';

-- When the registry was last asked what is attached to an image, and what it did not tell.
CREATE TABLE referrer_listing (
  account   text NOT NULL,
  digest    text NOT NULL,
  listed_at timestamptz NOT NULL,
  problem   text NOT NULL DEFAULT '',
  PRIMARY KEY (account, digest),
  FOREIGN KEY (account, digest) REFERENCES image ON DELETE CASCADE
);

-- Signatures, attestations and SBOMs attached to an image or to its index (subject). Per account, since accounts
-- see different registries.
CREATE TABLE referrer (
  account       text NOT NULL,
  digest        text NOT NULL,
  subject       text NOT NULL,
  referrer      text NOT NULL,
  artifact_type text NOT NULL,
  media_type    text NOT NULL,
  size          bigint NOT NULL,
  annotations   jsonb NOT NULL DEFAULT '{}',
  found_by      text NOT NULL,
  PRIMARY KEY (account, digest, subject, referrer),
  FOREIGN KEY (account, digest) REFERENCES referrer_listing ON DELETE CASCADE
);
