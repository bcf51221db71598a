-- +goose Up
-- A policy that is tried on the images of an account, beside another one. Both documents are kept as they were asked for:
-- what is tried does not change under way.
CREATE TABLE what_if (
  account         text NOT NULL REFERENCES account ON DELETE CASCADE,
  id              uuid NOT NULL,
  state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  draft           jsonb NOT NULL,
  draft_id        text NOT NULL,
  draft_name      text NOT NULL,
  draft_digest    text NOT NULL,
  baseline        jsonb NOT NULL,
  baseline_id     text NOT NULL,
  baseline_name   text NOT NULL,
  baseline_digest text NOT NULL,
  selector        jsonb NOT NULL,
  examples        integer NOT NULL,
  requested_by    text NOT NULL,
  requested_at    timestamptz NOT NULL DEFAULT now(),
  started_at      timestamptz,
  ended_at        timestamptz,
  total           integer NOT NULL DEFAULT 0, -- tags of images
  done            integer NOT NULL DEFAULT 0,
  counts          jsonb, -- of outcomes, once it has ended
  failure         text NOT NULL DEFAULT '',
  PRIMARY KEY (account, id)
);
CREATE INDEX what_if_page ON what_if (account, requested_at DESC, id);

-- What becomes of one image under one tag; actions are '' where nothing can be said.
CREATE TABLE what_if_outcome (
  account      text NOT NULL,
  run          uuid NOT NULL,
  rank         smallint NOT NULL, -- engine/policy/impact: what matters most is first
  image_digest text NOT NULL,
  tag          text NOT NULL,
  before       text NOT NULL,
  after        text NOT NULL,
  reason       text NOT NULL, -- why nothing can be said
  causes       jsonb, -- of a difference
  PRIMARY KEY (account, run, image_digest, tag),
  FOREIGN KEY (account, run) REFERENCES what_if ON DELETE CASCADE
);
CREATE INDEX what_if_outcome_page ON what_if_outcome (account, run, rank, image_digest, tag);
