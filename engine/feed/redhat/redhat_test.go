package redhat

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/version"
)

func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestLaterMinorReleasesMayComeWithTheFlaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fixes             []string
		unlabelled        bool
		affected, cleared []string
	}{
		"one fix": {
			fixes: []string{"1.2-3.el9"}, affected: []string{"1.2-2.el9", "0.1-1"}, cleared: []string{"1.2-3.el9", "1.3-1.el9"},
		},
		"the next release came with the flaw": {
			fixes:    []string{"7.76.1-26.el9_3.2", "7.76.1-23.el9_2.4"},
			affected: []string{"7.76.1-23.el9", "7.76.1-26.el9", "7.76.1-26.el9_3.1"},
			cleared:  []string{"7.76.1-23.el9_2.4", "7.76.1-23.el9_2.6", "7.76.1-26.el9_3.2", "7.76.1-29.el9"},
		},
		"the next release has another version": {
			fixes:    []string{"3.7.6-23.el9_3.4", "3.8.3-4.el9_4"},
			affected: []string{"3.7.6-23.el9_3.3", "3.8.3-1.el9"},
			cleared:  []string{"3.7.6-23.el9_3.5", "3.8.3-4.el9_4", "3.8.3-6.el9"},
		},
		"kernels count in the release": {
			fixes:    []string{"5.14.0-284.30.1.el9_2", "5.14.0-362.13.1.el9_3"},
			affected: []string{"5.14.0-284.25.1.el9_2", "5.14.0-362.8.1.el9_3"},
			cleared:  []string{"5.14.0-284.52.1.el9_2", "5.14.0-362.13.1.el9_3"},
		},
		"the same build for two releases": {
			fixes:    []string{"1.2-3.el9_2.1", "1.2-3.el9_3.2"},
			affected: []string{"1.2-3.el9", "1.2-3.el9_3.1"}, cleared: []string{"1.2-3.el9_2.4", "1.2-3.el9_3.2"},
		},
		"a release that begins with a number of another kind": {
			fixes:    []string{"32:9.8.2-0.62.rc1.el6_9.4", "32:9.8.2-0.68.rc1.el6_10.1"},
			affected: []string{"32:9.8.2-0.62.rc1.el6", "32:9.8.2-0.68.rc1.el6"}, cleared: []string{"32:9.8.2-0.62.rc1.el6_9.5", "32:9.8.2-0.68.rc1.el6_10.3"},
		},
		"a rebuild for the same release fixes nothing anew": {
			fixes: []string{"1.2-3.el9_2", "1.2-5.el9_2", "1.4-1.el9_2"}, cleared: []string{"1.2-4.el9_2", "1.2-3.el9_2", "1.3-1.el9_2"}, affected: []string{"1.2-2.el9_2"},
		},
		"builds of one module for others": {
			fixes:    []string{"1:0.78-12.module+el8.10.0+23147+20b7d289", "1:0.78-12.module+el8.10.0+23147+df114ff4"},
			affected: []string{"1:0.78-11.module+el8.3.0+1+c0ffee00"},
			cleared:  []string{"1:0.78-12.module+el8.10.0+23147+20b7d289", "1:0.78-12.module+el8.10.0+23147+df114ff4"},
		},
		"streams of a module that is not named": {
			fixes:      []string{"12.15-1.module+el8.8.0+19427+d1071523", "13.11-1.module+el8.8.0+19081+0a277c66"},
			unlabelled: true,
			affected:   []string{"12.1-1.module+el8.8.0+1+0", "13.11-0.module+el8.8.0+1+0"},
			cleared:    []string{"12.15-1.module+el8.8.0+19427+d1071523", "13.11-1.module+el8.8.0+19081+0a277c66"},
		},
	} {
		got, err := ranges(c.fixes, !c.unlabelled)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, v := range c.affected {
			if !holds(t, got, v) {
				t.Errorf("%s: %s is not affected by %v", name, v, got)
			}
		}
		for _, v := range append(c.cleared, c.fixes...) {
			if holds(t, got, v) {
				t.Errorf("%s: %s is affected by %v", name, v, got)
			}
		}
	}
}

func holds(t *testing.T, list []feed.Range, v string) bool {
	t.Helper()
	for _, r := range list {
		in, err := r.Contains(version.Rpm, v)
		if err != nil {
			t.Fatal(err)
		}
		if in {
			return true
		}
	}
	return false
}

func TestPlatformsAreToldByTheirCPE(t *testing.T) {
	t.Parallel()
	for cpe, want := range map[string]place{
		"cpe:/o:redhat:enterprise_linux:9": {"9", ""}, "cpe:/a:redhat:enterprise_linux:10::appstream": {"10", ""},
		"cpe:/o:redhat:enterprise_linux:10.0": {"10", ""}, "cpe:/o:redhat:enterprise_linux:7::ppc64le:server": {"7", ""},
		"cpe:/a:redhat:rhel_eus:9.4::appstream": {"9", "eus:9.4"}, "cpe:/o:redhat:enterprise_linux_eus:10.0": {"10", "eus:10.0"},
		"cpe:/o:redhat:rhel_eus_long_life:8.4::baseos": {"8", "eus:8.4"}, "cpe:/a:redhat:rhel_aus:8.2": {"8", "aus:8.2"},
		"cpe:/a:redhat:rhel_e4s:8.8::appstream": {"8", "e4s:8.8"}, "cpe:/o:redhat:rhel_tus:7.6::server": {"7", "tus:7.6"},
		"cpe:/o:redhat:rhel_els:7": {"7", "els"}, "cpe:/a:redhat:rhel_extras_sap_eus:7.6": {"7", "sap:7.6"},
		"cpe:/a:redhat:rhel_extras_other:7": {"7", ""}, "cpe:/a:redhat:rhel_software_collections:3::el6": {"6", ""},
		"cpe:/a:redhat:rhel_software_collections:3": {"7", ""}, "cpe:/a:redhat:rhel_dotnet:6.0::el7": {"7", ""},
		"cpe:/o:redhat:enterprise_linux:4::as": {}, "cpe:/o:redhat:enterprise_linux:8::hypervisor": {}, "cpe:/a:redhat:openshift:4.15::el9": {},
		"cpe:/a:redhat:enterprise_linux_ai:3": {}, "cpe:/o:redhat:enterprise_linux": {}, "cpe:/o:redhat:enterprise_linux:09": {},
		"cpe:/o:centos:enterprise_linux:9": {}, "cpe:/a:redhat": {}, "cpe:2.3:o:redhat:enterprise_linux:9": {}, "": {},
		"cpe:/a:redhat:rhel_software_collections:1::el4": {},
	} {
		got, ok := placeOf("x", csaf.Product{CPE: cpe})
		if ok != (want != place{}) || ok && got != want {
			t.Errorf("%q is %+v, %t; want %+v", cpe, got, ok, want)
		}
	}
}

func TestComponentsAreToldByTheirPurlOrElseByTheirID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, purl string
		want     component
	}{
		{"", "pkg:rpm/redhat/redis@6.2.17-1.el9?arch=x86_64", component{name: "redis", kind: feed.Binary, evr: "6.2.17-1.el9", arch: "x86_64"}},
		{"", "pkg:rpm/redhat/redis@6.2.17-1.el9?arch=src&epoch=0", component{name: "redis", kind: feed.Source, evr: "6.2.17-1.el9"}},
		{"", "pkg:rpm/redhat/samba@3.0-1.el5?epoch=2", component{name: "samba", kind: feed.Source, evr: "2:3.0-1.el5"}},
		{"", "pkg:rpm/redhat/gnutls-c%2B%2B", component{name: "gnutls-c++", kind: feed.Binary}},
		{"", "pkg:rpm/redhat/redis?arch=src&rpmmod=redis:6:8100020250113083959:489197e6", component{name: "redis", module: "redis:6", kind: feed.Source}},
		{"grafana-0:7.5.15-3.el8.aarch64", "", component{name: "grafana", kind: feed.Binary, evr: "7.5.15-3.el8", arch: "aarch64"}},
		{"bind-32:9.1-3.el8.src", "", component{name: "bind", kind: feed.Source, evr: "32:9.1-3.el8"}},
		{"kernel", "", component{name: "kernel", kind: feed.Source}},
		{"kernel.src", "", component{name: "kernel", kind: feed.Source}},
		{"postgresql:15/postgresql", "", component{name: "postgresql", module: "postgresql:15", kind: feed.Source}},
		{"openshift4/some-container", "", component{}},
		{"openshift4/some:v4.12.0-2", "", component{}},
		{"", "pkg:oci/some-rhel8?arch=amd64", component{}},
		{"", "pkg:rpm/redhat/gimp?arch=src&rpmmod=gimp:flatpak", component{}},
		{"", "pkg:rpm/redhat/redis-debugsource@6.2.17-1.el9?arch=x86_64", component{}},
		{"", "pkg:rpm/redhat/kernel-debuginfo-common-x86_64@5-1.el9?arch=x86_64", component{}},
		{"", "", component{}},
	} {
		got, ok := componentOf(c.id, csaf.Product{PURL: c.purl})
		if ok != (c.want != component{}) || ok && got != c.want {
			t.Errorf("%q %q is %+v, %t; want %+v", c.id, c.purl, got, ok, c.want)
		}
	}
}

const minimal = `{"document":{"csaf_version":"2.0","tracking":{"id":"CVE-2024-0001"}},"vulnerabilities":[{"cve":"CVE-2024-0001","title":"TITLE"}]}`

func pack(t testing.TB, files ...string) feed.Fetched {
	t.Helper()
	var list []txtar.File
	for i := 0; i < len(files); i += 2 {
		list = append(list, txtar.File{Name: "!" + files[i], Data: []byte(files[i+1])})
	}
	doc := feedtest.Doc("archive", golden.Tar(t, list))
	doc.Path = folder + "csaf_vex_2024-08-04.tar.zst"
	return doc
}

func titles(s *feedtest.Sink) []string {
	var out []string
	for _, r := range s.Records {
		out = append(out, r.Vulnerability.ID+" "+r.Vulnerability.Summary)
	}
	return out
}

func TestWhatChangedSinceTheArchiveGoesBeforeIt(t *testing.T) {
	t.Parallel()
	other := `{"document":{"csaf_version":"2.0","tracking":{"id":"CVE-2024-0002"}},"vulnerabilities":[{"cve":"CVE-2024-0002"}]}`
	third := `{"document":{"csaf_version":"2.0","tracking":{"id":"CVE-2024-0003"}},"vulnerabilities":[{"cve":"CVE-2024-0003"}]}`
	s := feedtest.Parse(t, Driver, feed.Input{Documents: []feed.Fetched{
		feedtest.Doc("2024/cve-2024-0001.json", []byte(" \n"+minimal)),
		feedtest.Doc("deletions", []byte(`"2024/cve-2024-0002.json","2024-08-04T01:00:00Z"`+"\n"+`"2024/cve-2024-0003.json","2024-07-04T01:00:00Z"`)),
		pack(t, "2024/cve-2024-0001.json", `{}`, "2024/cve-2024-0002.json", other, "2024/cve-2024-0003.json", third),
	}})
	if diff := cmp.Diff([]string{"CVE-2024-0001 TITLE", "CVE-2024-0003 "}, titles(s)); diff != "" || len(s.Skipped) > 0 {
		t.Errorf("records (-want +got):\n%s%v", diff, s.Skipped)
	}
}

func TestADeltaHasNoArchive(t *testing.T) {
	t.Parallel()
	s := feedtest.Parse(t, Driver, feed.Input{Delta: true, Documents: []feed.Fetched{
		feedtest.Doc("2024/cve-2024-0001.json", []byte(minimal)), feedtest.Doc("2024/cve-2024-0002.json", []byte(`{"document":`)),
	}})
	if diff := cmp.Diff([]string{"CVE-2024-0001 TITLE"}, titles(s)); diff != "" || len(s.Skipped) != 1 {
		t.Errorf("records (-want +got):\n%s%v", diff, s.Skipped)
	}
}

func TestOtherReleasesThanTheChosenAreLeftOut(t *testing.T) {
	t.Parallel()
	text := `{"document":{"csaf_version":"2.0","tracking":{"id":"CVE-2024-0001"}},"product_tree":{"full_product_names":[
		{"product_id":"8","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:8"}},{"product_id":"9","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:9"}}],
		"relationships":[{"full_product_name":{"product_id":"8:p"},"product_reference":"p","relates_to_product_reference":"8"},{"full_product_name":{"product_id":"9:p"},"product_reference":"p","relates_to_product_reference":"9"}]},
		"vulnerabilities":[{"cve":"CVE-2024-0001","product_status":{"known_affected":["8:p","9:p"]}}]}`
	in := feed.Input{Documents: []feed.Fetched{pack(t, "2024/cve-2024-0001.json", text)}}
	for release, want := range map[string]string{"9": "rhel:9", "plow=9": "rhel:9", "8": "rhel:8"} {
		in.Settings.Releases = []string{release}
		if diff := cmp.Diff([]string{"CVE-2024-0001 " + want + ` p {"kind":"source"} [0,) affected`}, feedtest.Parse(t, Driver, in).Lines()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", release, diff)
		}
	}
	for _, bad := range []string{"", "plow", "9.4", "4", "09", "=", "100"} {
		in.Settings.Releases = []string{bad}
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, ErrRelease) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	good := pack(t, "2024/cve-2024-0001.json", minimal)
	cut := make([]byte, 600)
	if _, err := good.ReadAt(cut, 0); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		docs []feed.Fetched
		want error
	}{
		"no documents":            {nil, ErrDocument},
		"empty archive":           {[]feed.Fetched{feedtest.Doc("archive", nil)}, archive.ErrFormat},
		"web page":                {[]feed.Fetched{feedtest.Doc("archive", []byte("<html>busy</html>"))}, archive.ErrFormat},
		"archive cut short":       {[]feed.Fetched{feedtest.Doc("archive", cut)}, archive.ErrFormat},
		"archive of others":       {[]feed.Fetched{pack(t, "README", "hello", "2024/rhsa-2024_1.json", minimal)}, ErrDocument},
		"web page as deletions":   {[]feed.Fetched{feedtest.Doc("deletions", []byte("<html>busy</html>")), good}, ErrDocument},
		"web page as a document":  {[]feed.Fetched{feedtest.Doc("2024/cve-2024-0001.json", []byte("<html>busy</html>")), good}, ErrDocument},
		"nothing as a document":   {[]feed.Fetched{feedtest.Doc("2024/cve-2024-0001.json", nil), good}, ErrDocument},
		"archive without its day": {[]feed.Fetched{feedtest.Doc("deletions", nil), feedtest.Doc("archive", []byte("x"))}, ErrDocument},
	} {
		var s feedtest.Sink
		if err := Driver.Parse(t.Context(), feed.Input{Documents: c.docs}, &s); !errors.Is(err, c.want) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records; want %v", name, err, len(s.Records), c.want)
		}
	}
}

type failing struct {
	feedtest.Sink
	err error
}

func (f *failing) Record(feed.Record) error { return f.err }

func TestTheSinkAndTheContextEndTheReading(t *testing.T) {
	t.Parallel()
	single := feed.Input{Delta: true, Documents: []feed.Fetched{feedtest.Doc("2024/cve-2024-0001.json", []byte(minimal))}}
	all := feed.Input{Documents: []feed.Fetched{pack(t, "2024/cve-2024-0001.json", minimal)}}
	full := errors.New("staging is full")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, in := range map[string]feed.Input{"single": single, "archive": all} {
		if err := Driver.Parse(t.Context(), in, &failing{err: full}); !errors.Is(err, full) {
			t.Errorf("%s: %v; want the sink's error", name, err)
		}
		if err := Driver.Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; want the context's error", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Add([]byte(`{"a":3e333}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		in := feed.Input{Documents: []feed.Fetched{pack(t, "2024/cve-2024-9999.json", string(text), "2024/cve-2024-0001.json", minimal)}}
		var s feedtest.Sink
		if err := Driver.Parse(t.Context(), in, &s); err != nil {
			t.Fatal(err)
		}
		golden.Storable(t, &s, Name)
	})
}
