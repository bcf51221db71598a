package matching

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/version"
)

// Who is right.
const (
	us   = "Plimsoll"
	them = "the witness"
	both = "both"
)

// Names of the witnesses.
const (
	nameOSV   = "osv-scanner"
	nameGrype = "grype"
)

// Classes are the known reasons, the most particular first.
var Classes = []Class{
	{
		ID: "withdrawn", Right: us, Source: "OSV schema, withdrawn",
		Reason: "the record was withdrawn; the witness takes no notice",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && e.anyRecord(func(r *Record) bool { return r.Withdrawn != "" })
		},
	},
	{
		ID: "informational", Right: us, Source: "RustSec advisory-db, CONTRIBUTING: informational advisories",
		Reason: "a notice (unmaintained, unsound) and no vulnerability",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && e.anyEntry(func(a Affected) bool { return a.Database.Informational != nil })
		},
	},
	{
		ID: "unreadable-bound", Right: them, Source: "OSV schema: every version is affected by the SEMVER range",
		Reason: "a bound of the Go database's own ranges is no version (a date, a branch): we say nothing about the package, the witness takes every version",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Go") && e.anyEntry(func(a Affected) bool { return !a.readable() })
		},
	},
	{
		ID: "custom-ranges", Right: us, Source: "golang/vulndb, doc/format.md: custom_ranges",
		Reason: "the versions are given in the Go database's own ranges, because they are none of the module's; its SEMVER range says every version",
		applies: func(d Difference, e evidence) bool {
			return d.of("Go") && e.anyEntry(func(a Affected) bool { return len(a.Ecosystem.CustomRanges) > 0 })
		},
	},
	{
		ID: "last-known", Right: us, Source: "GitHub advisory-database, README: last_known_affected_version_range",
		Reason: "GitHub gives the last affected version beside the range, which has no end; the witness takes every later version, or an enumeration made from it",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && e.anyEntry(func(a Affected) bool { return a.Database.LastKnown != nil })
		},
	},
	{
		ID: "git-range", Right: us, Source: "OSV schema, Evaluation: each range and the enumeration count by themselves",
		Reason: "the witness stops at the first range of type GIT and does not see the others",
		applies: func(d Difference, e evidence) bool {
			return d.against(nameOSV, Surplus) && e.anyEntry(func(a Affected) bool {
				return slices.ContainsFunc(a.Ranges, func(r Range) bool { return r.Type == "GIT" })
			})
		},
	},
	{
		ID: "name-case", Right: us, Source: "the registries: NuGet, Packagist and crates.io give a name once, in whatever case",
		Reason: "the record writes the name in another case than the package; the witness compares byte by byte",
		applies: func(d Difference, e evidence) bool {
			return d.Witness == nameOSV && d.of("NuGet", "Packagist", "crates.io") && e.anyEntry(func(a Affected) bool { return a.Package.Name != d.Name })
		},
	},
	{
		ID: "module", Right: us, Source: "Fedora modularity: streams are maintained by themselves; the release of a build says .module",
		Reason: "the fix is of a module's build and the package is not, or the other way round; the witness compares their versions",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("AlmaLinux", "Rocky Linux") && e.anyEntry(func(a Affected) bool {
				return a.anyFix(func(fix string) bool {
					return strings.Contains(fix, ".module") != strings.Contains(d.Version, ".module")
				})
			})
		},
	},
	{
		ID: "release", Right: us, Source: "OSV schema: the ecosystem's suffix is the release",
		Reason: "the record is about other releases of the distribution; the witness does not know the release of such packages and takes all",
		applies: func(d Difference, e evidence) bool {
			return d.against(nameOSV, Missing) && d.of("Rocky Linux") && len(e.exact) == 0
		},
	},
	{
		ID: "told-by-cve", Right: both, Source: "OSV schema, upstream",
		Reason: "the distribution's notice; each of the vulnerabilities it fixes is reported by its own name, from the same source",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Debian", "Ubuntu") && e.anyRecord(func(r *Record) bool {
				return !strings.Contains(r.ID, "CVE-") && len(r.Upstream)+len(r.Related) > 0
			})
		},
	},
	{
		ID: "pro", Right: us, Source: "Ubuntu security: updates of Ubuntu Pro",
		Reason: "only subscribers of Ubuntu Pro get a fix; the plain package stays affected, which the witness says of subscribers' packages alone",
		applies: func(d Difference, e evidence) bool {
			return strings.Contains(Surplus+FixSign, d.Sign) && d.of("Ubuntu") &&
				e.anyEntry(func(a Affected) bool { return strings.HasPrefix(a.Package.Ecosystem, "Ubuntu:Pro") })
		},
	},
	{
		ID: "no-fix-of-lts", Right: us, Source: "OSV schema: Ubuntu's ecosystem suffix",
		Reason: "the witness looks for the fix under another name of the release than that of the records, and finds none",
		applies: func(d Difference, _ evidence) bool {
			return d.against(nameOSV, FixSign) && strings.HasSuffix(d.Ecosystem, ":LTS") && len(d.Theirs) == 0
		},
	},
	{
		ID: "fix-by-other-name", Right: both, Source: "the records",
		Reason: "two records of the same flaw name different fixes; each side shows that of the record it names the flaw by",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == FixSign && len(e.records) > 1 && e.anyRecord(func(r *Record) bool {
				if len(d.Theirs) == 0 {
					return !r.fixesAny(d.Name)
				}
				return slices.ContainsFunc(d.Theirs, func(fix string) bool { return r.fixes(d.Name, fix) }) &&
					!slices.ContainsFunc(d.Ours, func(fix string) bool { return r.fixes(d.Name, fix) })
			})
		},
	},
	{
		ID: "fix-inside", Right: us, Source: "OSV schema, Evaluation",
		Reason: "the witness names a fix that lies in another affected range of the record, or ends another one; ours is where the affected versions around the installed one end",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == FixSign && len(d.Theirs) > 0 && e.fixed(d.Theirs) && e.fixed(d.Ours)
		},
	},
	{
		ID: "pairs", Right: us, Source: "the records; Grype reads them as we do",
		Reason: "ranges that touch or overlap are written as pairs in one list; evaluated in version order they end at the first fix",
		applies: func(d Difference, e evidence) bool {
			return d.against(nameOSV, Surplus) && e.anyEntry(func(a Affected) bool {
				return slices.ContainsFunc(a.Ranges, func(r Range) bool { return len(r.Events) > 2 })
			})
		},
	},
	{
		ID: "module-path-case", Right: us, Source: "Go modules reference: module paths are case-sensitive",
		Reason: "the record names the module path in another case; the witness compares in lower case",
		applies: func(d Difference, e evidence) bool {
			return d.against(nameGrype, Missing) && d.of("Go") && len(e.entries) > 0 && len(e.exact) == 0
		},
	},
	{
		ID: "update-number", Right: them, Source: "bitnami/go-version",
		Reason: "Bitnami's versions of Java carry the number of an update where others carry that of a build; we leave it out",
		applies: func(d Difference, e evidence) bool {
			return d.of("Bitnami") && d.Name == "java" && strings.Contains(d.Version, "-")
		},
	},
	{
		ID: "apk-order", Right: us, Source: "apk-tools, src/version.c",
		Reason:  "the witness takes a part that is missing for a zero (4.0 for 4.0.0), and a letter followed by a number for no version",
		applies: func(d Difference, _ evidence) bool { return d.Witness == nameOSV && d.of("Alpine") },
	},
	{
		ID: "maven-order", Right: us, Source: "Maven POM reference, Version Order Specification",
		Reason: "the witness takes a number behind the word Final for a preview",
		applies: func(d Difference, _ evidence) bool {
			return d.Witness == nameOSV && d.of("Maven") && mavenFinal.MatchString(d.Version)
		},
	},
	{
		ID: "composer-order", Right: us, Source: "composer/semver, VersionParser::normalize",
		Reason:  "osv-scanner compares as PHP does, without Composer's four numbers; Grype cannot read four numbers with a preview",
		applies: func(d Difference, _ evidence) bool { return d.of("Packagist") && strings.Contains(d.Version, "-rc") },
	},
}

var mavenFinal = regexp.MustCompile(`(?i)final\.[0-9]`)

// readable reports whether the bounds the Go database gives in ranges of its own are versions.
func (a Affected) readable() bool {
	var own []Range
	if len(a.Ecosystem.CustomRanges) > 0 && json.Unmarshal(a.Ecosystem.CustomRanges, &own) != nil {
		return false
	}
	for _, r := range own {
		for _, e := range r.Events {
			for _, v := range e {
				if !version.Valid(version.Go, v) {
					return false
				}
			}
		}
	}
	return true
}

// anyFix reports whether a fix of the entry is so.
func (a Affected) anyFix(is func(string) bool) bool {
	return slices.ContainsFunc(a.Ranges, func(r Range) bool {
		return slices.ContainsFunc(r.Events, func(e map[string]string) bool { return e["fixed"] != "" && is(e["fixed"]) })
	})
}

// fixesAny reports whether the record names any fix for a package.
func (r *Record) fixesAny(name string) bool {
	return slices.ContainsFunc(r.Affected, func(a Affected) bool {
		return strings.EqualFold(a.Package.Name, name) && a.anyFix(func(string) bool { return true })
	})
}

// fixes reports whether the record names a fix for a package.
func (r *Record) fixes(name, fix string) bool {
	return slices.ContainsFunc(r.Affected, func(a Affected) bool {
		return strings.EqualFold(a.Package.Name, name) && a.anyFix(func(known string) bool { return known == fix })
	})
}

// fixed reports whether the records name all of these as fixes.
func (e evidence) fixed(list []string) bool {
	return !slices.ContainsFunc(list, func(fix string) bool {
		return !e.anyEntry(func(a Affected) bool { return a.anyFix(func(known string) bool { return known == fix }) })
	})
}
