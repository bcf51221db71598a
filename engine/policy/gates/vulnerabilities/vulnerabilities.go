// Package vulnerabilities is the gate about known vulnerabilities of the image's packages and about the data they
// come from.
package vulnerabilities

import (
	"time"

	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "vulnerabilities",
	Doc:  "Looks at the vulnerabilities of the image's packages and at the age and reach of the vulnerability data.",
	Triggers: []policy.Trigger{
		packageTrigger, denylist, kevList, staleFeedData, dataUnavailable, unsupportedDistro, denylist.Formerly("blacklist"),
	},
}

var vendorOnly = policy.Param{
	Name: "vendor_only", Type: policy.Boolean, Default: "true", Example: "true",
	Doc: "If true, vulnerabilities the vendor does not intend to fix are left out; if false, they count like all others.",
}

// seconds cuts a moment as the evaluation time is cut.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// afterDays is the moment days times 24 hours later.
func afterDays(t time.Time, days int) time.Time { return seconds(t).AddDate(0, 0, days) }
