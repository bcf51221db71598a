package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"plimsoll/api/client"
)

// loadAdvisories syncs the feeds and waits for the result. A sync that runs already (the first start begins
// one) is as good as ours.
func loadAdvisories(ctx context.Context, api *client.ClientWithResponses) error {
	step("loading the advisories")
	return poll(ctx, time.Second, func() (bool, error) {
		r, err := api.SyncFeedsWithResponse(ctx, &client.SyncFeedsParams{})
		if err != nil {
			return false, fmt.Errorf("sync the feeds: %w", err)
		}
		if r.StatusCode() == http.StatusConflict {
			return false, nil
		}
		if err := client.Failure(r.StatusCode(), r.Body); err != nil {
			return false, fmt.Errorf("sync the feeds: %w", err)
		}
		return true, nil
	})
}

// show submits the image, follows its analysis and prints the result.
func show(ctx context.Context, api *client.ClientWithResponses, image string) error {
	step("submitting %s", image)
	added, err := api.AddImageWithResponse(ctx, &client.AddImageParams{}, client.ImageAnalysisRequest{
		Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: image}},
	})
	if err != nil {
		return fmt.Errorf("submit the image: %w", err)
	}
	if err := client.Failure(added.StatusCode(), added.Body); err != nil {
		return fmt.Errorf("submit %s: %w", image, err)
	}
	digest := added.JSON200.ImageDigest
	if err := follow(ctx, api, digest); err != nil {
		return err
	}
	for _, part := range []func(context.Context, *client.ClientWithResponses, string, string) error{packages, vulnerabilities, verdict} {
		if err := part(ctx, api, digest, image); err != nil {
			return err
		}
	}
	return nil
}

func follow(ctx context.Context, api *client.ClientWithResponses, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, analysisTimeout)
	defer cancel()
	last := ""
	return poll(ctx, 200*time.Millisecond, func() (bool, error) {
		r, err := api.GetImageWithResponse(ctx, digest, &client.GetImageParams{})
		if err != nil {
			return false, fmt.Errorf("follow the analysis: %w", err)
		}
		if err := client.Failure(r.StatusCode(), r.Body); err != nil {
			return false, fmt.Errorf("follow the analysis: %w", err)
		}
		line := r.JSON200.AnalysisStatus
		if p := r.JSON200.AnalysisProgress; p != nil {
			line = fmt.Sprintf("%s: %d of %d layers, %.1f of %.1f MB", p.Stage, p.LayersDone, p.LayersTotal, float64(p.BytesDone)/1e6, float64(p.BytesTotal)/1e6)
		}
		if line != last {
			fmt.Println("   " + line)
			last = line
		}
		if r.JSON200.AnalysisStatus == "analysis_failed" {
			if e := r.JSON200.AnalysisError; e != nil {
				return false, fmt.Errorf("the analysis failed: %s (%s)", e.Message, e.Code)
			}
			return false, errors.New("the analysis failed")
		}
		return r.JSON200.AnalysisStatus == "analyzed", nil
	})
}

func packages(ctx context.Context, api *client.ClientWithResponses, digest, _ string) error {
	types, err := api.ListImageContentTypesWithResponse(ctx, digest, &client.ListImageContentTypesParams{})
	if err != nil {
		return err
	}
	if err := client.Failure(types.StatusCode(), types.Body); err != nil {
		return err
	}
	fmt.Println("\nPackages")
	w := columns()
	for _, kind := range *types.JSON200 {
		n, err := count(ctx, api, digest, kind)
		if err != nil {
			return fmt.Errorf("read the %s content: %w", kind, err)
		}
		if n > 0 {
			fmt.Fprintf(w, "  %s\t%d\n", kind, n)
		}
	}
	return w.Flush()
}

func count(ctx context.Context, api *client.ClientWithResponses, digest, kind string) (int, error) {
	switch kind {
	case "files":
		r, err := api.GetImageFilesWithResponse(ctx, digest, &client.GetImageFilesParams{})
		if err != nil || r.JSON200 == nil {
			return 0, errors.Join(err, failure(r))
		}
		return len(r.JSON200.Content), nil
	case "java":
		r, err := api.GetImageJavaPackagesWithResponse(ctx, digest, &client.GetImageJavaPackagesParams{})
		if err != nil || r.JSON200 == nil {
			return 0, errors.Join(err, failure(r))
		}
		return len(r.JSON200.Content), nil
	}
	r, err := api.GetImagePackagesWithResponse(ctx, digest, kind, &client.GetImagePackagesParams{})
	if err != nil || r.JSON200 == nil {
		return 0, errors.Join(err, failure(r))
	}
	return len(r.JSON200.Content), nil
}

func failure(r interface{ StatusCode() int }) error {
	return fmt.Errorf("the server answered %d", r.StatusCode())
}

var severities = []string{"Critical", "High", "Medium", "Low", "Negligible", "Unknown"}

func vulnerabilities(ctx context.Context, api *client.ClientWithResponses, digest, _ string) error {
	r, err := api.GetImageVulnerabilitiesWithResponse(ctx, digest, "all", &client.GetImageVulnerabilitiesParams{})
	if err != nil {
		return err
	}
	if err := client.Failure(r.StatusCode(), r.Body); err != nil {
		return err
	}
	found := r.JSON200.Vulnerabilities
	bySeverity := map[string]int{}
	for _, v := range found {
		bySeverity[v.Severity]++
	}
	fmt.Printf("\nVulnerabilities: %d", len(found))
	for _, s := range severities {
		if bySeverity[s] > 0 {
			fmt.Printf("  %s %d", s, bySeverity[s])
		}
	}
	fmt.Println()
	rank := map[string]int{}
	for i, s := range severities {
		rank[s] = i
	}
	sort.SliceStable(found, func(i, j int) bool { return rank[found[i].Severity] < rank[found[j].Severity] })
	w := columns()
	for _, v := range found {
		fix := "no fix yet"
		if v.Fix != "None" {
			fix = "fixed in " + v.Fix
		}
		fmt.Fprintf(w, "  %s\t%s\t%s %s\t%s\n", v.Severity, v.Vuln, v.PackageName, v.PackageVersion, fix)
	}
	return w.Flush()
}

func verdict(ctx context.Context, api *client.ClientWithResponses, digest, image string) error {
	r, err := api.CheckImageWithResponse(ctx, digest, &client.CheckImageParams{Tag: image})
	if err != nil {
		return err
	}
	if err := client.Failure(r.StatusCode(), r.Body); err != nil {
		return fmt.Errorf("evaluate the policy: %w", err)
	}
	e := r.JSON200.Evaluations[0]
	fmt.Printf("\nVerdict: %s (%s, %s), policy %s, %d findings\n", strings.ToUpper(e.Status), e.FinalAction, e.FinalActionReason, r.JSON200.PolicyId, e.NumberOfFindings)
	if e.Details == nil {
		return nil
	}
	w := columns()
	for _, f := range e.Details.Findings {
		fmt.Fprintf(w, "  %s\t%s/%s\t%s\n", f.Action, f.Gate, f.Trigger, f.Message)
	}
	return w.Flush()
}

func columns() *tabwriter.Writer { return tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0) }
