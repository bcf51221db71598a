package vulnerabilities

import (
	"context"
	"strings"

	"plimsoll/engine/policy"
)

// What checks say when the data they rest on was never loaded.
const (
	noKEV  = "there is no list of exploited vulnerabilities (feed kev), so none counts as exploited; enable the feed and let it sync"
	noEPSS = "there are no predictions of exploitation (feed epss), so every vulnerability counts as having none; enable the feed and let it sync"
)

var kevList = policy.Trigger{
	Name: "kev_list",
	Doc: "Fires for each vulnerability one of whose CVEs is listed as known to be exploited (CISA KEV). Without the list there is a " +
		"problem of severity warn.",
	ID:     packageTrigger.ID,
	Params: []policy.Param{annotationStatus},
	Prepare: func(args policy.Args) (policy.Check, error) {
		counted, err := parseAnnotations(args)
		return func(ctx context.Context, pass *policy.Pass) error { return findExploited(ctx, pass, counted) }, err
	},
}

func findExploited(ctx context.Context, pass *policy.Pass, counted annotations) error {
	status, err := pass.FeedStatus(ctx)
	if err != nil {
		return err
	}
	if !status.Exploited {
		pass.Warn(noKEV)
		return nil
	}
	list, err := pass.RatedVulnerabilities(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		v := &list[i]
		if !v.Exploited || !counted[v.Annotation] {
			continue
		}
		message := "Exploited " + strings.ToUpper(severity(v).String()) + " vulnerability " + v.ID + " in " + v.Package.Name + " " + v.Package.Version
		if fixKnown(v) {
			message += "; fixed in " + strings.Join(v.FixedIn, ", ")
		}
		if err := report(pass, v, message, false); err != nil {
			return err
		}
	}
	return nil
}
