-- +goose Up
-- The feed store. A generation is one committed change of one group; a sync without news makes none.

CREATE TABLE generation (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source       text NOT NULL,
  group_name   text NOT NULL,
  added        integer NOT NULL,
  changed      integer NOT NULL,
  removed      integer NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT now()
);

-- What a generation may have changed for matching: the rescan's work list.
CREATE TABLE change (
  generation bigint NOT NULL REFERENCES generation ON DELETE CASCADE,
  namespace  text NOT NULL,
  package    text NOT NULL,
  PRIMARY KEY (generation, namespace, package)
);

-- Advisories and vulnerabilities are rows with [valid_from, valid_to) generations, written only when content changed.
CREATE TABLE advisory (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source       text NOT NULL,
  group_name   text NOT NULL,
  advisory_id  text NOT NULL,
  namespace    text NOT NULL,
  package      text NOT NULL,
  ranges       jsonb NOT NULL,
  versions     text[] NOT NULL DEFAULT '{}',
  state        text NOT NULL,
  content_hash bytea NOT NULL,
  valid_from   bigint NOT NULL,
  valid_to     bigint
);
CREATE UNIQUE INDEX advisory_current ON advisory (source, group_name, advisory_id, namespace, package) WHERE valid_to IS NULL;
CREATE INDEX advisory_lookup ON advisory (namespace, package) WHERE valid_to IS NULL;

CREATE TABLE vulnerability (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source       text NOT NULL,
  group_name   text NOT NULL,
  vulnerability_id text NOT NULL,
  aliases      text[] NOT NULL DEFAULT '{}',
  severity     smallint NOT NULL,
  withdrawn    boolean NOT NULL DEFAULT false,
  published    timestamptz,
  detail       jsonb NOT NULL, -- feed.Vulnerability
  content_hash bytea NOT NULL,
  valid_from   bigint NOT NULL,
  valid_to     bigint
);
CREATE UNIQUE INDEX vulnerability_current ON vulnerability (source, group_name, vulnerability_id) WHERE valid_to IS NULL;
CREATE INDEX vulnerability_changed ON vulnerability (valid_from);
CREATE INDEX vulnerability_lookup ON vulnerability (vulnerability_id) WHERE valid_to IS NULL;

-- Upstream documents and how their last fetch went.
CREATE TABLE feed_group (
  source        text NOT NULL,
  group_name    text NOT NULL,
  url           text NOT NULL DEFAULT '',
  etag          text NOT NULL DEFAULT '',
  last_modified text NOT NULL DEFAULT '',
  body_sha256   text NOT NULL DEFAULT '',
  enabled       boolean NOT NULL DEFAULT true, -- what an operator switches
  configured    boolean NOT NULL DEFAULT true, -- whether the configuration still names it
  record_count  integer NOT NULL DEFAULT 0,
  skipped_count integer NOT NULL DEFAULT 0,
  last_sync     timestamptz, -- last success, changed or not
  last_attempt  timestamptz,
  last_error    text NOT NULL DEFAULT '',
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, group_name)
);
