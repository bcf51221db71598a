package vulnerabilities

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plimsoll/engine/match"
	"plimsoll/engine/policy"
)

var denylist = policy.Trigger{
	Name:      "denylist",
	Doc:       "Fires for each listed vulnerability that is found in the image.",
	ID:        "Hash of the vulnerability id.",
	Artifacts: []string{policy.ArtifactSource, policy.ArtifactSBOM},
	Params: []policy.Param{
		{Name: "vulnerability_ids", Type: policy.List, Required: true, Example: "CVE-2021-44228, CVE-2022-22965",
			Doc: "Vulnerability ids as the feeds name them; aliases are not looked up."},
		vendorOnly, annotationStatus,
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		ids := args.List("vulnerability_ids")
		slices.Sort(ids)
		ids = slices.Compact(ids)
		counted, err := parseAnnotations(args)
		fixable := args.Bool(vendorOnly.Name)
		counts := func(v *policy.Vulnerability) bool { return counted[v.Annotation] && !(fixable && v.WillNotFix) }
		return func(ctx context.Context, pass *policy.Pass) error { return findListed(ctx, pass, ids, counts) }, err
	},
}

// findListed reports the sorted ids that are present in a match that counts.
func findListed(ctx context.Context, pass *policy.Pass, ids []string, counts func(*policy.Vulnerability) bool) error {
	vulnerabilities, err := pass.Vulnerabilities(ctx)
	if err != nil {
		return err
	}
	packages := map[string][]string{}
	for i := range vulnerabilities {
		v := &vulnerabilities[i]
		if _, listed := slices.BinarySearch(ids, v.ID); listed && counts(v) {
			packages[v.ID] = append(packages[v.ID], v.Package.Name+" "+v.Package.Version)
		}
	}
	for _, id := range ids {
		affected := packages[id]
		if len(affected) == 0 {
			continue
		}
		slices.Sort(affected)
		message := fmt.Sprintf("Denied vulnerability %s in %s", id, strings.Join(slices.Compact(affected), ", "))
		if err := pass.Report(message, id); err != nil {
			return err
		}
	}
	return nil
}

var staleFeedData = policy.Trigger{
	Name:      "stale_feed_data",
	Artifacts: []string{policy.ArtifactSource, policy.ArtifactSBOM},
	Doc: "Fires when an enabled vulnerability feed was last synced successfully longer ago than the given number of days, " +
		"or when there is no data at all. A sync without news counts.",
	ID: "Hash of the number of days.",
	Params: []policy.Param{{Name: "max_days_since_sync", Type: policy.Integer, Required: true, Example: "2",
		Doc: "The greatest acceptable age in days of 24 hours."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		days := args.Int("max_days_since_sync")
		return func(ctx context.Context, pass *policy.Pass) error { return checkAge(ctx, pass, days) }, nil
	},
}

func checkAge(ctx context.Context, pass *policy.Pass, days int) error {
	status, err := pass.FeedStatus(ctx)
	if err != nil {
		return err
	}
	limit := afterDays(status.LastSync, days)
	message := fmt.Sprintf("The vulnerability data is older than %d days: last synced %s", days, status.LastSync.UTC().Format(time.RFC3339))
	switch {
	case status.LastSync.IsZero():
		message = fmt.Sprintf("The vulnerability data is not complete, so it is taken to be older than %d days", days)
	case !pass.Now.After(limit):
		pass.Recheck(limit.Add(time.Second))
		return nil
	}
	return pass.Report(message, strconv.Itoa(days))
}

var dataUnavailable = policy.Trigger{
	Name: "vulnerability_data_unavailable",
	Doc:  "Fires when there is no vulnerability data for the distribution of the image, or the image has none.",
	ID:   "Hash of the distribution and its version, as id:version.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return checkData, nil
	},
}

func checkData(ctx context.Context, pass *policy.Pass) error {
	image, err := pass.Image(ctx)
	if err != nil {
		return err
	}
	name := "unknown:unknown"
	if image.Distro != nil {
		name = image.Distro.ID + ":" + image.Distro.VersionID
		status, err := pass.FeedStatus(ctx)
		if err != nil {
			return err
		}
		namespace := match.DistroNamespace(image.Distro)
		if namespace != "" && slices.Contains(status.Namespaces, namespace) {
			return nil
		}
	}
	return pass.Report(fmt.Sprintf("There is no vulnerability data for the distribution %s", name), name)
}
