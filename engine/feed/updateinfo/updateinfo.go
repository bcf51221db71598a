// Package updateinfo reads the advisories of an rpm repository: repomd.xml, which says where they are, and the list of
// updates itself. It knows no distribution.
package updateinfo

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/xmlstream"
)

var (
	// ErrDocument means that a document is no list of updates.
	ErrDocument = errors.New("not a list of updates")
	// ErrIndex means that a document is no repomd.xml.
	ErrIndex = errors.New("not the index of an rpm repository")
	// ErrTooLarge means that a document says more than any real one.
	ErrTooLarge = errors.New("list of updates exceeds a limit")
)

// Bounds on documents, in bytes.
const (
	maxDocument = 4 << 30
	maxUpdate   = 64 << 20 // a release of a desktop lists thousands of packages
	maxIndex    = 1 << 20
)

// Index is the path of a repository's index below its address.
const Index = "repodata/repomd.xml"

// entryType marks the list of updates in an index.
const entryType = "updateinfo"

// Locate finds the list of updates in a repository's index: its path below the repository, "" when there is none.
func Locate(index []byte) (string, error) {
	r := xmlstream.New(bytes.NewReader(index), maxIndex)
	root, err := r.Root()
	if err == nil && root.Name.Local != "repomd" {
		return "", fmt.Errorf("%w: its root is %.40q", ErrIndex, root.Name.Local)
	}
	href := ""
	if err == nil {
		err = r.Children(func(start xml.StartElement) error {
			if start.Name.Local != "data" {
				return r.Skip()
			}
			var data struct {
				Location struct {
					Href string `xml:"href,attr"`
				} `xml:"location"`
			}
			if err := r.Decode(start, &data); err != nil {
				return err
			}
			if xmlstream.Attribute(start, "type") == entryType {
				href = data.Location.Href
			}
			return nil
		})
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIndex, err)
	}
	if href == "" {
		return "", nil
	}
	clean := path.Clean(href)
	if strings.Contains(href, ":") || strings.ContainsAny(href, "?#\\") || path.IsAbs(clean) || strings.HasPrefix(clean, "..") {
		return "", fmt.Errorf("%w: list of updates at %.80q", ErrIndex, href)
	}
	return clean, nil
}

// Update is one advisory (createrepo_c, updateinfo).
type Update struct {
	Status      string       `xml:"status,attr"` // "final", "stable", "retracted"…
	Type        string       `xml:"type,attr"`   // "security", "bugfix", "enhancement"
	ID          string       `xml:"id"`
	Title       string       `xml:"title"`
	Severity    string       `xml:"severity"`
	Summary     string       `xml:"summary"`
	Description string       `xml:"description"`
	Issued      Date         `xml:"issued"`
	References  []Reference  `xml:"references>reference"`
	Collections []Collection `xml:"pkglist>collection"`
}

// Date is an element with a date as attribute, in one of several forms.
type Date struct {
	Date string `xml:"date,attr"`
}

// Reference is something an update refers to.
type Reference struct {
	URL   string `xml:"href,attr"`
	ID    string `xml:"id,attr"`
	Title string `xml:"title,attr"`
	Type  string `xml:"type,attr"` // "cve", "bugzilla", "self"…
}

// Collection is a set of packages, maybe of a module.
type Collection struct {
	Module   *Module   `xml:"module"`
	Packages []Package `xml:"package"`
}

// Module is a stream of a module.
type Module struct {
	Name   string `xml:"name,attr"`
	Stream string `xml:"stream,attr"`
}

// Label is how the stream is named in package headers: "nodejs:18"; "" for none.
func (m *Module) Label() string {
	if m == nil || m.Name == "" || m.Stream == "" {
		return ""
	}
	return m.Name + ":" + m.Stream
}

// Package is one build.
type Package struct {
	Name    string `xml:"name,attr"`
	Epoch   string `xml:"epoch,attr"`
	Version string `xml:"version,attr"`
	Release string `xml:"release,attr"`
	Arch    string `xml:"arch,attr"`
}

// EVR is the build's whole version.
func (p Package) EVR() string {
	evr := p.Version
	if p.Release != "" {
		evr += "-" + p.Release
	}
	if p.Epoch != "" && p.Epoch != "0" {
		evr = p.Epoch + ":" + evr
	}
	return evr
}

// Read hands out the updates of a list, compressed or not, in its order. An error of visit ends the reading and is
// returned as it is; otherwise the errors are ErrDocument, ErrTooLarge and those of package archive. An empty list is a
// list: a repository may have had no update yet.
func Read(ctx context.Context, doc feed.Fetched, visit func(*Update) error) error {
	opened, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	err = read(ctx, opened, visit)
	switch {
	case errors.Is(err, xmlstream.ErrSyntax):
		return fmt.Errorf("%w: %w", ErrDocument, err)
	case errors.Is(err, xmlstream.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

func read(ctx context.Context, in io.Reader, visit func(*Update) error) error {
	r := xmlstream.New(in, maxUpdate)
	root, err := r.Root()
	if err != nil {
		return err
	}
	if root.Name.Local != "updates" {
		return fmt.Errorf("%w: its root is %.40q", ErrDocument, root.Name.Local)
	}
	err = r.Children(func(start xml.StartElement) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if start.Name.Local != "update" {
			return r.Skip()
		}
		var u Update
		if err := r.Decode(start, &u); err != nil {
			return err
		}
		return visit(&u)
	})
	if err != nil {
		return err
	}
	return r.End()
}
