package matching

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Said is what a distribution's own documents say, in their words, of a flaw in a package of a release: "fixed 1.2-3", "open".
// It is the evidence where our side reads these documents and a witness reads the same in another form.
type Said map[About][]string

// About is a flaw in a package of a release, which is named as in OSV.
type About struct{ Ecosystem, Name, ID string }

func (s Said) add(a About, words string) {
	if !slices.Contains(s[a], words) {
		s[a] = append(s[a], words)
	}
}

// debianReleases are the numbers of the code names.
var debianReleases = map[string]string{"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13"}

// ReadTracker reads the export of Debian's security tracker: {source package: {flaw: {"releases": {code name: statement}}}}.
func (s Said) ReadTracker(text []byte) error {
	var export map[string]map[string]struct {
		Releases map[string]struct {
			Status  string `json:"status"`
			Fixed   string `json:"fixed_version"`
			Urgency string `json:"urgency"`
		} `json:"releases"`
	}
	if err := json.Unmarshal(text, &export); err != nil {
		return fmt.Errorf("read the tracker's export: %w", err)
	}
	for name, flaws := range export {
		for id, flaw := range flaws {
			for release, said := range flaw.Releases {
				words := said.Status + " " + said.Urgency
				if said.Status == "resolved" {
					words = fixedIn + said.Fixed
				}
				s.add(About{"Debian:" + debianReleases[release], name, id}, words)
			}
		}
	}
	return nil
}

// fixedIn begins the words about a fix.
const fixedIn = "fixed "

// ReadSecurityDatabase reads a security database of Alpine: the names of flaws by package and version that fixed them.
func (s Said) ReadSecurityDatabase(ecosystem string, text []byte) error {
	var database struct {
		Packages []struct {
			Package struct {
				Name  string              `json:"name"`
				Fixes map[string][]string `json:"secfixes"`
			} `json:"pkg"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &database); err != nil {
		return fmt.Errorf("read the security database of %s: %w", ecosystem, err)
	}
	for _, p := range database.Packages {
		for fix, list := range p.Package.Fixes {
			for _, names := range list {
				for id := range strings.FieldsSeq(names) {
					s.add(About{ecosystem, p.Package.Name, id}, fixedIn+fix)
				}
			}
		}
	}
	return nil
}

// Retell tells a witness's findings by the vulnerabilities that the records found are about, as a distribution's own documents
// do: a notice (DSA) becomes its CVEs. A notice about none keeps its own name.
func Retell(answers Answers, records []Record) Answers {
	about := map[string][]string{}
	for i := range records {
		r := &records[i]
		for _, id := range slices.Concat(r.Upstream, r.Aliases, r.Related) {
			if id = bare(id); strings.HasPrefix(id, "CVE-") {
				about[r.ID] = append(about[r.ID], id)
			}
		}
	}
	out := Answers{}
	for s, list := range answers {
		told := map[string]*Finding{}
		for _, f := range list {
			for _, id := range f.IDs {
				names := about[id]
				if len(names) == 0 {
					names = []string{bare(id)}
				}
				for _, name := range names {
					if told[name] == nil {
						told[name] = &Finding{IDs: []string{name}}
					}
					told[name].Fixes = append(told[name].Fixes, f.Fixes...)
					// Of records it joins, the witness may tell the fix of one only.
					if f.NoFixes || len(f.FixesOf) > 0 && !slices.Contains(f.FixesOf, id) {
						told[name].NoFixes = true
					}
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(told)) {
			f := told[name]
			slices.Sort(f.Fixes)
			f.Fixes = slices.Compact(f.Fixes)
			out.Add(s, *f)
		}
	}
	return out
}

// bare is a CVE's own name, if it is one of a view on it.
func bare(id string) string {
	if m := view.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return id
}
