package match

import (
	"cmp"
	"slices"
	"testing"

	"plimsoll/engine/catalog"
)

// FuzzTargets gives anything as a package: analyzers see to it that names are text, imports bring purls of all kinds.
func FuzzTargets(f *testing.F) {
	f.Add(catalog.TypeDpkg, "debian:12", "libssl3", "3.0.11-1~deb12u2", "openssl", "", "pkg:deb/debian/libssl3@3.0.11")
	f.Add(catalog.TypeJava, "", "log4j-core", "2.14.1", "", "", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar#a/b")
	f.Add(catalog.TypeRust, "", "serde", "1.0", "", "cpe:2.3:a:serde:serde:1.0:*:*:*:*:rust:*:*\ncpe:/a:b", "pkg:cargo/serde@1.0")
	f.Add(catalog.TypeBinary, "", "redis", "7.2.4", "", "cpe:2.3:a:redis:redis:7.2.4:*:*:*:*:*:*:*", "pkg:generic/%zz@")
	rules := DefaultRules()
	f.Fuzz(func(t *testing.T, kind, namespace, name, version, source, cpes, purl string) {
		id := catalog.Identity{Type: kind, Namespace: namespace, Name: name, Version: version, Source: source, CPEs: cpes}
		id.Known = Known(id, purl)
		targets := rules.Targets(Subject{id})
		for _, target := range targets {
			if target.Namespace == "" || target.Name == "" {
				t.Errorf("%+v is looked for as %+v", id, target)
			}
		}
		sorted := slices.IsSortedFunc(targets, func(a, b Target) int { return cmp.Compare(a.Namespace+"\x00"+a.Name, b.Namespace+"\x00"+b.Name) })
		if !sorted || len(slices.Compact(slices.Clone(targets))) != len(targets) {
			t.Errorf("targets %+v", targets)
		}
	})
}
