package vex

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

// Claim is what a statement says of one of its products.
type Claim struct {
	ID    string   // tells claims apart
	Names []string // of the vulnerability
	Product
	Assertion
	At time.Time
}

// Finding is a vulnerability of a package of an image.
type Finding struct {
	Names []string // of the vulnerability
	PURL  string   // of the package; may be empty
}

// Latest returns for each finding the index of the claim that decides, -1 where none speaks about it: of those that do,
// the latest one; said at the same time, the one that asks for the most. The order of claims does not matter.
func Latest(img Image, findings []Finding, claims []Claim) []int {
	known := img.Known()
	parsed := parser{}
	byName := map[string][]int{}
	for i := range claims {
		if claims[i].Unclear != "" || claims[i].Image != "" && !slices.Contains(known, claims[i].Image) {
			continue
		}
		for _, name := range claims[i].Names {
			byName[strings.ToUpper(name)] = append(byName[strings.ToUpper(name)], i)
		}
	}
	out := make([]int, len(findings))
	for f := range findings {
		out[f] = -1
		for _, name := range findings[f].Names {
			for _, i := range byName[strings.ToUpper(name)] {
				if parsed.speaks(&claims[i], findings[f].PURL) && (out[f] < 0 || compare(&claims[i], &claims[out[f]]) > 0) {
					out[f] = i
				}
			}
		}
	}
	return out
}

// compare orders claims about one finding, the one that decides last.
func compare(a, b *Claim) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(slices.Index(caution, a.Status), slices.Index(caution, b.Status)), cmp.Compare(b.ID, a.ID))
}

// parser reads each purl once.
type parser map[string]*packageurl.PackageURL

func (p parser) read(purl string) *packageurl.PackageURL {
	u, done := p[purl]
	if !done {
		if parsed, ok := parse(purl); ok {
			u = &parsed
		}
		p[purl] = u
	}
	return u
}

// speaks reports whether a claim whose image is the right one is about a package.
func (p parser) speaks(c *Claim, purl string) bool {
	if c.Package == "" {
		return true
	}
	statement, is := p.read(c.Package), p.read(purl)
	return statement != nil && is != nil && names(*statement, *is)
}

// Covered tells for each claim whether it speaks about one of the findings.
func Covered(img Image, findings []Finding, claims []Claim) []bool {
	known := img.Known()
	parsed := parser{}
	purls := map[string][]string{}
	for _, f := range findings {
		for _, name := range f.Names {
			purls[strings.ToUpper(name)] = append(purls[strings.ToUpper(name)], f.PURL)
		}
	}
	out := make([]bool, len(claims))
	for i := range claims {
		c := &claims[i]
		if c.Unclear != "" || c.Image != "" && !slices.Contains(known, c.Image) {
			continue
		}
		out[i] = slices.ContainsFunc(c.Names, func(name string) bool {
			return slices.ContainsFunc(purls[strings.ToUpper(name)], func(purl string) bool { return parsed.speaks(c, purl) })
		})
	}
	return out
}
