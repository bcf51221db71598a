package npm

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader([]byte(content)),
	}
}

func TestWantsInstalledPackagesOnly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/app/node_modules/lodash/package.json":                          true,
		"/app/node_modules/@babel/core/package.json":                     true,
		"/app/node_modules/a/node_modules/@s/b/package.json":             true,
		"/usr/local/lib/node_modules/npm/package.json":                   true,
		"/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json":    true,
		"/usr/share/nodejs/acorn/package.json":                           true,
		"/usr/share/nodejs/@types/node/package.json":                     true,
		"/app/package.json":                                              false,
		"/app/node_modules/package.json":                                 false,
		"/app/node_modules/@babel/package.json":                          false,
		"/app/node_modules/.package-lock.json":                           false,
		"/app/node_modules/.cache/package.json":                          false,
		"/app/node_modules/lodash/test/fixtures/package.json":            false,
		"/app/node_modules/lodash/esm/package.json":                      false,
		"/app/node_modules/resolve/test/resolver/multirepo/package.json": false,
		"/app/my_node_modules/x/package.json":                            false,
		"/usr/share/nodejs/acorn/dist/package.json":                      false,
		"package.json": false,
		"/app/node_modules/bundler/node_modules/deep/lib/vendor/package.json": false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	const where = "/app/node_modules/x/package.json"
	tests := map[string]struct {
		in   string
		want catalog.Package
	}{
		"a scoped package": {
			`{"name": "@babel/core", "version": "7.23.2", "license": "MIT", "homepage": "https://babel.dev/docs/en/next/babel-core",
			  "author": "The Babel Team (https://babel.dev/team)",
			  "repository": {"type": "git", "url": "https://github.com/babel/babel.git", "directory": "packages/babel-core"}}`,
			catalog.Package{
				Name: "@babel/core", Version: "7.23.2", Licenses: []string{"MIT"}, Origin: "The Babel Team (https://babel.dev/team)",
				PURL:     "pkg:npm/%40babel/core@7.23.2",
				CPEs:     []string{"cpe:2.3:a:core:core:7.23.2:*:*:*:*:node.js:*:*", "cpe:2.3:a:babel:core:7.23.2:*:*:*:*:node.js:*:*"},
				Metadata: map[string]string{"homepage": "https://babel.dev/docs/en/next/babel-core", "repository": "https://github.com/babel/babel.git"},
			},
		},
		"the old shapes": {
			"\ufeff" + `{"name": "underscore", "version": "v1.3.3", "author": {"name": "Jeremy", "email": "j@example.org"},
			  "licenses": [{"type": "MIT", "url": "x"}, "Apache-2.0", {"type": "MIT"}, ["no"], 7], "repository": "github:a/b"}`,
			catalog.Package{
				Name: "underscore", Version: "1.3.3", Licenses: []string{"Apache-2.0", "MIT"}, Origin: "Jeremy <j@example.org>",
				PURL:     "pkg:npm/underscore@1.3.3",
				CPEs:     []string{"cpe:2.3:a:underscore:underscore:1.3.3:*:*:*:*:node.js:*:*"},
				Metadata: map[string]string{"repository": "github:a/b"},
			},
		},
		"a licence object and an expression": {
			`{"name": "a", "version": "1.0.0-rc.1+build", "license": {"type": "(MIT OR Apache-2.0)"}, "author": 3, "homepage": []}`,
			catalog.Package{
				Name: "a", Version: "1.0.0-rc.1+build", Licenses: []string{"(MIT OR Apache-2.0)"},
				PURL:     "pkg:npm/a@1.0.0-rc.1%2Bbuild",
				CPEs:     []string{`cpe:2.3:a:a:a:1.0.0-rc.1\+build:*:*:*:*:node.js:*:*`},
				Metadata: map[string]string{},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Type, test.want.Location, test.want.MetadataType = "npm", where, "NpmPackageJSONMetadata"
			got, err := analyze(context.Background(), file(where, test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]catalog.Package{test.want}, got.Packages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoPackage(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		`{"type": "module"}`:                   nil,
		`{"name": "x"}`:                        nil,
		`{"version": "1.0.0"}`:                 nil,
		`{"name": 1, "version": {}}`:           nil,
		`{"name": "x", "version": "  "}`:       nil,
		`{"name": "a\u0000b", "version": "1"}`: catalog.ErrInvalidPackage,
		`{"name": "x",`:                        ErrManifest,
		`[]`:                                   ErrManifest,
		``:                                     ErrManifest,
	} {
		got, err := analyze(context.Background(), file("/node_modules/x/package.json", in))
		if !got.Empty() || !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"name": "@a/b", "version": "1.0.0", "license": {"type": "MIT"}, "licenses": ["x", {"name": "y"}], "author": {"name": "n", "email": "e"}}`)
	f.Add(`{"name": null, "version": "=v1", "licenses": [[[[]]]]}`)
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyze(context.Background(), file("/node_modules/x/package.json", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
