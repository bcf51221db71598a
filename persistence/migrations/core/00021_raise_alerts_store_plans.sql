-- +goose Up
-- What a list of alerts shows of a verdict, so that nobody has to unpack it.
ALTER TABLE evaluation ADD COLUMN violations integer NOT NULL DEFAULT 0; -- findings that stop

ALTER TABLE subscription DROP CONSTRAINT subscription_type_check;
ALTER TABLE subscription ADD CONSTRAINT subscription_type_check
  CHECK (type IN ('tag_update', 'repo_update', 'policy_eval', 'vuln_update', 'analysis_update', 'alerts'));

-- Tags that violate the active policy, while somebody wants to hear of it, and those that did.
CREATE TABLE alert (
  account       text NOT NULL REFERENCES account ON DELETE CASCADE,
  id            uuid NOT NULL,
  number        bigint GENERATED ALWAYS AS IDENTITY,
  registry      text NOT NULL,
  repository    text NOT NULL,
  tag           text NOT NULL,
  image_digest  text NOT NULL,
  policy_id     text NOT NULL,
  evaluation    bigint NOT NULL, -- its row may be gone with the image
  evaluated_at  timestamptz NOT NULL,
  reason        text NOT NULL CHECK (reason IN ('policy_evaluation', 'denylisted', 'errors')),
  violations    integer NOT NULL,
  state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
  closed_by     text NOT NULL DEFAULT '',
  closed_reason text NOT NULL DEFAULT '',
  acknowledged  boolean NOT NULL DEFAULT false, -- a person closed it, and the tag has violated the policy ever since
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX alert_open ON alert (account, registry, repository, tag) WHERE state = 'open';
CREATE UNIQUE INDEX alert_acknowledged ON alert (account, registry, repository, tag) WHERE acknowledged;
CREATE INDEX alert_page ON alert (account, state, created_at DESC, number DESC);
CREATE INDEX alert_age ON alert (updated_at) WHERE state = 'closed';

-- What people mean to do about findings of an image.
CREATE TABLE action_plan (
  account          text NOT NULL REFERENCES account ON DELETE CASCADE,
  id               uuid NOT NULL DEFAULT gen_random_uuid(),
  number           bigint GENERATED ALWAYS AS IDENTITY,
  type             text NOT NULL,
  image_tag        text NOT NULL,
  image_digest     text NOT NULL, -- the plan outlives the image
  policy_id        text NOT NULL,
  resolutions      jsonb NOT NULL, -- trigger ids and what would remove them
  subject          text NOT NULL,
  message          text NOT NULL,
  endpoint         text NOT NULL, -- kind of endpoint to notify, and its configuration, as given
  configuration_id text NOT NULL,
  created_by       text NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, id)
);
CREATE INDEX action_plan_page ON action_plan (account, created_at DESC, number DESC);
CREATE INDEX action_plan_image ON action_plan (account, image_digest);
