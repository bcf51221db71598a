package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/engine/catalog/search"
	"plimsoll/engine/image"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

// Credentials, one of them deleted again, an expression of the operator's and a kept file, through the whole path.
func TestSearchesReachTheAnalysis(t *testing.T) {
	t.Parallel()
	s := newSystem(t, func(a *activities.Analysis) {
		a.Search.Content.Expressions = []search.Expression{{Name: "port", Regex: `^listen = \d+`}}
	})
	s.push("team/app:1",
		layer(t, map[string]string{
			"srv/.aws/credentials": "[default]\naws_access_key_id = AKIAQ3XN7KSPLT2MB6WD\n", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
			"srv/config.ini": "# port\nlisten = 8080\n", "srv/key.pem": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n",
		}),
		layer(t, map[string]string{"srv/.wh.key.pem": ""}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	analysis, err := persistence.NewAnalyses(s.pool).OfImage(t.Context(), in.Account, in.Digest)
	if err != nil {
		t.Fatal(err)
	}
	document, err := blob.NewPostgres(s.pool).Get(t.Context(), analysis.FindingsBlob)
	if err != nil {
		t.Fatal(err)
	}
	var found image.Findings
	if err := json.Unmarshal(document, &found); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range found.Hits {
		got = append(got, fmt.Sprint(h.Path, " ", h.Search, " ", h.Name, " ", h.Line, " ", h.Removed, h.Value))
	}
	for _, r := range found.Retrieved {
		got = append(got, r.Path+" "+string(r.Content))
	}
	want := []string{
		"/srv/.aws/credentials secret AWS_ACCESS_KEY 2 false", "/srv/config.ini content port 2 false",
		"/srv/key.pem secret PRIV_KEY 1 true", "/etc/passwd root:x:0:0:root:/root:/bin/sh\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(document), "AKIAQ") {
		t.Error("the credential is stored although nobody asked for it")
	}
}

func TestSearchSectionNamesEveryFault(t *testing.T) {
	t.Parallel()
	a := activities.DefaultAnalysis()
	a.Search.Scope = "everything"
	a.Search.Secrets.Enabled = false
	a.Search.Secrets.Extra = []search.Expression{{Name: "BROKEN", Regex: "("}}
	a.Search.Content.MaxBytes = 0
	a.Search.Retrieved.Paths = []string{"etc/passwd"}
	err := a.Validate()
	if !errors.Is(err, search.ErrExpression) {
		t.Fatalf("got %v", err)
	}
	for _, named := range []string{"BROKEN", "everything", "content: ", "etc/passwd"} {
		if !strings.Contains(err.Error(), named) {
			t.Errorf("%q is not named in %v", named, err)
		}
	}
}
