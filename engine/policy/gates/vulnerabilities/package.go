package vulnerabilities

import (
	"context"
	"regexp"
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
			policy.Param{Name: s.param, Type: policy.Float, Example: s.example, Doc: s.doc},
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
		policy.Param{Name: "is_kev", Type: policy.Boolean, Example: "true",
			Doc: "If given, whether one of the CVEs behind the vulnerability must be listed as known to be exploited (CISA KEV), " +
				"or must not be."},
		policy.Param{Name: "inherited_from_base", Type: policy.Boolean, Example: "false",
			Doc: "If given, whether the base image must have the same vulnerability in the same package and version, or must " +
				"not. Without a known base image nothing is inherited."},
		annotationStatus,
	)
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
	byKEV, exploited   bool
	byBase, inherited  bool
	annotations        annotations
	rated, predicted   bool // what has to be known of the CVEs
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
		byKEV:   args.Has("is_kev"), exploited: args.Bool("is_kev"),
		byBase: args.Has("inherited_from_base"), inherited: args.Bool("inherited_from_base"),
	}
	var err error
	if r.annotations, err = parseAnnotations(args); err != nil {
		return nil, err
	}
	r.rated = r.byKEV
	r.byFixAge = args.Has("max_days_since_fix") && r.fix
	for ordinal, word := range severityWords {
		if word == args.String("severity") {
			r.severity = feed.Severity(ordinal)
		}
	}
	for i := range scores {
		if s := &scores[i]; args.Has(s.param) {
			r.scores = append(r.scores, scoreFilter{s, args.String(s.param + "_comparison"), args.Float(s.param)})
			r.rated, r.predicted = r.rated || s.rated, r.predicted || s.predicted
		}
	}
	return r.check, nil
}

func (r *packageRule) check(ctx context.Context, pass *policy.Pass) error {
	list, err := r.load(ctx, pass)
	if err != nil {
		return err
	}
	var base inheritance
	if r.byBase {
		if base, err = inheritanceOf(ctx, pass); err != nil {
			return err
		}
	}
	for i := range list {
		v := &list[i]
		if !r.selects(v) || r.byBase && base.has(v) != r.inherited || !r.oldEnough(pass, v) {
			continue
		}
		if err := report(pass, v, r.message(v), base.has(v)); err != nil {
			return err
		}
	}
	return nil
}

// load warns where the data a filter needs is missing altogether.
func (r *packageRule) load(ctx context.Context, pass *policy.Pass) ([]policy.Vulnerability, error) {
	if !r.rated {
		return pass.Vulnerabilities(ctx)
	}
	if r.byKEV || r.predicted {
		status, err := pass.FeedStatus(ctx)
		if err != nil {
			return nil, err
		}
		if r.byKEV && !status.Exploited {
			pass.Warn(noKEV)
		}
		if r.predicted && !status.Predicted {
			pass.Warn(noEPSS)
		}
	}
	return pass.RatedVulnerabilities(ctx)
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
	case !r.annotations[v.Annotation]:
		return false
	case r.byKEV && r.exploited != v.Exploited:
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
