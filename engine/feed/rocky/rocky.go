// Package rocky reads Rocky Linux's errata from Apollo, the service that publishes them: page by page, newest first, of
// all releases ("rocky:8", "rocky:9", "rocky:10").
//
// An advisory lists builds by product, the architectures and former minor releases of a release, with their modules.
// Products beside the distribution, of special interest groups, are passed over. Security advisories (RLSA) are read,
// and of the others those that name a CVE. What is not fixed yet is not said. While pages are fetched an advisory may
// move to the next one, so that it is read twice; that changes nothing.
//
// Settings.Releases: numbers, "9". None: whatever there is.
package rocky

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "rocky"

// Where the documents are, and the pages of advisories.
const (
	host      = "apollo.build.resf.org"
	path      = "api/v3/advisories/"
	page      = "https://errata.rockylinux.org/"
	namespace = "rocky:"
)

// Bounds on documents. In 2026 there are some eight thousand advisories, the largest of a few MB.
const (
	perPage     = 100
	maxPages    = 2_000
	maxDocument = 1 << 30
	maxErratum  = 64 << 20
)

var (
	// ErrDocument means that a document is not what Apollo publishes.
	ErrDocument = errors.New("not a page of Rocky Linux errata")
	// ErrErratum means that an advisory was left out, whole or in part.
	ErrErratum = errors.New("unusable advisory")
)

// Driver reads Rocky Linux's errata. Apollo is a small service that builds its pages on demand.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse, Pace: time.Second / 2}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "apollo", Host: host, Path: path}}
}

func query(number, size int) string { return fmt.Sprintf("page=%d&size=%d", number, size) }

// plan asks how many advisories there are.
func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	text, err := get(ctx, feed.Document{Name: "total", Host: r.Group.Host, Path: r.Group.Path, Query: query(1, 1)})
	if err != nil {
		return feed.Plan{}, err
	}
	var said struct {
		Total int `json:"total"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return feed.Plan{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	pages := (said.Total + perPage - 1) / perPage
	if said.Total <= 0 || pages > maxPages {
		return feed.Plan{}, fmt.Errorf("%w: it speaks of %d advisories", ErrDocument, said.Total)
	}
	var p feed.Plan
	for n := 1; n <= pages; n++ {
		p.Documents = append(p.Documents, feed.Document{Name: fmt.Sprintf("page%d", n), Host: r.Group.Host, Path: r.Group.Path, Query: query(n, perPage)})
	}
	return p, nil
}

// advisory is an advisory as it is published.
type advisory struct {
	Name        string  `json:"name"`
	Synopsis    string  `json:"synopsis"`
	Description string  `json:"description"`
	Kind        string  `json:"kind"` // "Security", "Bug Fix", "Enhancement"
	Severity    string  `json:"severity"`
	Published   string  `json:"published_at"`
	CVEs        []flaw  `json:"cves"`
	Packages    []build `json:"packages"`
}

type flaw struct {
	ID     string `json:"cve"`
	Vector string `json:"cvss3_scoring_vector"` // or "UNKNOWN"
	CWE    string `json:"cwe"`                  // also "CWE-119->CWE-787", "(CWE-20|CWE-79)"
}

type build struct {
	NEVRA   string `json:"nevra"`
	Module  string `json:"module_name"`
	Stream  string `json:"module_stream"`
	Product string `json:"product_name"` // "Rocky Linux 9 x86_64", "Rocky Linux 8.4 aarch64 (Legacy)"
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm}, out)
	read := 0
	for _, doc := range in.Documents {
		n, err := readPage(ctx, doc, func(a advisory) error {
			e, err := erratum(a, in.Settings.Releases)
			if err != nil {
				out.Bad(field.Prose(a.Name, field.MaxID), fmt.Errorf("%w: %w", ErrErratum, err))
			}
			if a.Kind != "Security" && len(e.Flaws) == 0 {
				return nil
			}
			return t.Add(e)
		}, out)
		if err != nil {
			return fmt.Errorf("%s: %w", doc.Name, err)
		}
		read += n
	}
	if read == 0 {
		return fmt.Errorf("%w: no advisory in it", ErrDocument)
	}
	return t.Emit(ctx)
}

// readPage hands out the advisories of a page, and says how many there are.
func readPage(ctx context.Context, doc feed.Fetched, visit func(advisory) error, out feed.Sink) (int, error) {
	opened, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	r := jsonstream.New(opened, maxErratum)
	read, found := 0, false
	err = r.Object(func(key string) error {
		if key != "advisories" {
			return r.Skip()
		}
		found = true
		return r.Array(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var a advisory
			err := r.Value(&a)
			if errors.Is(err, jsonstream.ErrKind) {
				out.Bad(field.Prose(a.Name, field.MaxID), fmt.Errorf("%w: %w", ErrErratum, err))
				return nil
			}
			if err != nil {
				return err
			}
			read++
			return visit(a)
		})
	})
	if err == nil {
		err = r.End()
	}
	if errors.Is(err, jsonstream.ErrSyntax) || errors.Is(err, jsonstream.ErrKind) {
		err = fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if err == nil && !found {
		err = fmt.Errorf("%w: it lists no advisories", ErrDocument)
	}
	return read, err
}

var (
	productShape = regexp.MustCompile(`^Rocky Linux ([0-9]+)(?:\.[0-9]+)? [a-z0-9_]+(?: \(Legacy\))?$`)
	nevraShape   = regexp.MustCompile(`^(.+)-(?:([0-9]+):)?([^-:]+)-([^-:]+)\.([a-z0-9_]+)\.rpm$`)
	cweShape     = regexp.MustCompile(`CWE-[0-9]+`)
)

// erratum comes with an error when some of its packages cannot be read.
func erratum(a advisory, releases []string) (errata.Erratum, error) {
	e := errata.Erratum{ID: a.Name, URL: page + a.Name, Title: a.Synopsis, Description: a.Description, Issued: errata.Date(a.Published)}
	e.Severity, _ = feed.ParseSeverity(a.Severity)
	e.Notices = []feed.Notice{{ID: e.ID, URL: e.URL}}
	for _, c := range a.CVEs {
		if !field.IsCVE(c.ID) {
			continue
		}
		f := errata.Flaw{ID: c.ID, CWEs: cweShape.FindAllString(c.CWE, -1)}
		if s, err := feed.ParseCVSS(c.Vector); err == nil {
			f.CVSS = []feed.CVSS{s}
		}
		e.Flaws = append(e.Flaws, f)
	}
	var failed error
	for _, p := range a.Packages {
		product := productShape.FindStringSubmatch(p.Product)
		if product == nil || len(releases) > 0 && !slices.Contains(releases, product[1]) {
			continue
		}
		m := nevraShape.FindStringSubmatch(p.NEVRA)
		if m == nil {
			failed = fmt.Errorf("package %.100q", p.NEVRA)
			continue
		}
		evr := m[3] + "-" + m[4]
		if m[2] != "" && m[2] != "0" {
			evr = m[2] + ":" + evr
		}
		b := errata.Fix(namespace+product[1], m[1], evr)
		b.Arches = []string{m[5]}
		if p.Module != "" && p.Stream != "" {
			b.Module = strings.Join([]string{p.Module, p.Stream}, ":")
		}
		e.Builds = append(e.Builds, b)
	}
	return e, failed
}
