package persistence_test

import "testing"

func TestFindingsBelongToTheAnalysis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.save("app")
	read := func() string {
		t.Helper()
		analysis, err := w.analyses.Find(ctx, digestOf("app"), analyzerSet)
		w.must(err)
		if analysis.FindingsBlob == "" {
			return ""
		}
		content, err := w.blobs.Get(ctx, analysis.FindingsBlob)
		w.must(err)
		return string(content)
	}
	if got := read(); got != `{"findings":"app"}` {
		t.Errorf("got %q", got)
	}
	for _, findings := range []string{`{"findings":"others"}`, ""} {
		again := w.newAnalysis("app")
		again.Replace, again.Findings = true, []byte(findings)
		if findings == "" { // as analyses from before there were any
			again.Findings = nil
		}
		if _, err := w.analyses.Save(ctx, again); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != findings {
			t.Errorf("got %q, want %q", got, findings)
		}
	}
}
