-- +goose Up
-- What an image is built on is found by its first layers. Lists of layers are too long for a b-tree.
CREATE INDEX analysis_layers ON analysis USING hash (layer_digests);
