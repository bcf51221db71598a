package rpm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
)

// manifestFile lists the packages of Azure Linux's distroless images, which have no database.
const manifestFile = "/var/lib/rpmmanifest/container-manifest-2"

// manifestFields is how many tab-separated fields a line has: name, version-release, install time, build time,
// vendor, epoch, size, architecture, epoch number, source package (github.com/microsoft/marinara, which writes
// the file with a query of rpm).
const manifestFields = 10

func wantsManifest(c catalog.Candidate) bool { return c.Path == manifestFile }

func analyzeManifest(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	db := &database{path: f.Path}
	lines := bufio.NewScanner(f.Reader())
	odd := 0
	for lines.Scan() {
		if err := ctx.Err(); err != nil {
			return db.found, err
		}
		fields := strings.Split(strings.TrimRight(lines.Text(), "\r"), "\t")
		if len(fields) == 1 && fields[0] == "" || fields[0] == "gpg-pubkey" {
			continue
		}
		if len(fields) != manifestFields {
			odd++
			continue
		}
		p := listed(fields, f.Path)
		if err := p.Check(); err != nil {
			db.fault(err)
		} else if db.add(p) != nil {
			break
		}
	}
	if err := lines.Err(); err != nil {
		db.faults = append(db.faults, fmt.Errorf("read %s: %w", f.Path, err))
	}
	if odd > 0 {
		db.faults = append(db.faults, fmt.Errorf("%w: %d lines of %s", ErrMalformed, odd, f.Path))
	}
	return db.found, errors.Join(db.faults...)
}

func listed(fields []string, location string) catalog.Package {
	for i, field := range fields {
		if field == "(none)" {
			fields[i] = ""
		}
	}
	p := catalog.Package{
		Type: catalog.TypeRpm, Name: fields[0], Arch: fields[7], Origin: catalog.Text(fields[4]), Location: location,
		MetadataType: metadataType, Metadata: map[string]string{},
	}
	version, release, _ := strings.Cut(fields[1], "-")
	epoch, err := strconv.ParseUint(fields[8], 10, 32)
	if err == nil {
		p.Metadata["epoch"] = fields[8]
	}
	setVersion(&p, epoch, version, release, fields[9])
	if size, err := strconv.ParseInt(fields[6], 10, 64); err == nil && size > 0 {
		p.Size = size
	}
	for name, value := range map[string]string{"version": version, "release": release, "source_rpm": fields[9], "vendor": fields[4]} {
		if value = catalog.Text(value); value != "" {
			p.Metadata[name] = value
		}
	}
	return p
}
