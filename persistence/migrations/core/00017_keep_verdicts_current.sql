-- +goose Up
ALTER TABLE evaluation ADD COLUMN reason text NOT NULL DEFAULT '';  -- of the final action
ALTER TABLE evaluation ADD COLUMN inputs text NOT NULL DEFAULT '';  -- digest of all it rests on but policy and time; '' when not all is known
ALTER TABLE evaluation ADD COLUMN valid_until timestamptz;          -- when time alone may change it
ALTER TABLE evaluation ADD COLUMN due_at timestamptz;               -- when it is to be judged anew for that; NULL when it need not
ALTER TABLE evaluation ADD COLUMN official_at timestamptz;          -- when it was last given under the active policy
CREATE INDEX evaluation_due ON evaluation (due_at, id) WHERE due_at IS NOT NULL;
-- Which change of the active policy this was; the newest one has everything judged anew.
ALTER TABLE policy ADD COLUMN edit bigint NOT NULL DEFAULT 0;
CREATE SEQUENCE policy_edit;
