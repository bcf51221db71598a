package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// syftPackage and what follows are the parts of Syft's JSON (schema 1 to 16) that are read. Fields changed their form
// over the years.
type syftPackage struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Type         string            `json:"type"`
	Locations    few[syftLocation] `json:"locations"`
	Licenses     few[syftText]     `json:"licenses"`
	CPEs         few[syftText]     `json:"cpes"`
	PURL         string            `json:"purl"`
	MetadataType string            `json:"metadataType"`
	// Metadata is an object for most types.
	Metadata json.RawMessage `json:"metadata"`
}

type syftLocation struct {
	Path    string `json:"path"`
	LayerID string `json:"layerID"`
}

// syftText is a licence or a CPE: a text in old documents, an object in new ones.
type syftText string

func (t *syftText) UnmarshalJSON(raw []byte) error {
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		*t = syftText(plain)
		return nil
	}
	var object struct {
		Value      string `json:"value"`
		Expression string `json:"spdxExpression"`
		CPE        string `json:"cpe"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	switch {
	case object.CPE != "":
		*t = syftText(object.CPE)
	case object.Value != "":
		*t = syftText(object.Value)
	default:
		*t = syftText(object.Expression)
	}
	return nil
}

type syftDistro struct {
	PrettyName string          `json:"prettyName"`
	Name       string          `json:"name"`
	ID         string          `json:"id"`
	IDLike     json.RawMessage `json:"idLike"` // a text in old documents, a list in new ones
	Version    string          `json:"version"`
	VersionID  string          `json:"versionID"`
	Codename   string          `json:"versionCodename"`
}

type syftSource struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Target  json.RawMessage `json:"target"` // what metadata was called before
}

// syftTypes maps Syft's words for package types to ours where they differ.
var syftTypes = func() map[string]string {
	types := map[string]string{
		"jenkins-plugin": catalog.TypeJava, "rust-crate": catalog.TypeRust, "dotnet": catalog.TypeNuget, "php-composer": catalog.TypeComposer,
		"dart-pub": "pub", "hex": "hex",
	}
	for ours, words := range nativeWords {
		types[words.kind] = ours
	}
	return types
}()

func (r *reader) syft(data []byte) error {
	var source syftSource
	var distro syftDistro
	var descriptor struct{ Name, Version string }
	if err := members(data, fields{
		"source": into(&source), "distro": into(&distro), "descriptor": into(&descriptor),
		"artifacts": listOf(func(raw json.RawMessage) error {
			var p syftPackage
			ok, err := r.entry(raw, &p)
			if err != nil || !ok {
				return err
			}
			return r.add(p.read())
		}),
	}); err != nil {
		return err
	}
	r.Tool = strings.TrimSpace(descriptor.Name + " " + descriptor.Version)
	r.Name, r.Version = source.Name, source.Version
	if r.Name == "" {
		var target struct {
			UserInput string `json:"userInput"`
		}
		_ = json.Unmarshal(source.Target, &target) // a path in old documents
		r.Name = target.UserInput
	}
	r.Distro = distro.distro()
	return nil
}

func (d syftDistro) distro() *catalog.Distro {
	id := d.ID
	if id == "" {
		id = strings.ToLower(d.Name) // schema 1
	}
	if id == "" {
		return nil
	}
	out := &catalog.Distro{ID: id, VersionID: d.VersionID, Codename: d.Codename, Name: d.PrettyName}
	if out.VersionID == "" && d.ID == "" {
		out.VersionID = d.Version
	}
	var like few[string]
	var line string
	if json.Unmarshal(d.IDLike, &line) == nil {
		like = strings.Fields(line[:min(len(line), 4096)])
	} else {
		_ = json.Unmarshal(d.IDLike, &like) // of another form it says nothing
	}
	out.Like = texts(like, 32)
	return out
}

// syftMetadata are the fields of package databases that say what the package is, in Syft's spellings.
type syftMetadata struct {
	Source        string          `json:"source"`
	SourceVersion string          `json:"sourceVersion"`
	Architecture  string          `json:"architecture"`
	Maintainer    string          `json:"maintainer"`
	OriginPackage string          `json:"originPackage"`
	SourceRPM     string          `json:"sourceRpm"`
	Epoch         *int            `json:"epoch"`
	Vendor        string          `json:"vendor"`
	InstalledSize json.Number     `json:"installedSize"`
	Modularity    string          `json:"modularityLabel"`
	Author        json.RawMessage `json:"author"`
}

func (p *syftPackage) read() catalog.Package {
	out := catalog.Package{Name: p.Name, Version: p.Version, Type: p.Type, PURL: p.PURL, MetadataType: catalog.Text(p.MetadataType)}
	if known, ok := syftTypes[p.Type]; ok {
		out.Type = known
	}
	if len(p.Locations) > 0 {
		out.Location, out.Layer = p.Locations[0].Path, p.Locations[0].LayerID
	}
	for _, l := range p.Licenses {
		out.Licenses = append(out.Licenses, string(l))
	}
	for _, c := range p.CPEs {
		out.CPEs = append(out.CPEs, string(c))
	}
	var m syftMetadata
	_ = json.Unmarshal(p.Metadata, &m) // fields of other types are not of these forms
	switch out.Type {
	case catalog.TypeDpkg:
		out.Arch, out.Source, out.SourceVersion, out.Origin = m.Architecture, m.Source, m.SourceVersion, m.Maintainer
		kib, _ := m.InstalledSize.Int64()
		out.Size = max(kib, 0) << 10
	case catalog.TypeApk:
		out.Arch, out.Source, out.Origin = m.Architecture, m.OriginPackage, m.Maintainer
	case catalog.TypeRpm:
		out.Source, out.SourceVersion = sourceRPM(m.SourceRPM)
		out.Origin = m.Vendor
		label(&out, m.Modularity)
		if m.Epoch != nil && !strings.Contains(p.Version, ":") {
			out.Version = fmt.Sprint(*m.Epoch, ":", p.Version)
		}
	default:
		out.Metadata = plain(p.Metadata)
	}
	return out
}

// maxMetadata is how many members of a package's metadata are kept.
const maxMetadata = 64

// plain keeps the texts among the members of a JSON object.
func plain(raw json.RawMessage) map[string]string {
	var members map[string]json.RawMessage
	if bytes.Count(raw, []byte{','}) > longestList || json.Unmarshal(raw, &members) != nil {
		return nil
	}
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		var text string
		if json.Unmarshal(members[key], &text) != nil || len(out) == maxMetadata {
			continue
		}
		if key, text = catalog.Text(key), catalog.Text(text); key != "" && text != "" {
			out[key] = text
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
