package gates

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// params are name and value by turns.
func ruleParams(params []string) []policy.RuleParam {
	out := []policy.RuleParam{}
	for pair := range slices.Chunk(params, 2) {
		out = append(out, policy.RuleParam{Name: pair[0], Value: pair[1]})
	}
	return out
}

// compile makes a policy of one rule, written gate.trigger, for every image.
func compile(t *testing.T, rule string, params ...string) (*policy.Policy, []policy.Problem) {
	t.Helper()
	gate, trigger, _ := strings.Cut(rule, ".")
	document, err := json.Marshal(policy.Document{
		ID: "p", Name: "p", Version: policy.Version,
		RuleSets: []policy.RuleSet{{ID: "rs", Name: "rs", Version: policy.Version, Rules: []policy.Rule{{
			ID: "rule-1", Gate: gate, Trigger: trigger, Action: "STOP", Params: ruleParams(params),
		}}}},
		Mappings: []policy.Mapping{{
			ID: "m", Name: "m", AllowlistIDs: []string{}, RuleSetIDs: []string{"rs"}, Registry: "*", Repository: "*",
			Image: policy.ImageRef{Type: policy.SelectTag, Value: "*"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := policy.Parse(document)
	if err != nil {
		t.Fatalf("%s: %v", rule, err)
	}
	return policy.Compile(parsed, All())
}

func evaluate(t *testing.T, facts policy.Facts, rule string, params ...string) *policy.Result {
	t.Helper()
	compiled, problems := compile(t, rule, params...)
	if policy.HasErrors(problems) {
		t.Fatalf("%s %q: %v", rule, params, problems)
	}
	result, err := compiled.Evaluate(t.Context(), facts, "docker.io/acme/web:1", time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// everything is an image in which each rule of the tests finds something.
func everything() policy.Static {
	vulnerable := func(id, kind, name, location string) policy.Vulnerability {
		return policy.Vulnerability{ID: id, Severity: feed.High, Package: policy.AffectedPackage{Name: name, Version: "1.2", Type: kind, Location: location}}
	}
	return policy.Static{
		ImageFacts: policy.Image{OS: "linux", Arch: "amd64", Size: 9, Distro: &catalog.Distro{ID: "debian", VersionID: "10"}},
		Entries:    []catalog.Entry{{Path: "/usr/bin/su", Type: catalog.Regular, Mode: 0o4755}},
		PackageFacts: []catalog.Package{{
			Type: catalog.TypeDpkg, Name: "bash", Version: "5.2", Location: "/var/lib/dpkg/status", Licenses: []string{"GPL-3+"},
		}},
		Matches: []policy.Vulnerability{
			vulnerable("CVE-2018-0737", catalog.TypeDpkg, "openssl", "/var/lib/dpkg/status"),
			vulnerable("GHSA-1", catalog.TypeJava, "x", "/app.jar:BOOT-INF/lib/x-1.jar"),
			vulnerable("GHSA-2", catalog.TypeNpm, "@a/b", "/srv/node_modules/@a/b/package.json"),
			vulnerable("GHSA-3", catalog.TypePython, "requests", "/usr/lib/requests.dist-info/METADATA"),
		},
		Found: policy.Findings{
			Hits: []policy.Hit{
				{SearchHit: catalog.SearchHit{Search: catalog.SearchSecret, Name: "PRIV_KEY", Line: 1}, Path: "/srv/key.pem"},
				{SearchHit: catalog.SearchHit{Search: catalog.SearchContent, Name: "TODO", Line: 1}, Path: "/srv/app.conf"},
			},
			Retrieved: []policy.Retrieved{{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/bin/sh\n")}},
		},
		Scans: policy.Malware{
			Scanned: true,
			Reports: []policy.MalwareReport{{MalwareReport: catalog.MalwareReport{Scanner: "ClamAV 1.4.3", Signatures: []string{"Eicar-Signature"}}, Path: "/tmp/eicar"}},
			Skipped: []policy.SkippedFile{{Scanner: catalog.ScannerClamAV, Path: "/srv/dump", Reason: catalog.ReasonTooLarge}},
		},
		Verifications: []policy.Verification{{
			Package: policy.AffectedPackage{Name: "bash"}, Deviations: []policy.Deviation{{Path: "/bin/bash", Changed: []string{"digest"}}},
		}},
	}
}

// What allowlists refer to. A change here makes the allowlists of users miss.
func TestTriggerIDs(t *testing.T) {
	t.Parallel()
	image := everything()
	for _, test := range []struct {
		rule   string
		params []string
		want   []string
	}{
		{"always.always", nil, []string{"always"}},
		{"vulnerabilities.package", []string{"package_type", "all"}, []string{"CVE-2018-0737+openssl", "GHSA-1+x-1.jar", "GHSA-2+b", "GHSA-3+requests-1.2"}},
		{"malware.scans", nil, []string{"clamav+Eicar-Signature+a6483251ee8286c79eef81929cd930d9"}},
		{"malware.scan_not_run", []string{"fire_on_skipped_files", "true"}, []string{"clamav+ANCHORE.FILE_SKIPPED.MAX_FILE_SIZE_EXCEEDED+a470316910f47c8d4f324ee9ca5d808b"}},
		{"retrieved_files.content_regex", []string{"path", "/etc/passwd", "regex", "root", "check", "match"}, []string{"rule-1+file:///etc/passwd"}},
		{"retrieved_files.content_not_available", []string{"path", "/etc/shadow"}, []string{policy.TriggerID("retrieved_files", "content_not_available", "/etc/shadow")}},
		{"files.content_regex_match", nil, []string{policy.TriggerID("files", "content_regex_match", "/srv/app.conf", "TODO")}},
		{"secret_scans.content_regex_checks", nil, []string{policy.TriggerID("secret_scans", "content_regex_checks", "/srv/key.pem", "PRIV_KEY")}},
		{"secret_scans.content_regex_checks", []string{"match_type", "notfound", "content_regex_name", "X,Y", "filename_regex", "/a"},
			[]string{policy.TriggerID("secret_scans", "content_regex_checks", "notfound", "X, Y", "/a")}},
		{"passwd_file.denylist_usernames", []string{"user_names", "root"}, []string{policy.TriggerID("passwd_file", "denylist_usernames", "root:x:0:0:root:/root:/bin/sh")}},
		{"passwd_file.blacklist_usernames", []string{"user_names", "root"}, []string{policy.TriggerID("passwd_file", "denylist_usernames", "root:x:0:0:root:/root:/bin/sh")}},
		{"packages.denylist", []string{"name", "bash"}, []string{policy.TriggerID("packages", "denylist", "bash")}},
		{"packages.blacklist", []string{"name", "bash", "version", "5.2"}, []string{policy.TriggerID("packages", "denylist", "bash", "5.2")}},
		{"packages.required_package", []string{"name", "zsh"}, []string{policy.TriggerID("packages", "required_package", "zsh", "", "exact", "missing")}},
		{"packages.required_package", []string{"name", "bash", "version", "6", "version_match_type", "minimum"},
			[]string{policy.TriggerID("packages", "required_package", "bash", "6", "minimum", "wrong")}},
		{"packages.verify", nil, []string{policy.TriggerID("packages", "verify", "bash", "/bin/bash", "changed")}},
		{"packages.metadata", []string{"name", "bash"}, []string{policy.TriggerID("packages", "metadata", "dpkg", "bash", "5.2", "name", "=", "bash")}},
		{"licenses.denylist_exact_match", []string{"licenses", "GPL-3.0-or-later"}, []string{policy.TriggerID("licenses", "denylist_exact_match", "bash", "GPL-3+")}},
		{"licenses.denylist_partial_match", []string{"licenses", "GPL"}, []string{policy.TriggerID("licenses", "denylist_partial_match", "bash", "GPL-3+")}},
		{"metadata.attribute", []string{"attribute", "size", "check", "<", "value", "1kb"}, []string{policy.TriggerID("metadata", "attribute", "size", "<", "1kb")}},
		{"distro.deny", []string{"distro", "debian", "version", "11", "check", "<"}, []string{policy.TriggerID("distro", "deny", "debian", "<", "11")}},
	} {
		var got []string
		for _, f := range evaluate(t, &image, test.rule, test.params...).Details.Findings {
			got = append(got, f.TriggerID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", test.rule, test.params, diff)
		}
	}
	if got := policy.TriggerID("packages", "denylist", "bash"); got != "8a5ae43d820af48a50e2b8996d47f44e" {
		t.Errorf("the hash of packages, denylist, bash is %s", got)
	}
}

// asking notes what a rule asks for; all it does not answer is a failure.
type asking struct {
	policy.Facts
	image policy.Static
	asked []string
}

func (a *asking) ask(what string) error {
	a.asked = append(a.asked, what)
	return nil
}

func (a *asking) Image(context.Context) (policy.Image, error) {
	return a.image.ImageFacts, a.ask("image")
}
func (a *asking) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	files, _ := a.image.Files(ctx)
	return files, a.ask("files")
}
func (a *asking) Packages(context.Context) ([]catalog.Package, error) {
	return a.image.PackageFacts, a.ask("packages")
}
func (a *asking) Findings(context.Context) (policy.Findings, error) {
	return a.image.Found, a.ask("findings")
}
func (a *asking) Malware(context.Context) (policy.Malware, error) {
	return a.image.Scans, a.ask("malware")
}
func (a *asking) Verified(context.Context) ([]policy.Verification, error) {
	return a.image.Verifications, a.ask("verified")
}

func TestRulesAskForOneKindOfFactsOnly(t *testing.T) {
	t.Parallel()
	asks := map[string]string{
		"distro": "image", "metadata": "image", "licenses": "packages", "packages": "packages", "packages.verify": "verified",
		"malware": "malware", "passwd_file": "findings", "retrieved_files": "findings", "secret_scans": "findings",
		"files": "files", "files.content_regex_match": "findings",
	}
	for _, gate := range All() {
		for i := range gate.Triggers {
			trigger := &gate.Triggers[i]
			rule := gate.Name + "." + trigger.Name
			want, ok := asks[rule]
			if !ok {
				want, ok = asks[gate.Name]
			}
			if !ok {
				continue
			}
			var params []string
			for _, p := range trigger.Params {
				params = append(params, p.Name, p.Example)
			}
			facts := &asking{image: everything()}
			evaluate(t, facts, rule, params...)
			if !slices.Equal(facts.asked, []string{want}) {
				t.Errorf("%s asks for %v, want %s", rule, facts.asked, want)
			}
		}
	}
}

func TestFactsThatCannotBeLoadedStopTheImage(t *testing.T) {
	t.Parallel()
	for _, gate := range []string{"distro", "metadata", "licenses", "packages", "malware", "passwd_file", "retrieved_files", "secret_scans", "files"} {
		for _, g := range All() {
			if g.Name != gate {
				continue
			}
			for i := range g.Triggers {
				var params []string
				for _, p := range g.Triggers[i].Params {
					params = append(params, p.Name, p.Example)
				}
				result := evaluate(t, unavailable{}, gate+"."+g.Triggers[i].Name, params...)
				if result.FinalAction != policy.Stop || !policy.HasErrors(result.EvaluationProblems) {
					t.Errorf("%s.%s: %s, %v", gate, g.Triggers[i].Name, result.FinalAction, result.EvaluationProblems)
				}
			}
		}
	}
}

// unavailable has no facts.
type unavailable struct{ policy.Facts }

var errDown = errors.New("the database is down")

func (unavailable) Image(context.Context) (policy.Image, error)            { return policy.Image{}, errDown }
func (unavailable) Files(context.Context) (iter.Seq[catalog.Entry], error) { return nil, errDown }
func (unavailable) Packages(context.Context) ([]catalog.Package, error)    { return nil, errDown }
func (unavailable) Findings(context.Context) (policy.Findings, error) {
	return policy.Findings{}, errDown
}
func (unavailable) Malware(context.Context) (policy.Malware, error)         { return policy.Malware{}, errDown }
func (unavailable) Verified(context.Context) ([]policy.Verification, error) { return nil, errDown }

func TestRulesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule   string
		params []string
		want   string
	}{
		{"distro.deny", []string{"distro", "debian", "version", "sid", "check", "<"}, `version "sid" is not numbers`},
		{"distro.deny", []string{"distro", " ", "version", "1", "check", "="}, "must not be empty"},
		{"distro.deny", []string{"distro", "debian", "version", "1", "check", "like"}, "is not one of"},
		{"metadata.attribute", []string{"attribute", "size", "check", ">"}, "check > needs a value"},
		{"metadata.attribute", []string{"attribute", "distro", "check", "=", "value", ""}, "check = needs a value"},
		{"metadata.attribute", []string{"attribute", "size", "check", ">", "value", "big"}, `"big" is not a size`},
		{"metadata.attribute", []string{"attribute", "size", "check", ">", "value", "1.5gb"}, `"1.5gb" is not a size`},
		{"metadata.attribute", []string{"attribute", "size", "check", ">", "value", "-1"}, `"-1" is not a size`},
		{"metadata.attribute", []string{"attribute", "size", "check", ">", "value", "9007199254740993tb"}, "more bytes than can be counted"},
		{"metadata.attribute", []string{"attribute", "size", "check", "in", "value", "1mb, x"}, `"x" is not a size`},
		{"metadata.attribute", []string{"attribute", "size", "check", "like", "value", "1"}, "check like is for texts"},
		{"metadata.attribute", []string{"attribute", "layer_count", "check", "=", "value", "3mb"}, `"3mb" is not a whole number`},
		{"metadata.attribute", []string{"attribute", "distro", "check", "like", "value", "(?!.*a)"}, "look-around"},
		{"metadata.attribute", []string{"attribute", "created", "check", "exists"}, "is not one of"},
		{"metadata.attribute", []string{"attribute", "distro"}, "required parameter check is missing"},
		{"packages.required_package", []string{"name", ""}, "name must not be empty"},
		{"packages.required_package", []string{"name", "a", "version_match_type", "maximum"}, "is not one of"},
		{"packages.denylist", []string{"name", ""}, "name must not be empty"},
		{"packages.verify", []string{"only_directories", "usr/bin"}, "usr/bin is not an absolute path"},
		{"packages.verify", []string{"check", "modified"}, "is not one of"},
		{"packages.metadata", nil, "nothing is compared"},
		{"packages.metadata", []string{"name_comparison", "like"}, "name_comparison needs a value"},
		{"packages.metadata", []string{"name", ""}, "name_comparison needs a value"},
		{"packages.metadata", []string{"name", "a", "name_comparison", "<"}, "is not one of"},
		{"packages.metadata", []string{"name", "(", "name_comparison", "like"}, "missing closing )"},
		{"licenses.denylist_exact_match", []string{"licenses", ""}, "none of them empty"},
		{"licenses.denylist_exact_match", nil, "required parameter licenses is missing"},
		{"passwd_file.denylist_userids", []string{"user_ids", "root"}, "unsigned numbers"},
		{"passwd_file.denylist_full_entry", []string{"entry", "root:x"}, "less than a name, a password and two ids"},
		{"passwd_file.denylist_usernames", []string{"user_names", "a", "usernameblacklist", "b"}, "given twice"},
		{"retrieved_files.content_not_available", []string{"path", "etc/passwd"}, "not absolute and clean"},
		{"retrieved_files.content_regex", []string{"path", "/etc/../passwd", "regex", "a", "check", "match"}, "not absolute and clean"},
		{"retrieved_files.content_regex", []string{"path", "/etc/passwd", "regex", "(?<!ab)c", "check", "match"}, "look-around"},
		{"secret_scans.content_regex_checks", []string{"filename_regex", "("}, "missing closing )"},
		{"secret_scans.content_regex_checks", []string{"match_type", "not_found"}, "is not one of"},
		{"malware.scan_not_run", []string{"fire_on_skipped_files", "yes"}, "neither true nor false"},
	} {
		_, problems := compile(t, test.rule, test.params...)
		if !policy.HasErrors(problems) || !slices.ContainsFunc(problems, func(p policy.Problem) bool { return strings.Contains(p.Details, test.want) }) {
			t.Errorf("%s %q: %v, want %q", test.rule, test.params, problems, test.want)
		}
	}
}
