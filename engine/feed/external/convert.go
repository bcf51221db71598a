package external

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// convert brings a written record into normal form. With an error the record has its id only, as far as it has one.
func convert(source string, raw json.RawMessage) (feed.Record, error) {
	var r Record
	err := decode(raw, &r)
	if err == nil {
		var rec feed.Record
		if rec, err = r.normal(source); err == nil {
			return rec, nil
		}
	}
	return feed.Record{Vulnerability: feed.Vulnerability{ID: r.ID}}, fmt.Errorf("%w: %w", ErrRecord, err)
}

func (r *Record) normal(source string) (feed.Record, error) {
	v, err := r.vulnerability(source)
	if err != nil {
		return feed.Record{}, err
	}
	rec := feed.Record{Vulnerability: v}
	if v.Withdrawn != nil && len(r.Advisories) > 0 || len(r.Advisories) > maxAdvisories {
		return rec, fmt.Errorf("%d advisories: at most %d, and none once withdrawn", len(r.Advisories), maxAdvisories)
	}
	seen := map[string]bool{}
	for i := range r.Advisories {
		a, err := r.Advisories[i].normal(v)
		if err != nil {
			return rec, fmt.Errorf("advisory for %.80q %.80q: %w", r.Advisories[i].Namespace, r.Advisories[i].Package, err)
		}
		key := fmt.Sprintf("%q %q %q", a.Namespace, a.Package, a.Scope)
		if seen[key] {
			return rec, fmt.Errorf("two advisories for %s", key)
		}
		seen[key] = true
		rec.Advisories = append(rec.Advisories, a)
	}
	return rec, nil
}

var weakness = regexp.MustCompile(`^CWE-[0-9]{1,6}$`)

func (r *Record) vulnerability(source string) (feed.Vulnerability, error) {
	v := feed.Vulnerability{
		Source: source, Summary: field.Prose(r.Summary, field.MaxReason), Description: field.Prose(r.Description, field.MaxDescription),
		CWEs: sorted(r.CWEs), URL: r.URL, References: r.References, Published: utc(r.Published), Modified: utc(r.Modified), Withdrawn: utc(r.Withdrawn),
	}
	var problems [8]error
	v.ID, problems[0] = field.ID(r.ID)
	v.Aliases, problems[1] = ids(v.ID, r.Aliases)
	v.Upstream, problems[2] = ids(v.ID, r.Upstream)
	problems[3] = links(append(slices.Clone(r.References), r.URL))
	for _, vector := range r.CVSS {
		c, err := feed.ParseCVSS(vector)
		problems[4] = errors.Join(problems[4], err)
		v.CVSS = append(v.CVSS, c)
	}
	if slices.ContainsFunc(r.CWEs, func(id string) bool { return !weakness.MatchString(id) }) {
		problems[5] = errors.New("a CWE is not written CWE-79")
	}
	v.Severity, problems[6] = severity(r.Severity)
	if r.Severity == "" {
		v.Severity = feed.SeverityOf(v.CVSS)
	}
	if max(len(r.CVSS), len(r.CWEs), len(r.Aliases), len(r.Upstream)) > maxIDs {
		problems[7] = fmt.Errorf("a list of more than %d", maxIDs)
	}
	return v, errors.Join(problems[:]...)
}

func (a *Advisory) normal(v feed.Vulnerability) (feed.Advisory, error) {
	scheme, ok := version.SchemeFor(a.Namespace)
	if !ok || field.Prose(a.Namespace, field.MaxID) != a.Namespace {
		return feed.Advisory{}, errors.New("unknown namespace")
	}
	name, err := field.Name(a.Package)
	if err != nil {
		return feed.Advisory{}, err
	}
	out := feed.Advisory{
		Source: v.Source, ID: v.ID, Namespace: a.Namespace, Package: feed.PackageName(a.Namespace, name), Versions: sorted(a.Versions),
		State: a.State, Reason: field.Prose(a.Reason, field.MaxReason), Notices: a.Notices, FixedAt: utc(a.FixedAt),
		Scope: feed.Scope{Kind: a.Kind, Module: a.Module, Arches: sorted(a.Arches), Channel: a.Channel},
	}
	if out.Ranges, err = a.ranges(scheme); err != nil {
		return out, err
	}
	if a.Severity != "" {
		rated, err := severity(a.Severity)
		if err != nil {
			return out, err
		}
		out.Severity = &rated
	}
	if err := a.check(); err != nil {
		return out, err
	}
	return out, settle(&out, len(a.Ranges) > 0)
}

func (a *Advisory) ranges(scheme version.Scheme) ([]feed.Range, error) {
	if len(a.Ranges) > maxRanges {
		return nil, fmt.Errorf("%d ranges, at most %d are read", len(a.Ranges), maxRanges)
	}
	for _, r := range a.Ranges {
		ends := 0
		for _, end := range []string{r.Fixed, r.Before, r.LastAffected} {
			if end != "" {
				ends++
			}
		}
		if ends > 1 || r.Introduced != "" && r.After != "" {
			return nil, fmt.Errorf("a range from %q after %q up to %q, %q or %q has two lower or two upper ends", r.Introduced, r.After, r.Fixed, r.Before, r.LastAffected)
		}
	}
	return feed.Union(scheme, a.Ranges)
}

// check looks at what is passed on as it is.
func (a *Advisory) check() error {
	if !slices.Contains([]feed.Kind{feed.Convention, feed.Source, feed.Binary}, a.Kind) {
		return fmt.Errorf("kind %.40q", a.Kind)
	}
	if len(a.Versions) > maxVersions || len(a.Notices) > maxIDs || len(a.Arches) > maxIDs {
		return fmt.Errorf("a list is too long: %d versions, %d notices, %d architectures", len(a.Versions), len(a.Notices), len(a.Arches))
	}
	for _, v := range a.Versions {
		if v == "" || len(v) > maxVersion || unprintable(v) {
			return fmt.Errorf("version %.40q", v)
		}
	}
	for _, s := range append([]string{a.Module, a.Channel}, a.Arches...) {
		if len(s) > field.MaxID || unprintable(s) || strings.ContainsAny(s, " |,") {
			return fmt.Errorf("scope %.40q", s)
		}
	}
	for _, n := range a.Notices {
		if _, err := field.ID(n.ID); err != nil {
			return err
		}
		if err := links([]string{n.URL}); err != nil {
			return err
		}
	}
	return nil
}

// states says of each state whether something has to be affected (true), nothing may be (false), or neither (missing).
var states = map[feed.FixState]bool{
	feed.StateFixed: true, feed.StateAffected: true, feed.StateDeferred: true, feed.StateWontFix: true, feed.StateEndOfLife: true,
	feed.StateNotAffected: false,
}

// settle checks the state against what is affected, or finds it. hadRanges: ranges were given, even if nothing is in
// them.
func settle(a *feed.Advisory, hadRanges bool) error {
	some := len(a.Ranges)+len(a.Versions) > 0
	fix := slices.ContainsFunc(a.Ranges, func(r feed.Range) bool { return r.Fixed != "" })
	switch a.State {
	case "":
		switch {
		case fix:
			a.State = feed.StateFixed
		case some:
			a.State = feed.StateAffected
		case hadRanges:
			a.State = feed.StateNotAffected
		default:
			return errors.New("neither a state nor what is affected")
		}
	case feed.StateUnknown, feed.StateInvestigate:
	default:
		need, known := states[a.State]
		if !known || need != some || a.State == feed.StateFixed && !fix {
			return fmt.Errorf("state %.40q does not fit %d ranges and %d versions", a.State, len(a.Ranges), len(a.Versions))
		}
	}
	return nil
}

func severity(word string) (feed.Severity, error) {
	s, ok := feed.ParseSeverity(word)
	if !ok && word != "" {
		return s, fmt.Errorf("severity %.40q", word)
	}
	return s, nil
}

func ids(self string, in []string) ([]string, error) {
	var out []string
	for _, text := range in {
		id, err := field.ID(text)
		if err != nil {
			return nil, err
		}
		if id != self {
			out = append(out, id)
		}
	}
	return sorted(out), nil
}

// links refuses what is no web address: they end up in pages people click. An empty one is none.
func links(in []string) error {
	if len(in) > maxReferences+1 {
		return fmt.Errorf("%d references, at most %d are read", len(in), maxReferences)
	}
	for _, text := range in {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(text) > maxLink) {
			return fmt.Errorf("%.80q is no web address", text)
		}
	}
	return nil
}

// sorted returns a sorted copy without duplicates; nil for nothing.
func sorted(in []string) []string {
	if len(in) == 0 {
		return nil
	}
	out := slices.Sorted(slices.Values(in))
	return slices.Compact(out)
}

func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func utc(t *time.Time) *time.Time {
	if t == nil || t.Year() < 1 || t.IsZero() {
		return nil
	}
	return new(t.UTC())
}
