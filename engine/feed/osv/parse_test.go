package osv

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/version"
)

var update = flag.Bool("update", false, "write the golden files")

// outcome is everything a driver tells about an archive.
type outcome struct {
	Records []feed.Record
	Skipped []string
}

func bundle(t testing.TB, files ...txtar.File) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		m, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func read(ecosystem string, doc []byte) (outcome, error) {
	var said feedtest.Sink
	err := Driver.Parse(context.Background(), input(ecosystem, doc), &said)
	return outcome{Records: said.Records, Skipped: said.Skipped}, err
}

func input(ecosystem string, doc []byte) feed.Input {
	return feed.Input{Group: feed.Group{Name: ecosystem}, Documents: []feed.Fetched{feedtest.Doc(documentAll, doc)}}
}

// refusing is a sink that takes no record.
type refusing struct {
	feedtest.Sink
	err   error
	asked int
}

func (r *refusing) Record(feed.Record) error { r.asked++; return r.err }

// Each case is a txtar: the ecosystem, what the case shows, the records, and what becomes of them.
func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			c, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(c.Comment), "\n")
			last := len(c.Files) - 1
			got, err := read(strings.TrimPrefix(first, "ecosystem: "), bundle(t, c.Files[:last]...))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(got, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, '\n')
			if *update {
				c.Files[last].Data = text
				if err := os.WriteFile(path, txtar.Format(c), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(c.Files[last].Data), string(text)); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
		})
	}
}

func record(id, rest string) txtar.File {
	return txtar.File{Name: id + ".json", Data: []byte(fmt.Sprintf(`{"id":%q,"modified":"2024-01-02T03:04:05Z",%s}`, id, rest))}
}

func affects(ecosystem, name, rest string) string {
	return fmt.Sprintf(`"affected":[{"package":{"ecosystem":"%s","name":"%s"},%s}]`, ecosystem, name, rest)
}

func TestEventsBecomeDisjointRanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events string
		want   []feed.Range
		state  feed.FixState
	}{
		"branches in any order": {
			`{"fixed":"2.0.5"},{"introduced":"2.0.0"},{"introduced":"0"},{"fixed":"1.9.3"}`,
			[]feed.Range{{Introduced: "0", Fixed: "1.9.3"}, {Introduced: "2.0.0", Fixed: "2.0.5"}}, feed.StateFixed,
		},
		"last affected gives no fix": {
			`{"introduced":"1.0.0"},{"last_affected":"1.2.0"}`,
			[]feed.Range{{Introduced: "1.0.0", LastAffected: "1.2.0"}}, feed.StateAffected,
		},
		"never fixed":               {`{"introduced":"0"}`, []feed.Range{{Introduced: "0"}}, feed.StateAffected},
		"limit is for git":          {`{"introduced":"0"},{"limit":"2.0.0"}`, []feed.Range{{Introduced: "0"}}, feed.StateAffected},
		"numbers, not text":         {`{"introduced":"1.9.0"},{"fixed":"1.10.0"}`, []feed.Range{{Introduced: "1.9.0", Fixed: "1.10.0"}}, feed.StateFixed},
		"only the first fix counts": {`{"introduced":"0"},{"fixed":"1.0.0"},{"fixed":"2.0.0"}`, []feed.Range{{Introduced: "0", Fixed: "1.0.0"}}, feed.StateFixed},
		"touching ranges join":      {`{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"1.0.0"},{"fixed":"2.0.0"}`, []feed.Range{{Introduced: "0", Fixed: "2.0.0"}}, feed.StateFixed},
		"touching ranges in any order": {
			`{"introduced":"0"},{"fixed":"3.1.1"},{"introduced":"3.2.0"},{"fixed":"3.2.2"},{"introduced":"3.1.1"},{"fixed":"3.2.0"}`,
			[]feed.Range{{Introduced: "0", Fixed: "3.2.2"}}, feed.StateFixed,
		},
		"pairs that overlap": {
			`{"introduced":"14.0.0"},{"fixed":"14.14.1"},{"introduced":"14.14.0"},{"fixed":"14.20.0"}`,
			[]feed.Range{{Introduced: "14.0.0", Fixed: "14.20.0"}}, feed.StateFixed,
		},
		"a pair the wrong way round": {
			`{"introduced":"8.3.0"},{"fixed":"8.17.6"},{"introduced":"8.18.0"},{"fixed":"8.17.10"},{"introduced":"9.0.0"},{"fixed":"9.0.1"}`,
			[]feed.Range{{Introduced: "8.3.0", Fixed: "8.17.6"}, {Introduced: "9.0.0", Fixed: "9.0.1"}}, feed.StateFixed,
		},
		"fixed before it began":        {`{"introduced":"0"},{"fixed":"0"}`, nil, feed.StateNotAffected},
		"introduced and fixed at once": {`{"introduced":"1.0.0"},{"fixed":"1.0.0"}`, nil, feed.StateNotAffected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read("npm", bundle(t, record("X-1", affects("npm", "p", `"ranges":[{"type":"SEMVER","events":[`+c.events+`]}]`))))
			if err != nil || len(got.Records) != 1 || len(got.Records[0].Advisories) != 1 || got.Skipped != nil {
				t.Fatalf("got %+v, %v; want one advisory", got, err)
			}
			a := got.Records[0].Advisories[0]
			if diff := cmp.Diff(c.want, a.Ranges); diff != "" || a.State != c.state {
				t.Errorf("state %s, want %s; ranges (-want +got):\n%s", a.State, c.state, diff)
			}
		})
	}
}

func TestEcosystemsBecomeNamespaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Debian:12": "debian:12", "Debian:6.0": "debian:6", "Debian": "", "Debian:sid": "",
		"Ubuntu:22.04:LTS": "ubuntu:22.04", "Ubuntu:25.10": "ubuntu:25.10", "Ubuntu:Pro:16.04:LTS": "ubuntu:16.04 pro",
		"Ubuntu:Pro:FIPS-updates:18.04:LTS": "", "Ubuntu:Pro:Realtime:24.04:LTS": "",
		"Alpine:v3.18": "alpine:3.18", "Alpine:edge": "alpine:edge", "Alpine": "",
		"Rocky Linux:9": "rocky:9", "AlmaLinux:8": "almalinux:8", "Photon OS:5.0": "photon:5.0",
		"Azure Linux:2": "mariner:2.0", "Azure Linux:3": "azurelinux:3.0", "Azure Linux:4": "",
		"Red Hat:enterprise_linux:9::appstream": "rhel:9", "Red Hat:enterprise_linux:8": "rhel:8",
		"Red Hat:rhel_eus:9.2::appstream": "rhel:9 eus:9.2", "Red Hat:rhel_els:7": "rhel:7 els", "Red Hat:openshift:4.16::el9": "",
		"SUSE:Linux Enterprise Server 15 SP5": "sles:15.5", "SUSE:Linux Enterprise Module for Basesystem 15 SP6": "sles:15.6",
		"SUSE:Linux Enterprise Server 15": "sles:15", "SUSE:Linux Enterprise Server 15 SP5-LTSS": "", "SUSE:Manager Server 4.3": "",
		"openSUSE:Leap 15.6": "opensuse-leap:15.6", "openSUSE:Tumbleweed": "opensuse-tumbleweed", "openSUSE:Leap Micro 5.5": "",
		"npm": "npm", "PyPI": "pypi", "Maven": "maven", "Go": "go", "Wolfi": "wolfi", "Linux": "", "GitHub Actions": "", "": "",
		"Packagist:https://packages.drupal.org/8": "packagist",
	} {
		own, _, _ := strings.Cut(text, ":")
		s, _, ok := Dialect{Ecosystems: []string{own}}.placeOf(text)
		got := s.namespace
		if s.channel != "" {
			got += " " + s.channel
		}
		if s.pro {
			got += " pro"
		}
		if ok != (want != "") || ok && got != want {
			t.Errorf("placeOf(%q) = %q, %v; want %q", text, got, ok, want)
		}
		if _, sorted := version.SchemeFor(s.namespace); ok && !sorted {
			t.Errorf("versions of %q cannot be ordered", s.namespace)
		}
	}
	if s, _, ok := (Dialect{Ecosystems: []string{"npm"}}).placeOf("PyPI"); ok {
		t.Errorf("an entry of another ecosystem is read: %v", s)
	}
}

func TestGroupsAreTheChosenEcosystems(t *testing.T) {
	t.Parallel()
	got := Driver.Groups(feed.Settings{Ecosystems: []string{"npm", "Rocky Linux", "npm"}})
	want := []feed.Group{
		{Name: "Rocky Linux", Host: host, Path: "Rocky Linux/all.zip"},
		{Name: "npm", Host: host, Path: "npm/all.zip"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	for _, g := range Driver.Groups(feed.Settings{}) {
		if _, ok := ecosystems[g.Name]; !ok {
			t.Errorf("default ecosystem %q cannot be read", g.Name)
		}
	}
}

func TestADocumentThatIsNoArchiveIsAnError(t *testing.T) {
	t.Parallel()
	good := bundle(t, record("X-1", `"affected":[]`))
	for name, c := range map[string]struct {
		ecosystem string
		doc       []byte
		want      error
	}{
		"a web page":          {"npm", []byte("<html>busy</html>"), ErrArchive},
		"nothing":             {"npm", nil, ErrArchive},
		"cut short":           {"npm", good[:len(good)/2], ErrArchive},
		"no members":          {"npm", bundle(t), ErrArchive},
		"only broken records": {"npm", bundle(t, txtar.File{Name: "a.json", Data: []byte("{")}), ErrArchive},
		"unknown ecosystem":   {"Linux", good, ErrEcosystem},
	} {
		if got, err := read(c.ecosystem, c.doc); !errors.Is(err, c.want) || got.Records != nil {
			t.Errorf("%s: %v with %d records; want %v", name, err, len(got.Records), c.want)
		}
	}
}

func TestABadMemberIsSkippedAndReported(t *testing.T) {
	t.Parallel()
	got, err := read("npm", bundle(t,
		record("X-1", `"affected":[]`),
		record("X-1", `"affected":[]`),
		txtar.File{Name: "long.json", Data: bytes.Repeat([]byte(" "), maxRecordSize+1)},
		record("X-2", affects("npm", "p", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"soon"}]}]`)),
		record("X-3", affects("npm", "p", `"versions":["1.0.0"],"database_specific":["odd"],"ecosystem_specific":7`)),
	))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range got.Records {
		ids = append(ids, fmt.Sprint(r.Vulnerability.ID, " ", len(r.Advisories)))
	}
	if diff := cmp.Diff([]string{"X-1 0", "X-2 0", "X-3 1"}, ids); diff != "" {
		t.Errorf("records and their advisories (-want +got):\n%s", diff)
	}
	want := []string{"X-1: ", "long: ", "X-2: "}
	if len(got.Skipped) != len(want) {
		t.Fatalf("skipped %q; want %q", got.Skipped, want)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(got.Skipped[i], prefix) {
			t.Errorf("skipped %q; want %q", got.Skipped[i], prefix)
		}
	}
}

func TestAFailingReceiverStopsTheArchive(t *testing.T) {
	t.Parallel()
	full := errors.New("staging is full")
	doc := bundle(t, record("X-1", `"affected":[]`), record("X-2", `"affected":[]`))
	out := &refusing{err: full}
	err := Driver.Parse(context.Background(), input("npm", doc), out)
	if !errors.Is(err, full) || out.asked != 1 {
		t.Errorf("%v after %d records; want the receiver's error after one", err, out.asked)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = Driver.Parse(ctx, input("npm", doc), &feedtest.Sink{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTheDirectoryOfAnArchiveIsBounded(t *testing.T) {
	t.Parallel()
	m := &metered{doc: bytes.NewReader(make([]byte, 64)), left: 40}
	if _, err := m.ReadAt(make([]byte, 32), 0); err != nil {
		t.Fatalf("within the bound: %v", err)
	}
	if _, err := m.ReadAt(make([]byte, 32), 0); !errors.Is(err, ErrLimit) {
		t.Errorf("past the bound: %v; want ErrLimit", err)
	}
	m.left = -1
	if _, err := m.ReadAt(make([]byte, 64), 0); err != nil {
		t.Errorf("without a bound: %v", err)
	}
}

func TestHostileTextIsHarmless(t *testing.T) {
	t.Parallel()
	got, err := read("PyPI", bundle(t, record("X-1",
		`"summary":"a\u0000b","references":[{"type":"ADVISORY","url":"javascript:alert(1)"},{"type":"WEB","url":"https://example.org/x"}],`+
			affects("PyPI", `Fla\u0000sk._X`, `"versions":["1.0"]`))))
	if err != nil || len(got.Records) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	v := got.Records[0].Vulnerability
	if v.Summary != "ab" || v.URL != "https://example.org/x" || !slices.Equal(v.References, []string{"https://example.org/x"}) {
		t.Errorf("vulnerability %+v", v)
	}
	if n := got.Records[0].Advisories[0].Package; n != "flask-x" {
		t.Errorf("package %q; want flask-x", n)
	}
}

func FuzzRecord(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		c, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		first, _, _ := strings.Cut(string(c.Comment), "\n")
		for _, file := range c.Files[:len(c.Files)-1] {
			f.Add(strings.TrimPrefix(first, "ecosystem: "), file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, ecosystem string, data []byte) {
		rec, _, err := Dialect{Source: Name, Ecosystems: []string{ecosystem}}.Convert(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(rec)
		if err != nil {
			t.Fatalf("record cannot be stored: %v", err)
		}
		if bytes.Contains(text, []byte(`\u0000`)) {
			t.Fatalf("NUL in %s", text)
		}
		for _, a := range rec.Advisories {
			if a.ID != rec.Vulnerability.ID || a.Namespace == "" || a.Package == "" || a.State == "" {
				t.Fatalf("incomplete advisory %+v", a)
			}
		}
	})
}
