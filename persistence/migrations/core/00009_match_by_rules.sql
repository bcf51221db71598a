-- +goose Up
-- Matching looks at a package under every name advisories may have for it, decides per flaw and not per advisory, and
-- keeps what it decided. Nothing is carried over: packages are matched anew.

TRUNCATE plimsoll.package_match, plimsoll.analysis_counter;

ALTER TABLE package
  DROP COLUMN match_namespace, DROP COLUMN match_name, DROP COLUMN match_version,
  ADD COLUMN module text NOT NULL DEFAULT '', -- rpm module and stream
  ADD COLUMN cpes   text NOT NULL DEFAULT '', -- CPE candidates, one a line
  ADD COLUMN known  text NOT NULL DEFAULT '', -- the ecosystem's name, where the type does not tell it
  ADD COLUMN claim  text NOT NULL DEFAULT ''; -- of imports: tells apart what somebody said more of
ALTER TABLE package DROP CONSTRAINT package_name_version_type_namespace_arch_source_source_vers_key;
CREATE UNIQUE INDEX package_identity ON package (name, version, type, namespace, arch, source, source_version, module, known, claim, md5(cpes));
UPDATE package SET matched_generation = NULL;

-- The names a package is looked up by: from the names a feed change brings to the packages.
CREATE TABLE package_target (
  namespace  text NOT NULL,
  name       text NOT NULL,
  package_id bigint NOT NULL REFERENCES package ON DELETE CASCADE,
  PRIMARY KEY (namespace, name, package_id)
);
CREATE INDEX package_target_package ON package_target (package_id);

-- A flaw is one match of a package, by whatever names it goes.
ALTER TABLE package_match
  ADD COLUMN target     text NOT NULL,     -- the package's name in the advisory
  ADD COLUMN scope      text NOT NULL DEFAULT '',
  ADD COLUMN severity   smallint NOT NULL, -- as feed.Severity; whose rating counts is a decision of ours
  ADD COLUMN also       text[] NOT NULL DEFAULT '{}',
  ADD COLUMN confidence text NOT NULL;
DROP INDEX package_match_current;
DROP INDEX package_match_vulnerability;
CREATE UNIQUE INDEX package_match_current ON package_match (package_id, vulnerability) WHERE valid_to IS NULL;
CREATE INDEX package_match_vulnerability ON package_match (vulnerability) WHERE valid_to IS NULL;
CREATE INDEX package_match_also ON package_match USING gin (also) WHERE valid_to IS NULL AND also <> '{}';

-- suppressed: the distribution knows what it patched in files of its packages; nothing else is asked about them. counted: the
-- one edge of a package and an analysis that counters go by.
ALTER TABLE image_package
  ADD COLUMN suppressed boolean NOT NULL DEFAULT false,
  ADD COLUMN counted    boolean NOT NULL DEFAULT false;
UPDATE image_package SET suppressed = owned;
UPDATE image_package e SET counted = true WHERE NOT suppressed AND path = (
  SELECT min(o.path) FROM image_package o
  WHERE o.analysis_id = e.analysis_id AND o.package_id = e.package_id AND NOT o.suppressed);
DROP INDEX image_package_package;
CREATE INDEX image_package_package ON image_package (package_id, analysis_id) WHERE counted;

-- What moved matches did to counters and is not added yet. A counter holds everything up to its delta_id.
CREATE TABLE counter_delta (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  package_id bigint NOT NULL REFERENCES package ON DELETE CASCADE,
  critical   integer NOT NULL,
  high       integer NOT NULL,
  medium     integer NOT NULL,
  low        integer NOT NULL,
  negligible integer NOT NULL,
  unknown    integer NOT NULL,
  fixable    integer NOT NULL
);
CREATE INDEX counter_delta_package ON counter_delta (package_id);
ALTER TABLE analysis_counter ADD COLUMN delta_id bigint NOT NULL DEFAULT 0;

-- The images whose answers a generation changed, until they are judged anew.
CREATE TABLE rescan_image (
  generation bigint NOT NULL,
  account    text NOT NULL,
  digest     text NOT NULL,
  PRIMARY KEY (generation, account, digest)
);
