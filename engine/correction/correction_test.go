package correction_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/correction"
	"plimsoll/engine/feed/cpe"
	"plimsoll/engine/match"
)

func fields(pairs ...string) []correction.Field {
	var out []correction.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, correction.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func rule(kind string, match, replace []correction.Field) correction.Rule {
	return correction.Rule{Type: kind, Match: match, Replace: replace}
}

var (
	catalina = catalog.Package{
		Type: catalog.TypeJava, Name: "catalina", Version: "9.0.88", PURL: "pkg:maven/org.apache.tomcat-catalina/catalina@9.0.88",
		CPEs: []string{"cpe:2.3:a:apache:catalina:9.0.88:*:*:*:*:*:*:*", "cpe:2.3:a:catalina:catalina:9.0.88:*:*:*:*:*:*:*"},
	}
	scoped = catalog.Package{Type: catalog.TypeNpm, Name: "@ship/mast", Version: "1.0.0", PURL: "pkg:npm/%40ship/mast@1.0.0"}
	libssl = catalog.Package{
		Type: catalog.TypeDpkg, Namespace: "debian:12", Name: "libssl3", Version: "3.0.11-1", Arch: "amd64", Source: "openssl", SourceVersion: "3.0.11-1",
		PURL: "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12",
	}
)

func TestRulesCorrectWhatTheyMean(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		of    catalog.Package
		rules []correction.Rule
		want  func(*catalog.Package) // nil: nothing is corrected
	}{
		"a CPE name that quotes the version": {
			catalina, []correction.Rule{rule("java", fields("package", "catalina"), fields("cpes", "cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*"))},
			func(p *catalog.Package) { p.CPEs = []string{"cpe:2.3:a:apache:tomcat:9.0.88:*:*:*:*:*:*:*"} },
		},
		"several CPE names": {
			catalina, []correction.Rule{rule("java", nil, fields("cpes", "cpe:2.3:a:a:{package}:1:*:*:*:*:*:*:*", "cpes", "cpe:2.3:a:b:b:1:*:*:*:*:*:*:*"))},
			func(p *catalog.Package) {
				p.CPEs = []string{"cpe:2.3:a:a:catalina:1:*:*:*:*:*:*:*", "cpe:2.3:a:b:b:1:*:*:*:*:*:*:*"}
			},
		},
		"a purl": {
			catalina, []correction.Rule{rule("java", fields("package", "catalina", "version", "9.0.88"), fields("purl", "pkg:maven/org.apache.tomcat/tomcat-catalina@{version}"))},
			func(p *catalog.Package) { p.PURL = "pkg:maven/org.apache.tomcat/tomcat-catalina@9.0.88" },
		},
		"by one of the CPE names": {
			catalina, []correction.Rule{rule("java", fields("cpes", catalina.CPEs[1]), fields("version", "9.0.89"))},
			func(p *catalog.Package) {
				p.Version, p.PURL = "9.0.89", "pkg:maven/org.apache.tomcat-catalina/catalina@9.0.89"
			},
		},
		"by the purl": {
			scoped, []correction.Rule{rule("npm", fields("purl", scoped.PURL), fields("package", "@boat/sail"))},
			func(p *catalog.Package) { p.Name, p.PURL = "@boat/sail", "pkg:npm/%40boat/sail@1.0.0" },
		},
		"quoted text is escaped": {
			scoped, []correction.Rule{rule("npm", nil, fields("cpes", "cpe:2.3:a:x:{package}:{version}:*:*:*:*:*:*:*"))},
			func(p *catalog.Package) { p.CPEs = []string{`cpe:2.3:a:x:\@ship\/mast:1.0.0:*:*:*:*:*:*:*`} },
		},
		"an OS package by its own type and by all": {
			libssl, []correction.Rule{
				rule("dpkg", fields("source", "openssl"), fields("source_version", "3.0.12-1", "version", "3.0.12-1")),
				rule("os", fields("package", "libssl3"), fields("version", "3.0.13-1")),
			},
			func(p *catalog.Package) {
				p.SourceVersion, p.Version = "3.0.12-1", "3.0.13-1"
				p.PURL = "pkg:deb/debian/libssl3@3.0.13-1?arch=amd64&distro=debian-12"
			},
		},
		"the later rule has the last word, and sees the package as it was found": {
			scoped, []correction.Rule{
				rule("npm", nil, fields("version", "2.0.0")),
				rule("npm", fields("version", "2.0.0"), fields("version", "4.0.0")),
				rule("npm", fields("version", "1.0.0"), fields("version", "3.0.0-{version}")),
			},
			func(p *catalog.Package) { p.Version, p.PURL = "3.0.0-1.0.0", "pkg:npm/%40ship/mast@3.0.0-1.0.0" },
		},
		"another type":                          {scoped, []correction.Rule{rule("java", nil, fields("version", "2"))}, nil},
		"another value":                         {scoped, []correction.Rule{rule("npm", fields("package", "mast"), fields("version", "2"))}, nil},
		"one of two values":                     {scoped, []correction.Rule{rule("npm", fields("package", "@ship/mast", "version", "2"), fields("version", "2"))}, nil},
		"what it is already":                    {scoped, []correction.Rule{rule("npm", nil, fields("version", "1.0.0", "package", "{package}"))}, nil},
		"a field the package has not":           {scoped, []correction.Rule{rule("npm", nil, fields("version", "{source_version}"))}, nil},
		"os is about package databases alone":   {scoped, []correction.Rule{rule("os", nil, fields("version", "2"))}, nil},
		"no rules":                              {scoped, nil, nil},
		"what comes out could not be looked up": {catalog.Package{Type: "npm", Name: "ü", Version: "1"}, []correction.Rule{rule("npm", nil, fields("cpes", "cpe:2.3:a:x:{package}:1:*:*:*:*:*:*:*"))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := correction.NewSet(tc.rules)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.of
			if tc.want != nil {
				tc.want(&want)
			}
			got := tc.of
			if corrected := set.Package(&got); corrected != (tc.want != nil) {
				t.Errorf("corrected: %t", corrected)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			id := tc.of.Identity()
			id.Known = match.Known(id, tc.of.PURL)
			corrected, _, ok := set.Correct(id, tc.of.PURL)
			if ok == (corrected.Claim == "") || ok == (corrected == id) {
				t.Errorf("identity %+v corrected: %t", corrected, ok)
			}
		})
	}
}

func TestACorrectedPackageIsLookedUpByWhatSomebodyGave(t *testing.T) {
	t.Parallel()
	named := catalina
	named.Namespace = "org.wrong"
	for name, tc := range map[string]struct {
		of      catalog.Package
		replace []correction.Field
		want    []match.Target
	}{
		"CPE":                     {catalina, fields("cpes", "cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*"), []match.Target{{Namespace: "maven", Name: "org.apache.tomcat-catalina:catalina"}, {Namespace: "nvd", Name: "apache:tomcat"}}},
		"purl":                    {catalina, fields("purl", "pkg:maven/org.apache.tomcat/tomcat-catalina@1"), []match.Target{{Namespace: "maven", Name: "org.apache.tomcat:tomcat-catalina"}}},
		"purl, against the group": {named, fields("purl", "pkg:maven/org.apache.tomcat/tomcat-catalina@1"), []match.Target{{Namespace: "maven", Name: "org.apache.tomcat:tomcat-catalina"}}},
		"purl nobody speaks of":   {named, fields("purl", "pkg:generic/ours@1"), nil},
		"name":                    {named, fields("package", "jsp-api"), []match.Target{{Namespace: "maven", Name: "org.wrong:jsp-api"}}},
		"name known by the purl":  {catalina, fields("package", "jsp-api"), []match.Target{{Namespace: "maven", Name: "org.apache.tomcat-catalina:jsp-api"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := correction.NewSet([]correction.Rule{rule("java", nil, tc.replace)})
			if err != nil {
				t.Fatal(err)
			}
			id := tc.of.Identity()
			id.Known = match.Known(id, tc.of.PURL)
			corrected, _, _ := set.Correct(id, tc.of.PURL)
			if diff := cmp.Diff(tc.want, match.DefaultRules().Targets(match.Subject{Identity: corrected})); diff != "" {
				t.Errorf("looked up as (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesThatCouldNotDoWhatTheySayAreRefused(t *testing.T) {
	t.Parallel()
	good := fields("version", "1")
	many := make([]correction.Field, correction.MaxFields+1)
	for name, tc := range map[string]struct {
		rule correction.Rule
		says string
	}{
		"no type":                 {rule("", nil, good), "match.type"},
		"a type with spaces":      {rule("j ava", nil, good), "match.type"},
		"nothing to replace":      {rule("java", nil, nil), "replace is empty"},
		"too many conditions":     {rule("java", many, good), "at most 16"},
		"an unknown condition":    {rule("java", fields("colour", "red"), good), `field_name "colour" is none of package, version`},
		"an unknown replacement":  {rule("java", nil, fields("location", "/x")), `field_name "location" is none of`},
		"an empty value":          {rule("java", nil, fields("version", "")), "field_value of version is empty"},
		"a long value":            {rule("java", fields("version", strings.Repeat("1", 257)), good), "longer than 256 bytes"},
		"a field twice":           {rule("java", nil, fields("version", "1", "version", "2")), "version is given twice"},
		"an unknown quote":        {rule("java", nil, fields("version", "{colour}")), "no field {colour}"},
		"an open brace":           {rule("java", nil, fields("version", "{version")), "a { without its }"},
		"a closed brace":          {rule("java", nil, fields("version", "version}")), "a } without its {"},
		"no CPE name":             {rule("java", nil, fields("cpes", "cpe:/a:apache:tomcat")), "no CPE 2.3 name"},
		"a CPE name of anything":  {rule("java", nil, fields("cpes", "cpe:2.3:a:apache:*:1:*:*:*:*:*:*:*")), "with vendor and product"},
		"no purl":                 {rule("java", nil, fields("purl", "tomcat")), "no package URL"},
		"a purl of an OS package": {rule("dpkg", nil, fields("purl", "pkg:deb/debian/x@1")), "do not name OS packages by purl"},
		"a source of a language":  {rule("npm", fields("source", "x"), good), "only OS packages have a source"},
	} {
		err := tc.rule.Check()
		if !errors.Is(err, correction.ErrRule) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want ErrRule with %q", name, err, tc.says)
		}
		if _, err := correction.NewSet([]correction.Rule{tc.rule}); !errors.Is(err, correction.ErrRule) {
			t.Errorf("%s: a set of it: %v", name, err)
		}
	}
}

func TestReachNamesEveryPackageARuleMayMean(t *testing.T) {
	t.Parallel()
	set, err := correction.NewSet([]correction.Rule{
		rule("npm", fields("package", "b"), fields("version", "1")), rule("npm", fields("version", "1", "package", "a"), fields("version", "1")),
		rule("java", fields("package", "a"), fields("version", "1")), rule("java", fields("version", "2"), fields("version", "1")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"npm": {"a", "b"}, "java": nil}, set.Reach()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzReplace makes rules of any values, and corrects packages of any fields.
func FuzzReplace(f *testing.F) {
	for _, value := range []string{
		"cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*", `cpe:2.3:a:\{a:b\}:1:*:*:*:*:*:*:*`, "pkg:maven/{package}/x@{version}", "{package}{type}", "{", "}", `\`, "{{version}}",
		"{source_version}", "cpe:2.3:a:{package}:{package}:-:*:*:*:*:*:*:*",
	} {
		f.Add(value, "catalina", "9.0.88", "pkg:maven/a/b@1")
		f.Add(value, "@a/b:*?\\", "-", "")
	}
	f.Fuzz(func(t *testing.T, value, name, version, purl string) {
		id := catalog.Identity{Type: catalog.TypeJava, Name: name, Version: version}
		for _, field := range []string{correction.FieldPackage, correction.FieldVersion, correction.FieldPURL, correction.FieldCPEs} {
			set, err := correction.NewSet([]correction.Rule{rule("java", nil, fields(field, value))})
			if err != nil {
				if !errors.Is(err, correction.ErrRule) {
					t.Fatalf("%v", err)
				}
				continue
			}
			got, newPURL, ok := set.Correct(id, purl)
			if again, againPURL, _ := set.Correct(id, purl); again != got || againPURL != newPURL {
				t.Fatal("not a function of its arguments")
			}
			if !ok && (got != id || newPURL != purl) {
				t.Fatalf("changed without saying so: %+v", got)
			}
			if ok && field == correction.FieldCPEs {
				if n, err := cpe.Parse(got.CPEs); err != nil || n.Vendor == "" || n.Product == "" {
					t.Fatalf("CPE %q: %v", got.CPEs, err)
				}
			}
		}
	})
}
