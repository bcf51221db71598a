// Package secdb reads security databases of apk distributions as Alpine publishes them (wiki.alpinelinux.org,
// "Security fixes"): per origin package, the versions that fixed something and what they fixed.
//
// Only fixes are in there, so that an issue without one is invisible. The version "0" says that the package was never
// affected. Of several versions that claim the same fix the highest counts: the issue was found again. Where one entry
// has several names, CVEs are the records; what else is there is an alias of the CVE when it comes from a database
// that gives one id per flaw, or else a notice about it.
//
// Invariants: what documents say is held as a table of numbers; records come in the order of their ids, whatever
// that of the documents.
package secdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// Bounds; the largest database, Chainguard's, has some hundred thousand fixes.
const (
	maxDocument = 512 << 20
	maxEntry    = 8 << 20 // one list of ids
	maxRows     = 8_000_000
	maxNames    = 32 // in one id text
)

var (
	// ErrDocument means that a document is no security database, or says nothing.
	ErrDocument = errors.New("not a security database")
	// ErrTooLarge means that a document is larger than any real one.
	ErrTooLarge = errors.New("security database exceeds a limit")
	// ErrFix means that one fix was left out.
	ErrFix = errors.New("unusable fix")
)

// never is the version that says that a package was not affected.
const never = "0"

// named is what ids look like: "XSA-368", "VSV00010", but no word of a remark.
var named = regexp.MustCompile(`^(GHSA-|[A-Za-z][0-9A-Za-z_-]*[0-9])`)

// cvePrefix finds the CVE in "CVE-2017-17434-1" and "CVE-2021-35940.patch".
var cvePrefix = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}\b`)

// dashes mends ids such as "CVE_2019-2426" and "CVE 2018-16859".
var dashes = strings.NewReplacer("CVE_", "CVE-", "CVE ", "CVE-")

// oneFlaw are the ids that are given to one flaw, as CVEs are.
var oneFlaw = regexp.MustCompile(`^(GHSA|GO|RUSTSEC|PYSEC)-`)

// Database collects what documents say about one namespace.
type Database struct {
	source, namespace, page string
	out                     feed.Sink
	words                   *field.Words
	rows                    []row
	aliases                 map[uint32][]string // by id
	notices                 map[subject][]string
	last                    struct{ text, version string }
}

// subject is a flaw of a package, both by number.
type subject struct{ id, pkg uint32 }

// row says that a package is rid of a flaw since a version; 0 is the text "": it never had it.
type row struct {
	subject
	fixed uint32
}

// New returns an empty one. page is the address of an id's page, with %s for the id; it may be empty.
func New(source, namespace, page string, out feed.Sink) *Database {
	return &Database{
		source: source, namespace: namespace, page: page, out: out,
		words: field.NewWords(), aliases: map[uint32][]string{}, notices: map[subject][]string{},
	}
}

// add notes one entry: what of a package was fixed in a version. An entry that cannot be used is reported.
func (d *Database) add(pkg, fixed, text string) error {
	name, err := field.Name(pkg)
	if err == nil {
		fixed, err = d.version(fixed)
	}
	if err != nil {
		d.out.Bad(field.Prose(text, field.MaxID), fmt.Errorf("%w: of %.60q: %w", ErrFix, pkg, err))
		return nil
	}
	flaws, others := d.names(name, text)
	if len(d.rows)+len(flaws) > maxRows {
		return fmt.Errorf("%w: more than %d fixes", ErrTooLarge, maxRows)
	}
	for _, id := range flaws {
		about := subject{d.words.Number(id), d.words.Number(name)}
		d.rows = append(d.rows, row{about, d.words.Number(fixed)})
		for _, other := range others {
			if oneFlaw.MatchString(other) && len(flaws) == 1 {
				d.aliases[about.id] = append(d.aliases[about.id], other)
			} else {
				d.notices[about] = append(d.notices[about], other)
			}
		}
	}
	return nil
}

// version checks a version; "" stands for never. Ids come by the version, so that the last one is remembered.
func (d *Database) version(text string) (string, error) {
	if text == never {
		return "", nil
	}
	if d.last.text != text || text == "" {
		v, err := field.Version(version.Apk, spelt(text))
		if err != nil {
			return "", err
		}
		d.last.text, d.last.version = text, v
	}
	return d.last.version, nil
}

// misspelt are ways in which versions that cannot be packages of apk are written in real databases, and what was meant.
var misspelt = []struct {
	form *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`^([0-9.]+)p([0-9]+)(-r[0-9]+)$`), "${1}_p$2$3"},      // sudo 1.9.5p2-r0
	{regexp.MustCompile(`^([0-9.]+)\.r([0-9]+)$`), "$1-r$2"},                  // mariadb 10.2.26.r0
	{regexp.MustCompile(`^([0-9]+\.[0-9.]+)-([0-9]+)$`), "$1-r$2"},            // croc 10.0.11-0
	{regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)-([0-9]+-r[0-9]+)$`), "$1.$2"}, // xen 4.10-1-r1
}

func spelt(fixed string) string {
	for _, m := range misspelt {
		if m.form.MatchString(fixed) {
			return m.form.ReplaceAllString(fixed, m.to)
		}
	}
	return fixed
}

// names splits the text of an entry, "CVE-2021-28687 XSA-368 (arm) # since 4.13", into the names of flaws and others.
// Remarks and placeholders ("CVE-????-?????") are nothing.
func (d *Database) names(pkg, text string) (flaws, others []string) {
	if end := strings.IndexAny(text, "#("); end >= 0 {
		text = text[:end]
	}
	for _, word := range strings.FieldsFunc(dashes.Replace(text), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		id, err := field.ID(word)
		if err != nil || !named.MatchString(id) || len(flaws)+len(others) == maxNames {
			continue
		}
		if cve := cvePrefix.FindString(id); cve != "" {
			flaws = append(flaws, cve)
		} else {
			others = append(others, id)
		}
	}
	switch {
	case len(flaws)+len(others) == 0:
		d.out.Bad(field.Prose(text, field.MaxID), fmt.Errorf("%w: of %s: no id in it", ErrFix, pkg))
	case len(flaws) == 0:
		return others, nil
	}
	return flaws, others
}

// Emit hands out a record per id. No record at all is ErrDocument.
func (d *Database) Emit(ctx context.Context) error {
	if len(d.rows) == 0 {
		return fmt.Errorf("%w: no fix in it", ErrDocument)
	}
	slices.SortFunc(d.rows, d.order)
	for rest := d.rows; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 1
		for n < len(rest) && rest[n].id == rest[0].id {
			n++
		}
		if err := d.out.Record(d.record(rest[:n])); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// order sorts by id and package, and then the version that counts first.
func (d *Database) order(a, b row) int {
	switch {
	case a.id != b.id:
		return strings.Compare(d.words.Text(a.id), d.words.Text(b.id))
	case a.pkg != b.pkg:
		return strings.Compare(d.words.Text(a.pkg), d.words.Text(b.pkg))
	}
	return cmp.Or(d.newer(b.fixed, a.fixed), strings.Compare(d.words.Text(b.fixed), d.words.Text(a.fixed)))
}

// newer compares two fixed versions, which are valid; none is the oldest.
func (d *Database) newer(a, b uint32) int {
	if a == 0 || b == 0 || a == b {
		return cmp.Compare(min(a, 1), min(b, 1))
	}
	c, err := version.Compare(version.Apk, d.words.Text(a), d.words.Text(b))
	if err != nil {
		return 0
	}
	return c
}

// record joins the rows of one id.
func (d *Database) record(rows []row) feed.Record {
	id := d.words.Text(rows[0].id)
	v := feed.Vulnerability{Source: d.source, ID: id, Aliases: sorted(d.aliases[rows[0].id])}
	if d.page != "" {
		v.URL = fmt.Sprintf(d.page, id)
	}
	rec := feed.Record{Vulnerability: v}
	for i, r := range rows {
		if i > 0 && rows[i-1].pkg == r.pkg {
			continue
		}
		a := feed.Advisory{Source: d.source, ID: id, Namespace: d.namespace, Package: d.words.Text(r.pkg), State: feed.StateNotAffected}
		if r.fixed != 0 {
			a.State = feed.StateFixed
			a.Ranges = []feed.Range{{Introduced: "0", Fixed: d.words.Text(r.fixed)}}
		}
		for _, notice := range sorted(d.notices[r.subject]) {
			a.Notices = append(a.Notices, feed.Notice{ID: notice})
		}
		rec.Advisories = append(rec.Advisories, a)
	}
	return rec
}

func sorted(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
