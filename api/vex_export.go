package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"plimsoll/api/oas"
	"plimsoll/authz"
	"plimsoll/engine/catalog"
	"plimsoll/engine/sbom"
	"plimsoll/engine/vex"
	"plimsoll/internal/build"
	"plimsoll/persistence"
)

// VisitGetImageVexOpenvexResponse implements oas.GetImageVexOpenvexResponseObject.
func (d sbomDocument) VisitGetImageVexOpenvexResponse(w http.ResponseWriter) error { return d.write(w) }

// VisitGetImageVexCyclonedxResponse implements oas.GetImageVexCyclonedxResponseObject.
func (d sbomDocument) VisitGetImageVexCyclonedxResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// VisitGetImageVexCyclonedxXmlResponse implements oas.GetImageVexCyclonedxXmlResponseObject.
func (d sbomDocument) VisitGetImageVexCyclonedxXmlResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// VisitGetImageVulnerabilitiesCyclonedxResponse implements oas.GetImageVulnerabilitiesCyclonedxResponseObject.
func (d sbomDocument) VisitGetImageVulnerabilitiesCyclonedxResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// VisitGetImageVulnerabilitiesCyclonedxXmlResponse implements oas.GetImageVulnerabilitiesCyclonedxXmlResponseObject.
func (d sbomDocument) VisitGetImageVulnerabilitiesCyclonedxXmlResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// GetImageVexOpenvex exports as OpenVEX.
func (h *handlers) GetImageVexOpenvex(ctx context.Context, req oas.GetImageVexOpenvexRequestObject) (oas.GetImageVexOpenvexResponseObject, error) {
	return h.vex(ctx, req.ImageDigest, mediaJSON, vex.OpenVEX)
}

// GetImageVexCyclonedx exports as CycloneDX.
func (h *handlers) GetImageVexCyclonedx(ctx context.Context, req oas.GetImageVexCyclonedxRequestObject) (oas.GetImageVexCyclonedxResponseObject, error) {
	return h.vex(ctx, req.ImageDigest, mediaJSON, vex.CycloneDX)
}

// GetImageVexCyclonedxXml exports as CycloneDX in XML.
func (h *handlers) GetImageVexCyclonedxXml(ctx context.Context, req oas.GetImageVexCyclonedxXmlRequestObject) (oas.GetImageVexCyclonedxXmlResponseObject, error) {
	return h.vex(ctx, req.ImageDigest, mediaXML, vex.CycloneDXXML)
}

// vex writes what is said about an image. Its time is that of the latest word, so that asking twice gives the same bytes.
func (h *handlers) vex(ctx context.Context, digest, mediaType string, write func(io.Writer, vex.Report) error) (sbomDocument, error) {
	said, found, err := h.annotations(ctx, digest)
	if err != nil {
		return sbomDocument{}, err
	}
	report, err := h.vexReport(ctx, digest)
	if err != nil {
		return sbomDocument{}, err
	}
	purls, err := h.purls(ctx, digest, said, found)
	if err != nil {
		return sbomDocument{}, err
	}
	also := map[string][]string{}
	for i := range found {
		also[found[i].Vulnerability] = found[i].Also
	}
	for i := range said {
		a := &said[i]
		if a.UpdatedAt.After(report.At) {
			report.At = a.UpdatedAt
		}
		report.Statements = append(report.Statements, vex.Statement{
			Vulnerability: a.Vulnerability, Aliases: also[a.Vulnerability], Products: []vex.Product{report.Image.In(purls[packageOf(a)])},
			Assertion: a.Assertion, At: a.UpdatedAt,
		})
	}
	var document bytes.Buffer
	if err := write(&document, report); err != nil {
		return sbomDocument{}, err
	}
	return sbomDocument{mediaType, document.Bytes()}, nil
}

// vexReport is an empty report about an image.
func (h *handlers) vexReport(ctx context.Context, digest string) (vex.Report, error) {
	record, err := h.image(ctx, digest)
	if err != nil {
		return vex.Report{}, err
	}
	about := sbom.Subject{ImageDigest: record.Digest, Tags: each(record.Tags, persistence.Tag.FullTag)}
	if record.Content != nil {
		about.Architecture = record.Content.Arch
	}
	author := h.config.VexAuthor
	if author == "" {
		author = record.Account
	}
	at := record.CreatedAt
	if record.AnalyzedAt != nil {
		at = *record.AnalyzedAt
	}
	return vex.Report{
		Image: vex.Subject{Digest: record.Digest, Name: about.Name(), PURL: about.PURL()}, Author: author, At: at, ToolVersion: build.Current().Version,
	}, nil
}

// packageKey is how annotations name a package.
type packageKey struct{ kind, name, version string }

func packageOf(a *persistence.Annotation) packageKey {
	return packageKey{a.PackageType, a.PackageName, a.PackageVersion}
}

// purls finds the purls of annotated packages: those of findings, of other packages of the image, or for what the image
// does not hold a purl made of the name.
func (h *handlers) purls(ctx context.Context, digest string, said []persistence.Annotation, found []persistence.ImageVulnerability) (map[packageKey]string, error) {
	known := map[packageKey]string{{}: ""}
	for i := range found {
		known[packageKey{found[i].PackageType, found[i].PackageName, found[i].PackageVersion}] = found[i].PURL
	}
	looked := false
	for i := range said {
		key := packageOf(&said[i])
		if _, there := known[key]; there {
			continue
		}
		if !looked && found != nil {
			looked = true
			if err := h.packagePURLs(ctx, digest, known); err != nil {
				return nil, err
			}
		}
		if known[key] == "" {
			known[key] = catalog.PURL("generic", "", key.name, key.version, nil)
		}
	}
	return known, nil
}

func (h *handlers) packagePURLs(ctx context.Context, digest string, known map[packageKey]string) error {
	analysis, err := h.analysis(ctx, digest)
	if err != nil {
		return err
	}
	content, err := h.contentsOf(ctx, analysis)
	if err != nil {
		return err
	}
	for i := range content.Packages {
		p := &content.Packages[i]
		known[packageKey{p.Type, p.Name, p.Version}] = p.PURL
	}
	return nil
}

// GetImageVulnerabilitiesCyclonedx reports vulnerabilities as CycloneDX.
func (h *handlers) GetImageVulnerabilitiesCyclonedx(ctx context.Context, req oas.GetImageVulnerabilitiesCyclonedxRequestObject) (oas.GetImageVulnerabilitiesCyclonedxResponseObject, error) {
	p := req.Params
	filter := disclosureFilter(string(req.VulnType), p.VendorOnly, p.IncludeSuppressed)
	return h.disclose(ctx, req.ImageDigest, filter, orElse(p.IncludeAnnotationDetail, false), mediaJSON, vex.Disclosure)
}

// GetImageVulnerabilitiesCyclonedxXml reports vulnerabilities as CycloneDX in XML.
func (h *handlers) GetImageVulnerabilitiesCyclonedxXml(ctx context.Context, req oas.GetImageVulnerabilitiesCyclonedxXmlRequestObject) (oas.GetImageVulnerabilitiesCyclonedxXmlResponseObject, error) {
	p := req.Params
	filter := disclosureFilter(string(req.VulnType), p.VendorOnly, p.IncludeSuppressed)
	return h.disclose(ctx, req.ImageDigest, filter, orElse(p.IncludeAnnotationDetail, false), mediaXML, vex.DisclosureXML)
}

func disclosureFilter(kind string, vendorOnly, includeSuppressed *bool) persistence.VulnerabilityFilter {
	return persistence.VulnerabilityFilter{
		Kind: persistence.VulnerabilityKind(kind), IncludeWontFix: !orElse(vendorOnly, true), HideSuppressed: !orElse(includeSuppressed, true), Description: true,
	}
}

// disclose writes a vulnerability report. What is said about vulnerabilities takes a permission of its own.
func (h *handlers) disclose(ctx context.Context, digest string, filter persistence.VulnerabilityFilter, detail bool, mediaType string, write func(io.Writer, vex.Report, []vex.Disclosed) error) (sbomDocument, error) {
	who := callerOf(ctx)
	if detail {
		needs := authz.Permission{Domain: who.Account, Action: "listVulnAnnotations", Target: authz.AnyTarget}
		if err := h.deps.Authorizer.Decide(ctx, who.Subject, needs); err != nil {
			return sbomDocument{}, err
		}
	}
	found, err := h.vulnerabilities(ctx, digest, filter)
	if err != nil {
		return sbomDocument{}, err
	}
	report, err := h.vexReport(ctx, digest)
	if err != nil {
		return sbomDocument{}, err
	}
	report.At = time.Now()
	var document bytes.Buffer
	if err := write(&document, report, each(found, func(v persistence.ImageVulnerability) vex.Disclosed { return disclosed(v, detail) })); err != nil {
		return sbomDocument{}, fmt.Errorf("report vulnerabilities of %s: %w", digest, err)
	}
	return sbomDocument{mediaType, document.Bytes()}, nil
}

func disclosed(v persistence.ImageVulnerability, detail bool) vex.Disclosed {
	out := vex.Disclosed{
		Flaw: v.Detail, ID: v.Vulnerability, Also: v.Also, Severity: v.Severity, Fix: v.FixVersion, PURL: v.PURL, PackageName: v.PackageName, Version: v.PackageVersion,
	}
	if out.Flaw.Source == "" {
		out.Flaw.Source = v.Source
	}
	if detail && v.Annotation != nil {
		out.Said, out.SaidAt = &v.Annotation.Assertion, v.Annotation.UpdatedAt
	}
	return out
}
