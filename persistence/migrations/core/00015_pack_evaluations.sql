-- +goose Up
-- Verdicts are documents: read whole, never searched. They come compressed (zstd); those of before stay as they are.
ALTER TABLE evaluation ALTER COLUMN result TYPE bytea USING convert_to(result::text, 'UTF8');
ALTER TABLE evaluation ALTER COLUMN result SET STORAGE EXTERNAL;
