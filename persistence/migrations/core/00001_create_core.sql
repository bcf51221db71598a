-- +goose Up
-- Sized for 100,000 images of 300 to 1,800 packages: the dictionary holds 10^5..10^6 rows, image_package 3*10^7
-- and more, so that table is narrow and everything else hangs on analysis or package.

CREATE TABLE account (
  name        text PRIMARY KEY,
  type        text NOT NULL CHECK (type IN ('admin', 'user', 'service')),
  state       text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'deleting')),
  email       text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app_user (
  id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  username            text NOT NULL UNIQUE,
  account             text NOT NULL REFERENCES account ON DELETE CASCADE,
  type                text NOT NULL DEFAULT 'native' CHECK (type IN ('native', 'saml')),
  password_hash       text,
  password_updated_at timestamptz,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX app_user_account ON app_user (account);

-- A grant holds in one domain: an account name or the literal 'system'.
CREATE TABLE role_grant (
  username    text NOT NULL REFERENCES app_user (username) ON DELETE CASCADE,
  role        text NOT NULL,
  domain      text NOT NULL,
  granted_by  text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (username, role, domain)
);
CREATE INDEX role_grant_domain ON role_grant (domain, role);

-- Every process keeps the grants in memory and reloads them when told.
-- +goose StatementBegin
CREATE FUNCTION notify_grants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('plimsoll_grants', '');
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER role_grant_changed AFTER INSERT OR UPDATE OR DELETE ON role_grant
  FOR EACH STATEMENT EXECUTE FUNCTION notify_grants();

CREATE TABLE registry (
  account         text NOT NULL REFERENCES account ON DELETE CASCADE,
  registry        text NOT NULL,
  name            text NOT NULL,
  type            text NOT NULL,
  username        text NOT NULL,
  sealed_password bytea NOT NULL,
  verify_tls      boolean NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, registry)
);

-- Documents, content-addressed: digest is the SHA-256 of the bytes before compression.
CREATE TABLE blob (
  digest      text PRIMARY KEY,
  size        bigint NOT NULL,
  encoding    text NOT NULL CHECK (encoding IN ('identity', 'zstd')),
  data        bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  touched_at  timestamptz NOT NULL DEFAULT now() -- last time it was put; keeps it from being collected for a while
);
ALTER TABLE blob ALTER COLUMN data SET STORAGE EXTERNAL;

-- One row per layer blob and analyzer set, fleet-wide.
CREATE TABLE layer (
  digest          text NOT NULL,
  analyzer_set    text NOT NULL,
  diff_id         text NOT NULL,
  compressed_size bigint NOT NULL,
  size            bigint NOT NULL,
  entry_count     integer NOT NULL,
  entries_blob    text NOT NULL REFERENCES blob,
  evidence_blob   text NOT NULL REFERENCES blob,
  analyzed_at     timestamptz NOT NULL DEFAULT now(),
  used_at         timestamptz NOT NULL DEFAULT now(), -- last time an analysis planned with it
  PRIMARY KEY (digest, analyzer_set)
);
-- Removing a blob looks at every column that may refer to it.
CREATE INDEX layer_entries_blob ON layer (entries_blob);
CREATE INDEX layer_evidence_blob ON layer (evidence_blob);

-- What is inside an image: content-addressed and shared by all accounts that hold the image.
CREATE TABLE analysis (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  image_digest    text NOT NULL,
  analyzer_set    text NOT NULL,
  image_id        text NOT NULL,
  manifest_blob   text NOT NULL REFERENCES blob,
  config_blob     text NOT NULL REFERENCES blob,
  content_blob    text NOT NULL REFERENCES blob,
  os              text NOT NULL,
  arch            text NOT NULL,
  distro          text NOT NULL DEFAULT '',
  distro_version  text NOT NULL DEFAULT '',
  distro_like     text[] NOT NULL DEFAULT '{}',
  image_size      bigint NOT NULL,
  layer_digests   text[] NOT NULL,
  package_count   integer NOT NULL,
  file_count      integer NOT NULL,
  incomplete      integer NOT NULL DEFAULT 0,
  analyzed_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (image_digest, analyzer_set)
);
CREATE INDEX analysis_manifest_blob ON analysis (manifest_blob);
CREATE INDEX analysis_config_blob ON analysis (config_blob);
CREATE INDEX analysis_content_blob ON analysis (content_blob);

-- The dictionary: each distinct package once. match_* is how advisories name it.
CREATE TABLE package (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type             text NOT NULL,
  namespace        text NOT NULL DEFAULT '',
  name             text NOT NULL,
  version          text NOT NULL,
  arch             text NOT NULL DEFAULT '',
  source           text NOT NULL DEFAULT '',
  source_version   text NOT NULL DEFAULT '',
  match_namespace  text NOT NULL DEFAULT '',
  match_name       text NOT NULL DEFAULT '',
  match_version    text NOT NULL DEFAULT '',
  purl             text NOT NULL DEFAULT '',
  -- Feed generation it was first matched with; null until then. Later generations reach it through rescans.
  matched_generation bigint,
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (name, version, type, namespace, arch, source, source_version)
);
CREATE INDEX package_target ON package (match_namespace, match_name) WHERE match_namespace <> '';
CREATE INDEX package_unmatched ON package (id) WHERE matched_generation IS NULL;

-- Which analysis holds which package. path is '' for packages of an OS package database.
CREATE TABLE image_package (
  analysis_id  bigint NOT NULL REFERENCES analysis ON DELETE CASCADE,
  package_id   bigint NOT NULL REFERENCES package,
  path         text NOT NULL DEFAULT '',
  owned        boolean NOT NULL DEFAULT false,
  PRIMARY KEY (analysis_id, package_id, path)
);
CREATE INDEX image_package_package ON image_package (package_id, analysis_id);

-- Findings of dictionary entries, as intervals: valid_to is null while it holds. Nothing of the advisory is
-- copied; the fix version is a decision of ours (the nearest fix in the range that matched).
CREATE TABLE package_match (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  package_id      bigint NOT NULL REFERENCES package ON DELETE CASCADE,
  source          text NOT NULL,
  group_name      text NOT NULL, -- feed group the advisory came with
  vulnerability   text NOT NULL,
  namespace       text NOT NULL,
  fix_version     text NOT NULL DEFAULT '',
  fix_state       text NOT NULL,
  since           timestamptz NOT NULL, -- beginning of the unbroken row of intervals this one continues
  valid_from      timestamptz NOT NULL,
  valid_to        timestamptz,
  from_generation bigint NOT NULL,
  to_generation   bigint,
  cause           text NOT NULL,
  end_cause       text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX package_match_current ON package_match (package_id, source, vulnerability) WHERE valid_to IS NULL;
CREATE INDEX package_match_opened ON package_match (from_generation);
CREATE INDEX package_match_closed ON package_match (to_generation) WHERE to_generation IS NOT NULL;
CREATE INDEX package_match_vulnerability ON package_match (vulnerability, source) WHERE valid_to IS NULL;

-- Counters behind lists and dashboards, kept by matching; distinct (vulnerability, package) pairs.
CREATE TABLE analysis_counter (
  analysis_id bigint PRIMARY KEY REFERENCES analysis ON DELETE CASCADE,
  generation  bigint NOT NULL,
  critical    integer NOT NULL,
  high        integer NOT NULL,
  medium      integer NOT NULL,
  low         integer NOT NULL,
  negligible  integer NOT NULL,
  unknown     integer NOT NULL,
  fixable     integer NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- What an account sees.
CREATE TABLE image (
  account          text NOT NULL REFERENCES account ON DELETE CASCADE,
  digest           text NOT NULL,
  parent_digest    text NOT NULL DEFAULT '',
  image_id         text NOT NULL DEFAULT '',
  media_type       text NOT NULL DEFAULT '',
  manifest_blob    text NOT NULL REFERENCES blob,
  config_blob      text NOT NULL REFERENCES blob,
  image_status     text NOT NULL DEFAULT 'active' CHECK (image_status IN ('active', 'deleting')),
  analysis_status  text NOT NULL DEFAULT 'not_analyzed'
                   CHECK (analysis_status IN ('not_analyzed', 'analyzing', 'analyzed', 'analysis_failed')),
  -- Raised by every (re-)submission that asks for an analysis; with the run it fences commits of late duplicates.
  requested        bigint NOT NULL DEFAULT 1,
  run_id           text NOT NULL DEFAULT '',
  analysis_id      bigint REFERENCES analysis,
  error_code       text NOT NULL DEFAULT '',
  error_message    text NOT NULL DEFAULT '',
  dockerfile       text NOT NULL DEFAULT '',
  dockerfile_mode  text NOT NULL DEFAULT 'Guessed' CHECK (dockerfile_mode IN ('Guessed', 'Actual')),
  annotations      jsonb NOT NULL DEFAULT '{}',
  analyzed_at      timestamptz,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, digest)
);
CREATE INDEX image_page ON image (account, created_at DESC, digest);
CREATE INDEX image_analysis ON image (analysis_id) WHERE analysis_id IS NOT NULL;
CREATE INDEX image_digest ON image (digest);
CREATE INDEX image_id_lookup ON image (account, image_id);
CREATE INDEX image_manifest_blob ON image (manifest_blob);
CREATE INDEX image_config_blob ON image (config_blob);
CREATE INDEX image_parent ON image (account, parent_digest) WHERE parent_digest <> '';

-- Tag history: the newest row of a tag is current.
CREATE TABLE image_tag (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account      text NOT NULL,
  registry     text NOT NULL,
  repository   text NOT NULL,
  tag          text NOT NULL,
  digest       text NOT NULL,
  pull_digest  text NOT NULL,
  current      boolean NOT NULL DEFAULT true,
  detected_at  timestamptz NOT NULL DEFAULT now(),
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (account, digest) REFERENCES image ON DELETE CASCADE
);
CREATE UNIQUE INDEX image_tag_current ON image_tag (account, registry, repository, tag) WHERE current;
CREATE INDEX image_tag_history ON image_tag (account, registry, repository, tag, id DESC);
CREATE INDEX image_tag_digest ON image_tag (account, digest);

CREATE TABLE image_transition (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account      text NOT NULL,
  digest       text NOT NULL,
  from_status  text NOT NULL,
  to_status    text NOT NULL,
  host         text NOT NULL,
  service      text NOT NULL,
  version      text NOT NULL,
  at           timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (account, digest) REFERENCES image ON DELETE CASCADE
);
CREATE INDEX image_transition_image ON image_transition (account, digest, id);

-- Progress of running analyses; losing it in a crash loses nothing else.
CREATE UNLOGGED TABLE analysis_progress (
  account     text NOT NULL,
  digest      text NOT NULL,
  stage       text NOT NULL,
  layer       integer NOT NULL DEFAULT -1, -- -1: the image as a whole
  bytes_done  bigint NOT NULL DEFAULT 0,
  bytes_total bigint NOT NULL DEFAULT 0,
  done        boolean NOT NULL DEFAULT false,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, digest, layer)
);

CREATE TABLE policy (
  account     text NOT NULL REFERENCES account ON DELETE CASCADE,
  policy_id   text NOT NULL,
  name        text NOT NULL,
  description text NOT NULL DEFAULT '',
  source      text NOT NULL DEFAULT 'local',
  active      boolean NOT NULL DEFAULT false,
  document    jsonb NOT NULL,
  digest      text NOT NULL, -- SHA-256 of the canonical document
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, policy_id)
);
CREATE UNIQUE INDEX policy_active ON policy (account) WHERE active;

-- History shows verdict changes: a run with the same final action as the newest row of the same key replaces
-- that row's detail and time.
CREATE TABLE evaluation (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account       text NOT NULL,
  image_digest  text NOT NULL,
  tag           text NOT NULL,
  policy_id     text NOT NULL,
  policy_digest text NOT NULL,
  generation    bigint NOT NULL, -- feed generation the facts were current for
  analysis_id   bigint NOT NULL,
  final_action  text NOT NULL,
  status        text NOT NULL,
  result        jsonb NOT NULL,
  cause         text NOT NULL,
  evaluated_at  timestamptz NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (account, image_digest) REFERENCES image ON DELETE CASCADE
);
CREATE INDEX evaluation_key ON evaluation (account, image_digest, tag, policy_id, id DESC);

-- A row and the workflow that serves it appear together.
CREATE TABLE outbox (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workflow       text NOT NULL,
  workflow_id    text NOT NULL,
  input          jsonb NOT NULL,
  attempts       integer NOT NULL DEFAULT 0,
  last_error     text NOT NULL DEFAULT '',
  next_attempt   timestamptz NOT NULL DEFAULT now(),
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (next_attempt);

CREATE TABLE service (
  host_id      text NOT NULL,
  name         text NOT NULL,
  base_url     text NOT NULL,
  version      text NOT NULL,
  started_at   timestamptz NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  PRIMARY KEY (host_id, name)
);

-- Single values of the installation: schema-wide settings that must agree between processes.
CREATE TABLE setting (
  key        text PRIMARY KEY,
  value      jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
