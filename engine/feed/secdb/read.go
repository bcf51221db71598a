package secdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
)

// maxYAML bounds a YAML document, which is held as a whole; the largest has 50 kB.
const maxYAML = 16 << 20

// Read adds a document in JSON, or in YAML as the databases of Alpine up to 3.9 are: ErrDocument, ErrTooLarge.
func (d *Database) Read(ctx context.Context, doc feed.Fetched) error {
	opened, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	in := bufio.NewReader(opened)
	if first, _ := in.Peek(64); bytes.HasPrefix(bytes.TrimLeftFunc(first, unicode.IsSpace), []byte("{")) {
		err = d.readJSON(ctx, in)
	} else {
		err = d.readYAML(in)
	}
	switch {
	case errors.Is(err, jsonstream.ErrKind), errors.Is(err, jsonstream.ErrSyntax):
		return fmt.Errorf("%w: %w", ErrDocument, err)
	case errors.Is(err, jsonstream.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// readJSON reads {"packages": [{"pkg": {"name": "", "secfixes": {version: [id]}}}]} with anything beside it.
func (d *Database) readJSON(ctx context.Context, in io.Reader) error {
	r := jsonstream.New(in, maxEntry)
	found := false
	err := r.Object(func(key string) error {
		if key != "packages" {
			return r.Skip()
		}
		found = true
		err := r.Array(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return d.tolerate("packages", r.Object(func(key string) error {
				if key != "pkg" {
					return r.Skip()
				}
				return d.tolerate("packages", d.readPackage(r))
			}))
		})
		return d.tolerate("packages", err)
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && !found {
		return fmt.Errorf("%w: it has no packages", ErrDocument)
	}
	return err
}

// fix is what a version of a package fixed.
type fix struct{ version, text string }

func (d *Database) readPackage(r *jsonstream.Reader) error {
	var name string
	var fixes []fix
	err := r.Object(func(key string) error {
		switch key {
		case "name":
			return d.tolerate("packages", r.Value(&name))
		case "secfixes":
			return d.tolerate("secfixes", r.Object(func(fixed string) error {
				var texts []string
				if err := d.tolerate(fixed, r.Value(&texts)); err != nil {
					return err
				}
				for _, text := range texts {
					fixes = append(fixes, fix{fixed, text})
				}
				if len(fixes) > maxRows {
					return fmt.Errorf("%w: more than %d fixes", ErrTooLarge, maxRows)
				}
				return nil
			}))
		}
		return r.Skip()
	})
	if err != nil {
		return err
	}
	return d.addAll(name, fixes)
}

// tolerate reports a value of another kind, which has been passed over, and lets the reading go on.
func (d *Database) tolerate(about string, err error) error {
	if errors.Is(err, jsonstream.ErrKind) {
		d.out.Bad(field.Prose(about, field.MaxID), fmt.Errorf("%w: %w", ErrFix, err))
		return nil
	}
	return err
}

func (d *Database) addAll(name string, fixes []fix) error {
	for _, f := range fixes {
		if f.text == "" {
			continue
		}
		if err := d.add(name, f.version, f.text); err != nil {
			return err
		}
	}
	return nil
}

// readYAML reads the same in YAML. Aliases are not followed; no real document has one.
func (d *Database) readYAML(in io.Reader) error {
	root, err := document(in)
	if err != nil {
		return err
	}
	packages := member(root, "packages")
	if packages == nil || packages.Kind != yaml.SequenceNode && packages.Tag != "!!null" {
		return fmt.Errorf("%w: it has no packages", ErrDocument)
	}
	for _, entry := range packages.Content {
		pkg := member(entry, "pkg")
		name, fixes := member(pkg, "name"), member(pkg, "secfixes")
		if name == nil || name.Kind != yaml.ScalarNode || fixes == nil {
			d.out.Bad("packages", fmt.Errorf("%w: line %d: no package with fixes", ErrFix, entry.Line))
			continue
		}
		if err := d.addAll(name.Value, listed(fixes)); err != nil {
			return err
		}
	}
	return nil
}

// Reject adds a document that lists what packages are not affected by, in YAML: {package: [id]}. What a security
// database says of a fix counts more.
func (d *Database) Reject(doc feed.Fetched) error {
	in, err := archive.Open(doc, archive.Limits{Bytes: maxYAML})
	if err != nil {
		return err
	}
	defer in.Close()
	root, err := document(in)
	if err != nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: no list of packages", ErrDocument)
	}
	for _, rejected := range listed(root) {
		for _, word := range strings.Fields(rejected.text) {
			if !field.IsCVE(word) {
				continue // a remark
			}
			if err := d.add(rejected.version, never, word); err != nil {
				return err
			}
		}
	}
	return nil
}

// document returns the root of a YAML document.
func document(in io.Reader) (*yaml.Node, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxYAML+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxYAML {
		return nil, fmt.Errorf("%w: more than %d bytes of YAML", ErrTooLarge, maxYAML)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, fmt.Errorf("%w: nothing in it", ErrDocument)
	}
	return root.Content[0], nil
}

// member returns the value of a key, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// listed returns the texts under the keys of a mapping of lists; other values are nothing.
func listed(n *yaml.Node) []fix {
	var out []fix
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		for _, text := range n.Content[i+1].Content {
			if n.Content[i+1].Kind == yaml.SequenceNode && text.Kind == yaml.ScalarNode && text.Tag != "!!null" {
				out = append(out, fix{n.Content[i].Value, text.Value})
			}
		}
	}
	return out
}
