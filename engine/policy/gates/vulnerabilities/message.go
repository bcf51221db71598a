package vulnerabilities

import (
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

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
		b.WriteString("; " + filter.text(v))
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
