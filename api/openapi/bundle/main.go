// Command bundle joins the OpenAPI documents of this directory's parent into the single document the server embeds.
//
// Every part is an OpenAPI fragment with `paths` and `components`; references are local ("#/components/..."), so joining is
// a merge of maps. A path, an operation or a component that two parts declare is an error, never a silent choice.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// rootName is the part that gives the document its head; the others follow in alphabetical order.
const rootName = "root.yaml"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bundle PARTS_DIRECTORY OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(dir, output string) error {
	doc, err := join(dir)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	buf.WriteString("# Code generated from the parts in openapi/ by openapi/bundle. DO NOT EDIT.\n")
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("encode document: %w", err)
	}
	if err := validate(buf.Bytes()); err != nil {
		return err
	}
	if err := os.WriteFile(output, buf.Bytes(), 0o644); err != nil { //nolint:gosec // the caller of the command names the file
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}

// join reads the parts and merges them; the result has a fixed key order because yaml sorts map keys.
func join(dir string) (map[string]any, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list parts of %s: %w", dir, err)
	}
	sort.Strings(names)
	doc, err := read(filepath.Join(dir, rootName))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if filepath.Base(name) == rootName {
			continue
		}
		part, err := read(name)
		if err != nil {
			return nil, err
		}
		for key, value := range part {
			if key != "paths" && key != "components" {
				return nil, fmt.Errorf("%s: only paths and components are allowed, not %q", name, key)
			}
			if err := merge(doc, key, value, 2); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return doc, nil
}

func read(name string) (map[string]any, error) {
	data, err := os.ReadFile(name) //nolint:gosec // the caller of the command names the folder
	if err != nil {
		return nil, fmt.Errorf("read part: %w", err)
	}
	var part map[string]any
	if err := yaml.Unmarshal(data, &part); err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	return part, nil
}

// merge puts value under key, going down into maps for depth levels (components > schemas > name); below that a
// second declaration is an error.
func merge(into map[string]any, key string, value any, depth int) error {
	old, exists := into[key]
	if !exists {
		into[key] = value
		return nil
	}
	oldMap, okOld := old.(map[string]any)
	newMap, okNew := value.(map[string]any)
	if depth == 0 || !okOld || !okNew {
		return fmt.Errorf("%s is declared twice", key)
	}
	for k, v := range newMap {
		if err := merge(oldMap, k, v, depth-1); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func validate(document []byte) error {
	spec, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return fmt.Errorf("load joined document: %w", err)
	}
	if err := spec.Validate(context.Background()); err != nil {
		return errors.Join(errors.New("joined document is not valid OpenAPI"), err)
	}
	return nil
}
