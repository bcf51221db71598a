// Package model finds models of machine learning: files in the formats GGUF and safetensors that say what they are, and
// models in the cache of the Hugging Face Hub.
//
// Only the descriptions in front of the weights are read. Weights without a description are no package: a file's name
// says nothing reliable.
package model

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

const (
	// maxSize is a bound for what is worth a copy on disk to read its first kilobytes; larger models are recorded as
	// not looked at.
	maxSize = 1 << 30
	// maxHeader bounds the description of a safetensors file, in bytes: one entry of some 100 bytes for each tensor.
	maxHeader = 16 << 20
	// maxRef: a commit and a line end.
	maxRef = 1 << 10
)

// Unversioned is the version of a model that does not state one; most do not.
const Unversioned = "UNKNOWN"

// ErrHeader reports a model whose description cannot be read.
var ErrHeader = errors.New("unreadable model header")

// Analyzers returns the analyzers of models.
func Analyzers() []catalog.Analyzer {
	return []catalog.Analyzer{
		{Name: "gguf", Version: 1, MaxSize: maxSize, Analyze: analyzeGGUF,
			Wants: func(c catalog.Candidate) bool { return bytes.HasPrefix(c.Head, []byte(magic)) }},
		{Name: "safetensors", Version: 1, MaxSize: maxSize, Analyze: analyzeSafetensors,
			Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, ".safetensors") }},
		{Name: "huggingface-cache", Version: 1, MaxSize: maxRef, Wants: wantsRef, Analyze: analyzeRef},
	}
}

func analyzeGGUF(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	about, err := readGGUF(f.Reader())
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	list := listing.Installed(f, catalog.TypeModel, "GgufMetadata")
	if name := about["general.name"]; name != "" {
		version := cmp.Or(about["general.version"], Unversioned)
		list.Add(catalog.Package{
			Name: catalog.Text(name), Version: version, PURL: catalog.PURL(packageurl.TypeGeneric, "", catalog.Text(name), version, nil),
			Licenses: catalog.Licenses(about["general.license"]), Origin: catalog.Text(cmp.Or(about["general.organization"], about["general.author"])),
			Metadata: map[string]string{
				"architecture": about["general.architecture"], "size-label": about["general.size_label"], "finetune": about["general.finetune"],
				"url": cmp.Or(about["general.url"], about["general.repo_url"]), "quantized-by": about["general.quantized_by"],
			},
		})
	}
	return list.Evidence(err)
}

// analyzeSafetensors reads the header (github.com/huggingface/safetensors, "Format"): its length, then a JSON object in
// which __metadata__ is free text. What a model is called stands there by the Model Metadata Standard
// (github.com/Stability-AI/ModelSpec).
func analyzeSafetensors(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	in := &reader{in: f.Reader()}
	size := in.number(8)
	if in.err == nil && size > maxHeader {
		in.err = fmt.Errorf("%w: %d bytes", ErrHeader, size)
	}
	if in.err != nil {
		return catalog.Evidence{}, fmt.Errorf("%s: %w", f.Path, in.err)
	}
	var header struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	text, err := io.ReadAll(io.LimitReader(in.in, int64(size)))
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("%s: %w: %w", f.Path, ErrHeader, err)
	}
	about := header.Metadata
	list := listing.Installed(f, catalog.TypeModel, "SafetensorsMetadata")
	if name := catalog.Text(about["modelspec.title"]); name != "" {
		version := cmp.Or(about["modelspec.version"], Unversioned)
		list.Add(catalog.Package{
			Name: name, Version: version, PURL: catalog.PURL(packageurl.TypeGeneric, "", name, version, nil),
			Licenses: catalog.Licenses(about["modelspec.license"]), Origin: catalog.Text(about["modelspec.author"]),
			Metadata: map[string]string{"architecture": about["modelspec.architecture"], "implementation": about["modelspec.implementation"]},
		})
	}
	return list.Evidence()
}

// wantsRef: CACHE/models--OWNER--NAME/refs/BRANCH (huggingface.co/docs/huggingface_hub, "Understand caching").
func wantsRef(c catalog.Candidate) bool {
	dir := c.Path[:max(strings.LastIndexByte(c.Path, '/'), 0)]
	return strings.HasSuffix(dir, "/refs") && strings.Contains(dir, "/models--")
}

var commit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// analyzeRef reads the commit a branch stood at when the model was fetched.
func analyzeRef(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Installed(f, catalog.TypeModel, "HuggingfaceCacheMetadata")
	version := strings.TrimSpace(string(content))
	model, ok := strings.CutPrefix(path.Base(path.Dir(path.Dir(f.Path))), "models--")
	if !ok || !commit.MatchString(version) {
		return list.Evidence()
	}
	owner, name, owned := strings.Cut(model, "--")
	full := owner + "/" + name
	if !owned {
		owner, name, full = "", owner, owner
	}
	list.Add(catalog.Package{
		Name: full, Version: version, PURL: catalog.PURL(packageurl.TypeHuggingface, owner, name, version, nil),
		Metadata: map[string]string{"branch": path.Base(f.Path)},
	})
	return list.Evidence()
}
