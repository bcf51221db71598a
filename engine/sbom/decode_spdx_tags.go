package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// spdxTags reads tags and values (SPDX 2.3 section 6 and annex on formats). A value in <text> may span lines. The
// library for SPDX builds the whole document; a line of ten bytes becomes a file of hundreds there.
func (r *reader) spdxTags(data []byte) error {
	t := tagReader{reader: r, spdxContents: newSPDXContents()}
	for line := 1; len(data) > 0; line++ {
		text, rest, _ := bytes.Cut(data, []byte("\n"))
		tag, value, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
		switch {
		case tag == "" || strings.HasPrefix(tag, "#"):
			data = rest
			continue
		case !ok:
			return fmt.Errorf("line %d: no tag with a value", line)
		}
		first := line
		if value = strings.TrimSpace(value); strings.HasPrefix(value, textOpen) {
			from := bytes.Index(data, []byte(textOpen)) + len(textOpen)
			length := bytes.Index(data[from:], []byte(textClose))
			if length < 0 {
				return fmt.Errorf("line %d: %s without its end", line, textOpen)
			}
			value = string(data[from : from+length])
			line += strings.Count(value, "\n")
			_, rest, _ = bytes.Cut(data[from+length:], []byte("\n"))
		}
		data = rest
		if err := t.take(tag, value); err != nil {
			if errors.Is(err, ErrTooLarge) {
				return err
			}
			return fmt.Errorf("line %d: %w", first, err)
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return r.resolve(t.spdxContents)
}

const (
	textOpen  = "<text>"
	textClose = "</text>"
)

// tagReader knows which package or licence the next lines are about; at most one of them is set.
type tagReader struct {
	*reader
	*spdxContents
	entry   *spdxEntry
	license *spdxLicense
}

// flush ends what the lines were about.
func (t *tagReader) flush() error {
	e, l := t.entry, t.license
	t.entry, t.license = nil, nil
	if l != nil {
		t.define(*l)
	}
	if e == nil {
		return nil
	}
	return t.hold(t.spdxContents, e)
}

func (t *tagReader) take(tag, value string) error {
	switch tag {
	case "SPDXVersion":
		if !strings.HasPrefix(value, "SPDX-2.") {
			return fmt.Errorf("%w: SPDX version %.20q", ErrFormat, value)
		}
	case "DocumentName":
		t.Name = value
	case "Creator":
		t.creator(value)
	case "PackageName", "FileName", "SnippetSPDXID", "LicenseID":
		if err := t.flush(); err != nil {
			return err
		}
		switch tag {
		case "PackageName":
			t.entry = &spdxEntry{Name: value}
		case "LicenseID":
			t.license = &spdxLicense{ID: value}
			return t.count()
		}
	case "Relationship":
		if words := strings.Fields(value); len(words) == 3 {
			t.relate(spdxRelation{From: words[0], Type: words[1], To: words[2]})
		}
	}
	if l := t.license; l != nil {
		switch tag {
		case "LicenseName":
			l.Name = value
		case "ExtractedText":
			l.Text = value
		}
	}
	if t.entry != nil {
		t.entry.tag(tag, value)
	}
	return nil
}

func (e *spdxEntry) tag(tag, value string) {
	switch tag {
	case "SPDXID":
		e.ID = value
	case "PackageVersion":
		e.VersionInfo = value
	case "PrimaryPackagePurpose":
		e.Purpose = value
	case "PackageSourceInfo":
		e.SourceInfo = value
	case "PackageSupplier":
		e.Supplier = value
	case "PackageLicenseDeclared":
		e.LicenseDeclared = value
	case "PackageDescription":
		e.Description = value
	case "ExternalRef":
		if words := strings.Fields(value); len(words) == 3 && len(e.ExternalRefs) < longestList {
			e.ExternalRefs = append(e.ExternalRefs, spdxReference{words[1], words[2]})
		}
	}
}
