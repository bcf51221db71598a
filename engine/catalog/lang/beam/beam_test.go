package beam

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

const (
	jason = `{application,jason,
             [{config_mtime,1700000000},
              {optional_applications,[]},
              {applications,[kernel,stdlib,elixir,decimal]},
              {description,"A blazing fast JSON parser and generator in pure Elixir."},
              {modules,['Elixir.Jason','Elixir.Jason.Codegen']},
              {registered,[]},
              {vsn,"1.4.1"}]}.
`
	ssl = `{application, ssl,
 [{description, "Erlang/OTP SSL application"},
  {vsn, "10.8.7"},
  {modules, [tls_connection, dtls_connection]}]}.
`
	lock = `{"1.2.0",
[{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0},
 {<<"cowlib">>,
  {pkg,<<"cowlib">>,<<"2.11.0">>},
  1},
 {<<"emqtt">>,{git,"https://github.com/emqx/emqtt",{ref,"8b1cd"}},0}]}.
[
{pkg_hash,[
 {<<"cowboy">>, <<"865DD8B6607E14CF03282E10E934023A1BD8BE6F6BACF921A7E2A96D800CD452">>}]}
].
`
)

func TestResource(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, content string
		want          catalog.Package
	}{
		"a dependency in a release": {"/app/lib/jason-1.4.1/ebin/jason.app", jason, catalog.Package{
			Type: "hex", Name: "jason", Version: "1.4.1", PURL: "pkg:hex/jason@1.4.1",
			Metadata: map[string]string{"description": "A blazing fast JSON parser and generator in pure Elixir."},
		}},
		"a part of the platform": {"/usr/lib/erlang/lib/ssl-10.8.7/ebin/ssl.app", ssl, catalog.Package{
			Type: "otp", Name: "ssl", Version: "10.8.7", PURL: "pkg:otp/ssl@10.8.7",
			Metadata: map[string]string{"description": "Erlang/OTP SSL application"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := analyzeResource(t.Context(), file(c.path, c.content))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Location, c.want.MetadataType = c.path, "ErlangApplicationMetadata"
			if diff := cmp.Diff([]catalog.Package{c.want}, got.Packages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	got, err := analyzeLock(t.Context(), file("/app/rebar.lock", lock))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got.Packages {
		if !p.Declared() {
			t.Errorf("%s counts as installed", p.Name)
		}
		lines = append(lines, p.PURL)
	}
	if diff := cmp.Diff([]string{"pkg:hex/cowboy@2.9.0", "pkg:hex/cowlib@2.11.0"}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/app/lib/jason-1.4.1/ebin/jason.app": true, "/app/lib/x.app": false, "/app/ebin/jason.beam": false,
	} {
		if got := wantsResource(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzTerms(f *testing.F) {
	f.Add(jason)
	f.Add(lock)
	f.Add(`{application,'a',[{vsn,"%VSN%"`)
	f.Fuzz(func(t *testing.T, content string) {
		a, _ := analyzeResource(t.Context(), file("/ebin/x.app", content))
		b, _ := analyzeLock(t.Context(), file("/rebar.lock", content))
		for _, p := range append(a.Packages, b.Packages...) {
			if err := p.Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
