// Package exclusion reads curated false positives: vulnerabilities that do not apply to packages that look affected.
//
// There is no public source of them. An operator names documents in Settings.Extra, each as host and path
// ("feeds.example.org/exclusions.yaml"); without one the source has no group. A document is YAML, or JSON, of this form:
//
//	exclusions:
//	  - id: ubi9-python-wheel           # unique in the documents
//	    vulnerabilities: [CVE-2022-40897] # by any of their names; at least one
//	    namespace: pypi                 # of the advisory, such as "nvd" or "debian:12"
//	    package_type: python            # as the API shows it
//	    package: setuptools             # name, * stands for any characters
//	    versions: ["53.0.0"]            # exactly these; all when there are none
//	    reason: "fixed by the distribution's patch"
//
// All conditions that are there must hold. One of namespace, package_type and package has to be: what hides a vulnerability
// everywhere belongs into a policy. An entry with a key that is not known is refused, since it was meant to exclude less.
package exclusion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// Name is the source name of everything this driver emits.
const Name = "exclusions"

// Bounds on a document.
const (
	maxDocument = 1 << 20 // bytes; the tree of a hostile one takes two hundred times as much
	maxList     = 1000    // vulnerabilities or versions of an entry
	maxKeys     = 20      // of a mapping; the library compares each with all others
	maxDepth    = 8
)

var (
	// ErrDocument means that a document is no list of exclusions.
	ErrDocument = errors.New("not a list of exclusions")
	// ErrEntry means that an exclusion cannot be used.
	ErrEntry = errors.New("unusable exclusion")
	// ErrAddress means that the settings name no document.
	ErrAddress = errors.New("not an address of exclusions; it is written as host/path")
)

// Driver reads exclusions.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	if len(s.Extra) == 0 {
		return nil
	}
	host, path, _ := strings.Cut(s.Extra[0], "/")
	return []feed.Group{{Name: "exclusions", Host: host, Path: path}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	var out feed.Plan
	for i, address := range r.Settings.Extra {
		host, path, _ := strings.Cut(address, "/")
		if host == "" || path == "" || strings.Contains(address, "://") || slices.Contains(strings.Split(path, "/"), "..") {
			return feed.Plan{}, fmt.Errorf("%.80q: %w", address, ErrAddress)
		}
		out.Documents = append(out.Documents, feed.Document{Name: strconv.Itoa(i), Host: host, Path: path})
	}
	return out, nil
}

// entry is one exclusion as it is written.
type entry struct {
	ID              string   `yaml:"id"`
	Vulnerabilities []string `yaml:"vulnerabilities"`
	Namespace       string   `yaml:"namespace"`
	PackageType     string   `yaml:"package_type"`
	Package         string   `yaml:"package"`
	Versions        []string `yaml:"versions"`
	Reason          string   `yaml:"reason"`
}

var keys = []string{"id", "vulnerabilities", "namespace", "package_type", "package", "versions", "reason"}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	for _, doc := range in.Documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		list, err := entries(doc)
		if err != nil {
			return fmt.Errorf("document %s: %w", doc.Name, err)
		}
		for i, n := range list {
			x, err := read(n)
			if err != nil {
				out.Bad(fmt.Sprintf("%s entry %d", doc.Name, i+1), fmt.Errorf("%w: %w", ErrEntry, err))
				continue
			}
			if err := out.Exclusion(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries are the members of the list of a document.
func entries(doc feed.Fetched) ([]*yaml.Node, error) {
	body, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	var tree yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&tree); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDocument, field.Prose(err.Error(), field.MaxReason))
	}
	if root := tree.Content; len(root) == 1 && root[0].Kind == yaml.MappingNode && len(root[0].Content) == 2 {
		key, value := root[0].Content[0], root[0].Content[1]
		if key.Value == "exclusions" && value.Kind == yaml.SequenceNode {
			return value.Content, nil
		}
	}
	return nil, fmt.Errorf("%w: it has to hold a list named exclusions, and nothing else", ErrDocument)
}

func read(n *yaml.Node) (feed.Exclusion, error) {
	if n.Kind != yaml.MappingNode || !plain(n, 0) {
		return feed.Exclusion{}, errors.New("it is no mapping of an exclusion's keys")
	}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i].Value; !slices.Contains(keys, key) {
			return feed.Exclusion{}, fmt.Errorf("key %.40q is not known", key)
		}
	}
	var e entry
	if err := n.Decode(&e); err != nil {
		return feed.Exclusion{}, errors.New(field.Prose(err.Error(), field.MaxReason))
	}
	return e.exclusion()
}

// plain reports whether a tree has no aliases and is no larger than an exclusion may be.
func plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || depth > maxDepth || n.Kind == yaml.MappingNode && len(n.Content) > 2*maxKeys {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !plain(c, depth+1) })
}

func (e *entry) exclusion() (feed.Exclusion, error) {
	x := feed.Exclusion{Namespace: e.Namespace, PackageType: e.PackageType, Package: e.Package, Reason: field.Prose(e.Reason, field.MaxReason)}
	var err error
	if x.ID, err = field.ID(e.ID); err != nil {
		return x, err
	}
	if len(e.Vulnerabilities) == 0 || len(e.Vulnerabilities) > maxList || len(e.Versions) > maxList {
		return x, fmt.Errorf("%s: 1 to %d vulnerabilities and up to as many versions are read", x.ID, maxList)
	}
	if e.Namespace == "" && e.PackageType == "" && e.Package == "" {
		return x, fmt.Errorf("%s: it says neither namespace, package_type nor package", x.ID)
	}
	for _, v := range e.Vulnerabilities {
		if v, err = field.ID(v); err != nil {
			return x, fmt.Errorf("%s: %w", x.ID, err)
		}
		x.Vulnerabilities = append(x.Vulnerabilities, v)
	}
	for _, name := range append([]string{e.Namespace, e.PackageType, e.Package}, e.Versions...) {
		if len(name) > field.MaxName || field.Prose(name, field.MaxName) != name {
			return x, fmt.Errorf("%s: %w: %.40q", x.ID, field.ErrText, name)
		}
	}
	if slices.Contains(e.Versions, "") {
		return x, fmt.Errorf("%s: an empty version", x.ID)
	}
	x.Versions = slices.Clone(e.Versions)
	slices.Sort(x.Vulnerabilities)
	slices.Sort(x.Versions)
	x.Vulnerabilities, x.Versions = slices.Compact(x.Vulnerabilities), slices.Compact(x.Versions)
	return x, nil
}
