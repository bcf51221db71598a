package php

import (
	"cmp"
	"context"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// typePear is the package type of what PEAR's installer put in place; its name in purls as well.
const typePear = "pear"

// defaultChannel is the channel whose records lie in the registry itself (PEAR_Registry).
const defaultChannel = "pear.php.net"

// Pear returns the analyzer of the records of PEAR's installer, which pecl uses too.
func Pear() catalog.Analyzer {
	return catalog.Analyzer{Name: "pear", Version: 1, MaxSize: listing.MaxSize, Wants: wantsRecord, Analyze: analyzeRecord}
}

// wantsRecord: .registry/NAME.reg and .registry/.channel.HOST/NAME.reg, names in lower case (PEAR_Registry,
// _packageFileName).
func wantsRecord(c catalog.Candidate) bool {
	return strings.HasSuffix(c.Path, ".reg") && strings.Contains(c.Path, "/.registry/")
}

// analyzeRecord reads the package.xml of a package as PEAR keeps it: the version 2.0 names the release below
// version, the version 1.0 has it there.
func analyzeRecord(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	record, err := unserialize(string(content))
	if err != nil {
		return catalog.Evidence{}, &catalog.Incompleteness{Path: f.Path, Reason: catalog.ReasonUnreadable, Detail: err.Error()}
	}
	name, version := cmp.Or(record.text("name"), record.text("package")), cmp.Or(record.array("version").text("release"), record.text("version"))
	channel := cmp.Or(record.text("channel"), channelOf(f.Path))
	list := listing.Installed(f, typePear, "PhpPearMetadata")
	list.Add(catalog.Package{
		Name: name, Version: version,
		PURL:     catalog.PURL(typePear, channel, name, version, nil),
		CPEs:     cpe.Candidates([]string{"php", name}, []string{name}, version, cpe.AnySoftware),
		Licenses: catalog.Licenses(cmp.Or(record.array("license").text("_content"), record.text("license"), record.text("release_license"))),
		Metadata: map[string]string{"channel": channel},
	})
	return list.Evidence()
}

// channelOf takes the channel from the directory of a record, which need not repeat it.
func channelOf(file string) string {
	if _, rest, found := strings.Cut(file, "/.channel."); found {
		channel, _, _ := strings.Cut(rest, "/")
		return channel
	}
	return defaultChannel
}
