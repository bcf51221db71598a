package java

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Bounds of the descriptors; real ones have a few hundred bytes and up to some 200 KB.
const (
	maxProperties = 64 << 10
	maxPom        = 4 << 20
)

// pom is a Maven artifact a descriptor names. A part the descriptor leaves open is empty.
type pom struct {
	group, artifact, version string
	licenses                 []string
}

// pom combines the two files of a descriptor: pom.properties is what Maven resolved and wins, pom.xml
// fills in and has the licences, the directory's name has the rest.
func (w *walk) pom(d *descriptor) (pom, error) {
	var p pom
	if d.properties != nil {
		content, err := w.read(d.properties, maxProperties)
		if err != nil {
			return p, err
		}
		values := readProperties(content)
		p = pom{group: literal(values["groupId"]), artifact: literal(values["artifactId"]), version: literal(values["version"])}
	}
	var faulty error
	if d.xml != nil {
		content, err := w.read(d.xml, maxPom)
		if err == nil {
			var x pom
			x, err = readPom(content)
			fill(&p.group, x.group)
			fill(&p.artifact, x.artifact)
			fill(&p.version, x.version)
			p.licenses = x.licenses
		}
		if p.version == "" { // with properties the artifact is known all the same
			faulty = err
		}
	}
	fill(&p.group, d.group)
	fill(&p.artifact, d.artifact)
	return p, faulty
}

func fill(to *string, value string) {
	if *to == "" {
		*to = value
	}
}

// literal drops values with a property nothing resolved.
func literal(value string) string {
	if strings.Contains(value, "${") || strings.HasPrefix(value, "@") {
		return ""
	}
	return strings.TrimSpace(value)
}

// readProperties reads the simple subset of java.util.Properties Maven writes.
func readProperties(content []byte) map[string]string {
	values := map[string]string{}
	in := bufio.NewScanner(bytes.NewReader(content))
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		if i := strings.IndexAny(line, "=:"); i > 0 {
			values[strings.TrimSpace(line[:i])] = strings.TrimSpace(line[i+1:])
		}
	}
	return values
}

// project is the part of a POM (Maven POM reference) we read.
type project struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Parent     struct {
		GroupID string `xml:"groupId"`
		Version string `xml:"version"`
	} `xml:"parent"`
	Licenses   []string   `xml:"licenses>license>name"`
	Properties properties `xml:"properties"`
}

type properties map[string]string

// UnmarshalXML takes every child element as a property.
func (p *properties) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*p = properties{}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			var value string
			if err := d.DecodeElement(&value, &t); err != nil {
				return err
			}
			(*p)[t.Name.Local] = strings.TrimSpace(value)
		case xml.EndElement:
			return nil
		}
	}
}

// readPom reads a pom.xml alone: its parent's group and version are inherited, its own properties
// resolved, anything defined elsewhere stays open.
func readPom(content []byte) (pom, error) {
	var p project
	d := xml.NewDecoder(bytes.NewReader(content))
	d.CharsetReader = charset
	if err := d.Decode(&p); err != nil {
		return pom{}, fmt.Errorf("read pom.xml: %w", err)
	}
	fill(&p.GroupID, p.Parent.GroupID)
	fill(&p.Version, p.Parent.Version)
	resolved := pom{group: p.resolve(p.GroupID), artifact: p.resolve(p.ArtifactID), version: p.resolve(p.Version)}
	for _, name := range p.Licenses {
		resolved.licenses = append(resolved.licenses, literal(name))
	}
	return resolved, nil
}

// resolve replaces a value's properties; "" when one is defined elsewhere.
func (p *project) resolve(value string) string {
	known := map[string]string{
		"project.parent.version": p.Parent.Version, "parent.version": p.Parent.Version,
		"project.parent.groupId": p.Parent.GroupID, "project.groupId": p.GroupID, "project.version": p.Version,
	}
	// A property may name another; a few rounds suffice, and endless references stay unresolved.
	for range 4 {
		before, rest, open := strings.Cut(value, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !open || !closed || len(value) > maxProperties {
			break
		}
		replacement, ok := p.Properties[name]
		if !ok {
			replacement = known[name]
		}
		if replacement == "" {
			return ""
		}
		value = before + replacement + after
	}
	return literal(value)
}

// charset reads the one encoding besides UTF-8 that occurs: Latin-1, under its several names.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252", "us-ascii", "ascii", "iso-8859-15":
		return &latin1{in: bufio.NewReader(in)}, nil
	}
	return nil, fmt.Errorf("encoding %q is not supported", label)
}

// latin1 turns each byte into the rune of the same number.
type latin1 struct {
	in      *bufio.Reader
	pending byte // second byte of a rune that did not fit
}

func (l *latin1) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if l.pending != 0 {
			p[n], l.pending = l.pending, 0
			n++
			continue
		}
		b, err := l.in.ReadByte()
		if err != nil {
			return n, err
		}
		if b < 0x80 {
			p[n] = b
		} else {
			p[n], l.pending = 0xc0|b>>6, 0x80|b&0x3f
		}
		n++
	}
	return n, nil
}
