// Package statement declares SQL. Each statement has a name, which labels its metrics and shows in the server's
// own statistics, and is listed with the place it was declared at, so that a test can prepare every one of them
// on a migrated database: what the compiler does for Go code.
package statement

import (
	"fmt"
	"runtime"
	"strings"
)

// Declared is one statement of the program.
type Declared struct {
	Name   string
	SQL    string
	Source string // file:line
	// Command: it takes no arguments and is run instead of prepared, since others need the temporary table it
	// makes, or since the server does not prepare its kind.
	Command bool
}

// declared is filled by package initialisation and not changed later.
var declared []Declared

// Query declares a statement called NAME ("image.get") and returns its text, which carries the name.
func Query(name, sql string) string { return declare(name, sql, false) }

// Command declares a statement without arguments that is not prepared: CREATE TEMPORARY TABLE, ANALYZE, LISTEN.
func Command(name, sql string) string { return declare(name, sql, true) }

func declare(name, sql string, command bool) string {
	_, file, line, _ := runtime.Caller(2)
	text := prefix + name + suffix + strings.TrimSpace(sql)
	declared = append(declared, Declared{name, text, fmt.Sprintf("%s:%d", file, line), command})
	return text
}

const (
	prefix = "/* "
	suffix = " */ "
)

// All lists the declared statements of all packages linked into the program.
func All() []Declared { return append([]Declared(nil), declared...) }

// Name returns the name of a statement from its text, or "other" for one that was not declared.
func Name(sql string) string {
	rest, ok := strings.CutPrefix(sql, prefix)
	if !ok {
		return "other"
	}
	name, _, ok := strings.Cut(rest, suffix)
	if !ok {
		return "other"
	}
	return name
}
