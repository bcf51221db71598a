package errata_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/version"
)

const source = "vendor"

var cfg = errata.Config{Source: source, Scheme: version.Rpm, Page: "https://vendor.example/%s"}

// records adds advisories and returns what comes of them.
func records(t *testing.T, list ...errata.Erratum) *feedtest.Sink {
	t.Helper()
	var s feedtest.Sink
	table := errata.New(cfg, &s)
	for _, e := range list {
		if err := table.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Emit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Check(t, source)
	return &s
}

// advisory repairs CVE-2020-0001.
func advisory(id string, builds ...errata.Build) errata.Erratum {
	return errata.Erratum{
		ID: id, Severity: feed.Low, Notices: []feed.Notice{{ID: id}}, Flaws: []errata.Flaw{{ID: "CVE-2020-0001"}}, Builds: builds,
	}
}

func fix(pkg, evr string, arches ...string) errata.Build {
	b := errata.Fix("d:1", pkg, evr)
	b.Arches = arches
	return b
}

func state(s feed.FixState, r feed.Range) errata.Build {
	return errata.Build{Namespace: "d:1", Package: "p", State: s, Range: r}
}

func of(b errata.Build, change func(*errata.Build)) errata.Build { change(&b); return b }

func TestAdvisoriesAboutOneFlawAreJoined(t *testing.T) {
	t.Parallel()
	line := func(from, to string) errata.Build {
		return of(fix("kernel", to), func(b *errata.Build) { b.Range.Introduced = from })
	}
	for name, c := range map[string]struct {
		list []errata.Erratum
		want []string
	}{
		"a later repair extends the range": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2")), advisory("A-2", fix("p", "1-3")), advisory("A-3", fix("p", "1-1"))},
			[]string{"CVE-2020-0001 d:1 p [0,1-3) fixed"},
		},
		"lines beside each other stay apart": {
			[]errata.Erratum{advisory("A-1", line("0", "4.14.9-1")), advisory("A-2", line("5.10", "5.10.7-1"), line("5.15", "5.15.3-2")), advisory("A-3", line("5.10", "5.10.8-1"))},
			[]string{"CVE-2020-0001 d:1 kernel [0,4.14.9-1) [5.10,5.10.8-1) [5.15,5.15.3-2) fixed"},
		},
		"an epoch of zero is not written": {
			[]errata.Erratum{advisory("A-1", fix("p", "0:1-2"), fix("p", "1-2", "x86_64"), fix("q", "1:1-2"))},
			[]string{"CVE-2020-0001 d:1 p [0,1-2) fixed", "CVE-2020-0001 d:1 q [0,1:1-2) fixed"},
		},
		"one answer for all architectures names none": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2", "x86_64"), fix("p", "1-2", "aarch64")), advisory("A-2", fix("q", "1-2", "s390x"))},
			[]string{"CVE-2020-0001 d:1 p [0,1-2) fixed", "CVE-2020-0001 d:1 q [0,1-2) fixed"},
		},
		"different answers name theirs": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2", "x86_64", "s390x"), fix("p", "1-3", "aarch64"))},
			[]string{
				`CVE-2020-0001 d:1 p {"arches":["aarch64"]} [0,1-3) fixed`,
				`CVE-2020-0001 d:1 p {"arches":["i686","s390x","x86_64"]} [0,1-2) fixed`,
			},
		},
		"32 bits have their own answer where there is one": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2", "x86_64"), fix("p", "1-3", "i686"))},
			[]string{`CVE-2020-0001 d:1 p {"arches":["i686"]} [0,1-3) fixed`, `CVE-2020-0001 d:1 p {"arches":["x86_64"]} [0,1-2) fixed`},
		},
		"what holds everywhere holds on each": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2", "noarch")), advisory("A-2", fix("p", "1-3", "x86_64"), fix("p", "1-1", "aarch64"))},
			[]string{`CVE-2020-0001 d:1 p {"arches":["aarch64"]} [0,1-2) fixed`, `CVE-2020-0001 d:1 p {"arches":["i686","x86_64"]} [0,1-3) fixed`},
		},
		"modules and channels are subjects of their own": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2"), of(fix("p", "1-3"), func(b *errata.Build) { b.Module = "m:1" }), of(fix("p", "1-4"), func(b *errata.Build) { b.Channel = "fips" }))},
			[]string{
				"CVE-2020-0001 d:1 p [0,1-2) fixed", `CVE-2020-0001 d:1 p {"channel":"fips"} [0,1-4) fixed`, `CVE-2020-0001 d:1 p {"module":"m:1"} [0,1-3) fixed`,
			},
		},
		"sources and debugging symbols are left out": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2", "src"), fix("p", "1-2", "nosrc"), fix("p-debuginfo", "1-2"), fix("p-debugsource", "1-2"), fix("p-debuginfo-common-x86_64", "1-2"), fix("p-debug", "1-2"))},
			[]string{"CVE-2020-0001 d:1 p-debug [0,1-2) fixed"},
		},
		"the higher revision counts": {
			[]errata.Erratum{
				{ID: "A-1", Revision: 2, Flaws: []errata.Flaw{{ID: "CVE-2020-0001"}}, Builds: []errata.Build{fix("p", "1-2")}},
				{ID: "A-1", Revision: 1, Flaws: []errata.Flaw{{ID: "CVE-2020-0001"}, {ID: "CVE-2020-0002"}}, Builds: []errata.Build{fix("p", "1-9"), fix("q", "1")}},
				{ID: "A-1", Revision: 3, Flaws: []errata.Flaw{{ID: "CVE-2020-0003"}}, Builds: []errata.Build{fix("p", "1-3")}},
				{ID: "A-1", Revision: 3, Flaws: []errata.Flaw{{ID: "CVE-2020-0003"}}, Builds: []errata.Build{fix("q", "1-3")}},
			},
			[]string{"CVE-2020-0003 d:1 p [0,1-3) fixed", "CVE-2020-0003 d:1 q [0,1-3) fixed"},
		},
		"an advisory without a flaw is a record": {
			[]errata.Erratum{{ID: "A-1", Builds: []errata.Build{fix("p", "1-2")}}, {ID: "A-1", Builds: []errata.Build{fix("q", "1-2")}}, {ID: "A-2"}},
			[]string{"A-1 d:1 p [0,1-2) fixed", "A-1 d:1 q [0,1-2) fixed"},
		},
		"not affected counts where nothing else is said": {
			[]errata.Erratum{advisory("A-1", state(feed.StateNotAffected, feed.Range{}))},
			[]string{"CVE-2020-0001 d:1 p not-affected"},
		},
		"a repair is stronger than not affected": {
			[]errata.Erratum{advisory("A-1", state(feed.StateNotAffected, feed.Range{}), fix("p", "1-2"))},
			[]string{"CVE-2020-0001 d:1 p [0,1-2) fixed"},
		},
		"what is open is stronger than a repair": {
			[]errata.Erratum{advisory("A-1", fix("p", "1-2"), state(feed.StateAffected, feed.Range{After: "1-1", LastAffected: "1-5"}))},
			[]string{"CVE-2020-0001 d:1 p [0,1-5] affected"},
		},
		"an end that is no fix stays one": {
			[]errata.Erratum{advisory("A-1", state(feed.StateAffected, feed.Range{Introduced: "0", Before: "2"}))},
			[]string{"CVE-2020-0001 d:1 p [0,2?) affected"},
		},
		"who looks into it says nothing of versions": {
			[]errata.Erratum{advisory("A-1", state(feed.StateInvestigate, feed.Range{}))},
			[]string{"CVE-2020-0001 d:1 p under-investigation"},
		},
	} {
		s := records(t, c.list...)
		if diff := cmp.Diff(c.want, s.Lines()); diff != "" || len(s.Skipped) > 0 {
			t.Errorf("%s (-want +got):\n%s%v", name, diff, s.Skipped)
		}
	}
}

func TestAFixIsDatedAndRatedByWhoBroughtIt(t *testing.T) {
	t.Parallel()
	day := func(n int) *time.Time { return new(time.Date(2020, 1, n, 0, 0, 0, 0, time.UTC)) }
	first, again, other := advisory("A-2", fix("p", "1-2")), advisory("A-1", fix("p", "1-2")), advisory("A-3", fix("q", "1-9"))
	first.Issued, again.Issued, other.Issued = day(2), day(5), day(9)
	other.Severity = feed.Critical
	first.Flaws[0].CVSS = []feed.CVSS{{Vector: "v"}}
	again.Flaws = []errata.Flaw{{ID: "CVE-2020-0001", Description: "words", CVSS: []feed.CVSS{{Vector: "v"}}, CWEs: []string{"CWE-1"}}}
	s := records(t, first, again, other)
	want := []feed.Record{{
		Vulnerability: feed.Vulnerability{
			Source: source, ID: "CVE-2020-0001", Description: "words", Severity: feed.Critical, URL: "https://vendor.example/CVE-2020-0001",
			CVSS: []feed.CVSS{{Vector: "v"}}, CWEs: []string{"CWE-1"},
		},
		Advisories: []feed.Advisory{
			{
				Source: source, ID: "CVE-2020-0001", Namespace: "d:1", Package: "p", State: feed.StateFixed, Severity: new(feed.Low),
				Ranges: []feed.Range{{Introduced: "0", Fixed: "1-2"}}, Notices: []feed.Notice{{ID: "A-1"}, {ID: "A-2"}}, FixedAt: day(2),
			},
			{
				Source: source, ID: "CVE-2020-0001", Namespace: "d:1", Package: "q", State: feed.StateFixed,
				Ranges: []feed.Range{{Introduced: "0", Fixed: "1-9"}}, Notices: []feed.Notice{{ID: "A-3"}}, FixedAt: day(9),
			},
		},
	}}
	if diff := cmp.Diff(want, s.Records); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
}

func TestAFlawsOwnRatingGoesBeforeThatOfAdvisories(t *testing.T) {
	t.Parallel()
	e := advisory("A-1", fix("p", "1-2"))
	e.Severity, e.Flaws[0].Severity = feed.Critical, feed.Medium
	r := records(t, e).Records[0]
	if r.Vulnerability.Severity != feed.Medium || r.Advisories[0].Severity != nil {
		t.Errorf("record %+v", r)
	}
}

func TestWhatIsUnusableIsReportedOnceAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	e := advisory("A-1", fix("a b", "1"), fix("p", "one\x00"), fix("p", "1-2"), of(fix("p", "1"), func(b *errata.Build) { b.Module = "m 1" }))
	e.Flaws = append(e.Flaws, errata.Flaw{ID: "no id"})
	s := records(t, e, errata.Erratum{ID: "a b", Builds: []errata.Build{fix("p", "1")}})
	if got := strings.Join(s.Lines(), "\n"); got != "CVE-2020-0001 d:1 p [0,1-2) fixed" {
		t.Error(got)
	}
	if len(s.Skipped) != 3 || !strings.Contains(s.Skipped[0], "3 of 4 packages") {
		t.Errorf("reported %q", s.Skipped)
	}
}

func TestOneAdvisoryBecomesOneRecord(t *testing.T) {
	t.Parallel()
	e := advisory("A-1", fix("p", "1-2"), fix("q", "one two"))
	rec, err := errata.One(t.Context(), cfg, e)
	if rec.Vulnerability.ID != "CVE-2020-0001" || len(rec.Advisories) != 1 || !errors.Is(err, errata.ErrErratum) {
		t.Errorf("%+v, %v", rec, err)
	}
	e.Flaws = append(e.Flaws, errata.Flaw{ID: "CVE-2020-0002"})
	if rec, err := errata.One(t.Context(), cfg, e); !errors.Is(err, errata.ErrErratum) || rec.Vulnerability.ID != "CVE-2020-0001" {
		t.Errorf("%+v, %v", rec, err)
	}
}

type full struct{ feedtest.Sink }

var errFull = errors.New("full")

func (*full) Record(feed.Record) error { return errFull }

func TestErrorsOfTheSinkEndTheEmission(t *testing.T) {
	t.Parallel()
	table := errata.New(cfg, &full{})
	if err := errors.Join(table.Add(advisory("A-1", fix("p", "1"))), table.Emit(t.Context())); !errors.Is(err, errFull) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := table.Emit(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestAVersionIsAffectedWhenAnyAdvisorySaysSo compares the joined ranges with the advisories one by one, which may come in
// any order.
func TestAVersionIsAffectedWhenAnyAdvisorySaysSo(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var list []errata.Erratum
		var said []feed.Range
		for i := range 1 + random.IntN(4) {
			r := feed.Range{Introduced: fmt.Sprint(random.IntN(5)), Fixed: fmt.Sprintf("%d-1", 1+random.IntN(9))}
			said = append(said, r)
			list = append(list, advisory(fmt.Sprint("A-", i), errata.Build{Namespace: "d:1", Package: "p", Range: r}))
		}
		got := records(t, list...)
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if diff := cmp.Diff(got.Records, records(t, list...).Records); diff != "" {
			t.Fatalf("another order of %+v:\n%s", list, diff)
		}
		for v := range 12 {
			holds := func(r feed.Range) bool {
				in, err := r.Contains(version.Rpm, fmt.Sprint(v, "-0"))
				if err != nil {
					t.Fatal(err)
				}
				return in
			}
			if slices.ContainsFunc(said, holds) != slices.ContainsFunc(got.Records[0].Advisories[0].Ranges, holds) {
				t.Fatalf("%d of %+v: joined %+v", v, said, got.Records[0].Advisories[0].Ranges)
			}
		}
	}
}

func TestDatesAreReadAsTheSourcesWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2022-05-31": "2022-05-31T00:00:00Z", "20070125": "2007-01-25T00:00:00Z", "2023-02-17 20:41:00": "2023-02-17T20:41:00Z",
		"2011-09-27 22:46": "2011-09-27T22:46:00Z", "2025-11-27T09:11:22.820964+01:00": "2025-11-27T08:11:22Z", "": "", "soon": "", "0000-00-00": "",
	} {
		got := ""
		if d := errata.Date(text); d != nil {
			got = d.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %s; want %s", text, got, want)
		}
	}
}
