package debian

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Bounds on the export: in 2026 it has about 80 MB, its largest entry some kB.
const (
	maxExport = 512 << 20
	maxEntry  = 1 << 20
)

// temporary is how the tracker calls issues that have no CVE yet. The names change.
const temporary = "TEMP-"

// entry is what the tracker says about one issue of one source package.
type entry struct {
	Description string     `json:"description"`
	Bug         int64      `json:"debianbug"`
	Releases    perRelease `json:"releases"`
}

// perRelease holds the statements by code name. Where there are none the export has an empty array.
type perRelease map[string]json.RawMessage

func (p *perRelease) UnmarshalJSON(data []byte) error {
	if string(data) == "[]" {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*p = m
	return nil
}

// assessed is the tracker's statement about a release.
type assessed struct {
	Status  string  `json:"status"`
	Fixed   string  `json:"fixed_version"`
	Urgency string  `json:"urgency"`
	NoDSA   *string `json:"nodsa"`
	Why     string  `json:"nodsa_reason"`
}

// readTracker reads the export: {source package: {issue: entry}}.
func (t *table) readTracker(ctx context.Context, doc feed.Fetched) error {
	in, err := archive.Open(doc, archive.Limits{Bytes: maxExport})
	if err != nil {
		return err
	}
	defer in.Close()
	r := jsonstream.New(in, maxEntry)
	err = r.Object(func(name string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		pkg, err := field.Name(name)
		if err != nil {
			t.out.Bad(field.Prose(name, field.MaxID), err)
			return r.Skip()
		}
		err = r.Object(func(id string) error { return t.readEntry(r, pkg, id) })
		if errors.Is(err, jsonstream.ErrKind) {
			t.out.Bad(pkg, err)
			return nil
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if errors.Is(err, jsonstream.ErrKind) || errors.Is(err, jsonstream.ErrSyntax) {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if err == nil && len(t.flaws) == 0 {
		return fmt.Errorf("%w: no issue of any package in it", ErrDocument)
	}
	return err
}

func (t *table) readEntry(r *jsonstream.Reader, pkg, id string) error {
	if !field.IsCVE(id) {
		if !strings.HasPrefix(id, temporary) {
			t.out.Bad(field.Prose(id, field.MaxID), fmt.Errorf("%w: id of no known kind, of package %s", ErrStatement, pkg))
		}
		return r.Skip()
	}
	var e entry
	switch err := r.Value(&e); {
	case errors.Is(err, jsonstream.ErrKind):
		t.out.Bad(id, fmt.Errorf("%w: package %s: %w", ErrStatement, pkg, err))
		return nil
	case err != nil:
		return err
	}
	if err := t.count(1 + len(e.Releases)); err != nil {
		return err
	}
	f := t.flaw(id)
	f.tracked = true
	if f.description == "" {
		f.description = field.Prose(e.Description, field.MaxDescription)
	}
	if f.bug == 0 {
		f.bug = e.Bug
	}
	for _, codename := range slices.Sorted(maps.Keys(e.Releases)) {
		about, ok := t.about(codename, pkg)
		if !ok {
			continue
		}
		t.covered[about] = true
		s, ok, err := t.statement(about, e.Releases[codename])
		if err != nil {
			t.out.Bad(id, fmt.Errorf("%w: %s in %s: %w", ErrStatement, pkg, codename, err))
		}
		if ok {
			f.statements = append(f.statements, s)
		}
	}
	return nil
}

// ratings are what statements point to; there are hundreds of thousands of them.
var ratings = [...]feed.Severity{feed.Unknown, feed.Negligible, feed.Low, feed.Medium, feed.High, feed.Critical}

// statement brings what the tracker says into normal form. It is false for what says nothing.
func (t *table) statement(about subject, raw json.RawMessage) (statement, bool, error) {
	var said assessed
	if err := json.Unmarshal(raw, &said); err != nil {
		return statement{}, false, err
	}
	rating, _ := feed.ParseSeverity(said.Urgency)
	s := statement{subject: about, severity: &ratings[rating]}
	var state feed.FixState
	var reason string
	switch said.Status {
	case "resolved":
		if said.Fixed == "0" {
			state = feed.StateNotAffected
			break
		}
		fixed, err := field.Version(version.Dpkg, said.Fixed)
		if err != nil {
			return statement{}, false, err
		}
		s.fixed, state = t.words.Number(fixed), feed.StateFixed
	case "open":
		state, reason = unfixed(said)
	case "undetermined":
		return statement{}, false, nil
	default:
		return statement{}, false, fmt.Errorf("status %.40q", said.Status)
	}
	s.state, s.reason = t.words.Number(string(state)), t.words.Number(reason)
	return s, true, nil
}

// unfixed tells why an issue is open, in the words of Debian's issue lists.
func unfixed(said assessed) (feed.FixState, string) {
	mark, state := said.Why, feed.StateDeferred
	switch {
	case said.Urgency == string(feed.StateEndOfLife):
		mark, state = said.Urgency, feed.StateEndOfLife
	case said.NoDSA == nil && said.Why == "":
		return feed.StateAffected, ""
	case said.Why == "":
		mark = "no-dsa"
	case said.Why == "ignored":
		state = feed.StateWontFix
	}
	if said.NoDSA != nil && *said.NoDSA != "" {
		mark += ": " + *said.NoDSA
	}
	return state, field.Prose(mark, field.MaxReason)
}
