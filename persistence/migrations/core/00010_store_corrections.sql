-- +goose Up
-- Rules by which an account corrects what is known of packages, and what they come to.

CREATE TABLE correction (
  account     text NOT NULL REFERENCES account ON DELETE CASCADE,
  id          uuid NOT NULL DEFAULT gen_random_uuid(),
  number      bigint GENERATED ALWAYS AS IDENTITY, -- rules apply in this order
  description text NOT NULL,
  rule        jsonb NOT NULL, -- as correction.Rule
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, id)
);

-- To the account, a package its images hold is another one, or was for some time. That one is an entry like any other: matched
-- and rescanned.
CREATE TABLE package_correction (
  account        text NOT NULL REFERENCES account ON DELETE CASCADE,
  package_id     bigint NOT NULL REFERENCES package ON DELETE CASCADE,
  replacement_id bigint NOT NULL REFERENCES package ON DELETE CASCADE,
  valid_from     timestamptz NOT NULL,
  valid_to       timestamptz
);
CREATE UNIQUE INDEX package_correction_current ON package_correction (account, package_id) WHERE valid_to IS NULL;
CREATE INDEX package_correction_package ON package_correction (package_id, account);
CREATE INDEX package_correction_replacement ON package_correction (replacement_id, account) WHERE valid_to IS NULL;

-- Numbers changes of rules. Images they concern stand in rescan_image under the negated number.
CREATE SEQUENCE correction_edit;
