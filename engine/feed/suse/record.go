package suse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/oval"
	"plimsoll/engine/version"
)

// maxReferences bounds how many advisories a flaw refers to.
const maxReferences = 60

// titleShape is a CVE, maybe with more behind it.
var titleShape = regexp.MustCompile(`^\s*(CVE-[0-9]{4}-[0-9]{4,19})\b`)

// record reads a definition. Its id is empty when the definition is about no CVE; an error may come with a record.
func record(ctx context.Context, d *oval.Definition) (feed.Record, error) {
	title := titleShape.FindStringSubmatch(d.Title)
	if title == nil {
		return feed.Record{}, fmt.Errorf("no CVE in its title %.80q", d.Title)
	}
	e := errata.Erratum{ID: title[1]}
	e.Severity, _ = feed.ParseSeverity(d.Advisory.Severity)
	f := errata.Flaw{ID: title[1], Description: d.Description, Severity: e.Severity}
	for _, c := range d.Advisory.CVEs {
		by := ""
		if strings.HasSuffix(strings.Join(strings.Fields(c.Text), " "), " at NVD") {
			by = "nvd@nist.gov"
		}
		f.CVSS = append(f.CVSS, oval.Scores(c, by)...)
	}
	e.Flaws = []errata.Flaw{f}
	var err error
	e.Builds, err = builds(d.Criteria)
	rec, failed := errata.One(ctx, errata.Config{Source: Name, Scheme: version.Rpm, Page: page}, e)
	rec.Vulnerability.ID = title[1]
	rec.Vulnerability.Modified = errata.Date(d.Advisory.Updated.Date)
	for _, r := range d.References {
		if r.Source == "SUSE-SU" && r.URL != "" && len(rec.Vulnerability.References) < maxReferences && !slices.Contains(rec.Vulnerability.References, r.URL) {
			rec.Vulnerability.References = append(rec.Vulnerability.References, field.Prose(r.URL, field.MaxReason))
		}
	}
	return rec, errors.Join(err, failed)
}
