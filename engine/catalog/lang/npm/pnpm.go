package npm

import (
	"context"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// pnpm is a pnpm-lock.yaml (github.com/pnpm/spec, lockfile 5.1, 6.0 and 9.0). Until version 6 each package says
// whether it is for development only; since version 9 only the way from an importer to it does.
//
// The file is read line by line and not by a YAML decoder: pnpm writes block mappings only, and decoders take
// quadratic time and memory for a mapping of many keys, which an image could bring along on purpose.
type pnpm struct {
	version   string
	packages  map[string]*pnpmPackage
	roots     []edge            // what importers depend on, but for development
	snapshots map[string][]edge // what packages depend on, by key with peers
}

type pnpmPackage struct {
	name, version      string // only of what is not from a registry
	dev                bool
	integrity, tarball string
}

// edge is a dependency: its name and the locked version, or the key of what the name is an alias for.
type edge struct{ name, version string }

func analyzePnpm(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	l := readPnpm(string(content))
	if l.version == "" {
		return catalog.Evidence{}, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonUnreadable, Detail: "no lockfileVersion"}
	}
	list := listing.Declared(f, catalog.TypeNpm, "NpmPnpmLockMetadata")
	used := l.reachable()
	for key, found := range listing.Sorted(l.packages) {
		name, version := l.split(key)
		if found.name != "" {
			name = found.name
		}
		if found.version != "" {
			version = found.version
		}
		// What is left with an address for a version lies beside the project.
		if found.dev || (used != nil && !used[key]) || strings.ContainsAny(version, ":/") {
			continue
		}
		list.Add(locked(name, version, found.tarball, found.integrity))
	}
	return list.Evidence()
}

// level is a key above the current line.
type level struct {
	indent int
	key    string
}

func readPnpm(text string) *pnpm {
	l := &pnpm{packages: map[string]*pnpmPackage{}}
	var levels []level
	var path []string
	for line := range strings.Lines(text) {
		plain := strings.TrimLeft(line, " ")
		indent := len(line) - len(plain)
		key, value, ok := pair(strings.TrimRight(plain, " \r\n"))
		if !ok {
			continue
		}
		for len(levels) > 0 && levels[len(levels)-1].indent >= indent {
			levels = levels[:len(levels)-1]
		}
		if len(levels) == maxLevels {
			continue
		}
		levels = append(levels, level{indent, key})
		path = path[:0]
		for _, above := range levels {
			path = append(path, above.key)
		}
		l.take(path, value)
	}
	return l
}

// maxLevels is how deep what we read lies: importers, importer, dependencies, name, version.
const maxLevels = 5

// pair reads a line "key: value"; the key may be quoted, the value absent. Elements of lists and comments are no
// pairs.
func pair(line string) (key, value string, ok bool) {
	if line == "" || line[0] == '#' || line[0] == '-' || line[0] == '?' {
		return "", "", false
	}
	if quote := line[:1]; quote == "'" || quote == `"` {
		key, value, ok = strings.Cut(line[1:], quote+":")
	} else if key, ok = strings.CutSuffix(line, ":"); !ok {
		if key, value, ok = strings.Cut(line, ": "); !ok {
			return "", "", false
		}
	}
	return key, unquote(strings.TrimSpace(value)), ok
}

func unquote(s string) string {
	if n := len(s); n > 1 && s[0] == s[n-1] && (s[0] == '\'' || s[0] == '"') {
		return s[1 : n-1]
	}
	return s
}

// take takes in the value of the key that path leads to.
func (l *pnpm) take(path []string, value string) {
	switch n := len(path); path[0] {
	case "lockfileVersion":
		if n == 1 {
			l.version = value
		}
	case "packages":
		if n == 2 {
			l.packages[path[1]] = &pnpmPackage{}
		} else if n > 2 {
			l.packages[path[1]].field(path[2:], value)
		}
	case "importers":
		if n == 5 && path[4] == "version" && counts(path[2]) {
			l.roots = append(l.roots, edge{path[3], value})
		}
	case "snapshots":
		if n > 1 && l.snapshots == nil {
			l.snapshots = map[string][]edge{}
		}
		if n == 2 {
			l.snapshots[path[1]] = nil
		}
		if n == 4 && counts(path[2]) {
			l.snapshots[path[1]] = append(l.snapshots[path[1]], edge{path[3], value})
		}
	}
}

// counts tells the groups of dependencies that are not for development.
func counts(group string) bool { return group == "dependencies" || group == "optionalDependencies" }

func (p *pnpmPackage) field(path []string, value string) {
	switch {
	case len(path) == 2 && path[0] == "resolution":
		p.resolve(path[1], value)
	case len(path) > 1:
	case path[0] == "resolution": // {integrity: sha512-x, tarball: https://x}
		for member := range strings.SplitSeq(strings.Trim(value, "{}"), ", ") {
			key, value, _ := strings.Cut(member, ": ")
			p.resolve(key, unquote(value))
		}
	case path[0] == "dev":
		p.dev = value == "true"
	case path[0] == "name":
		p.name = value
	case path[0] == "version":
		p.version = value
	}
}

func (p *pnpmPackage) resolve(key, value string) {
	switch key {
	case "integrity":
		p.integrity = value
	case "tarball":
		p.tarball = value
	}
}

// split takes a package's key apart: /NAME/VERSION_PEERS, from version 6 on NAME@VERSION(PEERS) with a slash
// before it, from version 9 on without.
func (l *pnpm) split(key string) (name, version string) {
	key = strings.TrimPrefix(key, "/")
	if strings.HasPrefix(l.version, "5") {
		i := strings.LastIndexByte(key, '/')
		version, _, _ = strings.Cut(key[i+1:], "_")
		return key[:max(i, 0)], version
	}
	return cutPattern(withoutPeers(key))
}

func withoutPeers(key string) string {
	key, _, _ = strings.Cut(key, "(")
	return key
}

// reachable returns the keys of the packages that importers need without their development dependencies; nil
// for a format that does not need the search.
func (l *pnpm) reachable() map[string]bool {
	if l.snapshots == nil {
		return nil
	}
	used, seen := map[string]bool{}, map[string]bool{}
	for open := l.roots; len(open) > 0; {
		e := open[len(open)-1]
		open = open[:len(open)-1]
		key := e.name + "@" + e.version
		if _, ok := l.snapshots[key]; !ok {
			key = e.version // an alias has the name with its version
		}
		if more, ok := l.snapshots[key]; ok && !seen[key] {
			seen[key] = true
			used[withoutPeers(key)] = true
			open = append(open, more...)
		}
	}
	return used
}
