package matching

import (
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/version"
)

// NativeClasses are the known reasons where our side reads a distribution's own documents and the witness records made of
// them, the most particular first.
var NativeClasses = []Class{
	{
		ID: "no-cve", Right: us, Source: "the security database",
		Reason: "the flaw has no CVE; the records made of the database leave out what has none",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Surplus && d.of("Alpine") && !strings.HasPrefix(d.ID, "CVE-") && len(e.said) > 0 && len(e.records) == 0
		},
	},
	{
		ID: "spelt", Right: us, Source: "apk-tools, src/version.c",
		Reason: "the database writes a version that no package can have (1.9.5p2-r0); we read the one that was meant (1.9.5_p2-r0)",
		applies: func(d Difference, e evidence) bool {
			return d.of("Alpine") && slices.ContainsFunc(e.fixes(), letterAndNumber.MatchString)
		},
	},
	{
		ID: "fixed-again", Right: us, Source: "the security database",
		Reason: "the database names several versions that fix the flaw; we take the highest, the records made of it the last in the order of letters",
		applies: func(d Difference, e evidence) bool {
			return strings.Contains(Surplus+FixSign, d.Sign) && d.of("Alpine") && len(e.fixes()) > 1 && within(d.Ours, e.fixes()) && !overlap(d.Ours, d.Theirs)
		},
	},
	{
		ID: "apk-parts", Right: us, Source: "apk-tools, src/version.c",
		Reason: "the witness takes a part that is missing for a zero (4.0 for 4.0.0)",
		applies: func(d Difference, e evidence) bool {
			return d.against(nameOSV, Surplus) && d.of("Alpine") && e.fixed(d.Ours) && within(d.Ours, e.fixes())
		},
	},
	{
		ID: "regression", Right: us, Source: "security-tracker, doc: the lists of advisories",
		Reason: "the notice repairs an earlier update and names no flaw",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Debian") && !strings.HasPrefix(d.ID, "CVE-") && len(e.records) > 0 && !e.anyRecord(func(r *Record) bool {
				return strings.HasSuffix(r.Summary, "security update") || len(r.Upstream)+len(r.Related) > 0
			})
		},
	},
	{
		ID: "unnamed", Right: us, Source: "the lists of advisories",
		Reason: "the record of the notice names no CVE, its entry in the list does; we report that",
		applies: func(d Difference, e evidence) bool {
			if !d.of("Debian") {
				return false
			}
			if d.Sign == Surplus {
				return len(d.Ours) > 0 && within(d.Ours, e.fixes()) && len(e.exact) == 0
			}
			return d.Sign == Missing && !strings.HasPrefix(d.ID, "CVE-") && len(e.records) > 0 &&
				!e.anyRecord(func(r *Record) bool { return len(r.Upstream)+len(r.Related)+len(r.Aliases) > 0 })
		},
	},
	{
		ID: "open", Right: them, Source: "the list of advisories",
		Reason: "the tracker's export calls the flaw open, and is older than the notice that fixes it; we follow the export",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == FixSign && d.of("Debian") && len(d.Ours) == 0 && len(d.Theirs) > 0 &&
				slices.ContainsFunc(e.said, func(words string) bool { return strings.HasPrefix(words, "open") }) && e.fixed(d.Theirs)
		},
	},
	{
		ID: "module-build", Right: us, Source: "Fedora modularity: streams are maintained by themselves; the release of a build says .module",
		Reason: "what is said is about a module's build, and the package is none; the witness, which is told no module of the package, takes it for one",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Red Hat") && !strings.Contains(d.Version, ".module") && e.anyEntry(func(a Affected) bool {
				return a.Ecosystem.Module != "" ||
					a.anyFix(func(fix string) bool { return strings.Contains(fix, ".module") }) &&
						a.anyFix(func(fix string) bool { return !strings.Contains(fix, ".module") && follows(d.Version, fix) })
			})
		},
	},
	{
		ID: "whole-module", Right: us, Source: "the documents",
		Reason: "the document names the build of a whole module in place of the package's version, which cannot be compared with it",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Red Hat") && slices.ContainsFunc(e.exact, func(a Affected) bool { return a.anyFix(wholeModule.MatchString) })
		},
	},
	{
		ID: "minor", Right: us, Source: "Red Hat's advisories, one for each minor release, and AlmaLinux's about the same builds",
		Reason: "the flaw is fixed once for each minor release, or stream of a module; the package has the fix of its own, and the witness asks for the highest",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Red Hat") && slices.ContainsFunc(e.exact, func(a Affected) bool {
				return a.anyFix(func(fix string) bool { return ownFix(d.Version, fix) })
			})
		},
	},
	{
		ID: "stream", Right: us, Source: "Red Hat Enterprise Linux life cycle: extended update support",
		Reason: "the package is a build of a stream for subscribers, which has the fix",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Missing && d.of("Red Hat") && slices.ContainsFunc(e.exact, func(a Affected) bool {
				return slices.ContainsFunc(a.Ecosystem.Streams, func(fix string) bool { return ownFix(d.Version, fix) })
			})
		},
	},
	{
		ID: "ended", Right: us, Source: "Red Hat Enterprise Linux life cycle: extended life cycle support",
		Reason: "the main stream has ended, and extended support alone is spoken about; what it calls affected is so in the main stream as well",
		applies: func(d Difference, e evidence) bool {
			return d.Sign == Surplus && d.of("Red Hat") && len(e.exact) > 0 && !slices.ContainsFunc(e.exact, func(a Affected) bool { return !a.Ecosystem.Extended })
		},
	},
}

// minorRelease is what the release of a build says of the minor release it is for.
var minorRelease = regexp.MustCompile(`\.(?:module[+_])?el[0-9]+[._][0-9]+`)

// wholeModule is the release of a module: the time of its build and a hash.
var wholeModule = regexp.MustCompile(`-[0-9]{13,}\.[0-9a-f]{8}$`)

// follows reports whether an installed build is not older than a fix.
func follows(installed, fix string) bool {
	c, err := version.Compare(version.Rpm, installed, fix)
	return err == nil && c >= 0
}

// ownFix reports whether an installed build is, or follows, the fix for its own minor release; builds of modules have to be
// of the same version, too.
func ownFix(installed, fix string) bool {
	if !follows(installed, fix) || minorRelease.FindString(installed) != minorRelease.FindString(fix) {
		return false
	}
	is, _, _ := strings.Cut(installed, "-")
	was, _, _ := strings.Cut(fix, "-")
	return is == was || !strings.Contains(fix, ".module")
}

// letterAndNumber finds a letter between numbers: apk takes no number behind a letter.
var letterAndNumber = regexp.MustCompile(`[0-9][a-z][0-9]`)

// fixes are the versions that the distribution's own documents say have the fix.
func (e evidence) fixes() []string {
	var out []string
	for _, words := range e.said {
		if fix, ok := strings.CutPrefix(words, fixedIn); ok {
			out = append(out, fix)
		}
	}
	return out
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
