package persistence

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"plimsoll/engine/vex"
)

const (
	claimColumns = `c.document, c.position, s.names, c.given, c.image, c.package, c.unclear, ` + assertionColumns + `, d.author, s.stated_at`

	claimStatement = `JOIN plimsoll.vex_statement s ON s.account = c.account AND s.document = c.document AND s.statement = c.statement
JOIN plimsoll.vex_document d ON d.account = c.account AND d.digest = c.document`
)

var (
	vexSubject = query("vex.subject", `
SELECT i.parent_digest,
  ARRAY(SELECT DISTINCT t.pull_digest FROM plimsoll.image_tag t WHERE t.account = i.account AND t.digest = i.digest ORDER BY 1) AS pulled,
  ARRAY(SELECT DISTINCT t.registry || '/' || t.repository FROM plimsoll.image_tag t WHERE t.account = i.account AND t.digest = i.digest ORDER BY 1) AS names,
  ARRAY(SELECT t.registry || '/' || t.repository || ':' || t.tag FROM plimsoll.image_tag t
    WHERE t.account = i.account AND t.digest = i.digest AND t.current ORDER BY 1) AS tags,
  EXISTS (SELECT FROM plimsoll.vex_document d WHERE d.account = i.account) AS documents,
  EXISTS (SELECT FROM plimsoll.annotation a WHERE a.account = i.account AND a.image_digest = i.digest) AS annotated
FROM plimsoll.image i WHERE i.account = @account AND i.digest = @digest`)

	vexClaims = query("vex.claims", `
SELECT DISTINCT ON (c.document, c.position) `+claimColumns+`
FROM unnest(@names::text[], @packages::text[]) k (name, package)
JOIN plimsoll.vex_name n ON n.account = @account AND n.name = k.name AND n.package = k.package
JOIN plimsoll.vex_claim c ON c.account = n.account AND c.document = n.document AND c.statement = n.statement AND c.position = n.position
`+claimStatement+`
WHERE c.image = '' OR c.image = ANY (@images::text[])
ORDER BY c.document, c.position`)
)

type calledRow struct {
	ParentDigest string
	Pulled       []string
	Names        []string
	Tags         []string
	Documents    bool
	Annotated    bool
}

// image is what statements call the image.
func (r *calledRow) image(digest string) vex.Image {
	out := vex.Image{Digests: []string{digest}, Names: r.Names, Tags: r.Tags}
	for _, d := range append(r.Pulled, r.ParentDigest) {
		if d != "" && !slices.Contains(out.Digests, d) {
			out.Digests = append(out.Digests, d)
		}
	}
	return out
}

type claimRow struct {
	Document string
	Position int
	Names    []string
	Given    string
	Image    string
	Package  string
	Unclear  string
	vex.Assertion
	Author   string
	StatedAt time.Time
}

func (r *claimRow) claim() vex.Claim {
	return vex.Claim{
		ID: r.Document + "/" + strconv.Itoa(r.Position), Names: r.Names, Assertion: r.Assertion, At: r.StatedAt,
		Product: vex.Product{Given: r.Given, Image: r.Image, Package: r.Package, Unclear: r.Unclear},
	}
}

// annotate writes to findings what is said about them: what people of the account say of the image first, of a package
// before all packages; then the latest statement of the account's documents.
func (s *Matches) annotate(ctx context.Context, account, digest string, found []ImageVulnerability) error {
	if len(found) == 0 {
		return nil
	}
	row, err := one[calledRow](ctx, s.pool, vexSubject, args{"account": account, "digest": digest})
	if err != nil {
		return err
	}
	if row.Annotated {
		list, err := many[Annotation](ctx, s.pool, annotationList, args{"account": account, "image_digest": digest})
		if err != nil {
			return err
		}
		annotateByHand(found, list)
	}
	if row.Documents {
		return s.annotateByDocuments(ctx, account, digest, row.image(digest), found)
	}
	return nil
}

func annotateByHand(found []ImageVulnerability, list []Annotation) {
	byKey := make(map[AnnotationKey]*Annotation, len(list))
	for i := range list {
		key := list[i].AnnotationKey
		key.ImageDigest, key.Vulnerability = "", strings.ToUpper(key.Vulnerability)
		byKey[key] = &list[i]
	}
	for i := range found {
		v := &found[i]
		for _, key := range []AnnotationKey{{PackageType: v.PackageType, PackageName: v.PackageName, PackageVersion: v.PackageVersion}, {}} {
			for _, name := range v.names() {
				key.Vulnerability = strings.ToUpper(name)
				if v.Annotation == nil {
					v.Annotation = byKey[key]
				}
			}
		}
	}
}

// names are all names of the vulnerability.
func (v *ImageVulnerability) names() []string { return append([]string{v.Vulnerability}, v.Also...) }

func (s *Matches) annotateByDocuments(ctx context.Context, account, digest string, img vex.Image, found []ImageVulnerability) error {
	findings := make([]vex.Finding, len(found))
	type key struct{ name, pkg string }
	asked := map[key]bool{}
	var names, packages []string
	for i := range found {
		findings[i] = vex.Finding{Names: found[i].names(), PURL: found[i].PURL}
		about := vex.Key(found[i].PURL)
		for _, name := range findings[i].Names {
			for _, k := range []key{{strings.ToUpper(name), about}, {strings.ToUpper(name), ""}} {
				if !asked[k] {
					asked[k] = true
					names, packages = append(names, k.name), append(packages, k.pkg)
				}
			}
		}
	}
	rows, err := many[claimRow](ctx, s.pool, vexClaims, args{"account": account, "names": names, "packages": packages, "images": img.Known()})
	if err != nil || len(rows) == 0 {
		return err
	}
	claims := make([]vex.Claim, len(rows))
	for i := range rows {
		claims[i] = rows[i].claim()
	}
	for i, decides := range vex.Latest(img, findings, claims) {
		if v := &found[i]; v.Annotation == nil && decides >= 0 {
			v.Annotation = v.stated(account, digest, &rows[decides])
		}
	}
	return nil
}

// stated is what a document says about a finding, as an annotation. The same statement about the same package has the
// same id.
func (v *ImageVulnerability) stated(account, digest string, c *claimRow) *Annotation {
	key := AnnotationKey{ImageDigest: digest, Vulnerability: v.Vulnerability, PackageType: v.PackageType, PackageName: v.PackageName, PackageVersion: v.PackageVersion}
	name := strings.Join([]string{"plimsoll/vex", account, c.Document, strconv.Itoa(c.Position), digest, key.Vulnerability, key.PackageType, key.PackageName, key.PackageVersion}, "\n")
	return &Annotation{
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String(), AnnotationKey: key, Version: 1, Assertion: c.Assertion, Author: c.Author,
		Document: c.Document, CreatedAt: c.StatedAt, UpdatedAt: c.StatedAt,
	}
}
