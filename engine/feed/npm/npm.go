// Package npm reads which versions of chosen npm packages exist, from the registry's package metadata in its abbreviated
// form, the one clients install by (npm/registry, docs/responses/package-metadata.md).
//
// One group "npm". A registry has no document with the versions of all packages, and its replication API has names
// and revisions only; so Settings.Extra names the registry ("registry=npm.example") and the packages to follow, at most
// maxPackages: "lodash", "@angular/core". There is a document for each. A package the registry does not have is passed over.
//
// The index says what exists, nothing about vulnerabilities; it is for policies that ask whether a version is the
// newest one.
package npm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "npm"

const (
	// registryIs begins the entry of Settings.Extra that names the host of the registry: people use one of their own.
	registryIs = "registry="
	// nowhere is the host while none is named (RFC 2606, section 2).
	nowhere   = "npm.invalid"
	namespace = "npm"
	// abbreviated asks for the short form of package metadata.
	abbreviated = "application/vnd.npm.install-v1+json"
)

const (
	maxPackages = 5000
	maxVersions = 50_000   // of one package
	maxValue    = 16 << 20 // bytes of the metadata of one version
)

var (
	// ErrPackages means that the settings do not say what to follow.
	ErrPackages = errors.New("no usable registry and list of npm packages")
	// ErrDocument means that a document is not a package's metadata.
	ErrDocument = errors.New("not npm package metadata")
)

// Driver follows npm packages. The registry asks to be polite and says no number.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Pace: 50 * time.Millisecond}

func groups(s feed.Settings) []feed.Group {
	registry, _ := follow(s)
	return []feed.Group{{Name: namespace, Host: cmp.Or(registry, nowhere), Path: "-/"}}
}

// follow splits the settings into the host of the registry and the packages.
func follow(s feed.Settings) (registry string, packages []string) {
	for _, entry := range s.Extra {
		if host, ok := strings.CutPrefix(entry, registryIs); ok {
			registry = host
			continue
		}
		packages = append(packages, entry)
	}
	return registry, packages
}

var registryName = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?(:[0-9]{1,5})?$`)

// packageName is what the registry takes for a name (validate-npm-package-name), old names with capitals included.
var packageName = regexp.MustCompile(`^(@[0-9A-Za-z~-][0-9A-Za-z._~-]*/)?[0-9A-Za-z~_-][0-9A-Za-z._~-]*$`)

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	registry, names := follow(r.Settings)
	if !registryName.MatchString(registry) {
		return feed.Plan{}, fmt.Errorf("%w: name the host of the registry in the source's extra setting, as %snpm.example", ErrPackages, registryIs)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || len(names) > maxPackages {
		return feed.Plan{}, fmt.Errorf("%w: it has %d; name from 1 to %d packages to follow in the source's extra setting", ErrPackages, len(names), maxPackages)
	}
	var p feed.Plan
	for _, name := range names {
		if len(name) > field.MaxName || !packageName.MatchString(name) {
			return feed.Plan{}, fmt.Errorf("%w: %.80q is no name of a package", ErrPackages, name)
		}
		p.Documents = append(p.Documents, feed.Document{
			Name: name, Host: r.Group.Host, Path: name, Header: map[string]string{"Accept": abbreviated}, Optional: true,
		})
	}
	return p, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	for _, doc := range in.Documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		release, err := read(doc.Name, doc.Reader())
		if err != nil {
			return fmt.Errorf("package %s: %w", doc.Name, err)
		}
		if len(release.Versions) == 0 {
			continue // unpublished
		}
		if err := out.Release(release); err != nil {
			return err
		}
	}
	return nil
}

// read reads the metadata of a package: {"name", "dist-tags": {"latest"}, "versions": {"1.0.0": {…}}}.
func read(name string, in io.Reader) (feed.Release, error) {
	out := feed.Release{Namespace: namespace, Package: name}
	named := false
	r := jsonstream.New(in, maxValue)
	err := r.Object(func(key string) error {
		switch key {
		case "name":
			var said string
			err := r.Value(&said)
			named = said == name
			return err
		case "dist-tags":
			var tags map[string]string
			err := r.Value(&tags)
			out.Latest = tags["latest"]
			return err
		case "versions":
			return r.Object(func(v string) error {
				if version.Valid(version.Semver, v) && len(out.Versions) < maxVersions {
					out.Versions = append(out.Versions, v)
				}
				return r.Skip()
			})
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !named {
		err = errors.New("it is not about that package")
	}
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if !version.Valid(version.Semver, out.Latest) {
		out.Latest = ""
	}
	slices.SortFunc(out.Versions, order)
	out.Versions = slices.Compact(out.Versions)
	return out, nil
}

func order(a, b string) int {
	if c, err := version.Compare(version.Semver, a, b); err == nil && c != 0 {
		return c
	}
	return strings.Compare(a, b)
}
