package activities_test

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/verify"
	"plimsoll/internal/clamdtest"
	"plimsoll/internal/nettest"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/workflows"
)

// document is what an analysis has stored about the image.
func (s *system) document(in workflows.AnalyzeImageInput) image.Image {
	s.t.Helper()
	analysis, err := persistence.NewAnalyses(s.pool).OfImage(s.t.Context(), in.Account, in.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	content, err := blob.NewPostgres(s.pool).Get(s.t.Context(), analysis.ContentBlob)
	if err != nil {
		s.t.Fatal(err)
	}
	var img image.Image
	if err := json.Unmarshal(content, &img); err != nil {
		s.t.Fatal(err)
	}
	return img
}

// Malware in a file that the image deletes again, a hinted package with an advisory, a changed file of an OS
// package and a language package an OS package owns, through the whole path.
func TestEvidenceBesidePackages(t *testing.T) {
	t.Parallel()
	server := clamdtest.Start(t)
	s := newSystem(t, func(a *activities.Analysis) {
		a.Malware.Enabled, a.Malware.Address, a.Malware.MaxFileBytes = true, server.Unix, 4<<10
		a.Hints, a.Owned, a.Digests = true, false, []string{image.DigestMD5}
	})
	s.publish("npm", advisory("GHSA-hint", "npm", "by-hand", "2.0.0"), advisory("GHSA-owned", "npm", "left-pad", "2.0.0"))
	s.sync()
	const owned = "/usr/share/nodejs/node_modules/left-pad/package.json"
	manifest := `{"name":"left-pad","version":"1.3.0"}`
	s.push("team/app:1",
		layer(t, map[string]string{
			"etc/os-release": debian, "var/lib/dpkg/status": status, "tmp/eicar": string(clamdtest.EICAR),
			"var/lib/dpkg/info/libssl3:amd64.list":    "/.\n/usr/lib/libssl.so.3\n" + owned + "\n",
			"var/lib/dpkg/info/libssl3:amd64.md5sums": fmt.Sprintf("%x  usr/lib/libssl.so.3\n%x  %s\n", md5.Sum([]byte("as packaged")), md5.Sum([]byte(manifest)), owned[1:]),
			"usr/lib/libssl.so.3":                     "patched by hand", owned[1:]: manifest, "srv/dump": strings.Repeat("x", 5<<10),
			"plimsoll_hints.json": `{"packages":[{"name":"by-hand","version":"1.0.0","type":"npm"},{"name":"left-pad","version":"1.3.0","type":"npm"}]}`,
		}),
		layer(t, map[string]string{"tmp/.wh.eicar": ""}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	img := s.document(in)

	if len(img.Scans) != 1 || img.Scans[0].Layers != 2 {
		t.Errorf("scans %+v", img.Scans)
	}
	if len(img.Malware) != 1 || img.Malware[0].Path != "/tmp/eicar" || !img.Malware[0].Removed || !slices.Equal(img.Malware[0].Signatures, []string{clamdtest.Signature}) {
		t.Errorf("malware %+v", img.Malware)
	}
	if diff := cmp.Diff([]string{"GHSA-hint by-hand 2.0.0", "GHSA-owned left-pad 2.0.0"}, s.found(in)); diff != "" {
		t.Error(diff)
	}
	changed := []image.Deviation{{Path: "/usr/lib/libssl.so.3", Changed: []verify.Aspect{verify.Digest}}}
	if len(img.Verified) != 1 || img.Verified[0].Incomparable != 0 || !cmp.Equal(changed, img.Verified[0].Deviations) {
		t.Errorf("verified %+v", img.Verified)
	}
	s.judgedByEvidence(in)
}

// judgedByEvidence asks the gates about it: what is stored reaches them.
func (s *system) judgedByEvidence(in workflows.AnalyzeImageInput) {
	s.t.Helper()
	rules := `{"id":"p","name":"p","version":"2","mappings":[{"id":"m","name":"m","allowlist_ids":[],"rule_set_ids":["rs"],"registry":"*","repository":"*","image":{"type":"tag","value":"*"}}],
		"rule_sets":[{"id":"rs","name":"rs","version":"2","rules":[
		{"id":"scans","gate":"malware","trigger":"scans","action":"STOP","params":[]},
		{"id":"skipped","gate":"malware","trigger":"scan_not_run","action":"STOP","params":[{"name":"fire_on_skipped_files","value":"true"}]},
		{"id":"verify","gate":"packages","trigger":"verify","action":"STOP","params":[{"name":"only_packages","value":"libssl3"}]}]}]}`
	compiled, _, err := policy.Load([]byte(rules), gates.All())
	if err != nil {
		s.t.Fatal(err)
	}
	known, err := facts.New(s.pool, s.pool, blob.NewPostgres(s.pool), facts.Config{}).Of(s.t.Context(), in.Account, in.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	result, err := compiled.Evaluate(s.t.Context(), known, "docker.io/team/app:1", time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, f := range result.Details.Findings {
		got = append(got, f.RuleID+" "+f.TriggerID)
	}
	id := func(path string) string { return fmt.Sprintf("%x", md5.Sum([]byte(path))) }
	want := []string{
		"scans clamav+" + clamdtest.Signature + "+" + id("/tmp/eicar"),
		"skipped clamav+ANCHORE.FILE_SKIPPED.MAX_FILE_SIZE_EXCEEDED+" + id("/srv/dump"),
		"verify " + policy.TriggerID("packages", "verify", "libssl3", "/usr/lib/libssl.so.3", "changed"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("findings (-want +got):\n%s\nproblems %v", diff, result.EvaluationProblems)
	}
}

func TestWithoutItsScannerAnAnalysisFails(t *testing.T) {
	t.Parallel()
	s := newSystem(t, func(a *activities.Analysis) {
		a.Malware.Enabled, a.Malware.Address = true, "tcp://"+nettest.FreeAddr(t)
	})
	s.push("team/app:1", layer(t, map[string]string{"a": "b"}))
	in := s.add("acme", "team/app", "1")
	if code, message := workflows.Failure(s.run(workflows.AnalyzeImageName, in, nil)); code != workflows.FailScannerUnreachable {
		t.Errorf("ended with %s: %s", code, message)
	}
	if record := s.status(in); record.ErrorCode != workflows.FailScannerUnreachable {
		t.Errorf("record %q %q", record.ErrorCode, record.ErrorMessage)
	}
}
