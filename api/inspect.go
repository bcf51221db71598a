package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"plimsoll/persistence"
)

// inspection shows an image with the keys of `docker image inspect`: what its configuration says (OCI image
// specification, config.md), and the names the account knows it by.
type inspection struct {
	ID           string          `json:"Id"`
	RepoTags     []string        `json:"RepoTags"`
	RepoDigests  []string        `json:"RepoDigests"`
	Comment      string          `json:"Comment"`
	Created      string          `json:"Created,omitempty"`
	Author       string          `json:"Author"`
	Config       json.RawMessage `json:"Config"`
	Architecture string          `json:"Architecture"`
	Variant      string          `json:"Variant,omitempty"`
	Os           string          `json:"Os"`
	OsVersion    string          `json:"OsVersion,omitempty"`
	RootFS       rootFS          `json:"RootFS"`
}

type rootFS struct {
	Type   string   `json:"Type"`
	Layers []string `json:"Layers,omitempty"` // diff ids, bottom first
}

// imageConfig is the part of an image's configuration that an inspection shows.
type imageConfig struct {
	Created      string          `json:"created"`
	Author       string          `json:"author"`
	Architecture string          `json:"architecture"`
	Variant      string          `json:"variant"`
	OS           string          `json:"os"`
	OSVersion    string          `json:"os.version"`
	Comment      string          `json:"comment"`
	Config       json.RawMessage `json:"config"`
	RootFS       struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		Comment string `json:"comment"`
	} `json:"history"`
}

func (h *handlers) inspection(ctx context.Context, record persistence.Image) (inspection, error) {
	data, err := h.document(ctx, record.ConfigBlob)
	if err != nil {
		return inspection{}, err
	}
	var c imageConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return inspection{}, fmt.Errorf("decode config of %s: %w", record.Digest, err)
	}
	out := inspection{
		ID: "sha256:" + strings.TrimPrefix(record.ImageID, "sha256:"), RepoTags: []string{}, RepoDigests: []string{},
		Comment: c.Comment, Created: c.Created, Author: c.Author, Config: c.Config,
		Architecture: c.Architecture, Variant: c.Variant, Os: c.OS, OsVersion: c.OSVersion,
		RootFS: rootFS{Type: c.RootFS.Type, Layers: c.RootFS.DiffIDs},
	}
	if len(out.Config) == 0 {
		out.Config = json.RawMessage("null")
	}
	if n := len(c.History); out.Comment == "" && n > 0 {
		out.Comment = c.History[n-1].Comment // where builders have put it since the configuration lost the key
	}
	seen := map[string]bool{}
	for _, t := range record.Tags {
		if t.Current {
			out.RepoTags = append(out.RepoTags, t.FullTag())
		}
		if name := t.Registry + "/" + t.Repository + "@" + record.Digest; !seen[name] {
			seen[name] = true
			out.RepoDigests = append(out.RepoDigests, name)
		}
	}
	return out, nil
}
