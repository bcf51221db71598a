package npm

import (
	"context"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// analyzeYarn reads yarn.lock. Yarn 1 wrote a format of its own, later ones YAML; both have an entry's patterns
// on a line without indent and its fields on lines of two blanks, which is all we need of either:
//
//	"a@^1.0.0", a@^1.1.0:                 "a@npm:^1.0.0, a@npm:^1.1.0":
//	  version "1.1.7"                       version: 1.1.7
//	  resolved "https://..."                resolution: "a@npm:1.1.7"
func analyzeYarn(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Declared(f, catalog.TypeNpm, "NpmYarnLockMetadata")
	var entry yarnEntry
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] != ' ':
			entry.add(list)
			entry = yarnEntry{pattern: strings.Trim(strings.TrimSuffix(line, ":"), `"`)}
		case strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   "):
			entry.field(strings.TrimSpace(line))
		}
	}
	entry.add(list)
	return list.Evidence()
}

// yarnEntry is an entry as it is read; resolution is only in those of Yarn 2 and later.
type yarnEntry struct{ pattern, version, resolved, integrity, resolution string }

func (e *yarnEntry) field(line string) {
	key, value, _ := strings.Cut(line, " ")
	value = strings.Trim(value, `"`)
	switch strings.TrimSuffix(key, ":") {
	case "version":
		e.version = value
	case "resolved":
		e.resolved = value
	case "integrity", "checksum":
		e.integrity = value
	case "resolution":
		e.resolution = value
	}
}

// add takes in the entry if it comes from a registry. A patched package stands beside the one it is made of.
func (e *yarnEntry) add(list *listing.List) {
	if e.version == "" {
		return
	}
	if e.resolution != "" {
		if name, version := splitAt(e.resolution); strings.HasPrefix(version, "npm:") {
			list.Add(locked(name, e.version, e.resolved, e.integrity))
		}
		return
	}
	if e.resolved == "" && !strings.Contains(e.pattern, "@") {
		return // __metadata
	}
	pattern, _, _ := strings.Cut(e.pattern, ",")
	name, wanted := cutPattern(strings.Trim(pattern, `" `))
	if wanted == "" {
		name = "" // no pattern, a fault
	}
	if alias, ok := strings.CutPrefix(wanted, "npm:"); ok {
		if real, _ := cutPattern(alias); real != "" {
			name = real
		}
	}
	if strings.HasPrefix(wanted, "file:") || strings.HasPrefix(wanted, "link:") {
		return
	}
	list.Add(locked(name, e.version, e.resolved, e.integrity))
}

// cutPattern splits NAME@RANGE at the first @ that is not a scope's.
func cutPattern(s string) (name, wanted string) {
	if i := strings.IndexByte(s[min(1, len(s)):], '@'); i >= 0 {
		return s[:i+1], s[i+2:]
	}
	return s, ""
}
