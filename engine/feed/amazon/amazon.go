package amazon

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/updateinfo"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits.
const Name = "amazon"

// The pages of advisories and CVEs.
const (
	noticePage = "https://alas.aws.amazon.com/"
	cvePage    = "https://explore.alas.aws.amazon.com/%s.html"
)

// namespace is the prefix of the namespaces, "amzn:2023"; extras that of the documents of topics.
const (
	namespace = "amzn:"
	extras    = "extras/"
)

var (
	// ErrRelease means that a release or repository is named in a way that leads to no document.
	ErrRelease = errors.New("unknown release of Amazon Linux")
	// ErrIndex means that what leads to the lists of updates cannot be read.
	ErrIndex = errors.New("index of Amazon Linux repositories cannot be used")
)

// Driver reads Amazon's advisories.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	t := errata.New(errata.Config{Source: Name, Scheme: version.Rpm, Page: cvePage}, out)
	for _, doc := range in.Documents {
		line := lineOf(doc.Name)
		err := updateinfo.Read(ctx, doc, func(u *updateinfo.Update) error {
			if strings.EqualFold(u.Status, "retracted") || !strings.EqualFold(u.Type, "security") {
				return nil
			}
			return t.Add(erratum(u, in.Group.Name, line))
		})
		if err != nil {
			return fmt.Errorf("repository %s: %w", doc.Name, err)
		}
	}
	if t.Len() == 0 {
		return fmt.Errorf("%w: no security update for %s", updateinfo.ErrDocument, in.Group.Name)
	}
	return t.Emit(ctx)
}

var lineShape = regexp.MustCompile(`[^0-9.]([0-9]+(?:\.[0-9]+)*)$`)

// lineOf is the version of the line a topic of the extras holds, "" for none.
func lineOf(document string) string {
	name, isTopic := strings.CutPrefix(document, extras)
	m := lineShape.FindStringSubmatch(name)
	if !isTopic || m == nil {
		return ""
	}
	return m[1]
}

func erratum(u *updateinfo.Update, namespace, line string) errata.Erratum {
	e := errata.Erratum{ID: u.ID, URL: noticeURL(u.ID), Title: u.Title, Description: u.Description, Issued: errata.Date(u.Issued.Date)}
	e.Severity, _ = feed.ParseSeverity(u.Severity)
	e.Notices = []feed.Notice{{ID: e.ID, URL: e.URL}}
	about := sections(u.Description)
	for _, r := range u.References {
		if r.Type == "cve" && field.IsCVE(r.ID) {
			e.Flaws = append(e.Flaws, errata.Flaw{ID: r.ID, Description: about[r.ID]})
		}
	}
	for _, c := range u.Collections {
		for _, p := range c.Packages {
			b := errata.Fix(namespace, p.Name, p.EVR())
			b.Arches = []string{p.Arch}
			if line != "" && (p.Version == line || strings.HasPrefix(p.Version, line+".")) {
				b.Range.Introduced = line
			}
			e.Builds = append(e.Builds, b)
		}
	}
	return e
}

var idShape = regexp.MustCompile(`^ALAS(20[0-9]{2}|2)?(.*)$`)

// noticeURL is the page of an advisory: the release is a folder there, and no part of the name.
func noticeURL(id string) string {
	m := idShape.FindStringSubmatch(id)
	switch {
	case m == nil:
		return ""
	case m[1] == "":
		return noticePage + id + ".html"
	}
	return noticePage + "AL" + m[1] + "/ALAS" + m[2] + ".html"
}

var headShape = regexp.MustCompile(`^(CVE-[0-9]{4}-[0-9]{4,19}):?$`)

// sections takes a description apart into what it says of each CVE.
func sections(description string) map[string]string {
	out := map[string]string{}
	var of string
	for line := range strings.Lines(description) {
		line = strings.TrimSpace(line)
		if m := headShape.FindStringSubmatch(line); m != nil {
			of = m[1]
		} else if of != "" && line != "" {
			out[of] = strings.TrimSpace(out[of] + "\n" + line)
		}
	}
	return out
}
