-- +goose Up
-- Which feed store this is: what is matched with the data of another one has to be matched anew. Rows that ended in a
-- generation up to swept may be gone.
CREATE TABLE origin (
  id    uuid NOT NULL DEFAULT gen_random_uuid(),
  swept bigint NOT NULL DEFAULT 0,
  one   boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO origin DEFAULT VALUES;

-- From a generation to what began and ended with it.
CREATE INDEX advisory_opened ON advisory (valid_from);
CREATE INDEX advisory_closed ON advisory (valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX vulnerability_closed ON vulnerability (valid_to) WHERE valid_to IS NOT NULL;
