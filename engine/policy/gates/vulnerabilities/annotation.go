package vulnerabilities

import (
	"fmt"
	"strings"

	"plimsoll/engine/policy"
	"plimsoll/engine/vex"
)

// unannotated stands for the vulnerabilities nothing is said about.
const unannotated = "none"

// annotationStatus lets what the account has said about a vulnerability count: by default what it has declared not to
// affect the image, or to be fixed, does not fire.
var annotationStatus = policy.Param{
	Name: "annotation_status", Type: policy.List, Default: "none, affected, under_investigation", Example: "none, affected",
	Doc: "Only vulnerabilities of which the account or its VEX documents say one of these: not_affected, affected, fixed, " +
		"under_investigation; none is for those nothing is said of.",
}

// annotations are the statuses that count.
type annotations map[vex.Status]bool

func parseAnnotations(args policy.Args) (annotations, error) {
	out := annotations{}
	for _, word := range args.List(annotationStatus.Name) {
		status := vex.Status(word)
		if word == unannotated {
			status = ""
		} else if !status.Valid() {
			return nil, fmt.Errorf("%s: %q is not one of %s", annotationStatus.Name, word,
				strings.Join([]string{unannotated, string(vex.Affected), string(vex.Fixed), string(vex.NotAffected), string(vex.UnderInvestigation)}, ", "))
		}
		out[status] = true
	}
	return out, nil
}
