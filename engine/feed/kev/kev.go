// Package kev reads CISA's catalogue of Known Exploited Vulnerabilities.
//
// One group "catalog", one JSON document, read entry by entry. Entries may disappear from it. There are no vulnerabilities
// and advisories in it, only that a CVE is exploited, since when that is known, and what US agencies have to do by when.
package kev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonlist"
)

// Name is the source name of everything this driver emits.
const Name = "kev"

const (
	host         = "www.cisa.gov"
	documentPath = "sites/default/files/feeds/known_exploited_vulnerabilities.json"
	maxProse     = 8 << 10 // bytes of a text
	maxWeakness  = 50
)

// limits are far above what the catalogue has: 1.6 MB, entries of 1 kB.
var limits = jsonlist.Limits{Element: 1 << 20, Document: 64 << 20}

// ErrEntry means that an entry cannot be used.
var ErrEntry = errors.New("unusable entry")

// Driver reads the catalogue.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "catalog", Host: host, Path: documentPath}}
}

// entry is of the catalogue's schema (www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json).
type entry struct {
	CVE         string   `json:"cveID"`
	Vendor      string   `json:"vendorProject"`
	Product     string   `json:"product"`
	Name        string   `json:"vulnerabilityName"`
	Added       string   `json:"dateAdded"`
	Description string   `json:"shortDescription"`
	Action      string   `json:"requiredAction"`
	Due         string   `json:"dueDate"`
	Ransomware  string   `json:"knownRansomwareCampaignUse"`
	Notes       string   `json:"notes"`
	CWEs        []string `json:"cwes"`
}

var weakness = regexp.MustCompile(`^CWE-[0-9]{1,6}$`)

func (e *entry) exploited() (feed.Exploited, error) {
	if !field.IsCVE(e.CVE) {
		return feed.Exploited{}, fmt.Errorf("id %.40q", e.CVE)
	}
	x := feed.Exploited{
		ID: e.CVE, Vendor: field.Prose(e.Vendor, field.MaxName), Product: field.Prose(e.Product, field.MaxName),
		Name: field.Prose(e.Name, maxProse), Summary: field.Prose(e.Description, maxProse),
		Action: field.Prose(e.Action, maxProse), Notes: field.Prose(e.Notes, maxProse),
		Added: day(e.Added), Due: day(e.Due), Ransomware: strings.EqualFold(e.Ransomware, "Known"),
	}
	for _, id := range e.CWEs {
		if weakness.MatchString(id) && len(x.CWEs) < maxWeakness {
			x.CWEs = append(x.CWEs, id)
		}
	}
	slices.Sort(x.CWEs)
	x.CWEs = slices.Compact(x.CWEs)
	return x, nil
}

func day(s string) *time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1990 {
		return nil
	}
	return &t
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: the catalogue is missing", jsonlist.ErrDocument)
	}
	known := 0
	err := jsonlist.Each(ctx, in.Documents[0], limits, "vulnerabilities", func(e *entry, wrong error) error {
		x, err := e.exploited()
		if err = cmp.Or(wrong, err); err != nil {
			out.Bad(field.Prose(e.CVE, field.MaxID), fmt.Errorf("%w: %w", ErrEntry, err))
			return nil
		}
		known++
		return out.Exploited(x)
	})
	if err == nil && known == 0 {
		err = fmt.Errorf("%w: the catalogue has no entry", jsonlist.ErrDocument)
	}
	return err
}
