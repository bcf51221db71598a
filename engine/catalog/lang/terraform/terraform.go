// Package terraform finds the providers a Terraform or OpenTofu configuration is locked to.
//
// The dependency lock file (developer.hashicorp.com/terraform/language/files/dependency-lock) is written by the
// program in one fixed form and read line by line. It asks for providers; those installed are programs in Go and
// found as such.
package terraform

import (
	"context"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// Lock returns the analyzer of .terraform.lock.hcl.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "terraform-lock", Version: 1, MaxSize: listing.MaxSize, Analyze: analyze,
		Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, "/.terraform.lock.hcl") },
	}
}

var (
	provider = regexp.MustCompile(`^provider "([^"/\s]+)/([^"/\s]+)/([^"/\s]+)" \{`)
	setting  = regexp.MustCompile(`^\s+(version|constraints)\s*=\s*"([^"]*)"`)
)

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Declared(f, catalog.TypeTerraform, "TerraformLockMetadata")
	var host, namespace, name string
	settings := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if m := provider.FindStringSubmatch(line); m != nil {
			host, namespace, name = m[1], m[2], m[3]
			clear(settings)
			continue
		}
		if m := setting.FindStringSubmatch(line); m != nil {
			settings[m[1]] = m[2]
			continue
		}
		if name != "" && strings.HasPrefix(line, "}") {
			list.Add(catalog.Package{
				Name: host + "/" + namespace + "/" + name, Version: settings["version"],
				PURL:     catalog.PURL(packageurl.TypeTerraform, namespace, name, settings["version"], nil),
				Metadata: map[string]string{"constraints": settings["constraints"]},
			})
			name = ""
		}
	}
	return list.Evidence()
}
