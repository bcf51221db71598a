package ruby

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader([]byte(content)),
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{
		"/usr/local/bundle/specifications/rack-2.2.8.gemspec":                      {true, false},
		"/usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec":       {true, false},
		"/usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec":   {true, false},
		"/usr/local/bundle/gems/rack-2.2.8/rack.gemspec":                           {false, false},
		"/usr/local/bundle/bundler/gems/rails-0123456789ab/activerecord/x.gemspec": {false, false},
		"/usr/local/bundle/specifications/rack-2.2.8.gemspec.bak":                  {false, false},
		"/usr/local/bundle/gems/x-1/default/x.gemspec":                             {false, false},
		"/app/Gemfile.lock": {false, true},
		"/app/gems.locked":  {false, true},
		"/app/Gemfile":      {false, false},
		"/usr/local/bundle/gems/typeprof-1/Gemfile.lock": {false, false},
	} {
		c := catalog.Candidate{Entry: catalog.Entry{Path: name}}
		if got := [2]bool{wantsSpec(c), wantsLock(c)}; got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The lines are those of specifications RubyGems 3.3 and 1.8 wrote.
func TestSpecifications(t *testing.T) {
	t.Parallel()
	const gems, standard = "/usr/local/bundle/specifications/x.gemspec", "/usr/lib/ruby/gems/3.1.0/specifications/default/x.gemspec"
	tests := map[string]struct {
		where, in string
		want      catalog.Package
	}{
		"a gem": {gems, `# -*- encoding: utf-8 -*-
# stub: rack 2.2.8 ruby lib

Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.2.8"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "bug_tracker_uri" => "https://github.com/rack/rack/issues", "name" => "s.name = 'no'" } if s.respond_to? :metadata=
  s.require_paths = ["lib".freeze]
  s.authors = ["Leah \"L\" Neukirchen".freeze, nil, "Andr\u00E9 \u{1F600}".freeze]
  s.description = "Rack\n  s.name = \"other\"\n".freeze
  s.homepage = "https://github.com/rack/rack".freeze
  s.licenses = ["MIT".freeze, "Apache-2.0".freeze]
  s.required_ruby_version = Gem::Requirement.new(">= 2.3.0".freeze)
  s.rubygems_version = "3.3.15".freeze
  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
`, catalog.Package{
			Name: "rack", Version: "2.2.8", Licenses: []string{"Apache-2.0", "MIT"}, Origin: `Leah "L" Neukirchen, André 😀`,
			PURL: "pkg:gem/rack@2.2.8",
			CPEs: []string{
				"cpe:2.3:a:rack:rack:2.2.8:*:*:*:*:ruby:*:*", "cpe:2.3:a:rack_project:rack:2.2.8:*:*:*:*:ruby:*:*",
				"cpe:2.3:a:ruby-lang:rack:2.2.8:*:*:*:*:ruby:*:*",
			},
			Metadata: map[string]string{"homepage": "https://github.com/rack/rack"},
		}},
		"native code, part of Ruby": {standard, `# stub: nokogiri 1.13.10 x86_64-linux lib
Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.13.10"
  s.platform = "x86_64-linux".freeze
`, catalog.Package{
			Name: "nokogiri", Version: "1.13.10", PURL: "pkg:gem/nokogiri@1.13.10?platform=x86_64-linux",
			CPEs: []string{
				"cpe:2.3:a:nokogiri:nokogiri:1.13.10:*:*:*:*:ruby:*:*", "cpe:2.3:a:nokogiri_project:nokogiri:1.13.10:*:*:*:*:ruby:*:*",
				"cpe:2.3:a:ruby-lang:nokogiri:1.13.10:*:*:*:*:ruby:*:*",
			},
			Metadata: map[string]string{"platform": "x86_64-linux", "default": "true"},
		}},
		"the old shapes": {gems, "Gem::Specification.new do |spec|\r\n  spec.name = %q{rails}\r\n  spec.version = Gem::Version.new(\"2.3.5\")\r\n" +
			"  spec.authors = %w[DHH Jeremy]\r\n  spec.license = 'MIT'\r\n  spec.platform = Gem::Platform::RUBY\r\nend\r\n", catalog.Package{
			Name: "rails", Version: "2.3.5", Licenses: []string{"MIT"}, Origin: "DHH, Jeremy", PURL: "pkg:gem/rails@2.3.5",
			CPEs: []string{"cpe:2.3:a:rubyonrails:rails:2.3.5:*:*:*:*:ruby:*:*", "cpe:2.3:a:rails:rails:2.3.5:*:*:*:*:ruby:*:*"}, Metadata: map[string]string{},
		}},
		"computed, with the comment RubyGems reads": {gems, "# stub: rails 7.0.0 ruby lib\nGem::Specification.new do |s|\n  s.name = NAME\n" +
			"  s.version = \"#{MAJOR}.0\"\nend\n", catalog.Package{
			Name: "rails", Version: "7.0.0", PURL: "pkg:gem/rails@7.0.0",
			CPEs: []string{"cpe:2.3:a:rubyonrails:rails:7.0.0:*:*:*:*:ruby:*:*", "cpe:2.3:a:rails:rails:7.0.0:*:*:*:*:ruby:*:*"}, Metadata: map[string]string{},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Type, test.want.Location, test.want.MetadataType = "gem", test.where, "GemMetadata"
			got, err := analyzeSpec(context.Background(), file(test.where, test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]catalog.Package{test.want}, got.Packages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSpecificationsThatSayNothing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"": ErrSpecification,
		"Gem::Specification.new do |s|\n  s.name = 'x'\n  s.version = Foo::VERSION\nend": ErrSpecification,
		"s.name = \"x\ns.version = \"1\"":                                                ErrSpecification,
		"  s.name = %q<x\n  s.version = %w[\n":                                           ErrSpecification,
		"  s.name = \"a\\\\\"\n s.version = \"\"":                                        ErrSpecification,
		"  s.name = \"\x00\"\n s.version = \"1\"":                                        catalog.ErrInvalidPackage,
		"  s.name = \"\xff\"\n  s.version = \"1\"":                                       catalog.ErrInvalidPackage,
	} {
		got, err := analyzeSpec(context.Background(), file("/specifications/x.gemspec", in))
		if !errors.Is(err, want) || !got.Empty() {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	const in = `GIT
  remote: https://github.com/rails/sprockets.git
  revision: 0123456789abcdef
  specs:
    sprockets (4.0.0)
      rack (> 1, < 3)

PATH
  remote: .
  specs:
    shop (0.1.0)

PLUGIN SOURCE
  remote: https://example.org
  specs:
    bundler-x (1.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.13.10-x86_64-linux)
      racc (~> 1.4)
    nokogiri (1.13.10)
    racc (1.6.0)
    i18n (1.0.0.beta1)

PLATFORMS
  ruby
  x86_64-linux

DEPENDENCIES
  sprockets!
    rake (1.0)

CHECKSUMS
    rack (2.0) sha256=00

BUNDLED WITH
   2.3.7
`
	got, err := analyzeLock(context.Background(), file("/app/Gemfile.lock", in))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, p := range got.Packages {
		if !p.Declared() || p.Type != "gem" || p.Location != "/app/Gemfile.lock" {
			t.Errorf("got %+v", p)
		}
		words = append(words, p.PURL+" "+p.Metadata["source"])
	}
	want := []string{
		"pkg:gem/i18n@1.0.0.beta1 https://rubygems.org/", "pkg:gem/nokogiri@1.13.10?platform=x86_64-linux https://rubygems.org/",
		"pkg:gem/racc@1.6.0 https://rubygems.org/", "pkg:gem/sprockets@4.0.0 https://github.com/rails/sprockets.git",
	}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Error(diff)
	}
}

func FuzzSpecification(f *testing.F) {
	f.Add("# stub: a 1 ruby lib\n  s.name = \"a\\\"\".freeze\n  s.version = Gem::Version.new('1')\n  s.licenses = [\"MIT\".freeze, nil, %q<x>]\n s.authors = %w(a b)")
	f.Add("  s.name = \"#{x}\"\n  s.authors = [\"\n  s.version = %q")
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyzeSpec(context.Background(), file("/specifications/x.gemspec", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzLock(f *testing.F) {
	f.Add("GEM\n  remote: x\n  specs:\n    a (1-java)\n      b\n    a (1)!\n")
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyzeLock(context.Background(), file("/Gemfile.lock", in))
		if len(evidence.Packages) > strings.Count(in, "(") {
			t.Fatal("more gems than entries")
		}
	})
}
