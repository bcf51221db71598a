package feed

import (
	"regexp"
	"strings"
)

var pep503 = regexp.MustCompile(`[-_.]+`)

// PackageName writes a package name as its namespace compares names: PEP 503 for pypi, lower case for nuget, packagist
// and crates.io (which gives a name once, however it is written; advisories say "Deno" and "SurrealDB" where the crates
// are deno and surrealdb), unchanged elsewhere.
func PackageName(namespace, name string) string {
	switch namespace {
	case "pypi":
		return strings.ToLower(pep503.ReplaceAllString(name, "-"))
	case "nuget", "packagist", "crates.io":
		return strings.ToLower(name)
	}
	return name
}
