// Package gems reads which versions of Ruby gems exist from the index RubyGems.org makes for Bundler: the "versions" file
// of the compact index, a stable public API (guides.rubygems.org, "Compact Index API").
//
// One group "rubygems". Behind a heading every line is a gem, versions with commas between them, and a checksum. The
// file grows at its end: a gem may have several lines, and a version with a minus before it was withdrawn. A
// version for a platform ("1.15.0-x86_64-linux") counts as the version. Releases come in the order of names.
//
// The index says what exists, nothing about vulnerabilities; it is for policies that ask whether a version is the
// newest one.
//
// Invariants: the index is held as text, about as large as the document; one bad line never fails it.
package gems

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "gems"

const (
	host      = "rubygems.org"
	indexPath = "versions"
	document  = "versions"
	namespace = "rubygems"
)

// Bounds; RubyGems.org has 200,000 gems in 25 MB, the longest line is below 200 kB.
const (
	maxBytes    = 256 << 20
	maxLine     = 4 << 20
	maxVersions = 50_000 // of one gem
)

var (
	// ErrDocument means that a document is not a compact index.
	ErrDocument = errors.New("not a compact index of gems")
	// ErrLine means that a line of the index was left out.
	ErrLine = errors.New("unusable line of the index")
)

// Driver reads the index of RubyGems.org.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: namespace, Host: host, Path: indexPath}}
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	return feed.Plan{Documents: []feed.Document{{Name: document, Host: r.Group.Host, Path: r.Group.Path}}}, nil
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	doc, ok := in.Document(document)
	if !ok {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	index, err := read(doc, out)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	for _, name := range slices.Sorted(maps.Keys(index)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, ok := release(name, index[name])
		if !ok {
			continue // all of it was withdrawn
		}
		if err := out.Release(r); err != nil {
			return err
		}
	}
	return nil
}

// read returns the lists of versions of each gem, in the file's order.
func read(doc feed.Fetched, out feed.Sink) (map[string][]string, error) {
	text, err := archive.Open(doc, archive.Limits{Bytes: maxBytes})
	if err != nil {
		return nil, err
	}
	defer text.Close()
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	heading := true
	index := map[string][]string{}
	for lines.Scan() {
		line := lines.Text()
		switch {
		case heading && line == "---":
			heading = false
		case heading && !strings.HasPrefix(line, "created_at:"):
			return nil, fmt.Errorf("heading %.40q", line)
		case heading, line == "":
		default:
			name, versions, err := split(line)
			if err != nil {
				out.Bad(field.Prose(line, field.MaxID), err)
				continue
			}
			index[name] = append(index[name], versions)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(index) == 0 {
		return nil, errors.New("it has no gems")
	}
	return index, nil
}

// split reads "rack 0.1.0,0.2.0-java,-0.3.0 1f2e…".
func split(line string) (name, versions string, err error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return "", "", fmt.Errorf("%w: %d fields, not 3", ErrLine, len(fields))
	}
	if name, err = field.Name(fields[0]); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrLine, err)
	}
	return name, fields[1], nil
}

// release applies the lists of a gem one after the other.
func release(name string, lists []string) (feed.Release, bool) {
	builds := map[string]bool{}
	for _, list := range lists {
		for build := range strings.SplitSeq(list, ",") {
			if gone, ok := strings.CutPrefix(build, "-"); ok {
				delete(builds, gone)
			} else if len(builds) < maxVersions {
				builds[build] = true
			}
		}
	}
	r := feed.Release{Namespace: namespace, Package: name}
	for build := range builds {
		number, _, _ := strings.Cut(build, "-")
		if version.Valid(version.RubyGems, number) {
			r.Versions = append(r.Versions, number)
		}
	}
	slices.SortFunc(r.Versions, order)
	r.Versions = slices.Compact(r.Versions)
	if len(r.Versions) == 0 {
		return r, false
	}
	r.Latest = latest(r.Versions)
	return r, true
}

// order is that of RubyGems; versions that are equal but written in two ways follow their text.
func order(a, b string) int {
	c, _ := version.Compare(version.RubyGems, a, b) // both are valid
	return cmp.Or(c, strings.Compare(a, b))
}

// latest is the newest version that is no pre-release, if there is one. A letter makes a pre-release (Gem::Version).
func latest(sorted []string) string {
	for _, v := range slices.Backward(sorted) {
		if !strings.ContainsFunc(v, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
			return v
		}
	}
	return sorted[len(sorted)-1]
}
