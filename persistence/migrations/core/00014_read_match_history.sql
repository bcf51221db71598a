-- +goose Up
-- What was known at a time is asked by package.
CREATE INDEX package_match_history ON package_match (package_id, valid_to) WHERE valid_to IS NOT NULL;
