-- +goose Up
-- What an account's people say about a flaw in an image; package columns are '' where they mean every package. It goes
-- with the record of the image and outlives analyses of it.
CREATE TABLE annotation (
  account            text NOT NULL,
  image_digest       text NOT NULL,
  vulnerability      text NOT NULL,
  package_type       text NOT NULL DEFAULT '',
  package_name       text NOT NULL DEFAULT '',
  package_version    text NOT NULL DEFAULT '',
  id                 uuid NOT NULL DEFAULT gen_random_uuid(),
  version            integer NOT NULL DEFAULT 1,
  status             text NOT NULL CHECK (status IN ('not_affected', 'affected', 'fixed', 'under_investigation')),
  justification      text NOT NULL DEFAULT '',
  status_notes       text NOT NULL DEFAULT '',
  impact_statement   text NOT NULL DEFAULT '',
  action_statement   text NOT NULL DEFAULT '',
  additional_details text NOT NULL DEFAULT '',
  author             text NOT NULL,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, image_digest, vulnerability, package_type, package_name, package_version),
  FOREIGN KEY (account, image_digest) REFERENCES image (account, digest) ON DELETE CASCADE
);
CREATE UNIQUE INDEX annotation_id ON annotation (account, id);

-- Documents that hold for all images of an account.
CREATE TABLE vex_document (
  account          text NOT NULL REFERENCES account ON DELETE CASCADE,
  digest           text NOT NULL REFERENCES blob,
  size             bigint NOT NULL,
  format           text NOT NULL,
  document_id      text NOT NULL, -- its own name for itself; '' when it has none
  document_version text NOT NULL,
  author           text NOT NULL,
  issued_at        timestamptz,
  statements       integer NOT NULL,
  claims           integer NOT NULL,
  refused          integer NOT NULL,
  refusals         jsonb NOT NULL, -- the first of them
  imported_by      text NOT NULL,
  imported_at      timestamptz NOT NULL,
  PRIMARY KEY (account, digest)
);
CREATE INDEX vex_document_blob ON vex_document (digest);
CREATE INDEX vex_document_page ON vex_document (account, imported_at DESC, digest);
CREATE UNIQUE INDEX vex_document_name ON vex_document (account, format, document_id) WHERE document_id <> '';

-- What a document says of some products.
CREATE TABLE vex_statement (
  account            text NOT NULL,
  document           text NOT NULL,
  statement          integer NOT NULL,
  names              text[] NOT NULL, -- of the vulnerability
  status             text NOT NULL,
  justification      text NOT NULL,
  status_notes       text NOT NULL,
  impact_statement   text NOT NULL,
  action_statement   text NOT NULL,
  additional_details text NOT NULL,
  stated_at          timestamptz NOT NULL,
  PRIMARY KEY (account, document, statement),
  FOREIGN KEY (account, document) REFERENCES vex_document ON DELETE CASCADE
);

-- A statement about one product.
CREATE TABLE vex_claim (
  account   text NOT NULL,
  document  text NOT NULL,
  statement integer NOT NULL,
  position  integer NOT NULL, -- in the document
  given     text NOT NULL, -- the product as the document names it
  image     text NOT NULL, -- '' means any
  package   text NOT NULL, -- purl; '' means all
  unclear   text NOT NULL, -- why it covers nothing
  PRIMARY KEY (account, document, statement, position),
  FOREIGN KEY (account, document, statement) REFERENCES vex_statement ON DELETE CASCADE
);

-- From a finding to the claims that may speak about it.
CREATE TABLE vex_name (
  account   text NOT NULL,
  name      text NOT NULL, -- of the vulnerability, in capitals
  package   text NOT NULL, -- purl without version and the rest; '' means all
  document  text NOT NULL,
  statement integer NOT NULL,
  position  integer NOT NULL,
  PRIMARY KEY (account, name, package, document, statement, position),
  FOREIGN KEY (account, document, statement, position) REFERENCES vex_claim ON DELETE CASCADE
);
CREATE INDEX vex_name_claim ON vex_name (account, document, statement, position);

-- Who said or withdrew what, and when. It outlives images, annotations and documents.
CREATE TABLE vex_change (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account         text NOT NULL REFERENCES account ON DELETE CASCADE,
  action          text NOT NULL CHECK (action IN ('annotation_added', 'annotation_changed', 'annotation_deleted', 'annotation_deleted_with_image',
    'document_imported', 'document_replaced', 'document_deleted')),
  changed_by      text NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT now(),
  document        text NOT NULL DEFAULT '', -- digest
  annotation      uuid,
  version         integer NOT NULL DEFAULT 0, -- of the annotation
  image_digest    text NOT NULL DEFAULT '',
  vulnerability   text NOT NULL DEFAULT '',
  package_type    text NOT NULL DEFAULT '',
  package_name    text NOT NULL DEFAULT '',
  package_version text NOT NULL DEFAULT '',
  status          text NOT NULL DEFAULT '',
  justification   text NOT NULL DEFAULT '',
  status_notes    text NOT NULL DEFAULT '',
  impact_statement text NOT NULL DEFAULT '',
  action_statement text NOT NULL DEFAULT '',
  additional_details text NOT NULL DEFAULT '',
  author          text NOT NULL DEFAULT '',
  images          integer NOT NULL DEFAULT 0 -- whose verdicts were asked for anew
);
CREATE INDEX vex_change_page ON vex_change (account, id DESC);
CREATE INDEX vex_change_annotation ON vex_change (account, annotation, id) WHERE annotation IS NOT NULL;

-- The images to be judged anew after a change, until they are.
CREATE TABLE vex_image (
  change  bigint NOT NULL,
  account text NOT NULL,
  digest  text NOT NULL,
  PRIMARY KEY (change, account, digest)
);
