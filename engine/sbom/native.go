package sbom

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// The native document follows this schema of Syft.
const (
	nativeSchema    = "16.0.21"
	nativeSchemaURL = "https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-" + nativeSchema + ".json"
)

type nativeDocument struct {
	Artifacts     []nativePackage      `json:"artifacts"`
	Relationships []nativeRelationship `json:"artifactRelationships"`
	Source        nativeSource         `json:"source"`
	Distro        nativeDistro         `json:"distro"`
	Descriptor    nativeDescriptor     `json:"descriptor"`
	Schema        nativeSchemaRef      `json:"schema"`
}

type nativePackage struct {
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	Version      string           `json:"version"`
	Type         string           `json:"type"`
	FoundBy      string           `json:"foundBy"`
	Locations    []nativeLocation `json:"locations"`
	Licenses     []nativeLicense  `json:"licenses"`
	Language     string           `json:"language"`
	CPEs         []nativeCPE      `json:"cpes"`
	PURL         string           `json:"purl"`
	MetadataType string           `json:"metadataType,omitempty"`
	Metadata     any              `json:"metadata,omitempty"`
}

type nativeLocation struct {
	Path       string `json:"path"`
	LayerID    string `json:"layerID,omitempty"`
	AccessPath string `json:"accessPath"`
}

type nativeLicense struct {
	Value          string   `json:"value"`
	SPDXExpression string   `json:"spdxExpression"`
	Type           string   `json:"type"`
	URLs           []string `json:"urls"`
	Locations      []string `json:"locations"`
}

type nativeCPE struct {
	CPE    string `json:"cpe"`
	Source string `json:"source"`
}

// nativeDpkg is what matchers read of a dpkg package beyond its name: the source package.
type nativeDpkg struct {
	Package       string   `json:"package"`
	Source        string   `json:"source"`
	Version       string   `json:"version"`
	SourceVersion string   `json:"sourceVersion"`
	Architecture  string   `json:"architecture"`
	Maintainer    string   `json:"maintainer"`
	InstalledSize int64    `json:"installedSize"` // KiB
	Files         []string `json:"files"`
}

// nativeApk and nativeRpm are the same for the packages of apk and rpm.
type nativeApk struct {
	Package       string `json:"package"`
	OriginPackage string `json:"originPackage"`
	Maintainer    string `json:"maintainer"`
	Version       string `json:"version"`
	Architecture  string `json:"architecture"`
	InstalledSize int64  `json:"installedSize"` // bytes
}

type nativeRpm struct {
	Name            string `json:"name"`
	Version         string `json:"version"`
	Release         string `json:"release"`
	Epoch           *int   `json:"epoch"`
	Architecture    string `json:"architecture"`
	SourceRPM       string `json:"sourceRpm"`
	Size            int64  `json:"size"` // bytes
	Vendor          string `json:"vendor"`
	ModularityLabel string `json:"modularityLabel,omitempty"`
}

type nativeSource struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Type     string         `json:"type"`
	Metadata nativeMetadata `json:"metadata"`
}

type nativeMetadata struct {
	UserInput      string        `json:"userInput"`
	ImageID        string        `json:"imageID"`
	ManifestDigest string        `json:"manifestDigest"`
	MediaType      string        `json:"mediaType"`
	Tags           []string      `json:"tags"`
	ImageSize      int64         `json:"imageSize"` // bytes, decompressed
	Layers         []nativeLayer `json:"layers"`
	Manifest       []byte        `json:"manifest"`
	Config         []byte        `json:"config"`
	RepoDigests    []string      `json:"repoDigests"`
	Architecture   string        `json:"architecture"`
	OS             string        `json:"os"`
}

type nativeLayer struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type nativeDistro struct {
	PrettyName string   `json:"prettyName,omitempty"`
	Name       string   `json:"name,omitempty"`
	ID         string   `json:"id,omitempty"`
	IDLike     []string `json:"idLike,omitempty"`
	Version    string   `json:"version,omitempty"`
	VersionID  string   `json:"versionID,omitempty"`
	Codename   string   `json:"versionCodename,omitempty"`
}

type nativeDescriptor struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"`
}

type nativeSchemaRef struct {
	Version string `json:"version"`
	URL     string `json:"url"`
}

type nativeRelationship struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Type   string `json:"type"`
}

// nativeWords names the package types and languages of the native document where they differ from ours.
var nativeWords = map[string]struct{ kind, language string }{
	catalog.TypeDpkg:     {"deb", ""},
	catalog.TypeApk:      {"apk", ""},
	catalog.TypeRust:     {"rust-crate", "rust"},
	catalog.TypeNuget:    {"dotnet", "dotnet"},
	catalog.TypeComposer: {"php-composer", "php"},
	catalog.TypeNpm:      {"npm", "javascript"},
	catalog.TypePython:   {"python", "python"},
	catalog.TypeJava:     {"java-archive", "java"},
	catalog.TypeGo:       {"go-module", "go"},
	catalog.TypeGem:      {"gem", "ruby"},
	catalog.TypeCran:     {"R-package", "R"},
	catalog.TypeOTP:      {"erlang-otp", "erlang"},
}

// Native writes the native document.
func Native(w io.Writer, s Subject, img *image.Image, now time.Time) error {
	sourceID := s.documentID("native").String()
	all := artifacts(img)
	doc := nativeDocument{
		Artifacts:     []nativePackage{},
		Relationships: []nativeRelationship{},
		Source:        nativeImage(sourceID, s, img),
		Descriptor:    nativeDescriptor{Tool, s.ToolVersion, now.UTC().Format(time.RFC3339)},
		Schema:        nativeSchemaRef{nativeSchema, nativeSchemaURL},
	}
	if d := img.Distro; d != nil {
		doc.Distro = nativeDistro{d.Name, d.ID, d.ID, d.Like, d.VersionID, d.VersionID, d.Codename}
	}
	names, owner := s.licensing(), owners(all)
	for _, a := range all {
		doc.Artifacts = append(doc.Artifacts, nativeArtifact(a, names))
		doc.Relationships = append(doc.Relationships, nativeRelationship{sourceID, a.id, "contains"})
		if by, owned := owner[a.Owner]; owned {
			doc.Relationships = append(doc.Relationships, nativeRelationship{by.id, a.id, "ownership-by-file-overlap"})
		}
	}
	if err := encode(w, doc); err != nil {
		return fmt.Errorf("write native document of %s: %w", s.ImageDigest, err)
	}
	return nil
}

func encode(w io.Writer, doc any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(doc)
}

func nativeImage(id string, s Subject, img *image.Image) nativeSource {
	repository, _ := s.split()
	m := nativeMetadata{
		UserInput: s.reference(), ImageID: s.ImageID, ManifestDigest: s.ImageDigest, MediaType: s.MediaType,
		Tags: append([]string{}, s.Tags...), ImageSize: img.Size, Layers: []nativeLayer{},
		Manifest: s.Manifest, Config: s.Config, RepoDigests: []string{}, Architecture: s.Architecture, OS: s.OS,
	}
	if repository != "" {
		m.RepoDigests = append(m.RepoDigests, repository+"@"+s.ImageDigest)
	} else {
		repository = s.ImageDigest
	}
	for _, l := range img.Layers {
		m.Layers = append(m.Layers, nativeLayer{Digest: l.Digest, Size: l.Size})
	}
	return nativeSource{ID: id, Name: repository, Version: s.ImageDigest, Type: "image", Metadata: m}
}

func nativeArtifact(a artifact, names licensing) nativePackage {
	words, ok := nativeWords[a.Type]
	if !ok {
		words.kind = a.Type
	}
	p := nativePackage{
		ID: a.id, Name: a.Name, Version: a.Version, Type: words.kind, FoundBy: Tool, Language: words.language, PURL: a.PURL,
		Locations: []nativeLocation{{Path: a.Location, LayerID: a.Layer, AccessPath: a.Location}},
		Licenses:  []nativeLicense{}, CPEs: []nativeCPE{},
	}
	for _, l := range names.all(a.Licenses) {
		p.Licenses = append(p.Licenses, nativeLicense{l.text, l.expression, "declared", []string{}, []string{}})
	}
	for _, c := range a.CPEs {
		p.CPEs = append(p.CPEs, nativeCPE{c, "generated"})
	}
	switch {
	case a.Type == catalog.TypeDpkg:
		p.MetadataType = "dpkg-db-entry"
		p.Metadata = nativeDpkg{a.Name, a.Source, a.Version, a.SourceVersion, a.Arch, a.Origin, a.Size >> 10, []string{}}
	case a.Type == catalog.TypeApk:
		p.MetadataType = "apk-db-entry"
		p.Metadata = nativeApk{a.Name, a.Source, a.Origin, a.Version, a.Arch, a.Size}
	case a.Type == catalog.TypeRpm:
		p.MetadataType, p.Metadata = "rpm-db-entry", rpmEntry(a)
	case a.MetadataType != "" && len(a.Metadata) > 0:
		p.MetadataType, p.Metadata = a.MetadataType, a.Metadata
	}
	return p
}

func rpmEntry(a artifact) nativeRpm {
	out := nativeRpm{Name: a.Name, Architecture: a.Arch, Size: a.Size, Vendor: a.Origin, ModularityLabel: a.Metadata["modularity_label"]}
	version := a.Version
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		if n, err := strconv.Atoi(epoch); err == nil {
			out.Epoch, version = &n, rest
		}
	}
	out.Version, out.Release, _ = strings.Cut(version, "-")
	if a.Source != "" {
		source := a.SourceVersion
		if _, rest, ok := strings.Cut(source, ":"); ok {
			source = rest
		}
		out.SourceRPM = a.Source + "-" + source + ".src.rpm"
	}
	return out
}
