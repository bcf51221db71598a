-- +goose Up
-- What accounts want to hear about a tag, and tags and repositories that are watched. Columns after auto_subscribe
-- belong to the watcher; a look that finds nothing new writes none of them.
CREATE TABLE subscription (
  account        text NOT NULL REFERENCES account ON DELETE CASCADE,
  type           text NOT NULL CHECK (type IN ('tag_update', 'repo_update', 'policy_eval', 'vuln_update', 'analysis_update')),
  key            text NOT NULL, -- registry/repository:tag, of repo_update registry/repository
  id             text NOT NULL, -- hash of the three: the same when it is created again
  registry       text NOT NULL,
  repository     text NOT NULL,
  tag            text NOT NULL, -- '' of a repository
  value          text,
  active         boolean NOT NULL,
  auto_subscribe boolean NOT NULL DEFAULT false, -- watch the tags that a watched repository brings
  tag_count      integer NOT NULL DEFAULT 0,
  seen_digest    text NOT NULL DEFAULT '', -- what the tag meant when that was last dealt with
  seen_at        timestamptz,
  error_code     text NOT NULL DEFAULT '',
  error_message  text NOT NULL DEFAULT '',
  error_digest   text NOT NULL DEFAULT '', -- the error is about this digest and holds as long as the tag means it
  failures       integer NOT NULL DEFAULT 0,
  failing_since  timestamptz,
  failed_at      timestamptz,
  paused_until   timestamptz,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, type, key)
);
CREATE UNIQUE INDEX subscription_id ON subscription (account, id);
CREATE INDEX subscription_watched ON subscription (account, id) WHERE active AND type IN ('tag_update', 'repo_update');

-- Tags of watched repositories: which were there, which are still to be added.
CREATE TABLE watched_tag (
  account       text NOT NULL,
  subscription  text NOT NULL,
  tag           text NOT NULL,
  state         text NOT NULL CHECK (state IN ('known', 'pending', 'refused')),
  error_code    text NOT NULL DEFAULT '',
  error_message text NOT NULL DEFAULT '',
  missing_since timestamptz, -- the registry does not list it any more; forgotten after a while
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, subscription, tag),
  FOREIGN KEY (account, subscription) REFERENCES subscription (account, id) ON DELETE CASCADE
);
CREATE INDEX watched_tag_pending ON watched_tag (account, subscription, tag) WHERE state = 'pending';
