-- +goose Up
-- A number stands for one submission for ever: a record that was deleted and added again must not look like the
-- submission a run of its predecessor still works for.
CREATE SEQUENCE request;
SELECT setval('request', (SELECT greatest(max(requested), 1) FROM image), EXISTS (SELECT FROM image));
ALTER TABLE image ALTER COLUMN requested SET DEFAULT nextval('request');

-- Registries that have delivered the whole blob. Only these are believed when they say that an account may read
-- it: a registry of the account's own would say so of any digest.
ALTER TABLE layer ADD COLUMN registries text[] NOT NULL DEFAULT '{}';
