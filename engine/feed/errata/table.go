package errata

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
)

// Table holds advisories until all are known.
type Table struct {
	cfg    Config
	out    feed.Sink
	words  *field.Words
	errata []erratum
	byID   map[string]int
	flaws  map[string]*flaw
	added  int
	builds int
	prose  int // bytes
}

// erratum is an advisory as it is kept.
type erratum struct {
	id       string
	revision int
	severity feed.Severity
	issued   *time.Time
	notices  []feed.Notice
	rows     []row
	flaws    int
	self     *flaw // what it says itself, when it names no flaw
}

// flaw is what is known of a flaw, and where it is repaired.
type flaw struct {
	errata      []int
	summary     string
	description string
	url         string
	severity    feed.Severity
	cvss        []feed.CVSS
	cwes        []string
	published   *time.Time
}

// subject is what an answer is about.
type subject struct{ namespace, pkg, module, channel uint32 }

// row is a build, its texts as numbers.
type row struct {
	subject
	arches, state, reason uint32
	from, to              uint32
	after                 bool
	end                   ending
}

// ending is which field of a range holds its upper end.
type ending uint8

const (
	open ending = iota
	fixed
	before
	last
)

// New returns an empty table that reports to out.
func New(cfg Config, out feed.Sink) *Table {
	return &Table{cfg: cfg, out: out, words: field.NewWords(), byID: map[string]int{}, flaws: map[string]*flaw{}}
}

// Len is how many advisories have been added, whether or not they name a package of interest.
func (t *Table) Len() int { return t.added }

// Add takes an advisory. What is unusable of it is reported; the error is ErrTooLarge.
func (t *Table) Add(e Erratum) error {
	id, err := field.ID(e.ID)
	if err != nil {
		t.out.Bad(field.Prose(e.ID, field.MaxID), fmt.Errorf("%w: %w", ErrErratum, err))
		return nil
	}
	t.added++
	for i, n := range e.Notices {
		e.Notices[i].URL = field.Prose(n.URL, field.MaxReason)
	}
	rows := t.rows(id, e.Builds)
	at, known := t.byID[id]
	switch {
	case len(rows) == 0:
		return nil
	case known && e.Revision < t.errata[at].revision:
		return nil
	case known && e.Revision == t.errata[at].revision:
		t.builds += len(rows)
		t.errata[at].severity = max(t.errata[at].severity, e.Severity)
		t.errata[at].rows = compact(append(t.errata[at].rows, rows...))
		t.errata[at].notices = notices(append(t.errata[at].notices, e.Notices...))
	default:
		if known { // what it replaces must say nothing any more
			t.errata[at].rows = nil
		}
		at = len(t.errata)
		t.byID[id] = at
		t.builds += len(rows)
		t.errata = append(t.errata, erratum{
			id: id, revision: e.Revision, severity: e.Severity, issued: e.Issued, notices: notices(e.Notices), rows: compact(rows),
		})
	}
	t.addFlaws(at, e)
	if t.builds > maxBuilds || t.words.Size()+t.prose > maxText {
		return fmt.Errorf("%w: more than %d packages, or %d bytes of text", ErrTooLarge, maxBuilds, maxText)
	}
	return nil
}

func (t *Table) addFlaws(at int, e Erratum) {
	owner := &t.errata[at]
	for _, given := range e.Flaws {
		id, err := field.ID(given.ID)
		if err != nil {
			t.out.Bad(owner.id, fmt.Errorf("%w: %w", ErrErratum, err))
			continue
		}
		f := t.flaws[id]
		if f == nil {
			f = &flaw{}
			t.flaws[id] = f
		}
		if !slices.Contains(f.errata, at) {
			f.errata = append(f.errata, at)
			owner.flaws++
		}
		t.describe(f, given)
	}
	if owner.flaws == 0 && owner.self == nil {
		owner.self = &flaw{
			errata: []int{at}, summary: field.Prose(e.Title, maxSummary), description: field.Prose(e.Description, maxDescription),
			url: field.Prose(e.URL, field.MaxReason), published: e.Issued,
		}
		t.prose += len(owner.self.summary) + len(owner.self.description)
	}
}

// describe adds to what is known of a flaw; of two descriptions the first counts.
func (t *Table) describe(f *flaw, given Flaw) {
	if f.description == "" {
		f.description = field.Prose(given.Description, maxDescription)
		t.prose += len(f.description)
	}
	f.url = cmp.Or(f.url, field.Prose(given.URL, field.MaxReason))
	f.severity = max(f.severity, given.Severity)
	if f.published == nil {
		f.published = given.Published
	}
	for _, c := range given.CVSS {
		if !slices.ContainsFunc(f.cvss, func(o feed.CVSS) bool { return o.Vector == c.Vector && o.By == c.By }) {
			f.cvss = append(f.cvss, c)
		}
	}
	for _, c := range given.CWEs {
		if !slices.Contains(f.cwes, c) {
			f.cwes = append(f.cwes, c)
		}
	}
}

// rows keeps the builds that can be used and reports the others, together.
func (t *Table) rows(id string, builds []Build) []row {
	var out []row
	var first error
	bad := 0
	for _, b := range builds {
		if hidden(b) {
			continue
		}
		r, err := t.row(b)
		if err != nil {
			first = cmp.Or(first, err)
			bad++
			continue
		}
		out = append(out, r)
	}
	if bad > 0 {
		t.out.Bad(id, fmt.Errorf("%w: %d of %d packages left out, one because of %w", ErrErratum, bad, len(builds), first))
	}
	return out
}

// hidden reports whether a build never is a package somebody runs.
func hidden(b Build) bool {
	return strings.HasSuffix(b.Package, "-debuginfo") || strings.Contains(b.Package, "-debuginfo-common-") || strings.HasSuffix(b.Package, "-debugsource") ||
		slices.Contains(b.Arches, "src") || slices.Contains(b.Arches, "nosrc")
}

func (t *Table) row(b Build) (row, error) {
	name, err := field.Name(b.Package)
	if err != nil {
		return row{}, err
	}
	r := row{state: t.words.Number(string(cmp.Or(b.State, feed.StateFixed))), reason: t.words.Number(field.Prose(b.Reason, field.MaxReason))}
	from, to := b.Range.Introduced, ""
	if b.Range.After != "" {
		from, r.after = b.Range.After, true
	}
	switch {
	case b.Range.Fixed != "":
		to, r.end = b.Range.Fixed, fixed
	case b.Range.Before != "":
		to, r.end = b.Range.Before, before
	case b.Range.LastAffected != "":
		to, r.end = b.Range.LastAffected, last
	}
	for _, bound := range []*string{&from, &to} {
		if *bound == "" || *bound == "0" && bound == &from {
			*bound = ""
			continue
		}
		if *bound, err = field.Version(t.cfg.Scheme, *bound); err != nil {
			return row{}, fmt.Errorf("%s: %w", name, err)
		}
		// Some sources write an epoch of 0, some do not; without it versions read as packages show theirs.
		*bound = strings.TrimPrefix(*bound, "0:")
	}
	for _, label := range append([]string{b.Module, b.Channel}, b.Arches...) {
		if label == "" {
			continue
		}
		if _, err := field.Name(label); err != nil {
			return row{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	r.from, r.to = t.words.Number(from), t.words.Number(to)
	r.arches = t.words.Number(arches(b.Arches))
	r.subject = subject{t.words.Number(b.Namespace), t.words.Number(name), t.words.Number(b.Module), t.words.Number(b.Channel)}
	return r, nil
}

// arches writes architectures as one text; "" is all of them.
func arches(names []string) string {
	if slices.Contains(names, "") || slices.Contains(names, "noarch") {
		return ""
	}
	sorted := slices.Sorted(slices.Values(names))
	return strings.Join(slices.Compact(sorted), archSeparator)
}

const archSeparator = " "

func compact(rows []row) []row {
	seen := make(map[row]bool, len(rows))
	return slices.Clip(slices.DeleteFunc(rows, func(r row) bool {
		twice := seen[r]
		seen[r] = true
		return twice
	}))
}

// notices drops what occurs twice, and sorts.
func notices(in []feed.Notice) []feed.Notice {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b feed.Notice) int { return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.URL, b.URL)) })
	return slices.CompactFunc(out, func(a, b feed.Notice) bool { return a.ID == b.ID })
}
