package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]*catalog.Distro{
		"debian 12":         {ID: "debian", VersionID: "12"},
		"debian 11":         {ID: "kali-like", Like: []string{"debian"}, Codename: "bullseye"},
		"ubuntu 22.04":      {ID: "ubuntu", VersionID: "22.04"},
		"alpine-linux 3.18": {ID: "alpine", VersionID: "3.18.4"},
		"rhel 9":            {ID: "rhel", VersionID: "9.4"},
		"sles 15.5":         {ID: "sles", VersionID: "15.5"},
		"amazon-linux 2023": {ID: "amzn", VersionID: "2023"},
		"opensuse 15.6":     {ID: "opensuse-leap", VersionID: "15.6"},
		"vmware-photon 5.0": {ID: "photon", VersionID: "5.0"},
		"centos 7":          {ID: "centos", VersionID: "7"},
	} {
		if got := Keys(d); len(got) == 0 || got[0] != want {
			t.Errorf("%+v: %q, want %q first", d, got, want)
		}
	}
	for _, d := range []*catalog.Distro{nil, {}, {ID: "wolfi", VersionID: "20230201"}, {ID: "nonesuch", VersionID: "1"}, {ID: "debian"}} {
		if got := Keys(d); got != nil {
			t.Errorf("%+v: %q, want none", d, got)
		}
	}
}

func day(s string) *time.Time {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return &at
}

func TestSupportFollowsTheDays(t *testing.T) {
	t.Parallel()
	both := feed.Lifecycle{EndOfLife: day("2026-07-11"), EndOfExtended: day("2028-06-30")}
	for _, c := range []struct {
		cycle   feed.Lifecycle
		at      string
		want    Support
		changes string
	}{
		{both, "2026-07-10", Supported, "2026-07-11"},
		{both, "2026-07-11", Extended, "2028-06-30"},
		{both, "2028-06-30", Ended, ""},
		{feed.Lifecycle{EndOfLife: day("2026-07-11")}, "2026-07-11", Ended, ""},
		{feed.Lifecycle{Ended: true}, "2026-07-11", Ended, ""},
		{feed.Lifecycle{}, "2026-07-11", Supported, ""},
		{feed.Lifecycle{EndOfLife: day("2026-07-11"), Ended: true}, "2026-07-10", Supported, "2026-07-11"}, // the day says more
		{feed.Lifecycle{Ended: true, EndOfExtended: day("2027-01-01")}, "2026-07-11", Extended, "2027-01-01"},
	} {
		changes := ""
		if at := Changes(c.cycle, *day(c.at)); !at.IsZero() {
			changes = at.Format(time.DateOnly)
		}
		if diff := cmp.Diff([]any{c.want, c.changes}, []any{At(c.cycle, *day(c.at)), changes}); diff != "" {
			t.Errorf("%+v at %s (-want +got):\n%s", c.cycle, c.at, diff)
		}
	}
}
