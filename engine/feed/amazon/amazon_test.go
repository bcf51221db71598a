package amazon

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/updateinfo"
)

func TestUpdatesBecomeRecordsOfTheirFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":            ``,
		"web page":           `<html>busy</html>`,
		"JSON":               `{}`,
		"cut short":          `<updates><update><id>x</id>`,
		"more after the end": `<updates/> x`,
		"without updates":    `<updates/>`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "amzn:2"}, Documents: []feed.Fetched{feedtest.Doc("core", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, updateinfo.ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, updateinfo.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

// repomd is an index that leads to a list of updates.
const repomd = `<repomd><data type="primary"><location href="repodata/primary.xml.gz"/></data><data type="updateinfo"><location href="repodata/updateinfo.xml.gz"/></data></repomd>`

func TestMirrorsLeadToTheListsOfAllRepositories(t *testing.T) {
	t.Parallel()
	get := feedtest.Listings(map[string]string{
		"cdn.amazonlinux.com/2/core/latest/x86_64/mirror.list":                           "https://cdn.amazonlinux.com/2/core/2.0/x86_64/abc\n",
		"cdn.amazonlinux.com/2/core/2.0/x86_64/abc/repodata/repomd.xml":                  repomd,
		"cdn.amazonlinux.com/2/extras-catalog.json":                                      `{"topics":[{"n":"php8.1","inst":["php"]},{"n":"nano"}]}`,
		"cdn.amazonlinux.com/2/extras/php8.1/latest/x86_64/mirror.list":                  "\n# first\nhttps://cdn.amazonlinux.com/2/extras/php8.1/1/x86_64/def/\nhttps://elsewhere.example/\n",
		"cdn.amazonlinux.com/2/extras/php8.1/1/x86_64/def/repodata/repomd.xml":           repomd,
		"cdn.amazonlinux.com/2/extras/nano/latest/x86_64/mirror.list":                    "https://cdn.amazonlinux.com/2/extras/nano/1/x86_64/ghi",
		"cdn.amazonlinux.com/2/extras/nano/1/x86_64/ghi/repodata/repomd.xml":             `<repomd/>`,
		"repo.us-west-2.amazonaws.com/2018.03/updates/x86_64/mirror.list":                "http://packages.us-west-2.amazonaws.com/2018.03/updates/1/$basearch\n",
		"packages.us-west-2.amazonaws.com/2018.03/updates/1/x86_64/repodata/repomd.xml":  repomd,
		"cdn.amazonlinux.com/al2023/core/mirrors/latest/x86_64/mirror.list":              "https://cdn.amazonlinux.com/al2023/core/guids/1/x86_64/",
		"cdn.amazonlinux.com/al2023/core/guids/1/x86_64/repodata/repomd.xml":             repomd,
		"cdn.amazonlinux.com/al2023/kernel-livepatch/mirrors/latest/x86_64/mirror.list":  "https://cdn.amazonlinux.com/al2023/kernel-livepatch/guids/1/x86_64/",
		"cdn.amazonlinux.com/al2023/kernel-livepatch/guids/1/x86_64/repodata/repomd.xml": repomd,
		"cdn.amazonlinux.com/al2023/nvidia/mirrors/latest/x86_64/mirror.list":            "https://cdn.amazonlinux.com/al2023/nvidia/guids/1/x86_64/",
		"cdn.amazonlinux.com/al2023/nvidia/guids/1/x86_64/repodata/repomd.xml":           repomd,
	})
	for release, want := range map[string][]string{
		"2018.03": {"core packages.us-west-2.amazonaws.com/2018.03/updates/1/x86_64/repodata/updateinfo.xml.gz"},
		"2": {
			"core cdn.amazonlinux.com/2/core/2.0/x86_64/abc/repodata/updateinfo.xml.gz",
			"extras/php8.1 cdn.amazonlinux.com/2/extras/php8.1/1/x86_64/def/repodata/updateinfo.xml.gz",
		},
		"2023": {
			"core cdn.amazonlinux.com/al2023/core/guids/1/x86_64/repodata/updateinfo.xml.gz",
			"kernel-livepatch cdn.amazonlinux.com/al2023/kernel-livepatch/guids/1/x86_64/repodata/updateinfo.xml.gz",
			"nvidia cdn.amazonlinux.com/al2023/nvidia/guids/1/x86_64/repodata/updateinfo.xml.gz",
		},
	} {
		g := Driver.Groups(feed.Settings{Releases: []string{release}})[0]
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, get)
		if err != nil {
			t.Errorf("%s: %v", release, err)
		}
		var got []string
		for _, d := range p.Documents {
			got = append(got, d.Name+" "+d.Host+"/"+d.Path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", release, diff)
		}
	}
}

func TestMirrorsAreAmazons(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "nothing", "https://elsewhere.example/2/core", "file:///etc", "https://cdn.amazonlinux.com.elsewhere.example/", "https://127.0.0.1/", "https://cdn.amazonlinux.com:8443/x"} {
		if host, folder, err := mirror([]byte(list)); !errors.Is(err, ErrIndex) {
			t.Errorf("%q: %s, %s, %v", list, host, folder, err)
		}
	}
}

func TestAPlanThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"../x", "2", "2023"} {
		g := Driver.Groups(feed.Settings{Releases: []string{release}})[0]
		if p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, feedtest.Listings(nil)); err == nil {
			t.Errorf("%s: %+v", release, p)
		}
	}
	for _, catalogue := range []string{"<html>", `{}`, `{"topics":[]}`, `{"topics":[{"n":"../.."}]}`, `{"topics":[{"n":""}]}`} {
		get := feedtest.Listings(map[string]string{"h/2/extras-catalog.json": catalogue})
		if names, err := topics(t.Context(), "h", get); !errors.Is(err, ErrIndex) {
			t.Errorf("%s: %v, %v", catalogue, names, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "amzn:2"}, Documents: []feed.Fetched{feedtest.Doc("core", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
