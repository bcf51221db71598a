package version

import (
	"errors"
	"strings"
	"testing"
)

func TestSchemeForKnowsTheNamespacesOfAdvisories(t *testing.T) {
	t.Parallel()
	for ns, want := range map[string]Scheme{
		"debian:12": Dpkg, "ubuntu:22.04": Dpkg, "alpine:3.18": Apk, "alpine:edge": Apk, "wolfi": Apk,
		"rhel:9": Rpm, "npm": Semver, "pypi": PEP440, "maven": Maven, "go": Go, "rubygems": RubyGems,
	} {
		got, ok := SchemeFor(ns)
		if !ok || got != want {
			t.Errorf("SchemeFor(%q) = %q, %v; want %q", ns, got, ok, want)
		}
	}
	for _, ns := range []string{"", "kali:2024", "debian12"} {
		if s, ok := SchemeFor(ns); ok {
			t.Errorf("SchemeFor(%q) = %q; want none", ns, s)
		}
	}
}

// chains lists versions from old to new; "=" joins equal ones.
var chains = map[Scheme][]string{
	Dpkg: {
		"1.0~rc1-1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1", "1.0a-1", "1.0+dfsg-1", "1.10-1",
		"1:0.5-1=01:0.5-1", "2:0.1-1",
	},
	Apk: {
		"1.2-r1", "1.2.0-r0", "1.2.03-r0", "1.2.3_alpha-r0", "1.2.3_rc-r9", "1.2.3_rc1-r0", "1.2.3_rc1_git20200101-r0", "1.2.3", "1.2.3-r0=1.2.3~ab12-r0",
		"1.2.3-r1", "1.2.3_git20200101-r0", "1.2.3_p1-r0", "1.2.3_p10-r0", "1.2.3a-r0", "1.2.3p1-r0", "1.2.3p2-r0=1.2.3p02-r0", "1.2.3p2_p1-r0", "1.2.3p2.1-r0",
		"1.2.10-r0", "1.2.10.-r0", "20240101-r0=020240101-r0",
	},
	Rpm: {
		"1.0~rc1-1.el9", "1.0-1.el9=0:1.0-1.el9", "1.0-2.el9", "1.0-2.el9_4", "1.0^git1-1.el9", "1.0.1-1.el9", "1:0.1-1.el9",
	},
	Semver: {
		"0.0.0-0", "0.0.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
		"1.0.0=v1.0.0=1.0.0+build.5=1.0=1.0.0.0", "1.0.0.1", "1.0.1rc1", "1.0.1", "1.10.0-2", "1.10.0-10", "1.10.0",
	},
	Go: {
		"v0.0.0-20190101000000-abcdefabcdef", "v0.0.0-20200101000000-abcdefabcdef", "1.2.3-0.20200101000000-abcdefabcdef",
		"v1.2.3=1.2.3", "v1.2.4-rc.1", "1.21.0-rc.2=go1.21rc2", "go1.21=v1.21.0=1.21.0", "go1.21.3 X:boringcrypto=1.21.3=go1.21.3-vendor.1",
		"v2.0.0+incompatible=2.0.0",
	},
	PEP440: {
		"final-2004d", "1.0.dev456", "1.0a1=1.0.alpha1", "1.0a2.dev456", "1.0a12", "1.0b1", "1.0rc1=1.0c1", "1.0=1.0.0=v1.0=1", "1.0+abc.5", "1.0+5",
		"1.0.post456.dev34", "1.0.post456", "1.1.dev1", "2", "1!0.1",
	},
	Maven: {
		"1-alpha-1=1-a1", "1-beta", "1-milestone-1", "1-rc=1-cr", "1-SNAPSHOT", "1=1.0=1.0.0=1-ga=1.final=1.RELEASE", "1-sp", "1-foo", "1-1", "1.0.0.Final.1", "1.0.0.Final.2", "1.1", "1.10",
	},
	RubyGems: {"1.0.a", "1.0.b1", "1.0=1.0.0", "1.0.1", "1.10"},
	NuGet:    {"1.0.0-alpha", "1.0.0=1.0.0.0", "1.0.0.1", "1.0.1"},
	Composer: {"1.0.0-alpha1", "1.0.0-RC1=1.0-RC1", "1.0.0=1.0=v1=1.0.0.0", "1.0.0-patch1", "1.0.0.1", "1.0.1"},
	Pub:      {"1.0.0-dev", "1.0.0", "1.0.0+1", "1.0.0+2", "1.0.1"},
	CRAN:     {"1.0", "1.0.1=1.0-1", "1.10"},
	Hackage:  {"1.0", "1.0.0", "1.0.1", "1.10"},
}

func TestCompareOrdersAsTheEcosystemDoes(t *testing.T) {
	t.Parallel()
	for scheme := range shapes {
		chain, ok := chains[scheme]
		if !ok {
			t.Errorf("no ordered versions for scheme %s", scheme)
		}
		type ranked struct {
			version string
			rank    int
		}
		var all []ranked
		for rank, equal := range chain {
			for _, v := range strings.Split(equal, "=") {
				all = append(all, ranked{v, rank})
			}
		}
		for _, a := range all {
			for _, b := range all {
				got, err := Compare(scheme, a.version, b.version)
				if err != nil {
					t.Errorf("%s: compare %q with %q: %v", scheme, a.version, b.version, err)
				} else if want := sign(a.rank - b.rank); got != want {
					t.Errorf("%s: Compare(%q, %q) = %d; want %d", scheme, a.version, b.version, got, want)
				}
			}
		}
	}
}

func TestWhatIsNoVersionIsRefused(t *testing.T) {
	t.Parallel()
	for scheme, texts := range map[Scheme][]string{
		Dpkg:     {"", "-1", "1 2", "1.0\x00", strings.Repeat("1", maxLength+1)},
		Apk:      {"", "abc", "1.2.3-rc1", "1..2"},
		Rpm:      {"", "-1", "1.0 2"},
		Semver:   {"", "latest", "*", "^1.0", "file:../x", "github:a/b"},
		Go:       {"", "(devel)", "devel go1.23-abcdef", "unknown"},
		PEP440:   {"", "unknown", "1.0 beta"},
		Maven:    {"", "${project.version}", "unknown", "UNSPECIFIED", "[1.0,2.0)"},
		RubyGems: {"", ">= 1", "x"},
		NuGet:    {"", "*"},
		Composer: {"", "*"},
		Pub:      {"", "any"},
		CRAN:     {"", "a"},
		Hackage:  {"", "1.0-1"},
	} {
		for _, text := range texts {
			if Valid(scheme, text) {
				t.Errorf("Valid(%s, %q) = true", scheme, text)
			}
			if _, err := Compare(scheme, text, "1.0"); !errors.Is(err, ErrInvalid) {
				t.Errorf("Compare(%s, %q, 1.0): %v; want ErrInvalid", scheme, text, err)
			}
			if _, err := Compare(scheme, "1.0", text); !errors.Is(err, ErrInvalid) {
				t.Errorf("Compare(%s, 1.0, %q): %v; want ErrInvalid", scheme, text, err)
			}
		}
	}
	if _, err := Compare("calver", "1", "2"); !errors.Is(err, ErrScheme) {
		t.Errorf("unknown scheme: %v; want ErrScheme", err)
	}
}

func FuzzCompare(f *testing.F) {
	for scheme, chain := range chains {
		for i := 1; i < len(chain); i++ {
			f.Add(string(scheme), strings.Split(chain[i-1], "=")[0], strings.Split(chain[i], "=")[0])
		}
	}
	f.Add("alpine", "1.0", "\xff")
	f.Fuzz(func(t *testing.T, scheme, a, b string) {
		s := Scheme(scheme)
		ab, err := Compare(s, a, b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrScheme) {
				t.Fatalf("untyped error: %v", err)
			}
			if Valid(s, a) && Valid(s, b) {
				t.Fatalf("both valid, not comparable: %v", err)
			}
			return
		}
		ba, err := Compare(s, b, a)
		if err != nil || ba != -ab {
			t.Fatalf("Compare(%s, %q, %q) = %d, reversed %d, %v", s, a, b, ab, ba, err)
		}
		if aa, err := Compare(s, a, a); err != nil || aa != 0 {
			t.Fatalf("Compare(%s, %q, itself) = %d, %v", s, a, aa, err)
		}
	})
}
