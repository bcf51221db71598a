package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// Fleet finds images by what is in them and what is wrong with them.
type Fleet interface {
	HoldersOfPackage(ctx context.Context, account string, q persistence.PackageQuestion, after string, limit int) ([]persistence.PackageHolder, error)
	HoldersOfVulnerability(ctx context.Context, account string, q persistence.VulnerabilityQuestion, after string, limit int) ([]persistence.PackageHolder, error)
}

// everything is the size of a page nobody limited.
const everything = 100_000

// firstPage is what clients send for the first page.
const firstPage = "1"

// page reads where an answer goes on and how long it may be. The mark is a key of ours, not a number: pages stay right
// while images come and go.
func page[Key any](mark *string, limit *int) (after Key, asked string, most int, err error) {
	asked, most = orElse(mark, firstPage), orElse(limit, 0)
	if most == 0 {
		most = everything
	}
	if asked == "" || asked == firstPage {
		return after, firstPage, most, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(asked)
	if err == nil {
		err = json.Unmarshal(text, &after)
	}
	if err != nil {
		return after, asked, most, fail(codeInvalidRequest, fmt.Sprintf("page %.40q is no next_page of an answer; leave it out for the first page.", asked))
	}
	return after, asked, most, nil
}

// next is the mark of the page that follows a full one, nil where this one was the last.
func next[Key any](returned, limit int, last func() Key) (*string, error) {
	if returned < limit {
		return nil, nil
	}
	text, err := json.Marshal(last())
	if err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	return given(base64.RawURLEncoding.EncodeToString(text)), nil
}

// QueryImagesByPackage finds the images of the account that hold a package.
func (h *handlers) QueryImagesByPackage(ctx context.Context, req oas.QueryImagesByPackageRequestObject) (oas.QueryImagesByPackageResponseObject, error) {
	p := req.Params
	after, asked, limit, err := page[string](p.Page, p.Limit)
	if err != nil {
		return nil, err
	}
	q := persistence.PackageQuestion{Name: p.Name, Version: orElse(p.Version, ""), Type: orElse(p.PackageType, "")}
	found, err := h.deps.Fleet.HoldersOfPackage(ctx, callerOf(ctx).Account, q, after, limit)
	if err != nil {
		return nil, err
	}
	list, err := h.imageList(ctx, found, asked, limit)
	return oas.QueryImagesByPackage200JSONResponse(list), err
}

// QueryImagesByVulnerability finds the images of the account that have a vulnerability.
func (h *handlers) QueryImagesByVulnerability(ctx context.Context, req oas.QueryImagesByVulnerabilityRequestObject) (oas.QueryImagesByVulnerabilityResponseObject, error) {
	p := req.Params
	after, asked, limit, err := page[string](p.Page, p.Limit)
	if err != nil {
		return nil, err
	}
	q := persistence.VulnerabilityQuestion{
		Vulnerability: p.VulnerabilityId, Namespace: match.Namespace(orElse(p.Namespace, "")), Package: orElse(p.AffectedPackage, ""),
		Severity: -1, VendorOnly: orElse(p.VendorOnly, true),
	}
	if p.Severity != nil {
		severity, _ := feed.ParseSeverity(string(*p.Severity))
		q.Severity = int(severity)
	}
	found, err := h.deps.Fleet.HoldersOfVulnerability(ctx, callerOf(ctx).Account, q, after, limit)
	if err != nil {
		return nil, err
	}
	list, err := h.imageList(ctx, found, asked, limit)
	return oas.QueryImagesByVulnerability200JSONResponse(list), err
}

// imageList tells of the images what people know them by.
func (h *handlers) imageList(ctx context.Context, found []persistence.PackageHolder, asked string, limit int) (oas.PaginatedImageList, error) {
	out := oas.PaginatedImageList{Page: asked, ReturnedCount: len(found), Images: make([]oas.ImageWithPackages, 0, len(found))}
	images, err := h.deps.Images.ByDigest(ctx, callerOf(ctx).Account, each(found, func(f persistence.PackageHolder) string { return f.Digest }))
	if err != nil {
		return out, fmt.Errorf("load images: %w", err)
	}
	for _, f := range found {
		image, there := images[f.Digest]
		if !there { // deleted meanwhile
			continue
		}
		out.Images = append(out.Images, oas.ImageWithPackages{Image: imageReference(image), Packages: packageReferences(f.Packages)})
	}
	out.ReturnedCount = len(out.Images)
	out.NextPage, err = next(len(found), limit, func() string { return found[len(found)-1].Digest })
	return out, err
}

func imageReference(image persistence.Image) oas.ImageReference {
	ref := oas.ImageReference{ImageDigest: image.Digest, ImageId: image.ImageID, TagHistory: []oas.TagEntry{}}
	if image.AnalyzedAt != nil {
		ref.AnalyzedAt = utc(*image.AnalyzedAt).Format(time.RFC3339)
	}
	for _, t := range image.Tags {
		ref.TagHistory = append(ref.TagHistory, oas.TagEntry{
			FullTag: t.Registry + "/" + t.Repository + ":" + t.Tag, Registry: t.Registry, Repo: t.Repository, Tag: t.Tag, TagDetectedAt: utc(t.DetectedAt),
		})
	}
	return ref
}

// packageReferences lists each package once, whatever the number of findings behind it.
func packageReferences(held []persistence.HeldPackage) []oas.PackageReference {
	var out []oas.PackageReference
	for _, p := range held {
		if n := len(out); n > 0 && out[n-1].Name == p.Name && *out[n-1].Version == p.Version && out[n-1].Type == p.Type {
			out[n-1].WillNotFix = out[n-1].WillNotFix && p.WillNotFix
			continue
		}
		out = append(out, oas.PackageReference{Name: p.Name, Version: &p.Version, Type: p.Type, WillNotFix: p.WillNotFix})
	}
	return out
}

// QueryVulnerabilities looks records up.
func (h *handlers) QueryVulnerabilities(ctx context.Context, req oas.QueryVulnerabilitiesRequestObject) (oas.QueryVulnerabilitiesResponseObject, error) {
	p := req.Params
	after, asked, limit, err := page[persistence.RecordKey](p.Page, p.Limit)
	if err != nil {
		return nil, err
	}
	q := persistence.RecordQuestion{IDs: p.Id, Namespaces: each(orElse(p.Namespace, nil), match.Namespace), Package: orElse(p.AffectedPackage, "")}
	found, err := h.deps.Feeds.Records(ctx, q, after, limit)
	if err != nil {
		return nil, err
	}
	flaws, err := h.deps.Matches.Flaws(ctx, cvesOf(found))
	if err != nil {
		return nil, err
	}
	answer := oas.QueryVulnerabilities200JSONResponse{Page: asked, Vulnerabilities: []oas.StandaloneVulnerability{}}
	for _, r := range found {
		body := recordBody(r, flaws)
		if wanted := orElse(p.AffectedPackageVersion, ""); wanted != "" {
			body.AffectedPackages = slices.DeleteFunc(body.AffectedPackages, func(a oas.PackageReference) bool { return a.Version == nil || *a.Version != wanted })
			if len(body.AffectedPackages) == 0 {
				continue
			}
		}
		answer.Vulnerabilities = append(answer.Vulnerabilities, body)
	}
	answer.ReturnedCount = len(answer.Vulnerabilities)
	answer.NextPage, err = next(len(found), limit, func() persistence.RecordKey { return found[len(found)-1].RecordKey })
	return answer, err
}

// cvesOf lists the CVEs records are about.
func cvesOf(found []persistence.VulnerabilityRecord) []string {
	var out []string
	for _, r := range found {
		out = append(out, cves(r.ID, r.Detail.Aliases)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cves picks the CVEs among the names of a flaw.
func cves(id string, also []string) []string {
	return slices.DeleteFunc(append([]string{id}, also...), func(name string) bool { return !strings.HasPrefix(name, "CVE-") })
}

func recordBody(r persistence.VulnerabilityRecord, flaws map[string]persistence.Flaw) oas.StandaloneVulnerability {
	body := oas.StandaloneVulnerability{
		Id: r.ID, Namespace: match.FeedGroup(r.Namespace), Severity: oas.StandaloneVulnerabilitySeverity(r.Detail.Severity.String()), Link: r.Detail.URL,
		Description: r.Detail.Description, NvdData: nvdData(cves(r.ID, r.Detail.Aliases), flaws), VendorData: vendorScores(r.ID, r.Source, r.Detail.CVSS),
		References: each(r.Detail.References, func(url string) oas.VulnerabilityReference {
			return oas.VulnerabilityReference{Source: r.Source, Tags: []string{}, Url: url}
		}),
		AffectedPackages: []oas.PackageReference{},
	}
	if body.Description == "" {
		body.Description = r.Detail.Summary
	}
	for _, a := range r.Advisories {
		body.AffectedPackages = append(body.AffectedPackages, affectedVersions(a, match.FeedGroup(r.Namespace))...)
	}
	return body
}

// affectedVersions shows an advisory as the published API does: the package with the version that fixes it, once for
// each fix; null where there is none.
func affectedVersions(a feed.Advisory, group string) []oas.PackageReference {
	ref := oas.PackageReference{Name: a.Package, Type: group, WillNotFix: a.State == feed.StateWontFix}
	var out []oas.PackageReference
	for _, r := range a.Ranges {
		fixed := ref
		fixed.Version = given(r.Fixed)
		out = append(out, fixed)
	}
	if len(out) == 0 && a.State != feed.StateNotAffected {
		out = append(out, ref)
	}
	return out
}
