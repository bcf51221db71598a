//go:build accuracy

package matching_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/redhat"
	"plimsoll/engine/version"
	"plimsoll/internal/accuracy/matching"
)

// TestRebuildsAgreeWithRHEL asks Red Hat's VEX documents and AlmaLinux's advisories, two publishers with formats of their own,
// about the same builds: those in which AlmaLinux fixed a CVE that there is a document of, and those right below. Part of
// `make accuracy-match`.
func TestRebuildsAgreeWithRHEL(t *testing.T) {
	needFeeds(t)
	file, ok := find("AlmaLinux")
	if !ok {
		t.Fatal("no records of AlmaLinux")
	}
	all, err := matching.ReadArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	ours := newScanner(t)
	ours.sync(redhat.Driver, "vex", feed.Settings{Enabled: true}, document("archive", readFile(t, vexArchive(t))))
	ours.load("AlmaLinux", readFile(t, file))
	known := ours.fixed(redhat.Name)
	rebuilt, both := rebuilds(all, known)
	var alma, rhel []matching.Subject
	for _, s := range matching.Draw(rebuilt, "AlmaLinux", 1<<20) {
		// The dist tag stays: both build ".el9_4" from the same sources.
		// Builds of modules are left out: a version does not say of which stream it is.
		if s.Ecosystem != "AlmaLinux:10" && !strings.Contains(s.Version, "alma") && !strings.Contains(s.Version, ".module") {
			alma, rhel = append(alma, s), append(rhel, matching.Subject{Ecosystem: strings.Replace(s.Ecosystem, "AlmaLinux", "Red Hat", 1), Name: s.Name, Version: s.Version})
		}
	}
	theirs, mine := matching.Answers{}, matching.Answers{}
	for s, list := range ours.scan(t, alma) {
		for _, id := range told(s, list, both) {
			theirs.Add(s, matching.Finding{IDs: []string{id}, NoFixes: true})
		}
	}
	for s, list := range ours.scan(t, rhel) {
		s.Ecosystem = strings.Replace(s.Ecosystem, "Red Hat", "AlmaLinux", 1)
		for _, id := range told(s, list, both) {
			mine.Add(s, matching.Finding{IDs: []string{id}})
		}
	}
	for _, c := range matching.Compare("almalinux", alma, mine, theirs) {
		open, earlier := 0, 0
		for _, d := range c.Differences {
			_, release, _ := strings.Cut(d.Ecosystem, ":")
			if d.Sign == matching.Missing && fixedInMinor(known[fix{release, d.Name, d.ID}], d.Version) {
				earlier++
				continue
			}
			if open++; open < 40 {
				t.Errorf("not explained: %s %s %s %s %s", d.Sign, d.Ecosystem, d.Name, d.Version, d.ID)
			}
		}
		fmt.Printf("RHEL 8 and 9 by VEX against AlmaLinux: %d builds, %d and %d findings, %d common, precision %.4f, recall %.4f, "+
			"%d by Red Hat's fixes of minor releases that AlmaLinux has no advisory for\n",
			c.Packages, c.Ours, c.Theirs, c.Both, c.Precision(), c.Recall(), earlier)
	}
}

// minor is the minor release a build is for, as its release says.
var minor = regexp.MustCompile(`\.el[0-9]+_[0-9]+`)

// fixedInMinor reports whether one of the fixes is of the installed build's minor release, and not newer.
func fixedInMinor(fixes []string, installed string) bool {
	return slices.ContainsFunc(fixes, func(f string) bool {
		c, err := version.Compare(version.Rpm, installed, f)
		return err == nil && c >= 0 && minor.FindString(f) == minor.FindString(installed)
	})
}

// fix is a CVE fixed in a package of a release.
type fix struct{ release, name, id string }

// rebuilds are the advisories of AlmaLinux about fixes that are known, and those fixes.
func rebuilds(all []matching.Record, known map[fix][]string) ([]matching.Record, map[fix]bool) {
	both := map[fix]bool{}
	var out []matching.Record
	for _, r := range all {
		found := false
		for _, a := range r.Affected {
			_, release, _ := strings.Cut(a.Package.Ecosystem, ":")
			for _, id := range r.Related {
				if f := (fix{release, a.Package.Name, id}); known[f] != nil {
					both[f], found = true, true
				}
			}
		}
		if found {
			out = append(out, r)
		}
	}
	return out, both
}

// told are the CVEs of findings, by their own names or those of the notices' upstream, as far as both fix them.
func told(s matching.Subject, list []matching.Finding, both map[fix]bool) []string {
	_, release, _ := strings.Cut(s.Ecosystem, ":")
	var out []string
	for _, f := range list {
		for _, id := range append(slices.Clone(f.IDs), f.Upstream...) {
			if both[fix{release, s.Name, id}] {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *scanner) scan(t *testing.T, subjects []matching.Subject) matching.Answers {
	t.Helper()
	documents, err := matching.Documents(subjects)
	if err != nil {
		t.Fatal(err)
	}
	return s.ask(documents)
}

// fixed lists what a source fixes in the common stream of RHEL, modules left out, and with which versions, those of extended
// support included.
func (s *scanner) fixed(source string) map[fix][]string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
SELECT split_part(namespace, ':', 2), package, advisory_id, scope LIKE '%|%|_%|%', ARRAY(
  SELECT r ->> 'fixed' FROM jsonb_array_elements(ranges) r WHERE r ->> 'fixed' IS NOT NULL)
FROM plimsoll_feeds.advisory
WHERE source = $1 AND valid_to IS NULL AND state = 'fixed' AND scope NOT LIKE '%|_%|%|%'`, source)
	if err != nil {
		s.t.Fatal(err)
	}
	common, extended := map[fix][]string{}, map[fix][]string{}
	for rows.Next() {
		var f fix
		var channel bool
		var versions []string
		if err := rows.Scan(&f.release, &f.name, &f.id, &channel, &versions); err != nil {
			s.t.Fatal(err)
		}
		if channel {
			extended[f] = append(extended[f], versions...)
		} else {
			common[f] = append(common[f], versions...)
		}
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	for f := range common {
		common[f] = append(common[f], extended[f]...)
	}
	return common
}
