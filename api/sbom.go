package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/image"
	"plimsoll/engine/sbom"
	"plimsoll/internal/build"
	"plimsoll/persistence"
)

// sbomFormat writes a document about an image.
type sbomFormat func(w io.Writer, s sbom.Subject, img *image.Image, now time.Time) error

// sbomDocument is a finished document; it is answered as it is.
type sbomDocument struct {
	mediaType string
	content   []byte
}

func (d sbomDocument) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(d.content)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(d.content)
	return err
}

// VisitGetImageSbomNativeResponse implements oas.GetImageSbomNativeResponseObject.
func (d sbomDocument) VisitGetImageSbomNativeResponse(w http.ResponseWriter) error { return d.write(w) }

// VisitGetImageSbomSpdxResponse implements oas.GetImageSbomSpdxResponseObject.
func (d sbomDocument) VisitGetImageSbomSpdxResponse(w http.ResponseWriter) error { return d.write(w) }

// VisitGetImageSbomCyclonedxResponse implements oas.GetImageSbomCyclonedxResponseObject.
func (d sbomDocument) VisitGetImageSbomCyclonedxResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// VisitGetImageSbomCyclonedxXmlResponse implements oas.GetImageSbomCyclonedxXmlResponseObject.
func (d sbomDocument) VisitGetImageSbomCyclonedxXmlResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// VisitGetImageSbomSpdxTagValueResponse implements oas.GetImageSbomSpdxTagValueResponseObject.
func (d sbomDocument) VisitGetImageSbomSpdxTagValueResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// Media types of SBOM documents.
const (
	mediaJSON = "application/json"
	mediaXML  = "application/xml"
	mediaText = "text/plain; charset=utf-8"
)

// GetImageSbomNative writes the native document.
func (h *handlers) GetImageSbomNative(ctx context.Context, req oas.GetImageSbomNativeRequestObject) (oas.GetImageSbomNativeResponseObject, error) {
	return h.sbom(ctx, req.ImageDigest, mediaJSON, sbom.Native)
}

// GetImageSbomSpdx writes SPDX.
func (h *handlers) GetImageSbomSpdx(ctx context.Context, req oas.GetImageSbomSpdxRequestObject) (oas.GetImageSbomSpdxResponseObject, error) {
	return h.sbom(ctx, req.ImageDigest, mediaJSON, sbom.SPDX)
}

// GetImageSbomCyclonedx writes CycloneDX.
func (h *handlers) GetImageSbomCyclonedx(ctx context.Context, req oas.GetImageSbomCyclonedxRequestObject) (oas.GetImageSbomCyclonedxResponseObject, error) {
	return h.sbom(ctx, req.ImageDigest, mediaJSON, sbom.CycloneDX)
}

// GetImageSbomCyclonedxXml writes CycloneDX in XML.
func (h *handlers) GetImageSbomCyclonedxXml(ctx context.Context, req oas.GetImageSbomCyclonedxXmlRequestObject) (oas.GetImageSbomCyclonedxXmlResponseObject, error) {
	return h.sbom(ctx, req.ImageDigest, mediaXML, sbom.CycloneDXXML)
}

// GetImageSbomSpdxTagValue writes SPDX as tags and values.
func (h *handlers) GetImageSbomSpdxTagValue(ctx context.Context, req oas.GetImageSbomSpdxTagValueRequestObject) (oas.GetImageSbomSpdxTagValueResponseObject, error) {
	return h.sbom(ctx, req.ImageDigest, mediaText, sbom.SPDXTagValue)
}

// sbom writes a document in one of the formats. Its time is that of the analysis, so that asking twice gives the same bytes.
func (h *handlers) sbom(ctx context.Context, digest, mediaType string, write sbomFormat) (sbomDocument, error) {
	analysis, err := h.analysis(ctx, digest)
	if err != nil {
		return sbomDocument{}, err
	}
	content, err := h.contentsOf(ctx, analysis)
	if err != nil {
		return sbomDocument{}, err
	}
	subject, err := h.subject(ctx, digest, analysis)
	if err != nil {
		return sbomDocument{}, err
	}
	var document bytes.Buffer
	if err := write(&document, subject, content, analysis.AnalyzedAt.UTC()); err != nil {
		return sbomDocument{}, fmt.Errorf("write SBOM of %s: %w", digest, err)
	}
	return sbomDocument{mediaType, document.Bytes()}, nil
}

func (h *handlers) subject(ctx context.Context, digest string, analysis persistence.Analysis) (sbom.Subject, error) {
	record, err := h.image(ctx, digest)
	if err != nil {
		return sbom.Subject{}, err
	}
	manifest, err := h.document(ctx, analysis.ManifestBlob)
	if err != nil {
		return sbom.Subject{}, err
	}
	config, err := h.document(ctx, analysis.ConfigBlob)
	if err != nil {
		return sbom.Subject{}, err
	}
	return sbom.Subject{
		ImageDigest: record.Digest, ImageID: record.ImageID, MediaType: record.MediaType,
		Tags:         each(record.Tags, persistence.Tag.FullTag),
		Architecture: analysis.Arch, OS: analysis.OS, Manifest: manifest, Config: config, ToolVersion: build.Current().Version,
		WithoutLicenseTexts: !h.config.SBOMLicenseTexts,
	}, nil
}
