-- +goose Up
-- One record may say several things of one package: per module, architecture or update stream. scope tells them apart;
-- detail holds what only readers of a finding ask for.
ALTER TABLE advisory
  ADD COLUMN scope text NOT NULL DEFAULT '',
  ADD COLUMN detail jsonb NOT NULL DEFAULT '{}';
DROP INDEX advisory_current;
CREATE UNIQUE INDEX advisory_current ON advisory (source, group_name, advisory_id, namespace, package, scope) WHERE valid_to IS NULL;
-- A record that changed brings the packages it names, and one of its other names may be what somebody asks for.
CREATE INDEX vulnerability_alias ON vulnerability USING gin (aliases) WHERE valid_to IS NULL;

-- A group is fetched as one or more documents, or by what changed since its cursor.
ALTER TABLE feed_group ADD COLUMN cursor text NOT NULL DEFAULT '';
CREATE TABLE feed_document (
  source        text NOT NULL,
  group_name    text NOT NULL,
  name          text NOT NULL,
  url           text NOT NULL,
  etag          text NOT NULL,
  last_modified text NOT NULL,
  body_sha256   text NOT NULL,
  PRIMARY KEY (source, group_name, name),
  FOREIGN KEY (source, group_name) REFERENCES feed_group ON DELETE CASCADE
);
ALTER TABLE feed_group DROP COLUMN url, DROP COLUMN etag, DROP COLUMN last_modified, DROP COLUMN body_sha256;

-- What sources say besides advisories: known exploitation, lifecycles, package indexes, exclusions.
CREATE TABLE fact (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source       text NOT NULL,
  group_name   text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('exploited', 'lifecycle', 'release', 'exclusion')),
  key          text NOT NULL,
  value        jsonb NOT NULL,
  content_hash bytea NOT NULL,
  valid_from   bigint NOT NULL,
  valid_to     bigint
);
CREATE UNIQUE INDEX fact_current ON fact (source, group_name, kind, key) WHERE valid_to IS NULL;
CREATE INDEX fact_lookup ON fact (kind, key) WHERE valid_to IS NULL;

-- Exploit prediction scores: nearly every row changes every day, so there is one row per CVE and no history.
CREATE TABLE score (
  id          text PRIMARY KEY,
  source      text NOT NULL,
  group_name  text NOT NULL,
  probability real NOT NULL,
  percentile  real NOT NULL,
  scored_on   date NOT NULL
) WITH (fillfactor = 80);
