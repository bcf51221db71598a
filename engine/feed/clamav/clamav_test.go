package clamav

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

// cvd is a database as ClamAV packs it, but for the archive in it.
func cvd(version, content string) []byte {
	head := fmt.Sprintf("ClamAV-VDB:07 Jul 2026 11-32 +0200:%s:17:90:%x:signature:builder:1783416720", version, md5.Sum([]byte(content)))
	return []byte(head + strings.Repeat(" ", headerBytes-len(head)) + content)
}

const ndb = "# of our own\r\n\nPlimsoll.Test:0:*:58354f\n"

func looked(t *testing.T, name string, content []byte) (*feedtest.Sink, error) {
	t.Helper()
	var s feedtest.Sink
	return &s, Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{feedtest.Doc(name, content)}}, &s)
}

func TestFilesArePassedOnAsTheyAre(t *testing.T) {
	t.Parallel()
	built := time.Date(2026, 7, 7, 9, 32, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		content []byte
		version string
		built   *time.Time
	}{
		"daily.cvd": {cvd("27400", "an archive"), "27400", &built},
		"own.ndb":   {[]byte(ndb), "", nil},
		"own.hdb":   {[]byte("44d88612fea8a8f36de82e1278abb02f:68:Plimsoll.Test\n"), "", nil},
		"own.yara":  {[]byte("rule a { condition: true }"), "", nil},
		"own.ldb":   {[]byte("Name;Engine:81-255,Target:0;0;41414141"), "", nil},
	} {
		got, err := looked(t, name, tt.content)
		if err != nil || len(got.Files) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := got.Files[0]
		content, err := io.ReadAll(f.Content)
		if err != nil || f.Name != name || f.Version != tt.version || !cmp.Equal(f.Built, tt.built) || string(content) != string(tt.content) {
			t.Errorf("%s: got %+v, %v", name, f, err)
		}
	}
}

func TestWhatWouldCostClamdAllItsSignaturesIsRefused(t *testing.T) {
	t.Parallel()
	damaged := cvd("1", "an archive")
	damaged[len(damaged)-1]++
	for name, content := range map[string][]byte{
		"short.cvd": []byte("ClamAV-VDB:"), "damaged.cvd": damaged, "page.cvd": []byte(strings.Repeat("<html>", 200)),
		"version.cvd": cvd("../1", "x"), "fields.cvd": []byte("ClamAV-VDB:1" + strings.Repeat(" ", 600)),
		"page.hdb": []byte("<html>a:b:c</html>"), "empty.ndb": nil, "comments.ndb": []byte("# nothing\n\n"), "binary.ndb": []byte("a:0:*:\x00"),
		"fields.ndb": []byte("a:0:*\n"), "latin.ldb": []byte("a;\xff;b;c"), "long.hdb": []byte(strings.Repeat("a:", maxLine)), "page.yara": []byte("\n<html>"),
	} {
		got, err := looked(t, name, content)
		if !errors.Is(err, ErrSignatures) || got.Files != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := looked(t, "own.exe", []byte("x")); !errors.Is(err, ErrName) {
		t.Errorf("a file that is none: %v", err)
	}
}

func planned(t *testing.T, s feed.Settings) (out []string, errs []error) {
	t.Helper()
	for _, g := range Driver.Groups(s) {
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g, Settings: s}, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, d := range p.Documents {
			out = append(out, g.Name+" "+d.Host+"/"+d.Path+" "+d.Name)
		}
	}
	return out, errs
}

func TestOfficialAndOwnDatabasesArePlanned(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings feed.Settings
		want     []string
	}{
		"by default": {feed.Settings{}, []string{
			"main database.clamav.net/main.cvd main.cvd", "daily database.clamav.net/daily.cvd daily.cvd", "bytecode database.clamav.net/bytecode.cvd bytecode.cvd",
		}},
		"chosen, with one's own": {feed.Settings{Ecosystems: []string{"daily"}, Extra: []string{"example.org/a/own.ndb", "example.org/a/own.ndb"}}, []string{
			"daily database.clamav.net/daily.cvd daily.cvd", "example.org/a/own.ndb example.org/a/own.ndb own.ndb",
		}},
		"only one's own": {feed.Settings{Ecosystems: []string{"none"}, Extra: []string{"example.org/own.yara"}}, []string{
			"example.org/own.yara example.org/own.yara own.yara",
		}},
	} {
		got, errs := planned(t, tt.settings)
		if diff := cmp.Diff(tt.want, got); diff != "" || errs != nil {
			t.Errorf("%s: %v\n%s", name, errs, diff)
		}
	}
}

func TestNamesThatMeanSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	for extra, want := range map[string]error{
		"example.org/.ndb": ErrName, "example.org/a b.ndb": ErrName, "example.org/own.exe": ErrName, "example.org/-o.ndb": ErrName, "example.org/x.NDB": ErrName,
		"example.org/daily.cvd": ErrName, "example.org/DAILY.cvd": ErrName, "example.org": ErrAddress, "https://example.org/own.ndb": ErrAddress, "example.org/a/../own.ndb": ErrAddress, "": ErrAddress,
	} {
		s := feed.Settings{Extra: []string{extra}}
		groups := Driver.Groups(s)
		if _, err := Driver.Plan(t.Context(), feed.Request{Group: groups[len(groups)-1], Settings: s}, nil); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", extra, err, want)
		}
	}
	if _, errs := planned(t, feed.Settings{Ecosystems: []string{"weekly"}, Extra: []string{"example.org/own.ndb"}}); len(errs) != 1 {
		t.Errorf("an official database that does not exist: %v", errs)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("daily.cvd", cvd("27400", "an archive"))
	f.Add("own.ndb", []byte(ndb))
	f.Add("own.yara", []byte("rule a { condition: true }"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		got, err := looked(t, name, content)
		if err == nil && (len(got.Files) != 1 || strings.ContainsAny(got.Files[0].Name+got.Files[0].Version, "/\x00\n")) {
			t.Errorf("passed on %+v", got.Files)
		}
	})
}
