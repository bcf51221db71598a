package python

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

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/usr/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA":        true,
		"/usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO":                 true,
		"/usr/lib/python3/dist-packages/apt-2.6.0.egg-info":                           true,
		"/opt/x/foo-1.0-py3.9.egg/EGG-INFO/PKG-INFO":                                  true,
		"/usr/lib/python3.11/site-packages/setuptools/_vendor/a-1.dist-info/METADATA": true,
		"/usr/lib/python3.11/site-packages/requests-2.31.0.dist-info/RECORD":          false,
		"/srv/METADATA":          false,
		"/srv/project/PKG-INFO":  false,
		"/srv/project/.egg-info": false,
		"/usr/lib/python3.11/site-packages/requests-2.31.0.dist-info/licenses/METADATA": false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestDistributions(t *testing.T) {
	t.Parallel()
	const where = "/usr/lib/python3/site-packages/x.dist-info/METADATA"
	tests := map[string]struct {
		in   string
		want catalog.Package
	}{
		"a wheel": {
			"Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nSummary: Python HTTP for Humans.\nHome-page: https://requests.readthedocs.io\n" +
				"Author: Kenneth Reitz\nAuthor-email: me@kennethreitz.org\nLicense: Apache 2.0\nRequires-Python: >=3.7\n" +
				"Classifier: License :: OSI Approved :: Apache Software License\nLicense-File: LICENSE\n\n# Requests\n\nName: not this\nVersion: 0\n",
			catalog.Package{
				Name: "requests", Version: "2.31.0", Licenses: []string{"Apache 2.0"}, Origin: "Kenneth Reitz <me@kennethreitz.org>",
				PURL:     "pkg:pypi/requests@2.31.0",
				Metadata: map[string]string{"homepage": "https://requests.readthedocs.io", "requires_python": ">=3.7"},
			},
		},
		"an SPDX expression and the new author form": {
			"Metadata-Version: 2.4\nName: Typing_Extensions.X\nVersion: 4.12.0\nAuthor-email: \"Guido\" <guido@python.org>\n" +
				"License-Expression: PSF-2.0\nLicense: old\nClassifier: License :: OSI Approved :: MIT License\n",
			catalog.Package{
				Name: "Typing_Extensions.X", Version: "4.12.0", Licenses: []string{"PSF-2.0"}, Origin: `"Guido" <guido@python.org>`,
				PURL: "pkg:pypi/typing-extensions.x@4.12.0", Metadata: map[string]string{},
			},
		},
		"a licence text and placeholders": {
			"Metadata-Version: 1.1\r\nName: scipy\r\nVersion: 1.9.0\r\nHome-page: UNKNOWN\r\nAuthor: UNKNOWN\r\nMaintainer: SciPy Developers\r\n" +
				"License: Copyright (c) 2001\r\n        All rights reserved.\r\n        \r\n        Redistribution and use\r\nPlatform: UNKNOWN\r\n" +
				"Classifier: License :: OSI Approved\r\nClassifier: License :: OSI Approved :: BSD License\r\nClassifier: Topic :: Software\r\n",
			catalog.Package{
				Name: "scipy", Version: "1.9.0", Licenses: []string{"BSD License"}, Origin: "SciPy Developers",
				PURL: "pkg:pypi/scipy@1.9.0", Metadata: map[string]string{},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Type, test.want.Location, test.want.MetadataType = "python", where, "PythonPackageMetadata"
			test.want.CPEs = candidates(test.want.Name, test.want.Version)
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

func TestCandidates(t *testing.T) {
	t.Parallel()
	want := []string{
		"cpe:2.3:a:py-x:py-x:1:*:*:*:*:*:*:*", "cpe:2.3:a:py-x:py_x:1:*:*:*:*:*:*:*", "cpe:2.3:a:py-x:python-py-x:1:*:*:*:*:*:*:*",
		"cpe:2.3:a:python:py-x:1:*:*:*:*:*:*:*", "cpe:2.3:a:python:py_x:1:*:*:*:*:*:*:*", "cpe:2.3:a:python:python-py-x:1:*:*:*:*:*:*:*",
	}
	if diff := cmp.Diff(want, candidates("Py_X", "1")); diff != "" {
		t.Error(diff)
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"Flask": "flask", "zope.interface": "zope-interface", "a-_.b__C": "a-b-c"} {
		if got := Normalize(in); got != want {
			t.Errorf("%s: got %s", in, got)
		}
	}
}

func TestMetadataWithoutIdentity(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "\n\n", "Name: x\n\nVersion: 1\n", "Version: 1\n"} {
		got, err := analyze(context.Background(), file("/x.egg-info", in))
		if !errors.Is(err, catalog.ErrInvalidPackage) || !got.Empty() {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add("Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense: MIT\n  more\nClassifier: License :: OSI Approved :: X\nAuthor-email: a <b>\n\nbody")
	f.Add("Name: \x00\nVersion: 1\nClassifier: License\n")
	f.Fuzz(func(t *testing.T, in string) {
		evidence, err := analyze(context.Background(), file("/x.dist-info/METADATA", in))
		for _, p := range evidence.Packages {
			if e := p.Check(); e != nil || err != nil {
				t.Fatal(e, err)
			}
		}
	})
}
