package activities_test

import (
	"testing"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// A manifest of a few kilobytes can list one layer hundreds of times.
func TestALayerListedOftenIsNotLoadedOften(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	s.push("team/app:1", base, base, base)
	in := s.add("acme", "team/app", "1")
	if got := s.analyze(in); got.Layers != 3 || got.Packages != 2 {
		t.Errorf("%+v", got)
	}

	// As many entries as no image may have in all.
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.layer SET entry_count = 2000000`); err != nil {
		t.Fatal(err)
	}
	s.push("team/large:1", base, base, layer(t, map[string]string{"a": "b"}), base)
	large := s.add("acme", "team/large", "1")
	err := s.run(workflows.AnalyzeImageName, large, nil)
	if code, _ := workflows.Failure(err); code != workflows.FailLimitExceeded {
		t.Errorf("ended with %s (%v)", code, err)
	}
	if record := s.status(large); record.AnalysisStatus != persistence.AnalysisFailed || record.ErrorCode != workflows.FailLimitExceeded {
		t.Errorf("record %s %s", record.AnalysisStatus, record.ErrorCode)
	}
}
