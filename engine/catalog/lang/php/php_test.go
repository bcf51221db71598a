package php

import (
	"bytes"
	"context"
	"errors"
	"strings"
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
	for name, want := range map[string]string{
		"/app/vendor/composer/installed.json":                           "installed",
		"/app/lib/composer/installed.json":                              "installed",
		"/app/installed.json":                                           "",
		"/app/composer.lock":                                            "lock",
		"/app/vendor/a/b/composer.lock":                                 "",
		"/app/composer.json":                                            "",
		"/usr/local/lib/php/.registry/archive_tar.reg":                  "pear",
		"/usr/local/lib/php/.registry/.channel.pecl.php.net/xdebug.reg": "pear",
		"/usr/local/lib/php/.filemap":                                   "",
		"/windows/x.reg":                                                "",
	} {
		c := catalog.Candidate{Entry: catalog.Entry{Path: name}}
		var got []string
		for kind, wants := range map[string]func(catalog.Candidate) bool{"installed": wantsInstalled, "lock": wantsLock, "pear": wantsRecord} {
			if wants(c) {
				got = append(got, kind)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The shapes are those Composer 2 writes.
const installed = `{
    "packages": [
        {
            "name": "Symfony/HTTP-Kernel",
            "version": "v5.4.20",
            "version_normalized": "5.4.20.0",
            "source": {"type": "git", "url": "https://github.com/symfony/http-kernel.git", "reference": "aaeec341582d3c160cc9ecfa8b2419ba6c69954e"},
            "type": "library",
            "license": ["MIT"],
            "authors": [{"name": "Fabien Potencier", "email": "fabien@symfony.com"}, {"name": "Symfony Community", "homepage": "https://symfony.com"}],
            "homepage": "https://symfony.com",
            "install-path": "../symfony/http-kernel"
        },
        {"name": "phpunit/phpunit", "version": "9.6.0", "license": "BSD-3-Clause", "authors": {}, "source": null},
        {"name": "monolith", "version": "dev-main", "license": ["MIT", "Apache-2.0"]}
    ],
    "dev": true,
    "dev-package-names": ["phpunit/phpunit"]
}`

func TestInstalled(t *testing.T) {
	t.Parallel()
	want := []catalog.Package{
		{
			Name: "Symfony/HTTP-Kernel", Version: "v5.4.20", PURL: "pkg:composer/symfony/http-kernel@v5.4.20",
			CPEs:     []string{"cpe:2.3:a:symfony:http-kernel:5.4.20:*:*:*:*:*:*:*", "cpe:2.3:a:http-kernel:http-kernel:5.4.20:*:*:*:*:*:*:*"},
			Licenses: []string{"MIT"}, Origin: "Fabien Potencier <fabien@symfony.com>, Symfony Community",
			Metadata: map[string]string{"homepage": "https://symfony.com", "package_type": "library", "reference": "aaeec341582d3c160cc9ecfa8b2419ba6c69954e"},
		},
		{
			Name: "monolith", Version: "dev-main", PURL: "pkg:composer/monolith@dev-main", CPEs: []string{"cpe:2.3:a:monolith:monolith:dev-main:*:*:*:*:*:*:*"},
			Licenses: []string{"Apache-2.0", "MIT"}, Metadata: map[string]string{},
		},
		{
			Name: "phpunit/phpunit", Version: "9.6.0", PURL: "pkg:composer/phpunit/phpunit@9.6.0",
			CPEs: []string{"cpe:2.3:a:phpunit:phpunit:9.6.0:*:*:*:*:*:*:*"}, Licenses: []string{"BSD-3-Clause"}, Metadata: map[string]string{"dev": "true"},
		},
	}
	const where = "/app/vendor/composer/installed.json"
	for i := range want {
		want[i].Type, want[i].Location, want[i].MetadataType = "composer", where, "PhpComposerJSONMetadata"
	}
	got, err := analyzeInstalled(context.Background(), file(where, installed))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
	// Composer 1: the list alone.
	_, list, _ := strings.Cut(installed, `"packages": `)
	list, _, _ = strings.Cut(list, `,
    "dev"`)
	delete(want[2].Metadata, "dev")
	if got, err = analyzeInstalled(context.Background(), file(where, "\n"+list)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for in, packages := range map[string]int{
		``: 0, `"x"`: 0, `[`: 0, `{"packages": {}}`: 0,
		`[{"name": "a/b", "version": "1"}, {"name": "c/d"}]`:                         1,
		`{"packages": [{"name": "a/b", "version": "1"}, {"name": 7}, "x"]}`:          1,
		`{"packages": [{"name": "a/b", "version": "1", "source": {"reference":1}}]}`: 1,
	} {
		got, err := analyzeInstalled(context.Background(), file("/x", in))
		if len(got.Packages) != packages || err == nil {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
}

func TestLockWithoutDevelopment(t *testing.T) {
	t.Parallel()
	const in = `{"_readme": ["x"], "content-hash": "0", "packages": [{"name": "psr/log", "version": "1.1.4", "type": "library", "license": ["MIT"],
	  "source": {"reference": "d49695b909c3b7628b6289db5479a1c204601f11"}}], "packages-dev": [{"name": "phpunit/phpunit", "version": "9.6.0"}], "aliases": []}`
	got, err := analyzeLock(context.Background(), file("/app/composer.lock", in))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Packages) != 1 || got.Packages[0].PURL != "pkg:composer/psr/log@1.1.4" || !got.Packages[0].Declared() {
		t.Errorf("got %+v", got)
	}
}

func TestPear(t *testing.T) {
	t.Parallel()
	const version2 = `a:5:{s:4:"name";s:9:"memcached";s:4:"date";s:10:"2022-01-11";s:4:"time";s:8:"15:23:47";s:7:"version";` +
		`a:2:{s:7:"release";s:5:"3.2.0";s:3:"api";s:5:"3.2.0";}s:7:"license";a:2:{s:7:"attribs";a:1:{s:3:"uri";s:26:"http://www.php.net/license";}` +
		`s:8:"_content";s:11:"PHP License";}}`
	const version1 = `a:6:{s:7:"package";s:11:"Archive_Tar";s:7:"version";s:5:"1.3.1";s:15:"release_license";s:3:"PHP";` +
		`s:8:"filelist";a:1:{i:0;a:2:{s:4:"role";s:3:"a";";s:1:"x";d:0.5;}}s:5:"_time";i:1700000000;s:3:"etc";N;}`
	for where, test := range map[string]struct{ in, want string }{
		"/usr/local/lib/php/.registry/.channel.pecl.php.net/memcached.reg": {version2, "memcached 3.2.0 pkg:pear/pecl.php.net/memcached@3.2.0 PHP License"},
		"/usr/share/php/.registry/archive_tar.reg":                         {version1, "Archive_Tar 1.3.1 pkg:pear/pear.php.net/Archive_Tar@1.3.1 PHP"},
	} {
		got, err := analyzeRecord(context.Background(), file(where, test.in))
		if err != nil || len(got.Packages) != 1 {
			t.Fatalf("%s: got %+v, %v", where, got, err)
		}
		p := got.Packages[0]
		if text := p.Name + " " + p.Version + " " + p.PURL + " " + strings.Join(p.Licenses, " "); text != test.want || p.Type != "pear" {
			t.Errorf("%s: got %s", where, text)
		}
	}
}

func TestPearFaults(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "N;", "s:1:\"x\";", "a:1:{", "a:1:{s:1:\"a\";s:99:\"b\";}", "a:1:{a:0:{}i:1;}", "a:-1:{}", "a:1:{i:0;O:1:\"A\":0:{}}", "a:1:{i:0;R:1;}",
		strings.Repeat("a:1:{i:0;", 1<<16), "a:2147483647:{", "a:0:{}", `a:1:{s:4:"name";s:1:"x";}`,
	} {
		got, err := analyzeRecord(context.Background(), file("/.registry/x.reg", in))
		if err == nil || !got.Empty() {
			t.Errorf("%.40q: got %+v, %v", in, got, err)
		}
	}
}

func FuzzComposer(f *testing.F) {
	f.Add(installed)
	f.Add(`[{"name": "a/b", "version": "1", "license": [], "authors": [{"email": "x"}]}]`)
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyzeInstalled(context.Background(), file("/x", in))
		lock, _ := analyzeLock(context.Background(), file("/x", in))
		for _, p := range append(evidence.Packages, lock.Packages...) {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzPear(f *testing.F) {
	f.Add(`a:2:{s:4:"name";s:1:"x";s:7:"version";a:1:{s:7:"release";s:1:"1";}}`)
	f.Add(`a:1:{i:0;b:1;}`)
	f.Fuzz(func(t *testing.T, in string) {
		if _, err := unserialize(in); err != nil && !errors.Is(err, errSerialized) {
			t.Fatal(err)
		}
		_, _ = analyzeRecord(context.Background(), file("/.registry/x.reg", in))
	})
}
