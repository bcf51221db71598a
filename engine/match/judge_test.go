package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// says is a statement of a source.
func says(source, id, namespace, pkg string, state feed.FixState, ranges ...feed.Range) Candidate {
	return Candidate{
		Advisory: feed.Advisory{Source: source, ID: id, Namespace: namespace, Package: pkg, State: state, Ranges: ranges},
		Group:    "g", Rating: feed.High,
	}
}

func (c Candidate) in(scope feed.Scope) Candidate     { c.Scope = scope; return c }
func (c Candidate) known(aliases ...string) Candidate { c.Aliases = aliases; return c }
func (c Candidate) from(upstream ...string) Candidate { c.Upstream = upstream; return c }
func (c Candidate) rated(s, fallback feed.Severity) Candidate {
	c.Rating, c.Fallback = s, fallback
	return c
}
func (c Candidate) listing(versions ...string) Candidate { c.Versions = versions; return c }
func (c Candidate) naming(cpe feed.CPE) Candidate        { c.CPE = &cpe; return c }

func below(v string) feed.Range { return feed.Range{Introduced: "0", Fixed: v} }

var always = feed.Range{Introduced: "0"}

// lines are the findings, a line each: id, fix or state, severity, source where it is not the usual one.
func lines(list []Finding) string {
	var out []string
	for _, f := range list {
		fix := f.FixVersion
		if fix == "" {
			fix = string(f.State)
		}
		out = append(out, fmt.Sprintf("%s %s %s", f.ID, fix, f.Severity))
	}
	return strings.Join(out, "; ")
}

func npm(v string) Subject {
	return Subject{Identity: catalog.Identity{Type: catalog.TypeNpm, Name: "p", Version: v}}
}

func deb(name, v, source, sourceVersion string) Subject {
	return Subject{Identity: catalog.Identity{Type: catalog.TypeDpkg, Namespace: "debian:12", Name: name, Version: v, Arch: "amd64", Source: source, SourceVersion: sourceVersion}}
}

func rpm(name, v, module string) Subject {
	return Subject{Identity: catalog.Identity{Type: catalog.TypeRpm, Namespace: "rhel:9", Name: name, Version: v, Arch: "x86_64", Source: "src-" + name, Module: module}}
}

func apk(name, v string) Subject {
	return Subject{Identity: catalog.Identity{
		Type: catalog.TypeApk, Namespace: "alpine:3.18", Name: name, Version: v, CPEs: "cpe:2.3:a:" + name + ":" + name + ":" + v + ":*:*:*:*:*:*:*",
	}}
}

func program(name, v string) Subject {
	return Subject{Identity: catalog.Identity{Type: catalog.TypeBinary, Name: name, Version: v, CPEs: "cpe:2.3:a:" + name + ":" + name + ":" + v + ":*:*:*:*:*:*:*"}}
}

// updated is a program whose release has an update, as Java's have.
func updated(update string) Subject {
	return Subject{Identity: catalog.Identity{Type: catalog.TypeBinary, Name: "jdk", Version: "1.8.0_392", CPEs: "cpe:2.3:a:oracle:jdk:1.8.0:" + update + ":*:*:*:*:*:*"}}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	branches := says("osv", "GHSA-x", "npm", "p", feed.StateFixed, below("1.4.2"), feed.Range{Introduced: "2.0.0", Fixed: "2.1.0"}, feed.Range{Introduced: "3.0.0"}).listing("1.5.0", "4.0.0-odd")
	glibc := says("debian", "CVE-1", "debian:12", "glibc", feed.StateFixed, below("2.36-9+deb12u7"))
	ghsa := says("ghsa", "GHSA-1", "npm", "p", feed.StateFixed, below("2.0.0")).known("CVE-1")
	pro := feed.Scope{Channel: "pro"}
	ubuntu := deb("libssl3", "3.0.2-0ubuntu1.10", "openssl", "3.0.2-0ubuntu1.10")
	ubuntu.Namespace = "ubuntu:22.04"
	esm := ubuntu
	esm.Version, esm.SourceVersion = "3.0.2-0ubuntu1.10+esm1", "3.0.2-0ubuntu1.10+esm1"
	centos := rpm("openssl-libs", "1:3.0.7-1.el9", "")
	centos.Namespace = "centos:9"
	for name, c := range map[string]struct {
		s    Subject
		said []Candidate
		want string
	}{
		// Versions.
		"the fix of the branch it is in":         {npm("2.0.3"), []Candidate{branches}, "GHSA-x 2.1.0 High"},
		"an older branch has its own fix":        {npm("1.0.0"), []Candidate{branches}, "GHSA-x 1.4.2 High"},
		"a branch without a fix":                 {npm("3.0.1"), []Candidate{branches}, "GHSA-x affected High"},
		"fixed":                                  {npm("1.4.2"), []Candidate{branches}, ""},
		"listed outside the ranges":              {npm("v1.5.0"), []Candidate{branches}, "GHSA-x 2.1.0 High"},
		"after a lower end that is excluded":     {npm("1.0.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateFixed, feed.Range{After: "1.0.0", Fixed: "2.0.0"})}, ""},
		"never fixed":                            {npm("1.0.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateWontFix, always)}, "A wont-fix High"},
		"a bound that is no fix":                 {npm("1.0.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateAffected, feed.Range{Before: "1.1.0"})}, "A affected High"},
		"malware needs no readable version":      {npm("latest"), []Candidate{says("osv", "MAL-1", "npm", "p", feed.StateAffected, always)}, "MAL-1 affected High"},
		"a version that is none":                 {npm("latest"), []Candidate{branches}, ""},
		"an advisory that cannot be read":        {npm("0.9.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateFixed, below("soon"))}, ""},
		"a readable range beside a broken one":   {npm("0.9.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateFixed, below("soon"), below("1.0.0"))}, "A 1.0.0 High"},
		"another package":                        {npm("1.0.0"), []Candidate{says("osv", "A", "npm", "q", feed.StateFixed, below("2.0.0"))}, ""},
		"another ecosystem":                      {npm("1.0.0"), []Candidate{says("osv", "A", "pypi", "p", feed.StateFixed, below("2.0.0"))}, ""},
		"what is being looked into is not known": {npm("1.0.0"), []Candidate{says("osv", "A", "npm", "p", feed.StateInvestigate, always)}, ""},
		"a local label is a build of the public": {Subject{Identity: catalog.Identity{Type: catalog.TypePython, Name: "Torch", Version: "2.1.0+cu118"}}, []Candidate{says("osv", "A", "pypi", "torch", feed.StateFixed, below("2.1.0"))}, ""},
		// Debian and its kin: sources.
		"a backported fix":                          {deb("libc6", "2.36-9+deb12u7", "glibc", "2.36-9+deb12u7"), []Candidate{glibc}, ""},
		"an update missing":                         {deb("libc6", "2.36-9+deb12u4", "glibc", "2.36-9+deb12u4"), []Candidate{glibc}, "CVE-1 2.36-9+deb12u7 High"},
		"a rebuilt binary has its source's version": {deb("libc6", "2.36-9+deb12u7+b1", "glibc", "2.36-9+deb12u4"), []Candidate{glibc}, "CVE-1 2.36-9+deb12u7 High"},
		"a name means a source by convention":       {deb("glibc", "1", "other", "1"), []Candidate{glibc}, ""},
		"unless it is said to be a binary":          {deb("glibc", "1", "other", "1"), []Candidate{glibc.in(feed.Scope{Kind: feed.Binary})}, "CVE-1 2.36-9+deb12u7 High"},
		"a release of another distribution":         {deb("libc6", "1", "glibc", "1"), []Candidate{says("debian", "CVE-1", "debian:11", "glibc", feed.StateFixed, below("2"))}, ""},
		// Several sources about one flaw.
		"the distribution goes before those that pass its data on": {deb("libc6", "1", "glibc", "1"), []Candidate{
			says("osv", "CVE-1", "debian:12", "glibc", feed.StateAffected, always), says("debian", "CVE-1", "debian:12", "glibc", feed.StateNotAffected),
		}, ""},
		"a flaw is one line whatever it is called": {npm("1.0.0"), []Candidate{ghsa, says("osv", "GHSA-1", "npm", "p", feed.StateFixed, below("3.0.0")), says("osv", "CVE-1", "npm", "p", feed.StateAffected, always)}, "GHSA-1 2.0.0 High"},
		"names join over a third one": {npm("1.0.0"), []Candidate{
			says("osv", "PYSEC-1", "npm", "p", feed.StateAffected, always).known("CVE-1"), says("osv", "GHSA-1", "npm", "p", feed.StateAffected, always).known("CVE-1"),
		}, "GHSA-1 affected High"},
		"a fix only the other source knows": {npm("1.0.0"), []Candidate{
			says("osv", "GHSA-1", "npm", "p", feed.StateAffected, always), says("osv", "GO-1", "npm", "p", feed.StateFixed, below("1.2.0")).known("GHSA-1"),
		}, "GHSA-1 1.2.0 High"},
		"two flaws are two lines":                 {npm("1.0.0"), []Candidate{ghsa, says("osv", "GHSA-2", "npm", "p", feed.StateAffected, always)}, "GHSA-1 2.0.0 High; GHSA-2 affected High"},
		"an advisory whose flaws are told anyway": {deb("libc6", "1", "glibc", "1"), []Candidate{glibc, says("osv", "DSA-1", "debian:12", "glibc", feed.StateFixed, below("3")).from("CVE-1")}, "CVE-1 2.36-9+deb12u7 High"},
		"an advisory with a flaw nobody tells":    {deb("libc6", "1", "glibc", "1"), []Candidate{glibc, says("osv", "DSA-1", "debian:12", "glibc", feed.StateFixed, below("3")).from("CVE-1", "CVE-2")}, "CVE-1 2.36-9+deb12u7 High; DSA-1 3 High"},
		"silence about the rating":                {npm("1.0.0"), []Candidate{ghsa.rated(feed.Unknown, feed.Critical)}, "GHSA-1 2.0.0 Critical"},
		"another source's rating goes before":     {npm("1.0.0"), []Candidate{ghsa.rated(feed.Unknown, feed.Critical), says("osv", "CVE-1", "npm", "p", feed.StateAffected, always).rated(feed.Low, 0)}, "GHSA-1 2.0.0 Low"},
		// Modules.
		"the stream it is of":        {rpm("nodejs", "1:18.1.0-1.module+el9", "nodejs:18"), []Candidate{says("redhat", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9")).in(feed.Scope{Module: "nodejs:18"})}, "CVE-1 1:18.20.2-1.module+el9 High"},
		"another stream":             {rpm("nodejs", "1:16.1.0-1.module+el9", "nodejs:16"), []Candidate{says("redhat", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9")).in(feed.Scope{Module: "nodejs:18"})}, ""},
		"no module":                  {rpm("nodejs", "1:16.1.0-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9")).in(feed.Scope{Module: "nodejs:18"})}, ""},
		"a lost label":               {rpm("nodejs", "1:18.1.0-1.module+el9", ""), []Candidate{says("osv", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9"))}, "CVE-1 1:18.20.2-1.module+el9 High"},
		"a lost label, a common fix": {rpm("nodejs", "1:10.1.0-1.module+el9", ""), []Candidate{says("osv", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:16.1.0-1.el9"))}, ""},
		"a common build, a module's fix by its version": {rpm("nodejs", "1:10.1.0-1.el9", ""), []Candidate{says("osv", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9"))}, ""},
		// Architectures, kinds and streams.
		"another architecture":                                   {rpm("ssl", "1-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("2-1.el9")).in(feed.Scope{Arches: []string{"aarch64"}})}, ""},
		"its architecture":                                       {rpm("ssl", "1-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("2-1.el9")).in(feed.Scope{Arches: []string{"aarch64", "x86_64"}})}, "CVE-1 2-1.el9 High"},
		"what is said of the source as a whole":                  {rpm("ssl", "1-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "src-ssl", feed.StateDeferred, always).in(feed.Scope{Kind: feed.Source})}, "CVE-1 deferred High"},
		"goes after what is said of the binary":                  {rpm("ssl", "2-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "src-ssl", feed.StateAffected, always).in(feed.Scope{Kind: feed.Source}), says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("2-1.el9")).in(feed.Scope{Kind: feed.Binary})}, ""},
		"extended support cannot be had by everybody":            {rpm("ssl", "1-1.el9", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("1-1.el9_4.1")).in(feed.Scope{Channel: "eus:9.4"})}, ""},
		"a build that has the fix of its minor release":          {rpm("ssl", "1-1.el9_4.1", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("1-5.el9")), says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("1-1.el9_4.1")).in(feed.Scope{Channel: "eus:9.4"})}, ""},
		"a build that has not":                                   {rpm("ssl", "1-1.el9_4", ""), []Candidate{says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("1-5.el9")), says("redhat", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("1-1.el9_4.1")).in(feed.Scope{Channel: "eus:9.4"})}, "CVE-1 1-5.el9 High"},
		"a module's build that has the fix of its minor release": {rpm("nodejs", "1:18.1.0-2.module+el9.4.0+2", "nodejs:18"), []Candidate{says("redhat", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.20.2-1.module+el9.5.0+1")).in(feed.Scope{Module: "nodejs:18"}), says("redhat", "CVE-1", "rhel:9", "nodejs", feed.StateFixed, below("1:18.1.0-2.module+el9.4.0+2")).in(feed.Scope{Module: "nodejs:18", Channel: "eus:9.4"})}, ""},
		"ksplice builds are compared among themselves":           {rpm("ssl", "2:1-1.ksplice1.el9", ""), []Candidate{says("oracle", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("3-1.el9")), says("oracle", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("2:1-2.ksplice1.el9")).in(feed.Scope{Channel: "ksplice"})}, "CVE-1 2:1-2.ksplice1.el9 High"},
		"and say nothing about others":                           {rpm("ssl", "1-1.el9", ""), []Candidate{says("oracle", "CVE-1", "rhel:9", "ssl", feed.StateFixed, below("2:1-2.ksplice1.el9")).in(feed.Scope{Channel: "ksplice"})}, ""},
		"Ubuntu Pro's fix is not for a common build":             {ubuntu, []Candidate{says("ubuntu", "CVE-1", "ubuntu:22.04", "openssl", feed.StateAffected, always), says("ubuntu", "CVE-1", "ubuntu:22.04", "openssl", feed.StateFixed, below("3.0.2-0ubuntu1.10+esm1")).in(pro)}, "CVE-1 affected High"},
		"a build of Ubuntu Pro has it":                           {esm, []Candidate{says("ubuntu", "CVE-1", "ubuntu:22.04", "openssl", feed.StateAffected, always), says("ubuntu", "CVE-1", "ubuntu:22.04", "openssl", feed.StateFixed, below("3.0.2-0ubuntu1.10+esm1")).in(pro)}, ""},
		"a rebuild is judged by what it was rebuilt from":        {centos, []Candidate{says("redhat", "CVE-1", "rhel:9", "openssl-libs", feed.StateFixed, below("1:3.0.7-2.el9"))}, "CVE-1 1:3.0.7-2.el9 High"},
		// The NVD.
		"a program nobody else knows":               {program("redis", "7.0.1"), []Candidate{says("nvd", "CVE-1", "nvd", "redis:redis", feed.StateFixed, below("7.0.2"))}, "CVE-1 7.0.2 High"},
		"an update of a release":                    {updated("update392"), []Candidate{says("nvd", "CVE-1", "nvd", "oracle:jdk", feed.StateAffected).listing("1.8.0-update392").naming(feed.CPE{Part: "a"})}, "CVE-1 affected High"},
		"the release without its updates":           {updated("update392"), []Candidate{says("nvd", "CVE-1", "nvd", "oracle:jdk", feed.StateAffected).listing("1.8.0").naming(feed.CPE{Part: "a", Update: "-"})}, ""},
		"for another platform":                      {program("redis", "7.0.1"), []Candidate{says("nvd", "CVE-1", "nvd", "redis:redis", feed.StateFixed, below("7.0.2")).naming(feed.CPE{Part: "a", RunningOn: []string{"o:microsoft:windows"}})}, ""},
		"for a plug-in of the name":                 {program("redis", "7.0.1"), []Candidate{says("nvd", "CVE-1", "nvd", "redis:redis", feed.StateFixed, below("7.0.2")).naming(feed.CPE{Part: "a", TargetSW: "wordpress"})}, ""},
		"hardware of the name":                      {program("redis", "7.0.1"), []Candidate{says("nvd", "CVE-1", "nvd", "redis:redis", feed.StateFixed, below("7.0.2")).naming(feed.CPE{Part: "h"})}, ""},
		"Alpine is silent: the NVD speaks":          {apk("curl", "8.0.0-r0"), []Candidate{says("nvd", "CVE-1", "nvd", "curl:curl", feed.StateFixed, below("8.1.0"))}, "CVE-1 8.1.0 High"},
		"Alpine has fixed it: the NVD is not asked": {apk("curl", "8.0.0-r2"), []Candidate{says("alpine", "CVE-1", "alpine:3.18", "curl", feed.StateFixed, below("8.0.0-r1")), says("nvd", "CVE-1", "nvd", "curl:curl", feed.StateFixed, below("8.1.0"))}, ""},
		"a type that is not looked up there":        {deb("redis", "7.0.1", "", ""), []Candidate{says("nvd", "CVE-1", "nvd", "redis:redis", feed.StateFixed, below("7.0.2"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := DefaultRules()
			got := lines(rules.Judge(c.s, c.said, nil))
			if got != c.want {
				t.Errorf("found %q; want %q", got, c.want)
				for _, o := range rules.Explain(c.s, c.said, nil, c.said[0].ID).Statements {
					t.Logf("%+v", o)
				}
			}
			shuffled := slices.Clone(c.said)
			slices.Reverse(shuffled)
			if again := lines(rules.Judge(c.s, shuffled, nil)); again != got {
				t.Errorf("in another order: %q", again)
			}
			for _, f := range rules.Judge(c.s, c.said, nil) {
				if f.Namespace == NVD != (f.Confidence == Low) {
					t.Errorf("confidence of %s: %s", f.ID, f.Confidence)
				}
			}
		})
	}
}

func TestRulesDecideWhoIsAsked(t *testing.T) {
	t.Parallel()
	said := []Candidate{
		says("ghsa", "GHSA-1", "npm", "p", feed.StateFixed, below("2.0.0")), says("nvd", "CVE-9", "nvd", "p:p", feed.StateAffected, always),
	}
	s := npm("1.0.0")
	s.CPEs = "cpe:2.3:a:p:p:1.0.0:*:*:*:*:node.js:*:*"
	for name, c := range map[string]struct {
		change func(*Rules)
		want   string
	}{
		"by default":             {func(*Rules) {}, "GHSA-1 2.0.0 High"},
		"with the NVD":           {func(r *Rules) { r.NVD[catalog.TypeNpm] = true }, "CVE-9 affected High; GHSA-1 2.0.0 High"},
		"without a source":       {func(r *Rules) { r.WithoutSources = map[string]bool{"ghsa": true} }, ""},
		"without a package type": {func(r *Rules) { r.WithoutTypes = map[string]bool{catalog.TypeNpm: true} }, ""},
	} {
		rules := DefaultRules()
		c.change(&rules)
		if got := lines(rules.Judge(s, said, nil)); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
		if name != "by default" && rules.Equal(DefaultRules()) {
			t.Errorf("%s: the rules count as unchanged", name)
		}
	}
	if !DefaultRules().Clone().Equal(DefaultRules()) {
		t.Error("a copy differs")
	}
}

func TestExclusionsAreFalseFindings(t *testing.T) {
	t.Parallel()
	said := []Candidate{says("ghsa", "GHSA-1", "npm", "p", feed.StateFixed, below("2.0.0")).known("CVE-1")}
	for name, c := range map[string]struct {
		x    feed.Exclusion
		gone bool
	}{
		"by another name of the flaw": {feed.Exclusion{Vulnerabilities: []string{"CVE-1"}}, true},
		"of the package":              {feed.Exclusion{Vulnerabilities: []string{"GHSA-1"}, PackageType: "npm", Package: "p*", Namespace: "npm", Versions: []string{"1.0.0"}}, true},
		"of another version":          {feed.Exclusion{Vulnerabilities: []string{"GHSA-1"}, Versions: []string{"1.0.1"}}, false},
		"of another package":          {feed.Exclusion{Vulnerabilities: []string{"GHSA-1"}, Package: "q*"}, false},
		"of another type":             {feed.Exclusion{Vulnerabilities: []string{"GHSA-1"}, PackageType: "gem"}, false},
		"of another namespace":        {feed.Exclusion{Vulnerabilities: []string{"GHSA-1"}, Namespace: "nvd"}, false},
		"of another flaw":             {feed.Exclusion{Vulnerabilities: []string{"CVE-2"}}, false},
	} {
		if got := lines(DefaultRules().Judge(npm("1.0.0"), said, []feed.Exclusion{c.x})); (got == "") != c.gone {
			t.Errorf("%s: %q", name, got)
		}
	}
	for pattern, want := range map[string]bool{"a*c": true, "*": true, "abc": true, "*b*": true, "a*b*c": true, "ab": false, "b*": false, "*b": false, "a*d*c": false} {
		if wildcard(pattern, "abc") != want {
			t.Errorf("%s: %v", pattern, !want)
		}
	}
}

func TestAnExplanationShowsWhatDecided(t *testing.T) {
	t.Parallel()
	said := []Candidate{
		says("nvd", "CVE-1", "nvd", "curl:curl", feed.StateFixed, below("8.1.0")),
		says("alpine", "CVE-1", "alpine:3.18", "curl", feed.StateFixed, below("8.0.0-r1")),
		says("alpine", "CVE-1", "alpine:3.18", "curl", feed.StateFixed, below("9.0.0-r1")).in(feed.Scope{Arches: []string{"s390x"}}),
		says("alpine", "CVE-2", "alpine:3.18", "curl", feed.StateFixed, below("8.0.0-r1")),
	}
	s := apk("curl", "8.0.0-r0")
	s.Arch = "x86_64"
	why := DefaultRules().Explain(s, said, nil, "CVE-1")
	var got []string
	for _, o := range why.Statements {
		got = append(got, fmt.Sprintf("%s %s %s as %s: %s %s %v %s", o.Source, o.ID, o.Version, o.Scheme, o.Outcome, o.FixVersion, o.Decides, o.Confidence))
	}
	want := []string{
		"alpine CVE-1 8.0.0-r0 as apk: affected 8.0.0-r1 true high", "nvd CVE-1 8.0.0 as rpm: affected 8.1.0 false low",
		"alpine CVE-1  as : about_another_package  false ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&DefaultRules().Judge(s, said, nil)[0], why.Finding); diff != "" {
		t.Errorf("another answer: %s", diff)
	}
}

func TestAnExplanationSaysWhatTookAFindingAway(t *testing.T) {
	t.Parallel()
	said := []Candidate{says("alpine", "CVE-1", "alpine:3.18", "curl", feed.StateFixed, below("8.0.0-r1"))}
	s := apk("curl", "8.0.0-r0")
	exclusion := feed.Exclusion{ID: "x", Vulnerabilities: []string{"CVE-1"}, Package: "curl"}
	why := DefaultRules().Explain(s, said, []feed.Exclusion{{ID: "other", Vulnerabilities: []string{"CVE-9"}}, exclusion}, "CVE-1")
	if diff := cmp.Diff(&exclusion, why.Exclusion); diff != "" || why.Finding != nil {
		t.Errorf("exclusion %s, finding %v", diff, why.Finding)
	}
	said = append(said, says("alpine", "ADV-1", "alpine:3.18", "curl", feed.StateFixed, below("8.0.0-r1")))
	said[1].Upstream = []string{"CVE-1"}
	if why := DefaultRules().Explain(s, said, nil, "ADV-1"); !why.Covered || why.Finding != nil {
		t.Errorf("an advisory told vulnerability by vulnerability: %+v", why)
	}
	rules := DefaultRules()
	rules.WithoutSources = map[string]bool{"alpine": true}
	if why := rules.Explain(s, said, nil, "CVE-1"); len(why.Statements) != 1 || why.Statements[0].Outcome != OutcomeNotAsked || why.Finding != nil {
		t.Errorf("a source that is not asked: %+v", why)
	}
}

// A version is affected exactly when counting through the intervals says so, and the fix offered is the first
// version after it that is not affected any more.
func TestJudgeAgreesWithCounting(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	const top = 20
	at := func(n int) string { return fmt.Sprintf("1.%d.0", n) }
	for range 500 {
		var hit [top + 1]bool // the last stands for everything later
		var ranges []feed.Range
		for n := rnd.IntN(3); n < top; n += 1 + rnd.IntN(4) {
			r := feed.Range{Introduced: at(n)}
			end := n + 1 + rnd.IntN(4)
			switch {
			case end >= top:
				end = top + 1
			case rnd.IntN(3) == 0:
				r.LastAffected = at(end - 1)
			default:
				r.Fixed = at(end)
			}
			for i := n; i < end; i++ {
				hit[i] = true
			}
			ranges = append(ranges, r)
			n = end
		}
		a := says("osv", "A", "npm", "p", feed.StateFixed, ranges...)
		for n := range top {
			found := DefaultRules().Judge(npm(at(n)), []Candidate{a}, nil)
			if (len(found) == 1) != hit[n] {
				t.Fatalf("%s in %+v: %v; want %v", at(n), ranges, found, hit[n])
			}
			if len(found) == 0 || found[0].FixVersion == "" {
				continue
			}
			first := n
			for hit[first] {
				first++
			}
			if found[0].FixVersion != at(first) {
				t.Fatalf("%s in %+v: fix %s; want %s", at(n), ranges, found[0].FixVersion, at(first))
			}
		}
	}
}
