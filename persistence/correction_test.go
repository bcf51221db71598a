package persistence_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"plimsoll/engine/catalog"
	"plimsoll/engine/correction"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

// applyCorrections names the workflow as the API does.
func applyCorrections(account string, edit int64) persistence.Start {
	return persistence.Start{
		Workflow: "RescanChangeSet", WorkflowID: fmt.Sprintf("correct/%s/%d", account, edit),
		Input: map[string]any{"generation": persistence.EditGeneration(edit), "account": account},
	}
}

// reversion is a rule that gives packages of a name another version.
func reversion(kind, name, version string) correction.Rule {
	return correction.Rule{
		Type: kind, Match: []correction.Field{{Name: correction.FieldPackage, Value: name}},
		Replace: []correction.Field{{Name: correction.FieldVersion, Value: version}},
	}
}

// correct adds a rule and applies it.
func (w *world) correct(account string, r correction.Rule) persistence.Correction {
	w.t.Helper()
	c, _, err := w.corrections.Create(w.t.Context(), persistence.Correction{Account: account, Rule: r}, applyCorrections)
	w.must(err)
	w.recorrect(account)
	return c
}

// recorrect applies the rules of an account as the workflow of their latest change does.
func (w *world) recorrect(account string) persistence.Rescanned {
	w.t.Helper()
	out, err := w.matches.Recorrect(w.t.Context(), account, w.edit(), noon, func(int, int) {})
	w.must(err)
	return out
}

func (w *world) edit() int64 {
	return int64(w.count(`SELECT last_value FROM plimsoll.correction_edit`))
}

func (w *world) counterOf(account, image string) persistence.Counter {
	w.t.Helper()
	all, err := w.matches.Counters(w.t.Context(), account, []string{digestOf(image)})
	w.must(err)
	c := all[digestOf(image)]
	c.AnalysisID, c.Generation, c.UpdatedAt = 0, 0, noon
	return c
}

func (w *world) holders(account, name, version, vulnerability string) []string {
	w.t.Helper()
	byPackage, err := w.matches.HoldersOfPackage(w.t.Context(), account, persistence.PackageQuestion{Name: name, Version: version}, "", 99)
	w.must(err)
	byFlaw, err := w.matches.HoldersOfVulnerability(w.t.Context(), account, persistence.VulnerabilityQuestion{Vulnerability: vulnerability, Severity: -1}, "", 99)
	w.must(err)
	var out []string
	for kind, list := range map[string][]persistence.PackageHolder{"package": byPackage, "flaw": byFlaw} {
		for _, h := range list {
			for _, p := range h.Packages {
				out = append(out, fmt.Sprintf("%s %s %s@%s", kind, h.Digest[:12], p.Name, p.Version))
			}
		}
	}
	return out
}

func TestACorrectionChangesWhatOneAccountSees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.Low, "npm", "left-pad", "3.0.0"))
	for _, account := range []string{admin, "other"} {
		w.analyzed(account, "app", "1", npm("left-pad", "1.2.0", "/p"))
	}
	was := w.findings(admin, "app")
	c := w.correct(admin, reversion("npm", "left-pad", "2.0.0"))

	want := []string{"Low GHSA-2 left-pad@2.0.0 fix=3.0.0 path=/p"}
	if diff := cmp.Diff(want, w.findings(admin, "app")); diff != "" {
		t.Errorf("corrected findings (-want +got):\n%s", diff)
	}
	if k := w.counterOf(admin, "app"); k.High != 0 || k.Low != 1 || k.Fixable != 1 {
		t.Errorf("corrected counter %+v", k)
	}
	if got := w.holders(admin, "left-pad", "1.2.0", "GHSA-1"); got != nil {
		t.Errorf("images are still found by what was corrected: %v", got)
	}
	if got := w.holders(admin, "left-pad", "2.0.0", "GHSA-2"); len(got) != 2 {
		t.Errorf("images are not found by what it was corrected to: %v", got)
	}
	if diff := cmp.Diff(was, w.findings("other", "app")); diff != "" {
		t.Errorf("another account's findings (-want +got):\n%s", diff)
	}
	if k := w.counterOf("other", "app"); k.High != 1 || k.Low != 1 {
		t.Errorf("another account's counter %+v", k)
	}
	if got := w.holders("other", "left-pad", "2.0.0", "GHSA-2"); len(got) != 1 || got[0][:4] != "flaw" {
		t.Errorf("another account finds images by the correction: %v", got)
	}
	explained, err := w.matches.Explain(t.Context(), admin, digestOf("app"), "GHSA-1", "")
	w.must(err)
	if len(explained) != 1 || explained[0].Subject.Version != "2.0.0" || explained[0].PURL != "pkg:npm/left-pad@2.0.0" || explained[0].Since != nil {
		t.Errorf("explained: %+v", explained)
	}
	refs, err := w.matches.Affected(t.Context(), persistence.EditGeneration(w.edit()), persistence.ImageRef{}, 9)
	w.must(err)
	if diff := cmp.Diff([]persistence.ImageRef{{Account: admin, Digest: digestOf("app")}}, refs); diff != "" {
		t.Errorf("images to judge anew (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.package_match WHERE cause = 'correction'`); n != 1 {
		t.Errorf("%d matches with the cause correction, want 1", n)
	}

	_, err = w.corrections.Delete(t.Context(), admin, c.ID, applyCorrections)
	w.must(err)
	w.recorrect(admin)
	if diff := cmp.Diff(was, w.findings(admin, "app")); diff != "" {
		t.Errorf("findings without the rule (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.package_correction WHERE valid_to IS NULL`); n != 0 {
		t.Errorf("%d corrections outlive their rule", n)
	}
}

func TestCorrectedPackagesFollowTheFeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	for _, account := range []string{admin, "other"} {
		w.analyzed(account, "app", "1", npm("left-pad", "1.2.0", "/p"))
	}
	w.correct(admin, reversion("npm", "left-pad", "2.0.0"))
	c := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), fromTwo())
	if out := w.rescan(c.Generation, noon); out.Images != 1 {
		t.Errorf("rescan %+v, want the corrected image alone", out)
	}
	if got := w.findings(admin, "app"); len(got) != 1 || got[0] != "Critical GHSA-9 left-pad@2.0.0 fix=2.5.0 path=/p" {
		t.Errorf("findings %v", got)
	}
	if k := w.counterOf(admin, "app"); k.Critical != 1 || k.Total() != 1 {
		t.Errorf("counter %+v", k)
	}
	if k := w.counterOf("other", "app"); k.High != 1 || k.Total() != 1 {
		t.Errorf("another account's counter %+v", k)
	}
}

// fromTwo is a flaw that came with version 2.
func fromTwo() feed.Record {
	r := record("GHSA-9", feed.Critical, "npm", "left-pad", "2.5.0")
	r.Advisories[0].Ranges[0].Introduced = "2.0.0"
	return r
}

func TestAnImageAddedLaterIsCorrectedWhenItIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	w.correct(admin, reversion("npm", "left-pad", "2.0.0"))
	w.analyzed("other", "app", "1", npm("left-pad", "1.2.0", "/p"))
	if got := w.findings("other", "app"); len(got) != 1 {
		t.Errorf("another account: %v", got)
	}
	w.analyzed(admin, "app", "1", npm("left-pad", "1.2.0", "/p")) // its analysis is there already
	if got := w.findings(admin, "app"); len(got) != 0 {
		t.Errorf("published uncorrected: %v", got)
	}
}

// A forced analysis of one account changes what is in the image of another.
func TestAnAnalysisReplacedByAnotherAccountIsCorrected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	for _, account := range []string{admin, "other"} {
		w.analyzed(account, "app", "1", npm("koa", "1.2.0", "/k"))
	}
	w.correct(admin, reversion("npm", "left-pad", "2.0.0"))
	anew := w.newAnalysis("app", npm("left-pad", "1.2.0", "/p"))
	anew.Replace = true
	saved, err := w.analyses.Save(t.Context(), anew)
	w.must(err)
	w.match(saved.ID)
	if got := w.findings(admin, "app"); len(got) != 0 {
		t.Errorf("uncorrected: %v", got)
	}
	if got := w.findings("other", "app"); len(got) != 1 {
		t.Errorf("another account: %v", got)
	}
}

// The rules change between the matching of an analysis and its publication.
func TestACorrectionDuringAnAnalysisHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	run := persistence.Run{Account: admin, Digest: digestOf("app"), Request: w.submit(w.submission(admin, "app", "1")).Image.Requested, RunID: "run"}
	_, err := w.images.Begin(ctx, run, persistence.Origin{})
	w.must(err)
	id := w.save("app", npm("left-pad", "1.2.0", "/p"))
	w.match(id)
	w.correct(admin, reversion("npm", "left-pad", "2.0.0"))
	w.must(w.images.Complete(ctx, run, id, noon, persistence.Origin{}))
	if got := w.findings(admin, "app"); len(got) != 0 {
		t.Errorf("published uncorrected: %v", got)
	}
}

// What was known before a correction stays known of that time.
func TestTheAnswerForThePastKnowsWhatWasCorrectedThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.Low, "npm", "left-pad", "3.0.0"))
	w.analyzed(admin, "app", "1", npm("left-pad", "1.2.0", "/p"))
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	apply := func(n int) {
		t.Helper()
		_, err := w.matches.Recorrect(ctx, admin, w.edit(), hour(n), func(int, int) {})
		w.must(err)
	}
	c, _, err := w.corrections.Create(ctx, persistence.Correction{Account: admin, Rule: reversion("npm", "left-pad", "2.0.0")}, applyCorrections)
	w.must(err)
	apply(1)
	_, err = w.corrections.Delete(ctx, admin, c.ID, applyCorrections)
	w.must(err)
	apply(3)
	for n, want := range [][]string{{"GHSA-1 1.2.0", "GHSA-2 1.2.0"}, {"GHSA-2 2.0.0"}, {"GHSA-2 2.0.0"}, {"GHSA-1 1.2.0", "GHSA-2 1.2.0"}} {
		list, err := w.matches.VulnerabilitiesThen(ctx, admin, digestOf("app"), persistence.VulnerabilityFilter{}, hour(n))
		w.must(err)
		var got []string
		for _, v := range list {
			got = append(got, v.Vulnerability+" "+v.PackageVersion)
			if v.Vulnerability == "GHSA-2" && !v.DetectedAt.Equal(noon) {
				t.Errorf("after %d h GHSA-2 is known since %s, want since the analysis", n, v.DetectedAt)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %d h (-want +got):\n%s", n, diff)
		}
	}
	for _, tc := range []struct {
		since, until int
		want         []string
	}{{0, 2, []string{"removed GHSA-1 by correction at 13:00"}}, {2, 4, []string{"added GHSA-1 by correction at 15:00"}}, {0, 4, nil}, {1, 2, nil}} {
		list, err := w.matches.ChangesBetween(ctx, admin, digestOf("app"), hour(tc.since), hour(tc.until))
		w.must(err)
		var got []string
		for _, m := range list {
			got = append(got, fmt.Sprintf("%s %s by %s at %s", m.Kind, m.Vulnerability, m.Cause, m.ChangedAt.UTC().Format("15:04")))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("changes from %d h to %d h (-want +got):\n%s", tc.since, tc.until, diff)
		}
	}
}

func TestCPENamesSomebodyGaveAreLookedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.feeds.Ensure(t.Context(), persistence.Offer{Source: "nvd", Groups: []string{"nvd"}, Enabled: true}))
	nvd := commitOf("nvd", record("CVE-2026-7", feed.High, "nvd", "apache:tomcat", "9.0.90"))
	nvd.Source = "nvd"
	_, err := w.feeds.Commit(t.Context(), nvd)
	w.must(err)
	jar := persistence.PackageRow{Identity: catalog.Identity{Type: catalog.TypeJava, Name: "catalina", Version: "9.0.88"}, PURL: "pkg:maven/catalina/catalina@9.0.88", Path: "/catalina.jar"}
	w.analyzed(admin, "app", "1", jar)
	if got := w.findings(admin, "app"); len(got) != 0 {
		t.Fatalf("before: %v", got)
	}
	w.correct(admin, correction.Rule{
		Type: "java", Match: []correction.Field{{Name: "package", Value: "catalina"}},
		Replace: []correction.Field{{Name: "cpes", Value: "cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*"}},
	})
	if got := w.findings(admin, "app"); len(got) != 1 || got[0] != "High CVE-2026-7 catalina@9.0.88 fix=9.0.90 path=/catalina.jar" {
		t.Errorf("findings %v", got)
	}
}

func TestEditsOfCorrectionsAtTheSameTimeEndWithTheLastRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	w.analyzed(admin, "app", "1", npm("left-pad", "1.2.0", "/p"), npm("koa", "1.0.0", "/k"))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			c, _, err := w.corrections.Create(t.Context(), persistence.Correction{Account: admin, Rule: reversion("npm", "left-pad", fmt.Sprintf("2.%d.0", n))}, applyCorrections)
			if err != nil {
				t.Error(err)
				return
			}
			apply := func(edit int64) {
				if _, err := w.matches.Recorrect(t.Context(), admin, edit, noon, func(int, int) {}); err != nil {
					t.Error(err)
				}
			}
			apply(int64(n))
			if n%2 == 0 {
				if _, err := w.corrections.Delete(t.Context(), admin, c.ID, applyCorrections); err != nil {
					t.Error(err)
				}
				apply(int64(100 + n))
			}
		})
	}
	all.Wait()
	rules, err := w.corrections.List(t.Context(), admin)
	w.must(err)
	if len(rules) != 4 {
		t.Fatalf("%d rules, want 4", len(rules))
	}
	last := rules[len(rules)-1].Rule.Replace[0].Value
	if got := w.holders(admin, "left-pad", last, "GHSA-1"); len(got) != 1 {
		t.Errorf("the last rule (%s) does not hold: %v", last, got)
	}
}

func TestCorrectionsAreStoredWithTheWorkflowThatAppliesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("other")
	rule := reversion("npm", "left-pad", "2.0.0")
	c, outbox, err := w.corrections.Create(ctx, persistence.Correction{Account: admin, Description: "d", Rule: rule}, applyCorrections)
	w.must(err)
	if p, err := w.outbox.Get(ctx, outbox); err != nil || p.WorkflowID != "correct/admin/1" {
		t.Errorf("outbox %+v, %v", p, err)
	}
	got, err := w.corrections.Get(ctx, admin, c.ID)
	if diff := cmp.Diff(c, got); err != nil || diff != "" || c.Description != "d" {
		t.Errorf("stored %v (-created +loaded):\n%s", err, diff)
	}
	c.Description = "e"
	if c, outbox, err = w.corrections.Update(ctx, c, applyCorrections); err != nil || c.Description != "e" {
		t.Errorf("update: %+v, %v", c, err)
	}
	if p, err := w.outbox.Get(ctx, outbox); err != nil || p.WorkflowID != "correct/admin/2" {
		t.Errorf("outbox %+v, %v", p, err)
	}
	bad := c
	bad.Rule.Replace = nil
	if _, _, err := w.corrections.Update(ctx, bad, applyCorrections); !errors.Is(err, correction.ErrRule) {
		t.Errorf("a rule that does nothing: %v, want ErrRule", err)
	}
	foreign := c
	foreign.Account = "other"
	for name, err := range map[string]error{
		"get":            second(w.corrections.Get(ctx, "other", c.ID)),
		"get of nothing": second(w.corrections.Get(ctx, admin, uuid.NewString())),
		"get of no id":   second(w.corrections.Get(ctx, admin, "x")),
		"update":         third(w.corrections.Update(ctx, foreign, applyCorrections)),
		"delete":         second(w.corrections.Delete(ctx, "other", c.ID, applyCorrections)),
		"no account":     third(w.corrections.Create(ctx, persistence.Correction{Account: "nobody", Rule: rule}, applyCorrections)),
	} {
		if !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if list, err := w.corrections.List(ctx, "other"); err != nil || len(list) != 0 {
		t.Errorf("another account lists %v, %v", list, err)
	}
	_, err = w.pool.Exec(ctx, `INSERT INTO plimsoll.correction (account, description, rule) SELECT 'admin', '', rule FROM plimsoll.correction, generate_series(2, $1)`, persistence.MaxCorrections)
	w.must(err)
	if _, _, err := w.corrections.Create(ctx, persistence.Correction{Account: admin, Rule: rule}, applyCorrections); !errors.Is(err, persistence.ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }
