package api

import (
	"context"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/license"
)

// GetImageLicenses lists the licences of every package, as stated and as SPDX expressions.
func (h *handlers) GetImageLicenses(ctx context.Context, req oas.GetImageLicensesRequestObject) (oas.GetImageLicensesResponseObject, error) {
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	answer := oas.GetImageLicenses200JSONResponse{ImageDigest: req.ImageDigest, Items: []oas.PackageLicenses{}}
	for i := range content.Packages {
		if p := &content.Packages[i]; content.Lists(p) {
			answer.Items = append(answer.Items, licensesBody(p))
		}
	}
	return answer, nil
}

func licensesBody(p *catalog.Package) oas.PackageLicenses {
	body := oas.PackageLicenses{
		Package: p.Name, Version: p.Version, Type: p.Type, Location: p.Location, Purl: p.PURL, Licenses: []oas.PackageLicense{},
	}
	for _, text := range p.Licenses {
		line := oas.PackageLicense{License: text}
		if expression, known := license.Normalize(text); known {
			line.SpdxExpression = &expression
		}
		body.Licenses = append(body.Licenses, line)
	}
	if len(p.Licenses) > 0 {
		body.Source = licenseSource(p)
	}
	return body
}

// licenseSource is the file that states a package's licences: the evidence of the package, except that dpkg's
// database has none and packages bring theirs as a file of their own (Debian Policy 12.5).
func licenseSource(p *catalog.Package) string {
	if p.Type == catalog.TypeDpkg {
		return "/usr/share/doc/" + p.Name + "/copyright"
	}
	return p.Location
}
