-- +goose Up
-- When the wish for an analysis was taken back; such an image waits for no worker until it is submitted again.
ALTER TABLE image ADD COLUMN cancelled_at timestamptz;
UPDATE image i SET cancelled_at = t.at
FROM (SELECT DISTINCT ON (account, digest) account, digest, to_status, at FROM image_transition ORDER BY account, digest, id DESC) t
WHERE i.analysis_status = 'not_analyzed' AND t.account = i.account AND t.digest = i.digest AND t.to_status = 'not_analyzed';
-- What waits or is under way, in the order of the submissions.
CREATE INDEX image_waiting ON image (requested)
  WHERE analysis_status IN ('not_analyzed', 'analyzing') AND image_status = 'active' AND cancelled_at IS NULL;

-- When a worker first took the part up; null until then, and for parts nobody has to work on.
ALTER TABLE analysis_progress ADD COLUMN began_at timestamptz;

-- Who read the layer, and with which version of the program; empty for results from before.
ALTER TABLE layer ADD COLUMN host text NOT NULL DEFAULT '';
ALTER TABLE layer ADD COLUMN version text NOT NULL DEFAULT '';

-- What decides an analysis beside the image: analyzers and limits. There are as many rows as there have been
-- configurations.
CREATE TABLE analysis_setup (
  digest     text PRIMARY KEY, -- SHA-256 of the document
  document   jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- How the published analysis of an image came to be: its last run that succeeded.
CREATE TABLE analysis_run (
  account       text NOT NULL,
  digest        text NOT NULL,
  analysis_id   bigint NOT NULL,
  run_id        text NOT NULL,
  host          text NOT NULL,
  version       text NOT NULL,
  setup         text NOT NULL REFERENCES analysis_setup,
  layers        integer NOT NULL,
  layers_reused integer NOT NULL,
  bytes_read    bigint NOT NULL,
  started_at    timestamptz NOT NULL,
  ended_at      timestamptz NOT NULL,
  PRIMARY KEY (account, digest),
  FOREIGN KEY (account, digest) REFERENCES image ON DELETE CASCADE
);
