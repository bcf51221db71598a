-- Made from the migrations by TestSchemaFileIsWhatMigrationsMake; for reading, never executed.
CREATE OR REPLACE FUNCTION plimsoll.notify_grants()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM pg_notify('plimsoll_grants', '');
  RETURN NULL;
END $function$
;
CREATE TABLE plimsoll.account (
  name text NOT NULL
  type text NOT NULL
  state text NOT NULL DEFAULT 'enabled'::text
  email text NOT NULL DEFAULT ''::text
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT account_pkey PRIMARY KEY (name)
  CONSTRAINT account_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text, 'deleting'::text])))
  CONSTRAINT account_type_check CHECK ((type = ANY (ARRAY['admin'::text, 'user'::text, 'service'::text])))
);

CREATE TABLE plimsoll.action_plan (
  account text NOT NULL
  id uuid NOT NULL DEFAULT gen_random_uuid()
  number bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  type text NOT NULL
  image_tag text NOT NULL
  image_digest text NOT NULL
  policy_id text NOT NULL
  resolutions jsonb NOT NULL
  subject text NOT NULL
  message text NOT NULL
  endpoint text NOT NULL
  configuration_id text NOT NULL
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT action_plan_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT action_plan_pkey PRIMARY KEY (account, id)
);

CREATE INDEX action_plan_image ON plimsoll.action_plan USING btree (account, image_digest);
CREATE INDEX action_plan_page ON plimsoll.action_plan USING btree (account, created_at DESC, number DESC);
CREATE TABLE plimsoll.alert (
  account text NOT NULL
  id uuid NOT NULL
  number bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  registry text NOT NULL
  repository text NOT NULL
  tag text NOT NULL
  image_digest text NOT NULL
  policy_id text NOT NULL
  evaluation bigint NOT NULL
  evaluated_at timestamp with time zone NOT NULL
  reason text NOT NULL
  violations integer NOT NULL
  state text NOT NULL DEFAULT 'open'::text
  closed_by text NOT NULL DEFAULT ''::text
  closed_reason text NOT NULL DEFAULT ''::text
  acknowledged boolean NOT NULL DEFAULT false
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT alert_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT alert_pkey PRIMARY KEY (account, id)
  CONSTRAINT alert_reason_check CHECK ((reason = ANY (ARRAY['policy_evaluation'::text, 'denylisted'::text, 'errors'::text])))
  CONSTRAINT alert_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text])))
);

CREATE UNIQUE INDEX alert_acknowledged ON plimsoll.alert USING btree (account, registry, repository, tag) WHERE acknowledged;
CREATE INDEX alert_age ON plimsoll.alert USING btree (updated_at) WHERE (state = 'closed'::text);
CREATE UNIQUE INDEX alert_open ON plimsoll.alert USING btree (account, registry, repository, tag) WHERE (state = 'open'::text);
CREATE INDEX alert_page ON plimsoll.alert USING btree (account, state, created_at DESC, number DESC);
CREATE TABLE plimsoll.analysis (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  image_digest text NOT NULL
  analyzer_set text NOT NULL
  image_id text NOT NULL
  manifest_blob text NOT NULL
  config_blob text NOT NULL
  content_blob text NOT NULL
  os text NOT NULL
  arch text NOT NULL
  distro text NOT NULL DEFAULT ''::text
  distro_version text NOT NULL DEFAULT ''::text
  distro_like text[] NOT NULL DEFAULT '{}'::text[]
  image_size bigint NOT NULL
  layer_digests text[] NOT NULL
  package_count integer NOT NULL
  file_count integer NOT NULL
  incomplete integer NOT NULL DEFAULT 0
  analyzed_at timestamp with time zone NOT NULL DEFAULT now()
  findings_blob text
  CONSTRAINT analysis_config_blob_fkey FOREIGN KEY (config_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT analysis_content_blob_fkey FOREIGN KEY (content_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT analysis_findings_blob_fkey FOREIGN KEY (findings_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT analysis_image_digest_analyzer_set_key UNIQUE (image_digest, analyzer_set)
  CONSTRAINT analysis_manifest_blob_fkey FOREIGN KEY (manifest_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT analysis_pkey PRIMARY KEY (id)
);

CREATE INDEX analysis_config_blob ON plimsoll.analysis USING btree (config_blob);
CREATE INDEX analysis_content_blob ON plimsoll.analysis USING btree (content_blob);
CREATE INDEX analysis_findings_blob ON plimsoll.analysis USING btree (findings_blob);
CREATE INDEX analysis_layers ON plimsoll.analysis USING hash (layer_digests);
CREATE INDEX analysis_manifest_blob ON plimsoll.analysis USING btree (manifest_blob);
CREATE TABLE plimsoll.analysis_counter WITH (fillfactor=70) (
  analysis_id bigint NOT NULL
  generation bigint NOT NULL
  critical integer NOT NULL
  high integer NOT NULL
  medium integer NOT NULL
  low integer NOT NULL
  negligible integer NOT NULL
  unknown integer NOT NULL
  fixable integer NOT NULL
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  delta_id bigint NOT NULL DEFAULT 0
  CONSTRAINT analysis_counter_analysis_id_fkey FOREIGN KEY (analysis_id) REFERENCES plimsoll.analysis(id) ON DELETE CASCADE
  CONSTRAINT analysis_counter_pkey PRIMARY KEY (analysis_id)
);

CREATE UNLOGGED TABLE plimsoll.analysis_progress (
  account text NOT NULL
  digest text NOT NULL
  stage text NOT NULL
  layer integer NOT NULL DEFAULT '-1'::integer
  bytes_done bigint NOT NULL DEFAULT 0
  bytes_total bigint NOT NULL DEFAULT 0
  done boolean NOT NULL DEFAULT false
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  began_at timestamp with time zone
  CONSTRAINT analysis_progress_pkey PRIMARY KEY (account, digest, layer)
);

CREATE TABLE plimsoll.analysis_run (
  account text NOT NULL
  digest text NOT NULL
  analysis_id bigint NOT NULL
  run_id text NOT NULL
  host text NOT NULL
  version text NOT NULL
  setup text NOT NULL
  layers integer NOT NULL
  layers_reused integer NOT NULL
  bytes_read bigint NOT NULL
  started_at timestamp with time zone NOT NULL
  ended_at timestamp with time zone NOT NULL
  CONSTRAINT analysis_run_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT analysis_run_pkey PRIMARY KEY (account, digest)
  CONSTRAINT analysis_run_setup_fkey FOREIGN KEY (setup) REFERENCES plimsoll.analysis_setup(digest)
);

CREATE TABLE plimsoll.analysis_setup (
  digest text NOT NULL
  document jsonb NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT analysis_setup_pkey PRIMARY KEY (digest)
);

CREATE TABLE plimsoll.annotation (
  account text NOT NULL
  image_digest text NOT NULL
  vulnerability text NOT NULL
  package_type text NOT NULL DEFAULT ''::text
  package_name text NOT NULL DEFAULT ''::text
  package_version text NOT NULL DEFAULT ''::text
  id uuid NOT NULL DEFAULT gen_random_uuid()
  version integer NOT NULL DEFAULT 1
  status text NOT NULL
  justification text NOT NULL DEFAULT ''::text
  status_notes text NOT NULL DEFAULT ''::text
  impact_statement text NOT NULL DEFAULT ''::text
  action_statement text NOT NULL DEFAULT ''::text
  additional_details text NOT NULL DEFAULT ''::text
  author text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT annotation_account_image_digest_fkey FOREIGN KEY (account, image_digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT annotation_pkey PRIMARY KEY (account, image_digest, vulnerability, package_type, package_name, package_version)
  CONSTRAINT annotation_status_check CHECK ((status = ANY (ARRAY['not_affected'::text, 'affected'::text, 'fixed'::text, 'under_investigation'::text])))
);

CREATE UNIQUE INDEX annotation_id ON plimsoll.annotation USING btree (account, id);
CREATE TABLE plimsoll.app_user (
  id uuid NOT NULL DEFAULT gen_random_uuid()
  username text NOT NULL
  account text NOT NULL
  type text NOT NULL DEFAULT 'native'::text
  password_hash text
  password_updated_at timestamp with time zone
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT app_user_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT app_user_pkey PRIMARY KEY (id)
  CONSTRAINT app_user_type_check CHECK ((type = ANY (ARRAY['native'::text, 'saml'::text])))
  CONSTRAINT app_user_username_key UNIQUE (username)
);

CREATE INDEX app_user_account ON plimsoll.app_user USING btree (account);
CREATE TABLE plimsoll.blob (
  digest text NOT NULL
  size bigint NOT NULL
  encoding text NOT NULL
  data bytea NOT NULL STORAGE e
  created_at timestamp with time zone NOT NULL DEFAULT now()
  touched_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT blob_encoding_check CHECK ((encoding = ANY (ARRAY['identity'::text, 'zstd'::text])))
  CONSTRAINT blob_pkey PRIMARY KEY (digest)
);

CREATE TABLE plimsoll.correction (
  account text NOT NULL
  id uuid NOT NULL DEFAULT gen_random_uuid()
  number bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  description text NOT NULL
  rule jsonb NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT correction_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT correction_pkey PRIMARY KEY (account, id)
);

CREATE TABLE plimsoll.counter_delta (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  package_id bigint NOT NULL
  critical integer NOT NULL
  high integer NOT NULL
  medium integer NOT NULL
  low integer NOT NULL
  negligible integer NOT NULL
  unknown integer NOT NULL
  fixable integer NOT NULL
  CONSTRAINT counter_delta_package_id_fkey FOREIGN KEY (package_id) REFERENCES plimsoll.package(id) ON DELETE CASCADE
  CONSTRAINT counter_delta_pkey PRIMARY KEY (id)
);

CREATE INDEX counter_delta_package ON plimsoll.counter_delta USING btree (package_id);
CREATE TABLE plimsoll.evaluation (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  account text NOT NULL
  image_digest text NOT NULL
  tag text NOT NULL
  policy_id text NOT NULL
  policy_digest text NOT NULL
  generation bigint NOT NULL
  analysis_id bigint NOT NULL
  final_action text NOT NULL
  status text NOT NULL
  result bytea NOT NULL STORAGE e
  cause text NOT NULL
  evaluated_at timestamp with time zone NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  content text NOT NULL DEFAULT ''::text
  reason text NOT NULL DEFAULT ''::text
  inputs text NOT NULL DEFAULT ''::text
  valid_until timestamp with time zone
  due_at timestamp with time zone
  official_at timestamp with time zone
  violations integer NOT NULL DEFAULT 0
  CONSTRAINT evaluation_account_image_digest_fkey FOREIGN KEY (account, image_digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT evaluation_pkey PRIMARY KEY (id)
);

CREATE INDEX evaluation_due ON plimsoll.evaluation USING btree (due_at, id) WHERE (due_at IS NOT NULL);
CREATE INDEX evaluation_key ON plimsoll.evaluation USING btree (account, image_digest, tag, policy_id, id DESC);
CREATE TABLE plimsoll.event (
  number bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  id uuid NOT NULL DEFAULT gen_random_uuid()
  account text NOT NULL
  type text NOT NULL
  level text NOT NULL
  resource_type text NOT NULL
  resource_id text NOT NULL
  message text NOT NULL
  details jsonb NOT NULL
  service text NOT NULL
  host text NOT NULL
  request_id text NOT NULL
  key text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT event_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT event_id_key UNIQUE (id)
  CONSTRAINT event_level_check CHECK ((level = ANY (ARRAY['INFO'::text, 'ERROR'::text])))
  CONSTRAINT event_pkey PRIMARY KEY (number)
);

CREATE INDEX event_age ON plimsoll.event USING btree (created_at);
CREATE UNIQUE INDEX event_key ON plimsoll.event USING btree (account, key) WHERE (key <> ''::text);
CREATE INDEX event_page ON plimsoll.event USING btree (account, created_at DESC, number DESC);
CREATE INDEX event_resource ON plimsoll.event USING btree (account, resource_id, created_at DESC, number DESC);
CREATE TABLE plimsoll.image (
  account text NOT NULL
  digest text NOT NULL
  parent_digest text NOT NULL DEFAULT ''::text
  image_id text NOT NULL DEFAULT ''::text
  media_type text NOT NULL DEFAULT ''::text
  manifest_blob text NOT NULL
  config_blob text NOT NULL
  image_status text NOT NULL DEFAULT 'active'::text
  analysis_status text NOT NULL DEFAULT 'not_analyzed'::text
  requested bigint NOT NULL DEFAULT nextval('plimsoll.request'::regclass)
  run_id text NOT NULL DEFAULT ''::text
  analysis_id bigint
  error_code text NOT NULL DEFAULT ''::text
  error_message text NOT NULL DEFAULT ''::text
  dockerfile text NOT NULL DEFAULT ''::text
  dockerfile_mode text NOT NULL DEFAULT 'Guessed'::text
  annotations jsonb NOT NULL DEFAULT '{}'::jsonb
  analyzed_at timestamp with time zone
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  import_operation text NOT NULL DEFAULT ''::text
  cancelled_at timestamp with time zone
  platform text NOT NULL DEFAULT ''::text
  labels jsonb NOT NULL DEFAULT '{}'::jsonb
  CONSTRAINT image_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT image_analysis_id_fkey FOREIGN KEY (analysis_id) REFERENCES plimsoll.analysis(id)
  CONSTRAINT image_analysis_status_check CHECK ((analysis_status = ANY (ARRAY['not_analyzed'::text, 'analyzing'::text, 'analyzed'::text, 'analysis_failed'::text])))
  CONSTRAINT image_config_blob_fkey FOREIGN KEY (config_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT image_dockerfile_mode_check CHECK ((dockerfile_mode = ANY (ARRAY['Guessed'::text, 'Actual'::text])))
  CONSTRAINT image_image_status_check CHECK ((image_status = ANY (ARRAY['active'::text, 'deleting'::text])))
  CONSTRAINT image_manifest_blob_fkey FOREIGN KEY (manifest_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT image_pkey PRIMARY KEY (account, digest)
);

CREATE INDEX image_analysis ON plimsoll.image USING btree (analysis_id) WHERE (analysis_id IS NOT NULL);
CREATE INDEX image_config_blob ON plimsoll.image USING btree (config_blob);
CREATE INDEX image_digest ON plimsoll.image USING btree (digest);
CREATE INDEX image_id_lookup ON plimsoll.image USING btree (account, image_id);
CREATE INDEX image_labels ON plimsoll.image USING gin (labels jsonb_path_ops) WHERE (labels <> '{}'::jsonb);
CREATE INDEX image_manifest_blob ON plimsoll.image USING btree (manifest_blob);
CREATE INDEX image_page ON plimsoll.image USING btree (account, created_at DESC, digest);
CREATE INDEX image_parent ON plimsoll.image USING btree (account, parent_digest) WHERE (parent_digest <> ''::text);
CREATE INDEX image_waiting ON plimsoll.image USING btree (requested) WHERE ((analysis_status = ANY (ARRAY['not_analyzed'::text, 'analyzing'::text])) AND (image_status = 'active'::text) AND (cancelled_at IS NULL));
CREATE TABLE plimsoll.image_package (
  analysis_id bigint NOT NULL
  package_id bigint NOT NULL
  path text NOT NULL DEFAULT ''::text
  owned boolean NOT NULL DEFAULT false
  suppressed boolean NOT NULL DEFAULT false
  counted boolean NOT NULL DEFAULT false
  CONSTRAINT image_package_analysis_id_fkey FOREIGN KEY (analysis_id) REFERENCES plimsoll.analysis(id) ON DELETE CASCADE
  CONSTRAINT image_package_package_id_fkey FOREIGN KEY (package_id) REFERENCES plimsoll.package(id)
  CONSTRAINT image_package_pkey PRIMARY KEY (analysis_id, package_id, path)
);

CREATE INDEX image_package_package ON plimsoll.image_package USING btree (package_id, analysis_id) WHERE counted;
CREATE TABLE plimsoll.image_tag (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  account text NOT NULL
  registry text NOT NULL
  repository text NOT NULL
  tag text NOT NULL
  digest text NOT NULL
  pull_digest text NOT NULL
  current boolean NOT NULL DEFAULT true
  detected_at timestamp with time zone NOT NULL DEFAULT now()
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT image_tag_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT image_tag_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX image_tag_current ON plimsoll.image_tag USING btree (account, registry, repository, tag) WHERE current;
CREATE INDEX image_tag_digest ON plimsoll.image_tag USING btree (account, digest);
CREATE INDEX image_tag_history ON plimsoll.image_tag USING btree (account, registry, repository, tag, id DESC);
CREATE TABLE plimsoll.image_transition (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  account text NOT NULL
  digest text NOT NULL
  from_status text NOT NULL
  to_status text NOT NULL
  host text NOT NULL
  service text NOT NULL
  version text NOT NULL
  at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT image_transition_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT image_transition_pkey PRIMARY KEY (id)
);

CREATE INDEX image_transition_image ON plimsoll.image_transition USING btree (account, digest, id);
CREATE TABLE plimsoll.import_content (
  operation text NOT NULL
  kind text NOT NULL
  digest text NOT NULL
  size bigint NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT import_content_digest_fkey FOREIGN KEY (digest) REFERENCES plimsoll.blob(digest)
  CONSTRAINT import_content_operation_fkey FOREIGN KEY (operation) REFERENCES plimsoll.import_operation(id) ON DELETE CASCADE
  CONSTRAINT import_content_pkey PRIMARY KEY (operation, kind, digest)
);

CREATE INDEX import_content_blob ON plimsoll.import_content USING btree (digest);
CREATE TABLE plimsoll.import_operation (
  id text NOT NULL
  account text NOT NULL
  image_digest text NOT NULL DEFAULT ''::text
  contents jsonb NOT NULL DEFAULT '{}'::jsonb
  expires_at timestamp with time zone NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT import_operation_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT import_operation_pkey PRIMARY KEY (id)
);

CREATE INDEX import_operation_account ON plimsoll.import_operation USING btree (account, created_at DESC, id);
CREATE INDEX import_operation_expiry ON plimsoll.import_operation USING btree (expires_at);
CREATE TABLE plimsoll.layer (
  digest text NOT NULL
  analyzer_set text NOT NULL
  diff_id text NOT NULL
  compressed_size bigint NOT NULL
  size bigint NOT NULL
  entry_count integer NOT NULL
  entries_blob text NOT NULL
  evidence_blob text NOT NULL
  analyzed_at timestamp with time zone NOT NULL DEFAULT now()
  used_at timestamp with time zone NOT NULL DEFAULT now()
  registries text[] NOT NULL DEFAULT '{}'::text[]
  host text NOT NULL DEFAULT ''::text
  version text NOT NULL DEFAULT ''::text
  CONSTRAINT layer_entries_blob_fkey FOREIGN KEY (entries_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT layer_evidence_blob_fkey FOREIGN KEY (evidence_blob) REFERENCES plimsoll.blob(digest)
  CONSTRAINT layer_pkey PRIMARY KEY (digest, analyzer_set)
);

CREATE INDEX layer_entries_blob ON plimsoll.layer USING btree (entries_blob);
CREATE INDEX layer_evidence_blob ON plimsoll.layer USING btree (evidence_blob);
CREATE TABLE plimsoll.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  workflow text NOT NULL
  workflow_id text NOT NULL
  input jsonb NOT NULL
  attempts integer NOT NULL DEFAULT 0
  last_error text NOT NULL DEFAULT ''::text
  next_attempt timestamp with time zone NOT NULL DEFAULT now()
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT outbox_pkey PRIMARY KEY (id)
);

CREATE INDEX outbox_due ON plimsoll.outbox USING btree (next_attempt);
CREATE TABLE plimsoll.package (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  type text NOT NULL
  namespace text NOT NULL DEFAULT ''::text
  name text NOT NULL
  version text NOT NULL
  arch text NOT NULL DEFAULT ''::text
  source text NOT NULL DEFAULT ''::text
  source_version text NOT NULL DEFAULT ''::text
  purl text NOT NULL DEFAULT ''::text
  matched_generation bigint
  created_at timestamp with time zone NOT NULL DEFAULT now()
  module text NOT NULL DEFAULT ''::text
  cpes text NOT NULL DEFAULT ''::text
  known text NOT NULL DEFAULT ''::text
  claim text NOT NULL DEFAULT ''::text
  CONSTRAINT package_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX package_identity ON plimsoll.package USING btree (name, version, type, namespace, arch, source, source_version, module, known, claim, md5(cpes));
CREATE INDEX package_unmatched ON plimsoll.package USING btree (id) WHERE (matched_generation IS NULL);
CREATE TABLE plimsoll.package_correction (
  account text NOT NULL
  package_id bigint NOT NULL
  replacement_id bigint NOT NULL
  valid_from timestamp with time zone NOT NULL
  valid_to timestamp with time zone
  CONSTRAINT package_correction_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT package_correction_package_id_fkey FOREIGN KEY (package_id) REFERENCES plimsoll.package(id) ON DELETE CASCADE
  CONSTRAINT package_correction_replacement_id_fkey FOREIGN KEY (replacement_id) REFERENCES plimsoll.package(id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX package_correction_current ON plimsoll.package_correction USING btree (account, package_id) WHERE (valid_to IS NULL);
CREATE INDEX package_correction_package ON plimsoll.package_correction USING btree (package_id, account);
CREATE INDEX package_correction_replacement ON plimsoll.package_correction USING btree (replacement_id, account) WHERE (valid_to IS NULL);
CREATE TABLE plimsoll.package_match (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  package_id bigint NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  vulnerability text NOT NULL
  namespace text NOT NULL
  fix_version text NOT NULL DEFAULT ''::text
  fix_state text NOT NULL
  since timestamp with time zone NOT NULL
  valid_from timestamp with time zone NOT NULL
  valid_to timestamp with time zone
  from_generation bigint NOT NULL
  to_generation bigint
  cause text NOT NULL
  end_cause text NOT NULL DEFAULT ''::text
  target text NOT NULL
  scope text NOT NULL DEFAULT ''::text
  severity smallint NOT NULL
  also text[] NOT NULL DEFAULT '{}'::text[]
  confidence text NOT NULL
  CONSTRAINT package_match_package_id_fkey FOREIGN KEY (package_id) REFERENCES plimsoll.package(id) ON DELETE CASCADE
  CONSTRAINT package_match_pkey PRIMARY KEY (id)
);

CREATE INDEX package_match_also ON plimsoll.package_match USING gin (also) WHERE ((valid_to IS NULL) AND (also <> '{}'::text[]));
CREATE INDEX package_match_closed ON plimsoll.package_match USING btree (to_generation) WHERE (to_generation IS NOT NULL);
CREATE UNIQUE INDEX package_match_current ON plimsoll.package_match USING btree (package_id, vulnerability) WHERE (valid_to IS NULL);
CREATE INDEX package_match_history ON plimsoll.package_match USING btree (package_id, valid_to) WHERE (valid_to IS NOT NULL);
CREATE INDEX package_match_opened ON plimsoll.package_match USING btree (from_generation);
CREATE INDEX package_match_vulnerability ON plimsoll.package_match USING btree (vulnerability) WHERE (valid_to IS NULL);
CREATE TABLE plimsoll.package_target (
  namespace text NOT NULL
  name text NOT NULL
  package_id bigint NOT NULL
  CONSTRAINT package_target_package_id_fkey FOREIGN KEY (package_id) REFERENCES plimsoll.package(id) ON DELETE CASCADE
  CONSTRAINT package_target_pkey PRIMARY KEY (namespace, name, package_id)
);

CREATE INDEX package_target_package ON plimsoll.package_target USING btree (package_id);
CREATE TABLE plimsoll.policy (
  account text NOT NULL
  policy_id text NOT NULL
  name text NOT NULL
  description text NOT NULL DEFAULT ''::text
  source text NOT NULL DEFAULT 'local'::text
  active boolean NOT NULL DEFAULT false
  document jsonb NOT NULL
  digest text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  edit bigint NOT NULL DEFAULT 0
  CONSTRAINT policy_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT policy_pkey PRIMARY KEY (account, policy_id)
);

CREATE UNIQUE INDEX policy_active ON plimsoll.policy USING btree (account) WHERE active;
CREATE TABLE plimsoll.referrer (
  account text NOT NULL
  digest text NOT NULL
  subject text NOT NULL
  referrer text NOT NULL
  artifact_type text NOT NULL
  media_type text NOT NULL
  size bigint NOT NULL
  annotations jsonb NOT NULL DEFAULT '{}'::jsonb
  found_by text NOT NULL
  CONSTRAINT referrer_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES plimsoll.referrer_listing(account, digest) ON DELETE CASCADE
  CONSTRAINT referrer_pkey PRIMARY KEY (account, digest, subject, referrer)
);

CREATE TABLE plimsoll.referrer_listing (
  account text NOT NULL
  digest text NOT NULL
  listed_at timestamp with time zone NOT NULL
  problem text NOT NULL DEFAULT ''::text
  CONSTRAINT referrer_listing_account_digest_fkey FOREIGN KEY (account, digest) REFERENCES plimsoll.image(account, digest) ON DELETE CASCADE
  CONSTRAINT referrer_listing_pkey PRIMARY KEY (account, digest)
);

CREATE TABLE plimsoll.registry (
  account text NOT NULL
  registry text NOT NULL
  name text NOT NULL
  type text NOT NULL
  username text NOT NULL
  sealed_password bytea NOT NULL
  verify_tls boolean NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT registry_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT registry_pkey PRIMARY KEY (account, registry)
);

CREATE TABLE plimsoll.rescan_image (
  generation bigint NOT NULL
  account text NOT NULL
  digest text NOT NULL
  CONSTRAINT rescan_image_pkey PRIMARY KEY (generation, account, digest)
);

CREATE TABLE plimsoll.role_grant (
  username text NOT NULL
  role text NOT NULL
  domain text NOT NULL
  granted_by text NOT NULL DEFAULT ''::text
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT role_grant_pkey PRIMARY KEY (username, role, domain)
  CONSTRAINT role_grant_username_fkey FOREIGN KEY (username) REFERENCES plimsoll.app_user(username) ON DELETE CASCADE
);

CREATE INDEX role_grant_domain ON plimsoll.role_grant USING btree (domain, role);
CREATE TRIGGER role_grant_changed AFTER INSERT OR DELETE OR UPDATE ON plimsoll.role_grant FOR EACH STATEMENT EXECUTE FUNCTION plimsoll.notify_grants();
CREATE TABLE plimsoll.service (
  host_id text NOT NULL
  name text NOT NULL
  base_url text NOT NULL
  version text NOT NULL
  started_at timestamp with time zone NOT NULL
  heartbeat_at timestamp with time zone NOT NULL
  CONSTRAINT service_pkey PRIMARY KEY (host_id, name)
);

CREATE TABLE plimsoll.setting (
  key text NOT NULL
  value jsonb NOT NULL
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT setting_pkey PRIMARY KEY (key)
);

CREATE TABLE plimsoll.subscription (
  account text NOT NULL
  type text NOT NULL
  key text NOT NULL
  id text NOT NULL
  registry text NOT NULL
  repository text NOT NULL
  tag text NOT NULL
  value text
  active boolean NOT NULL
  auto_subscribe boolean NOT NULL DEFAULT false
  tag_count integer NOT NULL DEFAULT 0
  seen_digest text NOT NULL DEFAULT ''::text
  seen_at timestamp with time zone
  error_code text NOT NULL DEFAULT ''::text
  error_message text NOT NULL DEFAULT ''::text
  error_digest text NOT NULL DEFAULT ''::text
  failures integer NOT NULL DEFAULT 0
  failing_since timestamp with time zone
  failed_at timestamp with time zone
  paused_until timestamp with time zone
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT subscription_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT subscription_pkey PRIMARY KEY (account, type, key)
  CONSTRAINT subscription_type_check CHECK ((type = ANY (ARRAY['tag_update'::text, 'repo_update'::text, 'policy_eval'::text, 'vuln_update'::text, 'analysis_update'::text, 'alerts'::text])))
);

CREATE UNIQUE INDEX subscription_id ON plimsoll.subscription USING btree (account, id);
CREATE INDEX subscription_watched ON plimsoll.subscription USING btree (account, id) WHERE (active AND (type = ANY (ARRAY['tag_update'::text, 'repo_update'::text])));
CREATE TABLE plimsoll.vex_change (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  account text NOT NULL
  action text NOT NULL
  changed_by text NOT NULL
  changed_at timestamp with time zone NOT NULL DEFAULT now()
  document text NOT NULL DEFAULT ''::text
  annotation uuid
  version integer NOT NULL DEFAULT 0
  image_digest text NOT NULL DEFAULT ''::text
  vulnerability text NOT NULL DEFAULT ''::text
  package_type text NOT NULL DEFAULT ''::text
  package_name text NOT NULL DEFAULT ''::text
  package_version text NOT NULL DEFAULT ''::text
  status text NOT NULL DEFAULT ''::text
  justification text NOT NULL DEFAULT ''::text
  status_notes text NOT NULL DEFAULT ''::text
  impact_statement text NOT NULL DEFAULT ''::text
  action_statement text NOT NULL DEFAULT ''::text
  additional_details text NOT NULL DEFAULT ''::text
  author text NOT NULL DEFAULT ''::text
  images integer NOT NULL DEFAULT 0
  CONSTRAINT vex_change_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT vex_change_action_check CHECK ((action = ANY (ARRAY['annotation_added'::text, 'annotation_changed'::text, 'annotation_deleted'::text, 'annotation_deleted_with_image'::text, 'document_imported'::text, 'document_replaced'::text, 'document_deleted'::text])))
  CONSTRAINT vex_change_pkey PRIMARY KEY (id)
);

CREATE INDEX vex_change_annotation ON plimsoll.vex_change USING btree (account, annotation, id) WHERE (annotation IS NOT NULL);
CREATE INDEX vex_change_page ON plimsoll.vex_change USING btree (account, id DESC);
CREATE TABLE plimsoll.vex_claim (
  account text NOT NULL
  document text NOT NULL
  statement integer NOT NULL
  position integer NOT NULL
  given text NOT NULL
  image text NOT NULL
  package text NOT NULL
  unclear text NOT NULL
  CONSTRAINT vex_claim_account_document_statement_fkey FOREIGN KEY (account, document, statement) REFERENCES plimsoll.vex_statement(account, document, statement) ON DELETE CASCADE
  CONSTRAINT vex_claim_pkey PRIMARY KEY (account, document, statement, "position")
);

CREATE TABLE plimsoll.vex_document (
  account text NOT NULL
  digest text NOT NULL
  size bigint NOT NULL
  format text NOT NULL
  document_id text NOT NULL
  document_version text NOT NULL
  author text NOT NULL
  issued_at timestamp with time zone
  statements integer NOT NULL
  claims integer NOT NULL
  refused integer NOT NULL
  refusals jsonb NOT NULL
  imported_by text NOT NULL
  imported_at timestamp with time zone NOT NULL
  CONSTRAINT vex_document_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT vex_document_digest_fkey FOREIGN KEY (digest) REFERENCES plimsoll.blob(digest)
  CONSTRAINT vex_document_pkey PRIMARY KEY (account, digest)
);

CREATE INDEX vex_document_blob ON plimsoll.vex_document USING btree (digest);
CREATE UNIQUE INDEX vex_document_name ON plimsoll.vex_document USING btree (account, format, document_id) WHERE (document_id <> ''::text);
CREATE INDEX vex_document_page ON plimsoll.vex_document USING btree (account, imported_at DESC, digest);
CREATE TABLE plimsoll.vex_image (
  change bigint NOT NULL
  account text NOT NULL
  digest text NOT NULL
  CONSTRAINT vex_image_pkey PRIMARY KEY (change, account, digest)
);

CREATE TABLE plimsoll.vex_name (
  account text NOT NULL
  name text NOT NULL
  package text NOT NULL
  document text NOT NULL
  statement integer NOT NULL
  position integer NOT NULL
  CONSTRAINT vex_name_account_document_statement_position_fkey FOREIGN KEY (account, document, statement, "position") REFERENCES plimsoll.vex_claim(account, document, statement, "position") ON DELETE CASCADE
  CONSTRAINT vex_name_pkey PRIMARY KEY (account, name, package, document, statement, "position")
);

CREATE INDEX vex_name_claim ON plimsoll.vex_name USING btree (account, document, statement, "position");
CREATE TABLE plimsoll.vex_statement (
  account text NOT NULL
  document text NOT NULL
  statement integer NOT NULL
  names text[] NOT NULL
  status text NOT NULL
  justification text NOT NULL
  status_notes text NOT NULL
  impact_statement text NOT NULL
  action_statement text NOT NULL
  additional_details text NOT NULL
  stated_at timestamp with time zone NOT NULL
  CONSTRAINT vex_statement_account_document_fkey FOREIGN KEY (account, document) REFERENCES plimsoll.vex_document(account, digest) ON DELETE CASCADE
  CONSTRAINT vex_statement_pkey PRIMARY KEY (account, document, statement)
);

CREATE TABLE plimsoll.watched_tag (
  account text NOT NULL
  subscription text NOT NULL
  tag text NOT NULL
  state text NOT NULL
  error_code text NOT NULL DEFAULT ''::text
  error_message text NOT NULL DEFAULT ''::text
  missing_since timestamp with time zone
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT watched_tag_account_subscription_fkey FOREIGN KEY (account, subscription) REFERENCES plimsoll.subscription(account, id) ON DELETE CASCADE
  CONSTRAINT watched_tag_pkey PRIMARY KEY (account, subscription, tag)
  CONSTRAINT watched_tag_state_check CHECK ((state = ANY (ARRAY['known'::text, 'pending'::text, 'refused'::text])))
);

CREATE INDEX watched_tag_pending ON plimsoll.watched_tag USING btree (account, subscription, tag) WHERE (state = 'pending'::text);
CREATE TABLE plimsoll.what_if (
  account text NOT NULL
  id uuid NOT NULL
  state text NOT NULL DEFAULT 'waiting'::text
  draft jsonb NOT NULL
  draft_id text NOT NULL
  draft_name text NOT NULL
  draft_digest text NOT NULL
  baseline jsonb NOT NULL
  baseline_id text NOT NULL
  baseline_name text NOT NULL
  baseline_digest text NOT NULL
  selector jsonb NOT NULL
  examples integer NOT NULL
  requested_by text NOT NULL
  requested_at timestamp with time zone NOT NULL DEFAULT now()
  started_at timestamp with time zone
  ended_at timestamp with time zone
  total integer NOT NULL DEFAULT 0
  done integer NOT NULL DEFAULT 0
  counts jsonb
  failure text NOT NULL DEFAULT ''::text
  CONSTRAINT what_if_account_fkey FOREIGN KEY (account) REFERENCES plimsoll.account(name) ON DELETE CASCADE
  CONSTRAINT what_if_pkey PRIMARY KEY (account, id)
  CONSTRAINT what_if_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

CREATE INDEX what_if_page ON plimsoll.what_if USING btree (account, requested_at DESC, id);
CREATE TABLE plimsoll.what_if_outcome (
  account text NOT NULL
  run uuid NOT NULL
  rank smallint NOT NULL
  image_digest text NOT NULL
  tag text NOT NULL
  before text NOT NULL
  after text NOT NULL
  reason text NOT NULL
  causes jsonb
  CONSTRAINT what_if_outcome_account_run_fkey FOREIGN KEY (account, run) REFERENCES plimsoll.what_if(account, id) ON DELETE CASCADE
  CONSTRAINT what_if_outcome_pkey PRIMARY KEY (account, run, image_digest, tag)
);

CREATE INDEX what_if_outcome_page ON plimsoll.what_if_outcome USING btree (account, run, rank, image_digest, tag);
CREATE TABLE plimsoll_feeds.advisory (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  advisory_id text NOT NULL
  namespace text NOT NULL
  package text NOT NULL
  ranges jsonb NOT NULL
  versions text[] NOT NULL DEFAULT '{}'::text[]
  state text NOT NULL
  content_hash bytea NOT NULL
  valid_from bigint NOT NULL
  valid_to bigint
  scope text NOT NULL DEFAULT ''::text
  detail jsonb NOT NULL DEFAULT '{}'::jsonb
  CONSTRAINT advisory_pkey PRIMARY KEY (id)
);

CREATE INDEX advisory_closed ON plimsoll_feeds.advisory USING btree (valid_to) WHERE (valid_to IS NOT NULL);
CREATE UNIQUE INDEX advisory_current ON plimsoll_feeds.advisory USING btree (source, group_name, advisory_id, namespace, package, scope) WHERE (valid_to IS NULL);
CREATE INDEX advisory_history ON plimsoll_feeds.advisory USING btree (advisory_id, valid_from);
CREATE INDEX advisory_lookup ON plimsoll_feeds.advisory USING btree (namespace, package) WHERE (valid_to IS NULL);
CREATE INDEX advisory_opened ON plimsoll_feeds.advisory USING btree (valid_from);
CREATE TABLE plimsoll_feeds.bundle (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  name text NOT NULL
  checksum text NOT NULL
  signed_by text NOT NULL
  built_at timestamp with time zone NOT NULL
  received_at timestamp with time zone NOT NULL
  CONSTRAINT bundle_pkey PRIMARY KEY (id)
);

CREATE TABLE plimsoll_feeds.change (
  generation bigint NOT NULL
  namespace text NOT NULL
  package text NOT NULL
  CONSTRAINT change_generation_fkey FOREIGN KEY (generation) REFERENCES plimsoll_feeds.generation(id) ON DELETE CASCADE
  CONSTRAINT change_pkey PRIMARY KEY (generation, namespace, package)
);

CREATE TABLE plimsoll_feeds.content (
  digest text NOT NULL
  size bigint NOT NULL
  CONSTRAINT content_digest_check CHECK ((digest ~ '^sha256:[0-9a-f]{64}$'::text))
  CONSTRAINT content_pkey PRIMARY KEY (digest)
);

CREATE TABLE plimsoll_feeds.content_part (
  digest text NOT NULL
  part integer NOT NULL
  data bytea NOT NULL STORAGE e
  CONSTRAINT content_part_digest_fkey FOREIGN KEY (digest) REFERENCES plimsoll_feeds.content(digest) ON DELETE CASCADE
  CONSTRAINT content_part_pkey PRIMARY KEY (digest, part)
);

CREATE TABLE plimsoll_feeds.driver_run (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  sync_run bigint NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  status text NOT NULL DEFAULT 'running'::text
  attempts integer NOT NULL DEFAULT 1
  started_at timestamp with time zone NOT NULL
  ended_at timestamp with time zone
  generation bigint NOT NULL DEFAULT 0
  unchanged boolean NOT NULL DEFAULT false
  records integer NOT NULL DEFAULT 0
  skipped integer NOT NULL DEFAULT 0
  added integer NOT NULL DEFAULT 0
  changed integer NOT NULL DEFAULT 0
  removed integer NOT NULL DEFAULT 0
  error text NOT NULL DEFAULT ''::text
  CONSTRAINT driver_run_pkey PRIMARY KEY (id)
  CONSTRAINT driver_run_status_check CHECK ((status = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text])))
  CONSTRAINT driver_run_sync_run_fkey FOREIGN KEY (sync_run) REFERENCES plimsoll_feeds.sync_run(id) ON DELETE CASCADE
  CONSTRAINT driver_run_sync_run_source_group_name_key UNIQUE (sync_run, source, group_name)
);

CREATE INDEX driver_run_source ON plimsoll_feeds.driver_run USING btree (source, id);
CREATE TABLE plimsoll_feeds.fact (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  kind text NOT NULL
  key text NOT NULL
  value jsonb NOT NULL
  content_hash bytea NOT NULL
  valid_from bigint NOT NULL
  valid_to bigint
  CONSTRAINT fact_kind_check CHECK ((kind = ANY (ARRAY['exploited'::text, 'lifecycle'::text, 'release'::text, 'exclusion'::text])))
  CONSTRAINT fact_pkey PRIMARY KEY (id)
);

CREATE INDEX fact_closed ON plimsoll_feeds.fact USING btree (valid_to) WHERE (valid_to IS NOT NULL);
CREATE UNIQUE INDEX fact_current ON plimsoll_feeds.fact USING btree (source, group_name, kind, key) WHERE (valid_to IS NULL);
CREATE INDEX fact_lookup ON plimsoll_feeds.fact USING btree (kind, key) WHERE (valid_to IS NULL);
CREATE TABLE plimsoll_feeds.feed_document (
  source text NOT NULL
  group_name text NOT NULL
  name text NOT NULL
  url text NOT NULL
  etag text NOT NULL
  last_modified text NOT NULL
  body_sha256 text NOT NULL
  CONSTRAINT feed_document_pkey PRIMARY KEY (source, group_name, name)
  CONSTRAINT feed_document_source_group_name_fkey FOREIGN KEY (source, group_name) REFERENCES plimsoll_feeds.feed_group(source, group_name) ON DELETE CASCADE
);

CREATE TABLE plimsoll_feeds.feed_group (
  source text NOT NULL
  group_name text NOT NULL
  configured boolean NOT NULL DEFAULT true
  record_count integer NOT NULL DEFAULT 0
  skipped_count integer NOT NULL DEFAULT 0
  last_sync timestamp with time zone
  last_attempt timestamp with time zone
  last_error text NOT NULL DEFAULT ''::text
  created_at timestamp with time zone NOT NULL DEFAULT now()
  cursor text NOT NULL DEFAULT ''::text
  offered boolean NOT NULL DEFAULT true
  stale_after_seconds bigint NOT NULL DEFAULT 0
  refused_since timestamp with time zone
  revision integer NOT NULL DEFAULT 0
  CONSTRAINT feed_group_pkey PRIMARY KEY (source, group_name)
);

CREATE TABLE plimsoll_feeds.feed_switch (
  source text NOT NULL
  group_name text NOT NULL
  enabled boolean NOT NULL
  changed_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT feed_switch_pkey PRIMARY KEY (source, group_name)
);

CREATE TABLE plimsoll_feeds.file (
  source text NOT NULL
  group_name text NOT NULL
  name text NOT NULL
  digest text NOT NULL
  version text NOT NULL
  built_at timestamp with time zone
  fetched_at timestamp with time zone NOT NULL
  CONSTRAINT file_digest_fkey FOREIGN KEY (digest) REFERENCES plimsoll_feeds.content(digest)
  CONSTRAINT file_pkey PRIMARY KEY (source, group_name, name)
  CONSTRAINT file_source_group_name_fkey FOREIGN KEY (source, group_name) REFERENCES plimsoll_feeds.feed_group(source, group_name) ON DELETE CASCADE
);

CREATE INDEX file_digest ON plimsoll_feeds.file USING btree (digest);
CREATE TABLE plimsoll_feeds.generation (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  added integer NOT NULL
  changed integer NOT NULL
  removed integer NOT NULL
  committed_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT generation_pkey PRIMARY KEY (id)
);

CREATE TABLE plimsoll_feeds.origin (
  id uuid NOT NULL DEFAULT gen_random_uuid()
  swept bigint NOT NULL DEFAULT 0
  one boolean NOT NULL DEFAULT true
  CONSTRAINT origin_one_check CHECK (one)
  CONSTRAINT origin_pkey PRIMARY KEY (one)
);

CREATE TABLE plimsoll_feeds.score WITH (fillfactor=80) (
  id text NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  probability real NOT NULL
  percentile real NOT NULL
  scored_on date NOT NULL
  CONSTRAINT score_pkey PRIMARY KEY (id)
);

CREATE TABLE plimsoll_feeds.sync_run (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  workflow_run text NOT NULL
  kind text NOT NULL
  scheduled boolean NOT NULL
  force boolean NOT NULL
  source text NOT NULL DEFAULT ''::text
  group_name text NOT NULL DEFAULT ''::text
  status text NOT NULL DEFAULT 'running'::text
  message text NOT NULL DEFAULT ''::text
  started_at timestamp with time zone NOT NULL
  ended_at timestamp with time zone
  CONSTRAINT sync_run_kind_check CHECK ((kind = ANY (ARRAY['sync'::text, 'flush'::text, 'delete'::text, 'upload'::text])))
  CONSTRAINT sync_run_pkey PRIMARY KEY (id)
  CONSTRAINT sync_run_status_check CHECK ((status = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text])))
  CONSTRAINT sync_run_workflow_run_key UNIQUE (workflow_run)
);

CREATE INDEX sync_run_running ON plimsoll_feeds.sync_run USING btree (id) WHERE (status = 'running'::text);
CREATE TABLE plimsoll_feeds.upload (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  digest text
  size bigint NOT NULL DEFAULT 0
  created_at timestamp with time zone NOT NULL
  CONSTRAINT upload_digest_check CHECK ((digest ~ '^sha256:[0-9a-f]{64}$'::text))
  CONSTRAINT upload_pkey PRIMARY KEY (id)
);

CREATE TABLE plimsoll_feeds.upload_part (
  upload bigint NOT NULL
  part integer NOT NULL
  data bytea NOT NULL STORAGE e
  CONSTRAINT upload_part_pkey PRIMARY KEY (upload, part)
  CONSTRAINT upload_part_upload_fkey FOREIGN KEY (upload) REFERENCES plimsoll_feeds.upload(id) ON DELETE CASCADE
);

CREATE TABLE plimsoll_feeds.vulnerability (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL
  source text NOT NULL
  group_name text NOT NULL
  vulnerability_id text NOT NULL
  aliases text[] NOT NULL DEFAULT '{}'::text[]
  severity smallint NOT NULL
  withdrawn boolean NOT NULL DEFAULT false
  published timestamp with time zone
  detail jsonb NOT NULL
  content_hash bytea NOT NULL
  valid_from bigint NOT NULL
  valid_to bigint
  CONSTRAINT vulnerability_pkey PRIMARY KEY (id)
);

CREATE INDEX vulnerability_alias ON plimsoll_feeds.vulnerability USING gin (aliases) WHERE (valid_to IS NULL);
CREATE INDEX vulnerability_changed ON plimsoll_feeds.vulnerability USING btree (valid_from);
CREATE INDEX vulnerability_closed ON plimsoll_feeds.vulnerability USING btree (valid_to) WHERE (valid_to IS NOT NULL);
CREATE UNIQUE INDEX vulnerability_current ON plimsoll_feeds.vulnerability USING btree (source, group_name, vulnerability_id) WHERE (valid_to IS NULL);
CREATE INDEX vulnerability_history ON plimsoll_feeds.vulnerability USING btree (vulnerability_id, valid_from);
CREATE INDEX vulnerability_lookup ON plimsoll_feeds.vulnerability USING btree (vulnerability_id) WHERE (valid_to IS NULL);
