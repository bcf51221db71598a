package nvd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/jsonlist"
)

func TestRecordsBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

// match is a criterion: "!" in front of the name for one that is not vulnerable, bounds as ">=1", ">1", "<=2", "<2".
func match(name string, bounds ...string) criterion {
	plain, harmless := strings.CutPrefix(name, "!")
	m := criterion{Name: "cpe:2.3:" + plain + strings.Repeat(":*", 10-strings.Count(strings.ReplaceAll(plain, `\:`, ""), ":")), Vulnerable: !harmless}
	for _, b := range bounds {
		switch {
		case strings.HasPrefix(b, ">="):
			m.StartIncluding = b[2:]
		case strings.HasPrefix(b, "<="):
			m.EndIncluding = b[2:]
		case strings.HasPrefix(b, ">"):
			m.StartExcluding = b[1:]
		case strings.HasPrefix(b, "<"):
			m.EndExcluding = b[1:]
		}
	}
	return m
}

func anyOf(list ...criterion) node { return node{Operator: "OR", Criteria: list} }

func one(list ...criterion) configuration { return configuration{Nodes: []node{anyOf(list...)}} }

func both(nodes ...node) configuration { return configuration{Operator: "AND", Nodes: nodes} }

// written shows advisories, each followed by what its CPE says; then the problems.
func written(t *testing.T, list ...configuration) []string {
	t.Helper()
	found, problems := advisories("X", list)
	var out []string
	for _, a := range found {
		s := feedtest.Sink{Records: []feed.Record{{Vulnerability: feed.Vulnerability{Source: Name, ID: "X"}, Advisories: []feed.Advisory{a}}}}
		s.Check(t, Name)
		cpe := *a.CPE
		cpe.RunningOn = nil
		detail, err := json.Marshal(cpe)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(s.Lines()[0], "X nvd ")+" "+string(detail)+" "+strings.Join(a.CPE.RunningOn, " "))
	}
	for _, p := range problems {
		if !errors.Is(p, ErrCriterion) {
			t.Errorf("problem of another kind: %v", p)
		}
		out = append(out, p.Error())
	}
	return out
}

func TestConfigurationsSayWhatIsAffected(t *testing.T) {
	t.Parallel()
	const app = ` {"part":"a"} `
	for name, c := range map[string]struct {
		given []configuration
		want  []string
	}{
		"every kind of bound": {
			[]configuration{one(match("a:v:p", ">=1.0", "<1.5"), match("a:v:p", ">2.0", "<=2.5"), match("a:v:p", ">=3"))},
			[]string{"v:p [1.0,1.5) (2.0,2.5] [3,) fixed" + app},
		},
		"ranges that overlap": {
			[]configuration{one(match("a:v:p", ">=1.0", "<1.5"), match("a:v:p", ">=1.2", "<1.7"))},
			[]string{"v:p [1.0,1.7) fixed" + app},
		},
		"bounds that are no plain numbers stay": {
			[]configuration{one(match("a:v:p", ">=4.0.0-M1", "<4.0.0"), match("a:v:p", ">=4.0.0-M1", "<4.0.0"), match("a:v:p", "<3.0"))},
			[]string{"v:p [4.0.0-M1,4.0.0) [0,3.0) fixed" + app},
		},
		"escaped bounds":  {[]configuration{one(match("a:v:p", `<12.6\(1\)`))}, []string{"v:p [0,12.6(1)) fixed" + app}},
		"every version":   {[]configuration{one(match("a:v:p"), match("a:v:p:1.0"), match("a:v:p", "<3"))}, []string{"v:p [0,) affected" + app}},
		"exact versions":  {[]configuration{one(match("a:v:p:2.0"), match("a:v:p:1.0"), match("a:v:p:2.0"))}, []string{"v:p [1.0 2.0] affected" + app}},
		"no version":      {[]configuration{one(match("a:v:p:-"))}, []string{"v:p unknown (versions do not apply)" + app}},
		"no version, too": {[]configuration{one(match("a:v:p:-"), match("a:v:p:1"))}, []string{"v:p [1] affected" + app}},
		"updates": {
			[]configuration{one(match("a:oracle:openjdk:8:-"), match("a:oracle:openjdk:8:update392"), match("a:oracle:openjdk:8.1:2"))},
			[]string{`oracle:openjdk [8 8-update392 8.1-2 8update392] affected {"part":"a","update":"-"} `},
		},
		"any update beside them": {
			[]configuration{one(match("a:v:p:8"), match("a:v:p:8:-"), match("a:v:p:8:rc1"))},
			[]string{"v:p [8 8-rc1 8rc1] affected" + app},
		},
		"names are unescaped and in lower case": {
			[]configuration{one(match(`a:Node.JS:C\+\+_\&_lib\:x:1.0-Beta`))}, []string{"node.js:c++_&_lib:x [1.0-Beta] affected" + app},
		},
		"several ecosystems": {
			[]configuration{one(match("a:v:p:*:*:*:*:*:Node.js", "<2"), match("a:v:p:*:*:*:*:*:python", "<3"), match("a:v:p:*:*:*:*:*:-", "<4"))},
			[]string{
				"v:p [0,4) fixed" + app, `v:p {"channel":"sw:node.js"} [0,2) fixed {"part":"a","target_sw":"node.js"} `,
				`v:p {"channel":"sw:python"} [0,3) fixed {"part":"a","target_sw":"python"} `,
			},
		},
		"hardware is left out": {
			[]configuration{both(anyOf(match("o:v:p_firmware", "<2")), anyOf(match("h:v:p:-")))},
			[]string{`v:p_firmware [0,2) fixed {"part":"o"} `},
		},
		"parts that differ": {[]configuration{one(match("o:v:p", "<2"), match("a:v:p:3"))}, []string{`v:p [0,2) [3] fixed {"part":""} `}},
		"together with a platform": {
			[]configuration{both(anyOf(match("a:v:p", "<2")), anyOf(match("!h:b:z:-"), match("!o:microsoft:windows:-"), match("!a:v:host:1"), match("!o:microsoft:windows:10")))},
			[]string{"v:p [0,2) fixed" + app + "a:v:host o:microsoft:windows h:b:z"},
		},
		"two that are affected together are no platforms": {
			[]configuration{both(anyOf(match("a:v:p:1")), anyOf(match("a:v:q:1")))},
			[]string{"v:p [1] affected" + app, "v:q [1] affected" + app},
		},
		"a platform in the same node": {
			[]configuration{{Nodes: []node{{Operator: "AND", Criteria: []criterion{match("a:v:p:1"), match("!o:v:os:-")}}}}},
			[]string{"v:p [1] affected" + app + "o:v:os"},
		},
		"what is not vulnerable beside it is no platform": {[]configuration{one(match("a:v:p:1"), match("!a:v:q:1"))}, []string{"v:p [1] affected" + app}},
		"on a platform and elsewhere": {
			[]configuration{both(anyOf(match("a:v:p:1")), anyOf(match("!o:v:os:-"))), one(match("a:v:p:2"))},
			[]string{"v:p [1 2] affected" + app},
		},
		"negated": {
			[]configuration{{Negate: true, Nodes: []node{anyOf(match("a:v:p:1"))}}, both(anyOf(match("a:v:q:1")), node{Negate: true, Criteria: []criterion{match("!o:v:os:-")}})},
			[]string{"v:q [1] affected" + app, errNegated.Error(), errNegated.Error()},
		},
		"what cannot be read": {
			[]configuration{one(match("a:v:p*:1"), match("a:*:p:1"), match("a:v:-:1"), match("a:v:p", ">=1", ">1"), match("a:v:p", "<2", "<=2"), match("a:v:p", "<*"), match("a:v:p", "<"+strings.Repeat("1", 300)), criterion{Vulnerable: true, Name: "cpe:/a:v:p"}, match("a:v:ok:1"))},
			[]string{
				"v:ok [1] affected" + app,
				`unusable match criterion: CPE value with a wildcard: "cpe:2.3:a:v:p*:1:*:*:*:*:*:*:*"`,
				`unusable match criterion: "cpe:2.3:a:*:p:1:*:*:*:*:*:*:*" names no product`,
				`unusable match criterion: "cpe:2.3:a:v:-:1:*:*:*:*:*:*:*" names no product`,
				`unusable match criterion: "cpe:2.3:a:v:p:*:*:*:*:*:*:*:*" has two ends on one side`,
				`unusable match criterion: "cpe:2.3:a:v:p:*:*:*:*:*:*:*:*" has two ends on one side`,
				`unusable match criterion: version "*"`,
				`unusable match criterion: version "` + strings.Repeat("1", 80) + `"`,
				`unusable match criterion: not a CPE 2.3 name: "cpe:/a:v:p"`,
			},
		},
	} {
		if diff := cmp.Diff(c.want, written(t, c.given...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheListOfPlatformsIsBounded(t *testing.T) {
	t.Parallel()
	var platforms []criterion
	for i := range 3 * maxPlatforms {
		platforms = append(platforms, match(fmt.Sprintf("!h:v:h%d:-", i)))
	}
	found, _ := advisories("X", []configuration{both(anyOf(match("a:v:p:1")), anyOf(append(platforms, match("!a:z:host:1"))...))})
	if on := found[0].CPE.RunningOn; len(on) != maxPlatforms || on[0] != "a:z:host" {
		t.Errorf("%d platforms, first %q; want %d, the application first", len(on), on[0], maxPlatforms)
	}
}

var now = time.Date(2026, 8, 22, 12, 0, 0, 0, time.UTC)

// asked plans a sync and writes what it wants.
func asked(t *testing.T, previous, token string, answer string) (feed.Plan, string) {
	t.Helper()
	listing := map[string]string{}
	if answer != "" {
		w := window{from: now.Add(-time.Hour), to: now}
		listing[apiHost+"/"+apiPath+"?"+w.document("", 0, 1).Query] = answer
	}
	p, err := plan(t.Context(), feed.Request{Cursor: previous, Now: now, Settings: feed.Settings{Token: token}}, feedtest.Listings(listing))
	if err != nil {
		t.Fatal(err)
	}
	kind := "all"
	if p.Delta {
		kind = "delta"
	}
	var names []string
	for _, d := range p.Documents {
		name := d.Name
		if d.Optional {
			name += "?"
		}
		names = append(names, name)
	}
	return p, fmt.Sprintf("%s <%s> %s", kind, p.Cursor, strings.Join(names, " "))
}

func TestLaterSyncsAskForWhatChanged(t *testing.T) {
	t.Parallel()
	years := "overrides? "
	for y := 2002; y < 2026; y++ {
		years += fmt.Sprint(y, " ")
	}
	all := "all <2026-08-20T12:00:00Z 2026-08-22T12:00:00Z> " + years + "2026?"
	const recent = "2026-08-22T11:00:00Z 2026-08-20T00:00:00Z"
	for name, c := range map[string]struct{ previous, answer, want string }{
		"first sync":             {"", "", all},
		"a strange cursor":       {"page 7", "", all},
		"a cursor of the future": {"2026-08-23T00:00:00Z 2026-08-20T00:00:00Z", "", all},
		"a week has gone":        {"2026-08-22T11:00:00Z 2026-08-15T11:00:00Z", "", all},
		"nothing changed":        {recent, `{"totalResults":0}`, "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> "},
		"one page":               {recent, `{"totalResults":2000}`, "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> overrides? page-0"},
		"two pages":              {recent, `{"totalResults":2001}`, "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> overrides? page-0 page-1"},
		"too many":               {recent, `{"totalResults":60001}`, all},
		"no API":                 {recent, "", "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> overrides? modified"},
		"something else":         {recent, "<html>busy</html>", "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> overrides? modified"},
		"no count":               {recent, "{}", "delta <2026-08-22T11:00:00Z 2026-08-20T00:00:00Z> overrides? modified"},
	} {
		if _, got := asked(t, c.previous, "", c.answer); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestTheCursorFollowsTheWindowAtADistance(t *testing.T) {
	t.Parallel()
	const full = " 2026-08-20T00:00:00Z"
	get := func(context.Context, feed.Document) ([]byte, error) { return []byte(`{"totalResults":1}`), nil }
	r := feed.Request{Cursor: "2026-08-20T12:00:00Z" + full, Now: now}
	p, err := plan(t.Context(), r, get)
	if want := "2026-08-22T06:00:00Z" + full; err != nil || p.Cursor != want {
		t.Errorf("after the API: %q, %v; want %q", p.Cursor, err, want)
	}
	get = func(context.Context, feed.Document) ([]byte, error) { return nil, errors.New("503") }
	r.Cursor = "2026-08-18T12:00:00Z" + full
	if p, err = plan(t.Context(), r, get); err != nil || p.Cursor != "2026-08-20T12:00:00Z"+full {
		t.Errorf("after the file: %q, %v", p.Cursor, err)
	}
}

func TestAPlanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	get := func(ctx context.Context, _ feed.Document) ([]byte, error) { return nil, ctx.Err() }
	r := feed.Request{Cursor: "2026-08-22T11:00:00Z 2026-08-20T00:00:00Z", Now: now}
	if _, err := plan(ctx, r, get); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestPagesOverlapAndTheKeyGoesToTheAPIOnly(t *testing.T) {
	t.Parallel()
	p, _ := asked(t, "2026-08-22T11:00:00Z 2026-08-20T00:00:00Z", "secret", `{"totalResults":4001}`)
	var starts []string
	for _, d := range p.Documents {
		keyed := d.Header["apiKey"] == "secret"
		if keyed != (d.Host == apiHost) {
			t.Errorf("key sent to %s: %t", d.Host, keyed)
		}
		if d.Host == apiHost {
			_, start, _ := strings.Cut(d.Query, "&startIndex=")
			starts = append(starts, start)
		}
	}
	if want := []string{"0", "1900", "3800"}; !slices.Equal(starts, want) {
		t.Errorf("pages start at %v; want %v", starts, want)
	}
	const query = "lastModStartDate=2026-08-22T11%3A00%3A00.000%2B00%3A00&lastModEndDate=2026-08-22T12%3A00%3A00.000%2B00%3A00&resultsPerPage=2000&startIndex=0"
	if d := p.Documents[1]; d.Query != query || d.Path != apiPath {
		t.Errorf("page %+v; want query %s", d, query)
	}
}

func TestOverlappingPagesSayEachRecordOnce(t *testing.T) {
	t.Parallel()
	doc := func(name string, ids ...string) feed.Fetched {
		for i := range ids {
			ids[i] = `{"cve":{"id":"` + ids[i] + `"}}`
		}
		return feedtest.Doc(name, []byte(`{"format":"NVD_CVE","vulnerabilities":[`+strings.Join(ids, ",")+`]}`))
	}
	in := feed.Input{Delta: true, Documents: []feed.Fetched{doc("page-0", "CVE-2024-0001", "CVE-2024-0002"), doc("page-1", "CVE-2024-0002", "CVE-2024-0003"), doc("page-2")}}
	got := feedtest.Parse(t, Driver, in)
	if len(got.Records) != 3 || got.Skipped != nil {
		t.Errorf("%d records, skipped %q; want three, none", len(got.Records), got.Skipped)
	}
	in.Documents = in.Documents[2:]
	if got := feedtest.Parse(t, Driver, in); len(got.Records) != 0 {
		t.Errorf("an empty page has %d records", len(got.Records))
	}
	in.Delta = false
	if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, jsonlist.ErrDocument) {
		t.Errorf("yearly files without a record: %v", err)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	const good = `{"format":"NVD_CVE","vulnerabilities":[{"cve":{"id":"CVE-2024-0001"}}]}`
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>busy</html>", "array": "[]", "other JSON": `{"error":"busy"}`, "other list": `{"format":"NVD_CPE","products":[]}`,
		"no list": `{"vulnerabilities":{}}`, "cut short": good[:len(good)-3], "more after the end": good + "x", "half a gzip": "\x1f\x8b\x08",
	} {
		for _, delta := range []bool{false, true} {
			in := feed.Input{Delta: delta, Documents: []feed.Fetched{feedtest.Doc("2024", []byte(content))}}
			if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, jsonlist.ErrDocument) {
				t.Errorf("%s (delta %t): %v", name, delta, err)
			}
		}
	}
	for _, content := range []string{"", "<html>busy</html>", strings.Repeat("\x00", 1024)} {
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc(documentOverrides, []byte(content)), feedtest.Doc("2024", []byte(good))}}
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, ErrOverrides) {
			t.Errorf("overrides %.10q: %v", content, err)
		}
	}
}

// refusing is a sink that fails.
type refusing struct {
	feedtest.Sink
	err error
}

func (r *refusing) Record(feed.Record) error { return r.err }

func TestAnErrorOfTheReceiverIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	full := errors.New("staging is full")
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("2024", []byte(`{"vulnerabilities":[{"cve":{"id":"CVE-2024-0001"}}]}`))}}
	if err := Driver.Parse(t.Context(), in, &refusing{err: full}); !errors.Is(err, full) || errors.Is(err, jsonlist.ErrDocument) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Driver.Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		if Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc("2024", content)}}, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}

func FuzzConfigurations(f *testing.F) {
	seed, err := json.Marshal([]configuration{both(anyOf(match("a:v:p", ">=1", "<2"), match("a:v:q:8:rc1")), anyOf(match("!o:v:os:-")))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var list []configuration
		if json.NewDecoder(bytes.NewReader(raw)).Decode(&list) != nil {
			return
		}
		found, _ := advisories("X", list)
		golden.Storable(t, &feedtest.Sink{Records: []feed.Record{{Vulnerability: feed.Vulnerability{Source: Name, ID: "X"}, Advisories: found}}}, Name)
	})
}
