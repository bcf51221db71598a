package dpkg

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/stanza"
)

// maxSynopsis bounds a licence name; longer ones are prose.
const maxSynopsis = 100

// analyzeCopyright reads the licences a package's copyright file states: the License fields of the
// machine-readable format (copyright-format 1.0, section "License field"), or in free text the common
// licences it refers to (Debian Policy 12.5).
func analyzeCopyright(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	names, machineReadable, err := licenseFields(f.Reader())
	if err == nil && !machineReadable {
		names, err = commonLicenses(f.Reader())
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", f.Path, err)
	}
	licenses := catalog.Licenses(names...)
	if len(licenses) == 0 {
		return catalog.Evidence{}, err
	}
	return catalog.Evidence{Licenses: &catalog.LicenseStatement{
		Type: catalog.TypeDpkg, Name: path.Base(path.Dir(f.Path)), Licenses: licenses,
	}}, err
}

// alternatives separates the names of a synopsis: "GPL-2+ or Artistic", "Expat and BSD-3-clause".
var alternatives = regexp.MustCompile(`(?i)\s*,\s*(?:and\s+|or\s+)?|\s+(?:and/or|and|or)\s+`)

func licenseFields(r io.Reader) (names []string, machineReadable bool, err error) {
	in := stanza.New(r, "Format", "Format-Specification", "License")
	seen := map[string]bool{}
	for first := true; ; first = false {
		s, err := in.Next()
		if err == io.EOF {
			return names, true, nil
		}
		if err != nil {
			return names, true, err
		}
		if first && s.Get("Format") == "" && s.Get("Format-Specification") == "" {
			return nil, false, nil
		}
		for _, value := range s.All("License") {
			synopsis, _, _ := strings.Cut(value, "\n")
			for _, name := range alternatives.Split(synopsis, -1) {
				if name != "" && len(name) <= maxSynopsis && !seen[name] && len(seen) < catalog.MaxLicenses {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
}

var commonLicense = regexp.MustCompile(`/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)`)

func commonLicenses(r io.Reader) ([]string, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range commonLicense.FindAllSubmatch(content, -1) {
		names = append(names, strings.TrimRight(string(m[1]), ".-"))
	}
	return names, nil
}
