-- +goose Up
-- What a verdict says, by digest: one that says the same again is not written again. Those of before have none.
ALTER TABLE evaluation ADD COLUMN content text NOT NULL DEFAULT '';
