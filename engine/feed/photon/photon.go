// Package photon reads what VMware says about Photon OS: for each release ("photon:5.0") a JSON list of flaws by binary
// package, with the version that resolves them.
//
// A package that a flaw does not affect is listed as such. Entries that are resolved by no version are reported and left
// out where they claim to be fixed, and count as affected otherwise. Ids of Black Duck (BDSA) are passed over: they are
// explained to its customers only, and the CVE is listed as well where there is one.
//
// Settings.Releases: "5.0". None: those upstream lists.
package photon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "photon"

// Where the documents are.
const (
	host      = "packages.broadcom.com"
	folder    = "photon/photon_cve_metadata/"
	branches  = folder + "photon_versions.json"
	data      = folder + "cve_data_photon%s.json"
	namespace = "photon:"
)

// Bounds on a document, in bytes; in 2026 the largest has about ten MB.
const (
	maxDocument = 1 << 30
	maxEntry    = 1 << 20
	maxReleases = 100
)

var (
	// ErrDocument means that a document is not what VMware publishes.
	ErrDocument = errors.New("not CVE metadata of Photon OS")
	// ErrRelease means that a release is named in a way that leads to no document.
	ErrRelease = errors.New("unknown Photon OS release")
	// ErrEntry means that an entry was left out.
	ErrEntry = errors.New("unusable entry")
)

// Driver reads Photon's CVE metadata.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "cve-metadata", Host: host, Path: branches}}
}

var releaseShape = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// plan takes the releases that are chosen, else all that are listed.
func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	releases := r.Settings.Releases
	if len(releases) == 0 {
		text, err := get(ctx, feed.Document{Name: "releases", Host: r.Group.Host, Path: r.Group.Path})
		if err != nil {
			return feed.Plan{}, err
		}
		var said struct {
			Branches []string `json:"branches"`
		}
		if err := json.Unmarshal(text, &said); err != nil {
			return feed.Plan{}, fmt.Errorf("%w: list of releases: %w", ErrDocument, err)
		}
		releases = said.Branches
	}
	if len(releases) == 0 || len(releases) > maxReleases {
		return feed.Plan{}, fmt.Errorf("%w: %d releases are listed", ErrDocument, len(releases))
	}
	var p feed.Plan
	for _, release := range releases {
		release = strings.TrimSpace(release)
		if !releaseShape.MatchString(release) {
			return feed.Plan{}, fmt.Errorf("%w: %.40q; releases are written like \"5.0\"", ErrRelease, release)
		}
		d := feed.Document{Name: release, Host: r.Group.Host, Path: fmt.Sprintf(data, release)}
		if !slices.ContainsFunc(p.Documents, func(o feed.Document) bool { return o.Name == d.Name }) {
			p.Documents = append(p.Documents, d)
		}
	}
	return p, nil
}

// entry is what is said of one flaw in one package.
type entry struct {
	ID       string   `json:"cve_id"`
	Package  string   `json:"pkg"`
	Score    *float64 `json:"cve_score"`
	Resolved string   `json:"res_ver"` // a version, or "NA"
	Status   string   `json:"status"`  // "Fixed", "Not Affected"…
}

// blackDuck begins ids that are not for the public.
const blackDuck = "BDSA-"

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm}, out)
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	for _, doc := range in.Documents {
		if err := readRelease(ctx, doc, t, out); err != nil {
			return fmt.Errorf("release %s: %w", doc.Name, err)
		}
	}
	return t.Emit(ctx)
}

func readRelease(ctx context.Context, doc feed.Fetched, t *errata.Table, out feed.Sink) error {
	opened, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	r := jsonstream.New(opened, maxEntry)
	usable := 0
	err = r.Array(func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var said entry
		err := r.Value(&said)
		if err != nil && !errors.Is(err, jsonstream.ErrKind) {
			return err
		}
		if said.ID != "" && said.Package != "" {
			usable++
		}
		if strings.HasPrefix(said.ID, blackDuck) {
			return nil
		}
		var e errata.Erratum
		if err == nil {
			e, err = erratum(said, namespace+doc.Name)
		}
		if err != nil {
			out.Bad(field.Prose(said.ID, field.MaxID), fmt.Errorf("%w: of %.80q in %s: %w", ErrEntry, said.Package, doc.Name, err))
			return nil
		}
		return t.Add(e)
	})
	if err == nil {
		err = r.End()
	}
	if errors.Is(err, jsonstream.ErrSyntax) || errors.Is(err, jsonstream.ErrKind) {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if err == nil && usable == 0 {
		err = fmt.Errorf("%w: no entry about a package in it", ErrDocument)
	}
	return err
}

// erratum brings an entry into the form of an advisory about one flaw. It has a severity by its score alone.
func erratum(said entry, namespace string) (errata.Erratum, error) {
	id, err := field.ID(said.ID)
	if err != nil {
		return errata.Erratum{}, err
	}
	e := errata.Erratum{ID: id, Flaws: []errata.Flaw{{ID: id}}}
	if said.Score != nil {
		e.Severity = feed.CVSS{Version: "3.1", Base: said.Score}.Severity()
	}
	b := errata.Build{Namespace: namespace, Package: said.Package}
	resolved := version.Valid(version.Rpm, said.Resolved) && strings.ContainsAny(said.Resolved, "0123456789")
	switch status := strings.ToLower(strings.TrimSpace(said.Status)); {
	case status == "not affected":
		b.State = feed.StateNotAffected
	case status == "fixed" && resolved:
		b = errata.Fix(namespace, said.Package, said.Resolved)
	case status == "fixed":
		return e, fmt.Errorf("it is fixed, but in version %.40q", said.Resolved)
	default:
		b.State, b.Reason, b.Range = feed.StateAffected, said.Status, feed.Range{Introduced: "0"}
	}
	e.Builds = []errata.Build{b}
	return e, nil
}
