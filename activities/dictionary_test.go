package activities_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/imported"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// targets are the names under which advisories reach the packages of an account's image.
func (s *system) targets(in workflows.AnalyzeImageInput, name string) []string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
SELECT coalesce(t.namespace, '') || '/' || coalesce(t.name, '') FROM plimsoll.image i
JOIN plimsoll.image_package e ON e.analysis_id = i.analysis_id JOIN plimsoll.package p ON p.id = e.package_id
LEFT JOIN plimsoll.package_target t ON t.package_id = p.id
WHERE i.account = $1 AND i.digest = $2 AND p.name = $3 ORDER BY 1`, in.Account, in.Digest, name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var target string
		if err := rows.Scan(&target); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, target)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// What an image of one account says about a package must not change which advisories reach the same package in an
// image of another account.
func TestAnImageCannotRenameAPackageOfAnotherAccount(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	description := "Package: jsonlite\nVersion: 1.8.7\nBuilt: R 4.3.1\n"
	s.push("team/model:1", layer(t, map[string]string{"usr/lib/R/library/jsonlite/DESCRIPTION": description}))
	owner := s.add("acme", "team/model", "1")
	s.analyze(owner)
	want := []string{"cran/jsonlite"}
	if diff := cmp.Diff(want, s.targets(owner, "jsonlite")); diff != "" {
		t.Fatal(diff)
	}

	s.push("team/hostile:1", layer(t, map[string]string{"usr/lib/R/library/jsonlite/DESCRIPTION": description + "biocViews: Software\n"}))
	other := s.add("globex", "team/hostile", "1")
	s.analyze(other)
	if diff := cmp.Diff([]string{"/"}, s.targets(other, "jsonlite")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, s.targets(owner, "jsonlite")); diff != "" {
		t.Errorf("after the other account's image: %s", diff)
	}
}

// importSBOM submits and analyses an image that an account knows by an SBOM.
func (s *system) importSBOM(account string, document []byte) workflows.AnalyzeImageInput {
	s.t.Helper()
	manifest, config, err := imported.Embedded(document)
	if err != nil {
		s.t.Fatal(err)
	}
	imports := persistence.NewImports(s.pool)
	op, err := imports.Open(s.t.Context(), account, persistence.CollectGrace)
	if err != nil {
		s.t.Fatal(err)
	}
	use := persistence.ImportUse{Operation: op.ID, Contents: map[string]string{}}
	for kind, data := range map[string][]byte{imported.KindPackages: document, imported.KindConfig: config, imported.KindManifest: manifest} {
		added, err := imports.Add(s.t.Context(), account, op.ID, persistence.NewImportContent{Kind: kind, Data: data})
		if err != nil {
			s.t.Fatal(err)
		}
		use.Contents[kind] = added[0].Digest
	}
	in := workflows.AnalyzeImageInput{Account: account, Digest: imported.DigestOf(manifest)}
	out, err := persistence.NewImages(s.pool).Submit(s.t.Context(), persistence.SubmitImage{
		Account: account, Digest: in.Digest, ManifestBlob: use.Contents[imported.KindManifest], ConfigBlob: use.Contents[imported.KindConfig],
		Registry: "local", Repository: "sbom", Tag: account, Import: &use,
		Start: func(request int64) persistence.Start {
			in.Request = request
			return persistence.Start{Workflow: workflows.AnalyzeImageName, WorkflowID: "x", Input: in}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	in.Request = out.Image.Requested
	s.analyze(in)
	return in
}

// alpineSBOM lists one package of an Alpine release, built from the package called origin.
func alpineSBOM(t *testing.T, release, origin string) []byte {
	t.Helper()
	document, err := json.Marshal(map[string]any{
		"descriptor": map[string]any{"name": "syft", "version": "1"},
		"distro":     map[string]any{"id": "alpine", "versionID": release},
		"artifacts": []any{map[string]any{
			"id": "1", "name": "libssl3", "version": "3.1.4-r5", "type": "apk",
			"metadata": map[string]any{"originPackage": origin, "architecture": "x86_64"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// Whoever knows what another account imported knows under which name its packages are kept, and must not be able to
// claim a package of that name.
func TestAnImportCannotRenameAPackageOfAnotherAccountsImport(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	owner := s.importSBOM("acme", alpineSBOM(t, "3.18.4", "openssl"))
	want := []string{"alpine:3.18/libssl3", "alpine:3.18/openssl"}
	if diff := cmp.Diff(want, s.targets(owner, "libssl3")); diff != "" {
		t.Fatal(diff)
	}
	var kept string
	if err := s.pool.QueryRow(t.Context(), `SELECT claim FROM plimsoll.package WHERE name = 'libssl3'`).Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if kept == "" {
		t.Fatal("the release of a claim says more than its namespace; it should have an entry of its own")
	}

	s.importSBOM("globex", alpineSBOM(t, "3.18", kept))
	if diff := cmp.Diff(want, s.targets(owner, "libssl3")); diff != "" {
		t.Errorf("after the other account's import: %s", diff)
	}
	s.push("team/hostile:1", layer(t, map[string]string{
		"etc/os-release":       "ID=alpine\nVERSION_ID=3.18.4\n",
		"lib/apk/db/installed": "P:libssl3\nV:3.1.4-r5\nA:x86_64\no:" + kept + "\n\n",
	}))
	s.analyze(s.add("globex", "team/hostile", "1"))
	if diff := cmp.Diff(want, s.targets(owner, "libssl3")); diff != "" {
		t.Errorf("after the other account's image: %s", diff)
	}
}
