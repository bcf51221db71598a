package alpine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/secdb"
)

func TestFixesBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

// planned lists what is fetched for a release as configured, with ? behind what may be missing.
func planned(t *testing.T, release string) ([]string, error) {
	t.Helper()
	g := Driver.Groups(feed.Settings{Releases: []string{release}})[0]
	p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, feedtest.Listings(nil))
	var out []string
	for _, d := range p.Documents {
		path := d.Path
		if d.Optional {
			path += "?"
		}
		if d.Host == host {
			out = append(out, fmt.Sprint(g.Name, " ", d.Name, " ", path))
		} else if d.Host != rejectionHost || !d.Optional {
			t.Errorf("unexpected document %+v", d)
		}
	}
	return out, err
}

func TestOldReleasesMayBeInYAMLOnly(t *testing.T) {
	t.Parallel()
	for release, want := range map[string][]string{
		"3.18":       {"alpine:3.18 main v3.18/main.json", "alpine:3.18 community v3.18/community.json"},
		"v3.24":      {"alpine:3.24 main v3.24/main.json", "alpine:3.24 community v3.24/community.json"},
		"edge":       {"alpine:edge main edge/main.json", "alpine:edge community edge/community.json"},
		"next=4.0":   {"alpine:4.0 main next/main.json", "alpine:4.0 community next/community.json"},
		"latest=3.9": {"alpine:3.9 main latest/main.json?", "alpine:3.9 community latest/community.json?", "alpine:3.9 main.yaml latest/main.yaml?", "alpine:3.9 community.yaml latest/community.yaml?"},
	} {
		got, err := planned(t, release)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v; documents (-want +got):\n%s", release, err, diff)
		}
	}
	for _, bad := range []string{"", "three", "3", "../3.18", "3.18/x"} {
		if got, err := planned(t, bad); !errors.Is(err, ErrRelease) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestEveryReleaseIsAGroup(t *testing.T) {
	t.Parallel()
	got := Driver.Groups(feed.Settings{})
	if len(got) != 1+newest-oldest+1 || got[0].Name != "alpine:edge" || got[len(got)-1].Path != fmt.Sprintf("v3.%d/main.json", newest) {
		t.Errorf("groups %v", got)
	}
}

func TestAReleaseWithoutADatabaseIsAnError(t *testing.T) {
	t.Parallel()
	in := feed.Input{Group: feed.Group{Name: "alpine:3.9"}, Documents: []feed.Fetched{feedtest.Doc("rejections-main", []byte("p: [CVE-2020-0001]"))}}
	if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, secdb.ErrDocument) {
		t.Errorf("%v", err)
	}
	in.Documents = append(in.Documents, feedtest.Doc("main", []byte("<html>")))
	if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, secdb.ErrDocument) {
		t.Errorf("%v", err)
	}
}
