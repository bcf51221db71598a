package version

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

var (
	// ErrInvalid means that a string is no version under the scheme.
	ErrInvalid = errors.New("not a version")
	// ErrScheme means that a scheme is not known.
	ErrScheme = errors.New("unknown version scheme")
)

// maxLength bounds a version in bytes. Real ones stay below 100; comparing is up to quadratic in the length.
const maxLength = 256

// placeholders are words tools write where they do not know the version. Maven would order them.
var placeholders = []string{"unknown", "unspecified", "undefined", "latest", "none", "null"}

// shapes are the strings a scheme takes for versions. They are as wide as the real data is and keep out what
// would get an arbitrary place in the order.
var shapes = map[Scheme]*regexp.Regexp{
	Dpkg:     regexp.MustCompile(`^([0-9]+:)?[0-9A-Za-z][0-9A-Za-z.+:~_-]*$`),
	Apk:      apkShape,
	Rpm:      regexp.MustCompile(`^([0-9]+:)?[0-9A-Za-z~^][0-9A-Za-z.+~^_-]*$`),
	Semver:   regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-+.A-Za-z_~][0-9A-Za-z.+_~-]*)?$`),
	Go:       regexp.MustCompile(`^[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.+-]*)?$`),
	PEP440:   regexp.MustCompile(`^v?[0-9A-Za-z.!+_-]*[0-9][0-9A-Za-z.!+_-]*$`),
	Maven:    regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_~-]*$`),
	RubyGems: regexp.MustCompile(`^[0-9]+(\.[0-9A-Za-z]+)*(-[0-9A-Za-z._-]+)?$`),
	NuGet:    regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-+.A-Za-z][0-9A-Za-z.+-]*)?$`),
	Composer: regexp.MustCompile(`^[vV]?[0-9A-Za-z][0-9A-Za-z.+_#/-]*$`),
	Pub:      regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.+-]*)?$`),
	CRAN:     regexp.MustCompile(`^[0-9]+([.-][0-9]+)*$`),
	Hackage:  regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`),
}

// Valid reports whether v is a version under the scheme.
func Valid(s Scheme, v string) bool {
	_, err := parse(s, v)
	return err == nil
}

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b. The error is ErrScheme or an
// ErrInvalid that names the string.
func Compare(s Scheme, a, b string) (int, error) {
	va, err := parse(s, a)
	if err != nil {
		return 0, err
	}
	vb, err := parse(s, b)
	if err != nil {
		return 0, err
	}
	ab, err := va.Compare(vb)
	if err != nil {
		return 0, fmt.Errorf("%w: compare %q with %q: %w", ErrInvalid, a, b, err)
	}
	if s == Maven && ab > 0 {
		// semantic calls two Maven versions that differ in form only ("1.0-1" and "1.0.ga-1") each newer.
		ba, err := vb.Compare(va)
		if err != nil {
			return 0, fmt.Errorf("%w: compare %q with %q: %w", ErrInvalid, b, a, err)
		}
		if ba > 0 {
			return 0, nil
		}
	}
	return sign(ab), nil
}

func sign(n int) int { return max(-1, min(1, n)) }

// parse checks the shape and reads the version.
func parse(s Scheme, v string) (semantic.Version, error) {
	shape, ok := shapes[s]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrScheme, s)
	}
	text := strings.TrimSpace(v)
	if s == Go {
		text = goVersion(text)
	}
	if len(text) > maxLength || !shape.MatchString(text) || slices.Contains(placeholders, strings.ToLower(text)) {
		return nil, fmt.Errorf("%w under %s: %.80q", ErrInvalid, s, v)
	}
	p, err := read(s, text)
	if err != nil {
		return nil, fmt.Errorf("%w under %s: %.80q: %w", ErrInvalid, s, v, err)
	}
	return p, nil
}

func read(s Scheme, v string) (semantic.Version, error) {
	switch s {
	case Dpkg:
		return semantic.ParseDebianVersion(v)
	case Apk:
		return parseApk(v), nil
	case Rpm:
		return semantic.ParseRedHatVersion(v), nil
	case PEP440:
		return semantic.ParsePyPIVersion(v)
	case Maven:
		return semantic.ParseMavenVersion(mavenRelease.ReplaceAllString(v, ".0.$1")), nil
	case RubyGems:
		return semantic.ParseRubyGemsVersion(v), nil
	case NuGet:
		return semantic.ParseNuGetVersion(v), nil
	case Composer:
		return semantic.ParsePackagistVersion(fourNumbers(v)), nil
	case Pub:
		return semantic.ParsePubVersion(v), nil
	case CRAN:
		return semantic.ParseCRANVersion(v)
	case Hackage:
		return semantic.ParseHackageVersion(v)
	default: // Semver and Go
		return parseSemver(v), nil
	}
}

// mavenRelease finds a word that means nothing but a release before a further number, which counts (Maven POM reference,
// "Version Order Specification"); the library takes it for a preview.
var mavenRelease = regexp.MustCompile(`(?i)[.-](?:final|ga|release)\.([0-9])`)

var composerNumbers = regexp.MustCompile(`^[vV]?([0-9]+(?:\.[0-9]+){0,2})((?:[._+-]?[A-Za-z+-].*)?)$`)

// fourNumbers completes a version as Composer does before it compares (composer/semver, VersionParser::normalize): 1.0 is
// 1.0.0.0, which PHP alone takes for something older.
func fourNumbers(v string) string {
	m := composerNumbers.FindStringSubmatch(v)
	if m == nil {
		return v
	}
	return m[1] + strings.Repeat(".0", 3-strings.Count(m[1], ".")) + m[2]
}

// toolchain is a Go release name: go1.22, go1.22.1, go1.22rc1.
var toolchain = regexp.MustCompile(`^go([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(?:(beta|rc)([0-9]+))?`)

// goVersion brings a module version or a toolchain name into semver without the leading v, the form of the Go
// vulnerability database. What follows a toolchain name ("go1.22.1 X:boringcrypto", "go1.22.1-vendor") names
// a build of that release.
func goVersion(v string) string {
	m := toolchain.FindStringSubmatch(v)
	if m == nil {
		return strings.TrimPrefix(v, "v")
	}
	patch := m[3]
	if patch == "" {
		patch = "0"
	}
	out := m[1] + "." + m[2] + "." + patch
	if m[4] != "" {
		out += "-" + m[4] + "." + m[5]
	}
	return out
}
