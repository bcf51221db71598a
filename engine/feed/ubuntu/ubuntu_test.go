package ubuntu

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestRecordsComeOutInNormalForm(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestTheVEXArchiveIsOptional(t *testing.T) {
	t.Parallel()
	got, err := Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(feed.Settings{})[0]}, feedtest.Listings(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := feed.Plan{Documents: []feed.Document{
		{Name: "osv", Host: "security-metadata.canonical.com", Path: "osv/osv-all.tar.xz"},
		{Name: "vex", Host: "security-metadata.canonical.com", Path: "vex/vex-all.tar.xz", Optional: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	s := feedtest.Parse(t, Driver, input(t, minimal))
	if diff := cmp.Diff([]string{"CVE-2024-0001 ubuntu:22.04 p [0,1.0-1) fixed"}, s.Lines()); diff != "" {
		t.Errorf("without VEX (-want +got):\n%s", diff)
	}
}

const minimal = `{"id":"UBUNTU-CVE-2024-0001","affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.0-1"}]}]}]}`

// input has an OSV archive of one record.
func input(t testing.TB, record string) feed.Input {
	t.Helper()
	packed := golden.Tar(t, []txtar.File{{Name: "osv!osv/cve/2024/UBUNTU-CVE-2024-0001.json", Data: []byte(record)}})
	return feed.Input{Documents: []feed.Fetched{feedtest.Doc("osv", packed)}}
}

func TestPlacesAreReadFromEcosystemsAndPurls(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]place{
		"Ubuntu:22.04:LTS": {"22.04", ""}, "Ubuntu:25.10": {"25.10", ""}, "Ubuntu:Pro:16.04:LTS": {"16.04", "pro"},
		"Ubuntu:Pro:FIPS-updates:18.04:LTS": {"18.04", "fips-updates"}, "Ubuntu:Pro:FIPS:20.04:LTS": {"20.04", "fips"},
		"Ubuntu:Pro:Realtime:24.04:LTS": {"24.04", "realtime"}, "Ubuntu:Nvidia-BlueField:22.04:LTS": {"22.04", "nvidia-bluefield"},
		"Ubuntu": {}, "Debian:12": {}, "Ubuntu:jammy": {}, "Ubuntu:22.04:LTS:x": {}, "": {},
	} {
		if got, ok := placeOf(text); got != want || ok != (want != place{}) {
			t.Errorf("placeOf(%q) = %v, %t; want %v", text, got, ok, want)
		}
	}
	for text, want := range map[string][2]string{
		"jammy": {"jammy", ""}, "esm-infra/xenial": {"xenial", "pro"}, "esm-apps/jammy": {"jammy", "pro"}, "trusty/esm": {"trusty", "pro"},
		"esm-infra-legacy/trusty": {"trusty", "pro"}, "fips-updates/bionic": {"bionic", "fips-updates"}, "realtime/jammy": {"jammy", "realtime"},
	} {
		if codename, channel, ok := split(text); !ok || codename != want[0] || channel != want[1] {
			t.Errorf("split(%q) = %q, %q, %t", text, codename, channel, ok)
		}
	}
	for _, bad := range []string{"", "a/b/c", "jammy\x00", "esm infra/x"} {
		if codename, channel, ok := split(bad); ok {
			t.Errorf("split(%q) = %q, %q", bad, codename, channel)
		}
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	good := input(t, minimal).Documents[0]
	cut := make([]byte, 600)
	if _, err := good.ReadAt(cut, 0); err != nil {
		t.Fatal(err)
	}
	other := golden.Tar(t, []txtar.File{{Name: "!README", Data: []byte("hello")}})
	for name, c := range map[string]struct {
		osv  []byte
		want error
	}{
		"nothing":      {nil, archive.ErrFormat},
		"web page":     {[]byte("<html>busy</html>"), archive.ErrFormat},
		"cut short":    {cut, archive.ErrFormat},
		"other files":  {other, ErrDocument},
		"broken JSON":  {golden.Tar(t, []txtar.File{{Name: "!UBUNTU-CVE-2024-0001.json", Data: []byte("{")}}), ErrDocument},
		"no directory": {make([]byte, 1024), archive.ErrFormat},
	} {
		var s feedtest.Sink
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("osv", c.osv)}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, c.want) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records; want %v", name, err, len(s.Records), c.want)
		}
		in.Documents = []feed.Fetched{good, feedtest.Doc("vex", c.osv)}
		if err := Driver.Parse(t.Context(), in, &s); c.want == archive.ErrFormat && !errors.Is(err, c.want) {
			t.Errorf("%s as VEX archive: %v", name, err)
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without documents: %v", err)
	}
}

func TestAnUnknownReleaseIsAnError(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "jammy", "22", "jammy=", "Jammy=22.04", "=22.04"} {
		in := input(t, minimal)
		in.Settings.Releases = []string{bad}
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, ErrRelease) {
			t.Errorf("%q: %v", bad, err)
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
	full := errors.New("staging is full")
	if err := Driver.Parse(t.Context(), input(t, minimal), &failing{err: full}); !errors.Is(err, full) {
		t.Errorf("%v; want the sink's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Driver.Parse(ctx, input(t, minimal), &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want the context's error", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, record, vex []byte) {
		in := feed.Input{Documents: []feed.Fetched{
			feedtest.Doc("osv", golden.Tar(t, []txtar.File{
				{Name: "!UBUNTU-CVE-2024-0001.json", Data: record}, {Name: "!USN-1-1.json", Data: record}, {Name: "!UBUNTU-CVE-2024-0002.json", Data: []byte(minimal)},
			})),
			feedtest.Doc("vex", golden.Tar(t, []txtar.File{{Name: "!CVE-2024-0001.json", Data: vex}})),
		}}
		var s feedtest.Sink
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
