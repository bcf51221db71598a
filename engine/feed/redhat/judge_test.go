package redhat_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/redhat"
	"plimsoll/engine/match"
)

// TestInstalledPackagesAreJudgedByTheirStream runs what comes out through the matcher: what an image has, and what it
// is to be offered.
func TestInstalledPackagesAreJudgedByTheirStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, namespace, name, version, source, module string
		fix                                            string // "-": none is known; "": not affected
		state                                          feed.FixState
	}{
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl", version: "7.76.1-19.el9_1.1", source: "curl", fix: "7.76.1-23.el9_2.4", state: feed.StateFixed},
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl", version: "7.76.1-26.el9", source: "curl", fix: "7.76.1-26.el9_3.2", state: feed.StateFixed},
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl", version: "7.76.1-23.el9_2.4", source: "curl"},
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl", version: "7.76.1-14.el9_0.9", source: "curl"}, // EUS 9.0
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl", version: "7.76.1-14.el9_0.6", source: "curl", fix: "7.76.1-23.el9_2.4", state: feed.StateFixed},
		{file: "curl_minor_releases", namespace: "rhel:9", name: "libcurl-minimal", version: "7.76.1-26.el9", source: "curl", fix: "7.76.1-26.el9_3.2", state: feed.StateFixed},
		{file: "curl_minor_releases", namespace: "rhel:8", name: "libcurl", version: "7.61.1-30.el8", source: "curl"},
		{file: "glibc_streams", namespace: "rhel:8", name: "glibc-common", version: "2.28-189.10.el8_6", source: "glibc"},
		{file: "glibc_streams", namespace: "rhel:6", name: "glibc", version: "2.12-1.212.el6", source: "", fix: "-", state: feed.StateEndOfLife},
		{file: "ended_release_and_modules", namespace: "rhel:7", name: "perl-FCGI", version: "1:0.74-8.el7", fix: "-", state: feed.StateEndOfLife},
		{file: "ended_release_and_modules", namespace: "rhel:7", name: "perl-FCGI", version: "1:0.74-8.el7_9.1"},
		{file: "ended_release_and_modules", namespace: "rhel:8", name: "perl-FCGI", version: "1:0.78-11.module+el8.3.0+6498+9eecfe51", module: "perl-FCGI:0.78", fix: "1:0.78-12.module+el8.10.0+23147+df114ff4", state: feed.StateFixed},
		{file: "ended_release_and_modules", namespace: "rhel:8", name: "perl-FCGI", version: "1:0.78-11.el8", module: "perl-FCGI:0.79"},
		{file: "unfixed_components", namespace: "rhel:9", name: "tomcat-el", version: "9.0.1-1.el9", source: "pki-servlet-engine", fix: "-", state: feed.StateWontFix},
		{file: "unfixed_components", namespace: "rhel:8", name: "tomcat-lib", version: "1:9.0.62-5.el8", source: "tomcat", fix: "1:9.0.62-27.el8_9", state: feed.StateFixed},
	} {
		s := match.Subject{Identity: catalog.Identity{
			Type: catalog.TypeRpm, Namespace: c.namespace, Name: c.name, Version: c.version, Arch: "x86_64", Source: c.source, Module: c.module,
		}}
		found := match.DefaultRules().Judge(s, candidates(t, c.file, s), nil)
		switch {
		case c.fix == "" && len(found) > 0:
			t.Errorf("%s %s of %s is affected: %+v", c.name, c.version, c.namespace, found)
		case c.fix != "" && len(found) != 1:
			t.Errorf("%s %s of %s has %d findings", c.name, c.version, c.namespace, len(found))
		case c.fix != "" && (found[0].FixVersion != strings.TrimPrefix(c.fix, "-") || found[0].State != c.state):
			t.Errorf("%s %s of %s is %s, fixed in %q; want %s, %q", c.name, c.version, c.namespace, found[0].State, found[0].FixVersion, c.state, c.fix)
		}
	}
}

// candidates are what a case says about the names of the subject.
func candidates(t *testing.T, file string, s match.Subject) []match.Candidate {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	var docs []txtar.File
	for _, f := range txtar.Parse(text).Files {
		if strings.HasPrefix(f.Name, "archive!") {
			docs = append(docs, f)
		}
	}
	sink := feedtest.Parse(t, redhat.Driver, feed.Input{Documents: []feed.Fetched{feedtest.Doc("archive", golden.Tar(t, docs))}})
	var out []match.Candidate
	for _, r := range sink.Records {
		for _, a := range r.Advisories {
			for _, target := range match.DefaultRules().Targets(s) {
				if target.Namespace == a.Namespace && target.Name == a.Package {
					out = append(out, match.Candidate{Advisory: a, Rating: r.Vulnerability.Severity})
				}
			}
		}
	}
	return out
}
