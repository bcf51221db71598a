// Package ruby finds Ruby gems: installed ones by the specifications RubyGems writes for them, and those a
// Gemfile.lock asks for.
//
// A specification is a Ruby program. It is never run: RubyGems writes it with Gem::Specification#to_ruby, which
// puts each attribute on a line of its own as a literal, and names the gem in a "# stub:" comment besides. What
// is no literal is not read.
package ruby

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
	"plimsoll/engine/catalog/listing"
)

// maxSpec: s.files lists every file of the gem; the largest (bundled Chromium drivers, SDKs) reach a megabyte.
const maxSpec = 8 << 20

// defaultPlatform is that of gems without native code (Gem::Platform::RUBY).
const defaultPlatform = "ruby"

// ErrSpecification reports a gem specification whose name and version are not written out.
var ErrSpecification = errors.New("gem specification without literal name and version")

// Gems returns the analyzer of installed gems.
func Gems() catalog.Analyzer {
	return catalog.Analyzer{Name: "gem", Version: 1, MaxSize: maxSpec, Wants: wantsSpec, Analyze: analyzeSpec}
}

// wantsSpec: GEM_HOME/specifications, and default below it for what comes with Ruby (Gem::BasicSpecification).
// Other gemspecs are the sources of gems, whose Ruby may compute anything.
func wantsSpec(c catalog.Candidate) bool {
	if !strings.HasSuffix(c.Path, ".gemspec") {
		return false
	}
	dir := strings.TrimSuffix(path.Dir(c.Path), "/default")
	return path.Base(dir) == "specifications"
}

func analyzeSpec(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	s := readSpec(string(content))
	if s.name == "" || s.version == "" {
		return catalog.Evidence{}, fmt.Errorf("%w: %s", ErrSpecification, f.Path)
	}
	p := gem(s.name, s.version, s.platform)
	p.Licenses = catalog.Licenses(append(s.attributes["licenses"], s.attributes["license"]...)...)
	p.Origin = catalog.Text(strings.Join(append(s.attributes["authors"], s.attributes["author"]...), ", "))
	if home := s.attributes["homepage"]; len(home) > 0 {
		p.Metadata["homepage"] = home[0]
	}
	if path.Base(path.Dir(f.Path)) == "default" {
		p.Metadata["default"] = "true"
	}
	list := listing.Installed(f, catalog.TypeGem, "GemMetadata")
	list.Add(p)
	return list.Evidence()
}

// gem describes a gem as far as its name tells.
func gem(name, version, platform string) catalog.Package {
	p := catalog.Package{Name: name, Version: version, Metadata: map[string]string{}}
	qualifiers := map[string]string{}
	if platform != "" && platform != defaultPlatform {
		qualifiers["platform"] = platform
		p.Metadata["platform"] = platform
	}
	p.PURL = catalog.PURL(packageurl.TypeGem, "", name, version, qualifiers)
	vendors := []string{name, name + "_project", "ruby-lang"}
	if rails[name] {
		vendors = []string{"rubyonrails", name}
	}
	p.CPEs = cpe.Candidates(vendors, []string{name}, version, cpe.Ruby)
	return p
}

// rails are the gems of Ruby on Rails, which the NVD lists under that vendor.
var rails = map[string]bool{
	"rails": true, "actioncable": true, "actionmailer": true, "actionpack": true, "actiontext": true, "actionview": true,
	"activejob": true, "activemodel": true, "activerecord": true, "activestorage": true, "activesupport": true, "railties": true,
}
