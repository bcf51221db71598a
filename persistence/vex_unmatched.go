package persistence

import (
	"context"

	"plimsoll/engine/vex"
)

const (
	// namedImages bounds how many images of one document's products are looked at.
	namedImages = 2000

	reasonNoImage   = "the account has no such image"
	reasonNoFinding = "no image of the account that it names has the vulnerability in a package that it names"
)

var (
	documentClaims = query("vexdocument.claims", `
SELECT `+claimColumns+`
FROM plimsoll.vex_claim c `+claimStatement+`
WHERE c.account = @account AND c.document = @digest ORDER BY c.position`)

	vexImagesNamed = query("vex.images_named", `
SELECT i.digest, i.parent_digest,
  ARRAY(SELECT DISTINCT t.pull_digest FROM plimsoll.image_tag t WHERE t.account = i.account AND t.digest = i.digest ORDER BY 1) AS pulled,
  ARRAY(SELECT DISTINCT t.registry || '/' || t.repository FROM plimsoll.image_tag t WHERE t.account = i.account AND t.digest = i.digest ORDER BY 1) AS names,
  ARRAY(SELECT t.registry || '/' || t.repository || ':' || t.tag FROM plimsoll.image_tag t
    WHERE t.account = i.account AND t.digest = i.digest AND t.current ORDER BY 1) AS tags
FROM plimsoll.image i
WHERE i.account = @account AND i.image_status = 'active' AND (i.digest = ANY (@images::text[]) OR i.parent_digest = ANY (@images::text[])
  OR i.digest IN (SELECT t.digest FROM plimsoll.image_tag t WHERE t.account = @account
    AND (t.pull_digest = ANY (@images::text[]) OR lower(t.registry || '/' || t.repository) = ANY (@images::text[])
      OR t.current AND lower(t.registry || '/' || t.repository) || ':' || t.tag = ANY (@images::text[]))))
ORDER BY i.digest LIMIT @limit`)

	vexFindings = query("vex.findings", `
WITH hit AS (
  SELECT m.package_id, m.vulnerability, m.also FROM plimsoll.package_match m WHERE m.vulnerability = ANY (@names::text[]) AND m.valid_to IS NULL
  UNION SELECT m.package_id, m.vulnerability, m.also FROM plimsoll.package_match m
  WHERE m.also && @names::text[] AND m.also <> '{}' AND m.valid_to IS NULL
)
SELECT DISTINCT CASE WHEN i.digest = ANY (@digests::text[]) THEN i.digest ELSE '' END AS digest, h.vulnerability, h.also, p.purl
FROM hit h JOIN plimsoll.package p ON p.id = h.package_id
JOIN plimsoll.image_package e ON e.package_id = h.package_id AND e.counted JOIN plimsoll.image i ON i.analysis_id = e.analysis_id
WHERE i.account = @account AND i.image_status = 'active' ORDER BY 1, h.vulnerability, p.purl`)
)

// UnmatchedClaim is what a document says that holds for nothing the account has now.
type UnmatchedClaim struct {
	Vulnerability string
	Product       string // as the document names it
	Status        vex.Status
	Reason        string
}

type namedRow struct {
	Digest       string
	ParentDigest string
	Pulled       []string
	Names        []string
	Tags         []string
}

type namedFinding struct {
	Digest        string // '' of images that no product names
	Vulnerability string
	Also          []string
	PURL          string
}

// Unmatched returns up to limit claims of a document that hold for nothing now, with the reason, and how many there are.
func (s *Annotations) Unmatched(ctx context.Context, account, digest string, limit int) ([]UnmatchedClaim, int, error) {
	rows, err := many[claimRow](ctx, s.pool, documentClaims, args{"account": account, "digest": digest})
	if err != nil {
		return nil, 0, wrap(err, "load statements of %s", digest)
	}
	claims := make([]vex.Claim, len(rows))
	var names, images []string
	for i := range rows {
		claims[i] = rows[i].claim()
		names = append(names, rows[i].Names...)
		if rows[i].Image != "" {
			images = append(images, rows[i].Image)
		}
	}
	covered, known, err := s.covered(ctx, account, names, images, claims)
	if err != nil {
		return nil, 0, wrap(err, "match statements of %s", digest)
	}
	out, total := []UnmatchedClaim{}, 0
	for i := range claims {
		if covered[i] {
			continue
		}
		if total++; total > limit {
			continue
		}
		c := &claims[i]
		reason := reasonNoFinding
		switch {
		case c.Unclear != "":
			reason = c.Unclear
		case c.Image != "" && !known[c.Image]:
			reason = reasonNoImage
		}
		out = append(out, UnmatchedClaim{c.Names[0], c.Given, c.Status, reason})
	}
	return out, total, nil
}

// covered tells which claims speak about a finding of the account, and which of the images they name it has.
func (s *Annotations) covered(ctx context.Context, account string, names, images []string, claims []vex.Claim) ([]bool, map[string]bool, error) {
	held, err := many[namedRow](ctx, s.pool, vexImagesNamed, args{"account": account, "images": images, "limit": namedImages})
	if err != nil {
		return nil, nil, err
	}
	digests := make([]string, len(held))
	for i := range held {
		digests[i] = held[i].Digest
	}
	findings, err := many[namedFinding](ctx, s.pool, vexFindings, args{"account": account, "names": spellings(names), "digests": digests})
	if err != nil {
		return nil, nil, err
	}
	byImage := map[string][]vex.Finding{}
	all := make([]vex.Finding, len(findings))
	for i, f := range findings {
		all[i] = vex.Finding{Names: append([]string{f.Vulnerability}, f.Also...), PURL: f.PURL}
		byImage[f.Digest] = append(byImage[f.Digest], all[i])
	}
	out := vex.Covered(vex.Image{}, all, claims) // those that name no image
	known := map[string]bool{}
	for i := range held {
		h := &held[i]
		row := calledRow{ParentDigest: h.ParentDigest, Pulled: h.Pulled, Names: h.Names, Tags: h.Tags}
		img := row.image(h.Digest)
		for _, name := range img.Known() {
			known[name] = true
		}
		for c, speaks := range vex.Covered(img, byImage[h.Digest], claims) {
			out[c] = out[c] || speaks
		}
	}
	return out, known, nil
}
