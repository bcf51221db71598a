-- +goose Up
-- What people switch while the system runs; it wins over the configuration. group_name '' is a whole source, source '' all.
CREATE TABLE feed_switch (
  source     text NOT NULL,
  group_name text NOT NULL,
  enabled    boolean NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, group_name)
);
INSERT INTO feed_switch (source, group_name, enabled) SELECT source, group_name, false FROM feed_group WHERE NOT enabled;

ALTER TABLE feed_group
  DROP COLUMN enabled,
  -- A driver knows the group under the current settings, whether it is enabled or not.
  ADD COLUMN offered boolean NOT NULL DEFAULT true,
  -- A group whose last success is older is stale; 0: nobody said.
  ADD COLUMN stale_after_seconds bigint NOT NULL DEFAULT 0,
  -- Since when what the source delivers is refused as not plausible; its last good data stays.
  ADD COLUMN refused_since timestamptz;
UPDATE feed_group SET offered = configured;

-- One run of the sync workflow, and what it did to each group.
CREATE TABLE sync_run (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workflow_run text NOT NULL UNIQUE,
  kind         text NOT NULL CHECK (kind IN ('sync', 'flush', 'delete')),
  scheduled    boolean NOT NULL,
  force        boolean NOT NULL,
  source       text NOT NULL DEFAULT '',
  group_name   text NOT NULL DEFAULT '',
  status       text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
  message      text NOT NULL DEFAULT '',
  started_at   timestamptz NOT NULL,
  ended_at     timestamptz
);
CREATE INDEX sync_run_running ON sync_run (id) WHERE status = 'running';

CREATE TABLE driver_run (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sync_run   bigint NOT NULL REFERENCES sync_run ON DELETE CASCADE,
  source     text NOT NULL,
  group_name text NOT NULL,
  status     text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
  attempts   integer NOT NULL DEFAULT 1,
  started_at timestamptz NOT NULL,
  ended_at   timestamptz,
  generation bigint NOT NULL DEFAULT 0,
  unchanged  boolean NOT NULL DEFAULT false,
  records    integer NOT NULL DEFAULT 0,
  skipped    integer NOT NULL DEFAULT 0,
  added      integer NOT NULL DEFAULT 0,
  changed    integer NOT NULL DEFAULT 0,
  removed    integer NOT NULL DEFAULT 0,
  error      text NOT NULL DEFAULT '',
  UNIQUE (sync_run, source, group_name)
);
CREATE INDEX driver_run_source ON driver_run (source, id);

-- The history of a record; facts that were closed long enough.
CREATE INDEX vulnerability_history ON vulnerability (vulnerability_id, valid_from);
CREATE INDEX advisory_history ON advisory (advisory_id, valid_from);
CREATE INDEX fact_closed ON fact (valid_to) WHERE valid_to IS NOT NULL;
