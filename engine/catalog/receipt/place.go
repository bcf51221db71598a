package receipt

import (
	"context"
	"regexp"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// wantsConan: CACHE/data/NAME/VERSION/USER/CHANNEL/package/ID/conaninfo.txt (docs.conan.io/1, "Conan cache"). The
// folders of Conan 2 have no names; there a database tells (conanCache).
func wantsConan(c catalog.Candidate) bool {
	if !strings.HasSuffix(c.Path, "/conaninfo.txt") {
		return false
	}
	place := tail(c.Path, 8)
	return place != nil && place[0] == "data" && place[5] == "package"
}

func conan(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	place := tail(f.Path, 8)
	list := listing.Installed(f, catalog.TypeConan, "ConaninfoMetadata")
	user, channel := place[3], place[4]
	if user == "_" { // stands for none
		user, channel = "", ""
	}
	list.Add(conanPackage(place[1], place[2], user, channel, place[6]))
	return list.Evidence()
}

func conanPackage(name, version, user, channel, id string) catalog.Package {
	qualifiers := map[string]string{}
	if user != "" {
		qualifiers["user"] = user
	}
	if channel != "" {
		qualifiers["channel"] = channel
	}
	return catalog.Package{
		Name: name, Version: version, PURL: catalog.PURL(packageurl.TypeConan, "", name, version, qualifiers),
		CPEs:     cpe.Candidates([]string{name, name + "_project"}, []string{name}, version, cpe.AnySoftware),
		Metadata: map[string]string{"package-id": id},
	}
}

// wantsMacports: PREFIX/var/macports/registry/portfiles/NAME-VERSION_REVISION/DIGEST-SIZE/Portfile
// (guide.macports.org, "Port Images").
func wantsMacports(c catalog.Candidate) bool {
	return strings.HasSuffix(c.Path, "/Portfile") && strings.Contains(c.Path, "/macports/registry/portfiles/")
}

var port = regexp.MustCompile(`^(.+)-([^-]+)_([0-9]+)$`)

func macports(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	list := listing.Installed(f, catalog.TypeMacports, "MacportsMetadata")
	if place := tail(f.Path, 3); place != nil {
		if m := port.FindStringSubmatch(place[0]); m != nil {
			list.Add(catalog.Package{
				Name: m[1], Version: m[2], PURL: catalog.PURL(catalog.TypeMacports, "", m[1], m[2], nil),
				CPEs:     cpe.Candidates([]string{m[1]}, []string{m[1]}, m[2], cpe.AnySoftware),
				Metadata: map[string]string{"revision": m[3]},
			})
		}
	}
	return list.Evidence()
}
