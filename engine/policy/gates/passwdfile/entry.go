package passwdfile

import (
	"bytes"
	"iter"
	"strings"

	"plimsoll/engine/catalog"
)

// entry is one line of a passwd file (passwd(5)), read as generously as the GNU C library does: what follows the ids may
// be missing, blanks before the name do not count.
type entry struct {
	line     string
	name     string
	password string
	uid, gid string // decimal without leading zeros, or what stands there
	shell    string
}

// defaultShell is that of an entry without one (passwd(5)).
const defaultShell = "/bin/sh"

// Positions of fields in a line.
const (
	nameField     = 0
	passwordField = 1
	uidField      = 2
	gidField      = 3
	shellField    = 6 // the last one: what else has colons belongs to it
	fieldCount    = 7
)

// parse yields the entries of a file of any content.
func parse(content []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for line := range bytes.Lines(content) {
			if e, ok := parseEntry(string(line)); ok && !yield(e) {
				return
			}
		}
	}
}

func parseEntry(line string) (entry, bool) {
	line = strings.TrimSpace(line)
	fields := strings.SplitN(line, ":", fieldCount)
	if len(fields) <= gidField || strings.HasPrefix(line, "#") {
		return entry{}, false
	}
	e := entry{
		line: line, name: fields[nameField], password: fields[passwordField],
		uid: number(fields[uidField]), gid: number(fields[gidField]), shell: defaultShell,
	}
	if len(fields) == fieldCount && fields[shellField] != "" {
		e.shell = fields[shellField]
	}
	return e, true
}

// number brings digits into the form in which ids are compared: 00 is 0.
func number(digits string) string {
	trimmed := strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(digits), "+"), "0")
	if trimmed == "" && strings.Contains(digits, "0") {
		return "0"
	}
	return trimmed
}

func numbers(all []string) []string {
	out := make([]string, len(all))
	for i, digits := range all {
		out[i] = number(digits)
	}
	return out
}

// shown is the line for a message, without a password: old images have its hash here.
func (e *entry) shown() string {
	if len(e.password) <= len("x") {
		return catalog.Text(e.line)
	}
	return catalog.Text(e.name + ":…" + strings.TrimPrefix(e.line, e.name+":"+e.password))
}
