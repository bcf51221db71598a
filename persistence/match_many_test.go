package persistence_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"plimsoll/engine/vex"
	"plimsoll/persistence"
)

// asFound renders a finding with everything a policy may ask about.
func asFound(v *persistence.ImageVulnerability, path string, since time.Time, said *persistence.Annotation) string {
	status := vex.Status("")
	if said != nil {
		status = said.Status
	}
	return fmt.Sprintf("%s %s %s/%s/%s %s@%s %s %s fix=%s/%s %v %s %s since %s, fix %s, %q %q", v.Severity, v.Vulnerability, v.Source, v.Group, v.Namespace, v.PackageName,
		v.PackageVersion, v.PackageType, v.PackageArch, v.FixVersion, v.FixState, v.Also, v.PURL, path, since.UTC().Format(time.RFC3339Nano),
		v.FixObservedAt.UTC().Format(time.RFC3339Nano), v.Detail.URL, status)
}

// sameGathered compares what is gathered of all images of an account with what each is asked for, and returns how many
// findings there are.
func sameGathered(t *testing.T, w *world, account string) (compared int) {
	t.Helper()
	ctx := t.Context()
	images, err := w.images.List(ctx, account, persistence.ImageFilter{})
	w.must(err)
	digests := make([]string, len(images))
	for i := range images {
		digests[i] = images[i].Digest
	}
	remembering := w.matches.Remembering()
	for name, matches := range map[string]*persistence.Matches{"anew": w.matches, "remembering": remembering, "remembered": remembering} {
		for batch := range slices.Chunk(digests, 2) {
			gathered, err := matches.Gather(ctx, account, batch)
			w.must(err)
			for _, digest := range batch {
				found, err := gathered.Findings(ctx, digest)
				w.must(err)
				state, err := persistence.NewInputs(w.pool, w.pool).Matches(ctx, account, digest)
				w.must(err)
				if got := gathered.State(digest); got != state {
					t.Errorf("%s, %s: state %s, want %s", account, name, got, state)
				}
				var got, want []string
				for _, f := range found {
					got = append(got, asFound(&f.ImageVulnerability, f.At, f.KnownSince, f.Said))
				}
				alone, err := w.matches.Vulnerabilities(ctx, account, digest, persistence.VulnerabilityFilter{IncludeWontFix: true})
				w.must(err)
				for i := range alone {
					want = append(want, asFound(&alone[i], alone[i].Path, alone[i].DetectedAt, alone[i].Annotation))
				}
				slices.SortFunc(got, cmp.Compare[string])
				slices.SortFunc(want, cmp.Compare[string])
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-alone +gathered):\n%s", account, name, diff)
				}
				compared += len(want)
			}
		}
	}
	return compared
}

func TestWhatIsGatheredOfManyImagesIsWhatEachHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.commit("npm", record("GHSA-1", 4, "npm", "left-pad", "1.3.0"), record("GHSA-2", 2, "npm", "right-pad", ""))
	w.commit("Debian", record("DSA-1", 5, "debian:12", "bash", "6"))
	for _, account := range []string{admin, "mine"} {
		w.analyzed(account, "app", "1", npm("left-pad", "1.2.0", "/p"), npm("left-pad", "1.2.0", "/q"), npm("right-pad", "1", "/r"), deb("bash", "5"))
		w.analyzed(account, "other", "2", npm("left-pad", "1.2.0", "/p"), deb("bash", "7"))
		w.analyzed(account, "empty", "3")
	}
	store := persistence.NewAnnotations(w.pool)
	_, err := store.Add(ctx, persistence.NewAnnotation{
		Account: "mine", AnnotationKey: persistence.AnnotationKey{ImageDigest: digestOf("other"), Vulnerability: "GHSA-1"},
		Assertion: vex.Assertion{Status: vex.Fixed}, Author: "mate", By: "mate",
	}, judgement("mine"))
	w.must(err)
	if n := sameGathered(t, w, admin) + sameGathered(t, w, "mine"); n != 2*3*5 {
		t.Errorf("%d findings compared", n)
	}
	_, err = store.Import(ctx, w.statement("a", noon, vex.NotAffected, "pkg:npm/right-pad@1"), judgement("mine"))
	w.must(err)
	sameGathered(t, w, "mine")
	gathered, err := w.matches.Gather(ctx, "mine", []string{digestOf("app"), digestOf("gone")})
	w.must(err)
	if list, err := gathered.Findings(ctx, digestOf("gone")); err != nil || len(list) != 0 {
		t.Errorf("an image that is not there: %v, %v", list, err)
	}
}
