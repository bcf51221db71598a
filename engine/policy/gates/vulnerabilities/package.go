package vulnerabilities

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// Classes of packages.
const (
	classAll   = "all"
	classOS    = "os"
	classNonOS = "non-os"
)

// severityWords are the values of the severity parameter by ordinal.
var severityWords = []string{"unknown", "negligible", "low", "medium", "high", "critical"}

var packageTrigger = policy.Trigger{
	Name:      "package",
	Artifacts: []string{policy.ArtifactSource, policy.ArtifactSBOM},
	Doc:       "Fires for each vulnerability of a package that passes all given filters.",
	ID: "Vulnerability id, a plus sign and, for operating system packages, the package name; for java and gem the last " +
		"part of the location; for npm the directory that holds package.json; else, or when the location does not " +
		"tell, name-version.",
	Params:  packageParams(),
	Prepare: preparePackage,
}

func packageParams() []policy.Param {
	params := []policy.Param{
		{Name: "package_type", Type: policy.Enum(classAll, classOS, classNonOS), Required: true, Example: classAll,
			Doc: "Which packages: those of the operating system, all others, or all."},
		{Name: "severity_comparison", Type: comparisons, Default: ">", Example: ">=",
			Doc: "How the severity is compared."},
		{Name: "severity", Type: policy.Enum(severityWords...), Default: severityWords[0], Example: "high",
			Doc: "Severity to compare with, rising from unknown to critical."},
	}
	for _, s := range scores {
		params = append(params,
			policy.Param{Name: s.param, Type: policy.Float, Example: "7.5",
				Doc: "Compared with the highest CVSS v3 " + s.label + "; a vulnerability without one counts as -1."},
			policy.Param{Name: s.param + "_comparison", Type: comparisons, Default: ">=", Example: ">=",
				Doc: "How the " + s.label + " is compared."})
	}
	return append(params,
		policy.Param{Name: "fix_available", Type: policy.Boolean, Example: "true",
			Doc: "If given, whether a version with a fix must be known or must not be known."},
		vendorOnly,
		policy.Param{Name: "max_days_since_creation", Type: policy.Integer, Example: "7",
			Doc: "Only vulnerabilities first seen in this image at least so many days ago."},
		policy.Param{Name: "max_days_since_fix", Type: policy.Integer, Example: "30",
			Doc: "With fix_available=true, only vulnerabilities whose fix has been known for at least so many days, or since " +
				"an unknown time. Without it, it has no effect."},
		policy.Param{Name: "package_path_exclude", Type: policy.Regexp, Example: `/opt/test/.*`,
			Doc: "Packages outside the operating system are left out when this matches their location from its start."},
	)
}

// score is one CVSS v3 value rules can compare.
type score struct {
	param, label string
	list         func(*policy.Vulnerability) []feed.CVSS
	part         func(*feed.CVSS) *float64
}

func nvdList(v *policy.Vulnerability) []feed.CVSS    { return v.NVD }
func vendorList(v *policy.Vulnerability) []feed.CVSS { return v.Vendor }
func basePart(c *feed.CVSS) *float64                 { return c.Base }
func exploitPart(c *feed.CVSS) *float64              { return c.Exploitability }
func impactPart(c *feed.CVSS) *float64               { return c.Impact }

var scores = []score{
	{"cvss_v3_base_score", "NVD base score", nvdList, basePart},
	{"cvss_v3_exploitability_score", "NVD exploitability score", nvdList, exploitPart},
	{"cvss_v3_impact_score", "NVD impact score", nvdList, impactPart},
	{"vendor_cvss_v3_base_score", "vendor base score", vendorList, basePart},
	{"vendor_cvss_v3_exploitability_score", "vendor exploitability score", vendorList, exploitPart},
	{"vendor_cvss_v3_impact_score", "vendor impact score", vendorList, impactPart},
}

// of returns the highest value of any CVSS 3.0 or 3.1 entry, -1 without one.
func (s *score) of(v *policy.Vulnerability) float64 {
	highest := -1.0
	list := s.list(v)
	for i := range list {
		if value := s.part(&list[i]); value != nil && strings.HasPrefix(list[i].Version, "3.") {
			highest = max(highest, *value)
		}
	}
	return highest
}

var comparisons = policy.Enum("=", "!=", "<", ">", "<=", ">=")

// holds applies a comparison to a and b.
func holds(comparison string, a, b float64) bool {
	switch comparison {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "<=":
		return a <= b
	}
	return a >= b
}

// packageRule is a prepared package rule.
type packageRule struct {
	class              string
	severityComparison string
	severity           feed.Severity
	scores             []scoreFilter
	byFix, fix         bool
	fixableOnly        bool
	byAge, byFixAge    bool
	age, fixAge        int // days
	exclude            *regexp.Regexp
}

type scoreFilter struct {
	*score
	comparison string
	value      float64
}

func preparePackage(args policy.Args) (policy.Check, error) {
	r := &packageRule{
		class:              args.String("package_type"),
		severityComparison: args.String("severity_comparison"),
		byFix:              args.Has("fix_available"), fix: args.Bool("fix_available"),
		fixableOnly: args.Bool(vendorOnly.Name),
		byAge:       args.Has("max_days_since_creation"), age: args.Int("max_days_since_creation"),
		fixAge:  args.Int("max_days_since_fix"),
		exclude: args.Regexp("package_path_exclude"),
	}
	r.byFixAge = args.Has("max_days_since_fix") && r.fix
	for ordinal, word := range severityWords {
		if word == args.String("severity") {
			r.severity = feed.Severity(ordinal)
		}
	}
	for i := range scores {
		if s := &scores[i]; args.Has(s.param) {
			r.scores = append(r.scores, scoreFilter{s, args.String(s.param + "_comparison"), args.Float(s.param)})
		}
	}
	return r.check, nil
}

func (r *packageRule) check(ctx context.Context, pass *policy.Pass) error {
	vulnerabilities, err := pass.Vulnerabilities(ctx)
	if err != nil {
		return err
	}
	for i := range vulnerabilities {
		v := &vulnerabilities[i]
		if !r.selects(v) || !r.oldEnough(pass, v) {
			continue
		}
		if err := pass.ReportID(triggerID(v), r.message(v), suggestion(v)); err != nil {
			return err
		}
	}
	return nil
}

// selects applies every filter that time does not change.
func (r *packageRule) selects(v *policy.Vulnerability) bool {
	isOS := catalog.IsOS(v.Package.Type)
	switch {
	case r.class == classOS && !isOS, r.class == classNonOS && isOS:
		return false
	case !holds(r.severityComparison, float64(severity(v)), float64(r.severity)):
		return false
	case r.byFix && r.fix != fixKnown(v):
		return false
	case r.fixableOnly && v.WillNotFix:
		return false
	case r.exclude != nil && !isOS && r.exclude.MatchString(v.Package.Location):
		return false
	}
	for _, filter := range r.scores {
		if !holds(filter.comparison, filter.of(v), filter.value) {
			return false
		}
	}
	return true
}

// severity is unknown for an ordinal outside the scale.
func severity(v *policy.Vulnerability) feed.Severity {
	if v.Severity < feed.Unknown || v.Severity > feed.Critical {
		return feed.Unknown
	}
	return v.Severity
}

func fixKnown(v *policy.Vulnerability) bool {
	for _, version := range v.FixedIn {
		if version != "" {
			return true
		}
	}
	return false
}

// oldEnough applies the filters time changes. A match without a time of detection counts as old.
func (r *packageRule) oldEnough(pass *policy.Pass, v *policy.Vulnerability) bool {
	old := true
	if r.byAge && !v.DetectedAt.IsZero() {
		old = reached(pass, afterDays(v.DetectedAt, r.age))
	}
	if r.byFixAge && !v.FixObservedAt.IsZero() {
		old = reached(pass, afterDays(v.FixObservedAt, r.fixAge)) && old
	}
	return old
}

func reached(pass *policy.Pass, due time.Time) bool {
	if pass.Now.Before(due) {
		pass.Recheck(due)
		return false
	}
	return true
}

func (r *packageRule) message(v *policy.Vulnerability) string {
	var b strings.Builder
	class, where := classOS, v.Package.Name
	if !catalog.IsOS(v.Package.Type) {
		class = classNonOS
		if v.Package.Location != "" {
			where = v.Package.Name + " at " + v.Package.Location
		}
	}
	b.Grow(256) // most messages fit; a rule writes thousands
	for _, part := range [...]string{strings.ToUpper(severity(v).String()), " vulnerability ", v.ID, " in ", class,
		" package (", v.Package.Type, ") ", where, ", version ", v.Package.Version} {
		b.WriteString(part)
	}
	if fixKnown(v) {
		b.WriteString("; fixed in ")
		b.WriteString(strings.Join(v.FixedIn, ", "))
	}
	for _, filter := range r.scores {
		fmt.Fprintf(&b, "; %s %.1f %s %.1f", filter.label, filter.of(v), filter.comparison, filter.value)
	}
	if r.byAge && !v.DetectedAt.IsZero() {
		b.WriteString("; detected " + seconds(v.DetectedAt).Format(time.RFC3339))
	}
	if r.byFixAge && !v.FixObservedAt.IsZero() {
		b.WriteString("; fix known since " + seconds(v.FixObservedAt).Format(time.RFC3339))
	}
	if v.URL != "" {
		b.WriteString("; see ")
		b.WriteString(v.URL)
	}
	return b.String()
}

func suggestion(v *policy.Vulnerability) string {
	if !fixKnown(v) {
		return ""
	}
	return "Upgrade " + v.Package.Name + " to " + strings.Join(v.FixedIn, " or ")
}

// triggerID is the id people write into allowlists.
func triggerID(v *policy.Vulnerability) string {
	p := &v.Package
	name := p.Name
	if !catalog.IsOS(p.Type) {
		name = p.Name + "-" + p.Version
		if fromLocation := locationName(p); fromLocation != "" {
			name = fromLocation
		}
	}
	return v.ID + "+" + name
}

// locationName is the part of the location that names the package, empty when it does not tell.
func locationName(p *policy.AffectedPackage) string {
	location := p.Location[strings.LastIndexByte(p.Location, ':')+1:] // inside a nested archive
	if !strings.Contains(p.Location, "/") {
		return ""
	}
	last := path.Base(location)
	switch p.Type {
	case catalog.TypeJava, catalog.TypeGem:
	case catalog.TypeNpm:
		if last != "package.json" {
			return ""
		}
		last = path.Base(path.Dir(location))
	default:
		return ""
	}
	if last == "." || last == "/" {
		return ""
	}
	return last
}
