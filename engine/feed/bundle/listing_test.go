package bundle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/bundle"
)

const store = "0f1e2d3c-4b5a-4678-9abc-def012345678"

// listed is an entry of a size.
func listed(from, to, size int64) bundle.Entry {
	e := bundle.Entry{
		Name: fmt.Sprint("g", to), Kind: bundle.Full, Origin: store, From: from, To: to, Size: size,
		BuiltAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), SHA256: fmt.Sprintf("%064x", from*1000+to),
	}
	if from > 0 {
		e.Kind = bundle.Delta
	}
	e.Path = e.File()
	return e
}

func TestListingsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	l := bundle.Listing{Bundles: []bundle.Entry{listed(0, 9, 100), listed(7, 9, 10), listed(0, 7, 90)}}
	raw, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := bundle.ParseListing(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Bundles, got.Bundles); diff != "" {
		t.Error(diff)
	}
	if e, ok := got.Find(l.Bundles[1].Path); !ok || e != l.Bundles[1] {
		t.Errorf("found %+v", e)
	}
}

func TestListingsNobodyPublishesAreRefused(t *testing.T) {
	t.Parallel()
	whole, err := bundle.Listing{Bundles: []bundle.Entry{listed(0, 9, 100), listed(7, 9, 10)}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := listed(0, 9, 100).Path
	for name, swap := range map[string][2]string{
		"another format":     {bundle.ListingFormat, "other"},
		"another version":    {`"version": 1`, `"version": 2`},
		"a path elsewhere":   {path, "../" + path},
		"an absolute path":   {path, "/etc/passwd"},
		"another kind":       {`"full"`, `"some"`},
		"no full one":        {`"generation_from": 0`, `"generation_from": 3`},
		"a short hash":       {fmt.Sprintf("%064x", 9), "9"},
		"capital hash":       {fmt.Sprintf("%064x", 9), "A" + fmt.Sprintf("%063x", 9)},
		"no size":            {`"size": 100`, `"size": 0`},
		"no store":           {store, "here"},
		"backwards":          {`"generation_from": 7`, `"generation_from": 9`},
		"not JSON":           {"{", "<"},
		"more after the end": {"]\n}", "]\n}{}"},
	} {
		bad := strings.Replace(string(whole), swap[0], swap[1], 1)
		if bad == string(whole) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := bundle.ParseListing([]byte(bad)); !errors.Is(err, bundle.ErrListing) {
			t.Errorf("%s: %v, want ErrListing", name, err)
		}
	}
	for name, raw := range map[string]string{
		"empty": "", "no bundles": fmt.Sprintf(`{"format":%q,"version":1,"bundles":[]}`, bundle.ListingFormat), "too long": string(whole) + strings.Repeat(" ", bundle.MaxListing),
	} {
		if _, err := bundle.ParseListing([]byte(raw)); !errors.Is(err, bundle.ErrListing) {
			t.Errorf("%s: %v, want ErrListing", name, err)
		}
	}
}

func TestTheShortestWayToTheNewestIsChosen(t *testing.T) {
	t.Parallel()
	const other = "11111111-4b5a-4678-9abc-def012345678"
	l := bundle.Listing{Bundles: []bundle.Entry{
		listed(0, 9, 100), listed(7, 9, 30), listed(0, 7, 90), listed(4, 7, 40), listed(0, 4, 80), listed(2, 4, 60),
	}}
	for name, c := range map[string]struct {
		cursors []string
		want    []int64 // from
	}{
		"nothing is there":       {nil, []int64{0}},
		"another store":          {[]string{other + "/7"}, []int64{0}},
		"one step":               {[]string{store + "/7", "etag"}, []int64{7}},
		"between two":            {[]string{store + "/8"}, []int64{7}},
		"two steps":              {[]string{store + "/5"}, []int64{4, 7}},
		"more than everything":   {[]string{store + "/2"}, []int64{0}},
		"before the first delta": {[]string{store + "/1"}, []int64{0}},
		"one group left behind":  {[]string{store + "/1", store + "/7"}, []int64{7}},
		"the newest":             {[]string{store + "/9"}, []int64{0}},
		"further than that":      {[]string{store + "/12"}, []int64{0}},
	} {
		var got []int64
		for _, e := range l.Next(c.cursors) {
			got = append(got, e.From)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func FuzzParseListing(f *testing.F) {
	raw, err := bundle.Listing{Bundles: []bundle.Entry{listed(0, 9, 100), listed(7, 9, 10)}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"format":"plimsoll-feed-bundles","version":1,"bundles":[{"sha256":""}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := bundle.ParseListing(raw)
		if err != nil {
			return
		}
		again, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		same, err := bundle.ParseListing(again)
		if err != nil {
			t.Fatalf("%v of %s", err, again)
		}
		if diff := cmp.Diff(l, same); diff != "" {
			t.Error(diff)
		}
		for _, e := range l.Next([]string{l.Newest().Origin + "/1"}) {
			if !bundle.Published(e.Path) {
				t.Errorf("path %q", e.Path)
			}
		}
	})
}
