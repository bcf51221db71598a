-- +goose Up
-- By which revision of its driver a group was read last: documents that did not change say something else to another one.
ALTER TABLE feed_group ADD COLUMN revision integer NOT NULL DEFAULT 0;
