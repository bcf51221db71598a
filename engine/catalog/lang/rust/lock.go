package rust

import (
	"context"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/toml"
)

// Lock returns the analyzer of Cargo.lock. The format does not tell development dependencies from others.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{Name: "cargo-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock, Analyze: analyzeLock}
}

// wantsLock leaves out the locks of crates whose sources cargo keeps: CARGO_HOME/registry/src, git/checkouts.
func wantsLock(c catalog.Candidate) bool {
	return path.Base(c.Path) == "Cargo.lock" && !strings.Contains(c.Path, "/registry/src/") && !strings.Contains(c.Path, "/git/checkouts/")
}

func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	tables, err := toml.Tables(content, "package")
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	list := listing.Declared(f, catalog.TypeRust, "RustCargoPackageMetadata")
	for _, t := range tables {
		source := t.Text("source")
		if source == "" {
			continue // a member of the workspace, or what lies beside it
		}
		p := named(t.Text("name"), t.Text("version"))
		p.Metadata["source"], p.Metadata["checksum"] = source, t.Text("checksum")
		list.Add(p)
	}
	return list.Evidence(err)
}
