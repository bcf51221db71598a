-- +goose Up
-- Which feed store this is. What is matched with the data of another one has to be matched anew.
CREATE TABLE origin (
  id  uuid NOT NULL DEFAULT gen_random_uuid(),
  one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO origin DEFAULT VALUES;
