package custom

import (
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// What expressions see of the facts. The names of the fields are what policies are written against: they stay, even
// where the facts behind them change.

// Image describes the image as a whole.
type Image struct {
	Digest string   `cel:"digest"`
	ID     string   `cel:"id"`
	OS     string   `cel:"os"`
	Arch   string   `cel:"arch"`
	Size   int64    `cel:"size"`
	Layers []string `cel:"layers"`
}

// Distro is the distribution; all fields are empty without one.
type Distro struct {
	ID        string   `cel:"id"`
	VersionID string   `cel:"version_id"`
	Codename  string   `cel:"codename"`
	Name      string   `cel:"name"`
	Like      []string `cel:"like"`
}

// Config is the image config.
type Config struct {
	User         string   `cel:"user"`
	ExposedPorts []string `cel:"exposed_ports"`
}

// Dockerfile is the text the image was built from; Mode is Actual, Guessed or empty.
type Dockerfile struct {
	Text string `cel:"text"`
	Mode string `cel:"mode"`
}

// Package is one package at one place.
type Package struct {
	Type      string            `cel:"type"`
	Namespace string            `cel:"namespace"`
	Name      string            `cel:"name"`
	Version   string            `cel:"version"`
	Arch      string            `cel:"arch"`
	Source    string            `cel:"source"`
	PURL      string            `cel:"purl"`
	CPEs      []string          `cel:"cpes"`
	Licenses  []string          `cel:"licenses"`
	Origin    string            `cel:"origin"`
	Size      int64             `cel:"size"`
	Location  string            `cel:"location"`
	Metadata  map[string]string `cel:"metadata"`
	Layer     string            `cel:"layer"`
	Owner     string            `cel:"owner"`
	OS        bool              `cel:"os"` // of the distribution's package manager
}

// Affected is the package of a vulnerability.
type Affected struct {
	Name     string `cel:"name"`
	Version  string `cel:"version"`
	Type     string `cel:"type"`
	Location string `cel:"location"`
}

// Vulnerability is one match with one package.
type Vulnerability struct {
	ID       string `cel:"id"`
	Severity string `cel:"severity"` // unknown, negligible, low, medium, high or critical
	// SeverityLevel is 0 for unknown to 5 for critical.
	SeverityLevel  int64     `cel:"severity_level"`
	Package        Affected  `cel:"package"`
	FeedGroup      string    `cel:"feed_group"`
	URL            string    `cel:"url"`
	FixedIn        []string  `cel:"fixed_in"`
	WillNotFix     bool      `cel:"will_not_fix"`
	DetectedAt     time.Time `cel:"detected_at"`
	FixObservedAt  time.Time `cel:"fix_observed_at"`
	Annotation     string    `cel:"annotation"`
	Exploited      bool      `cel:"exploited"`
	EPSSScore      float64   `cel:"epss_score"`      // 0 without one
	EPSSPercentile float64   `cel:"epss_percentile"` // 0 without one
	CVSS           float64   `cel:"cvss"`            // highest base score of version 3 or later, of any origin; -1 without one
}

// File is an entry of the final file system.
type File struct {
	Path   string `cel:"path"`
	Type   string `cel:"type"`
	Mode   int64  `cel:"mode"`
	UID    int64  `cel:"uid"`
	GID    int64  `cel:"gid"`
	Size   int64  `cel:"size"`
	SHA256 string `cel:"sha256"`
	Link   string `cel:"link"`
}

// Hit is something a search found.
type Hit struct {
	Search  string `cel:"search"`
	Name    string `cel:"name"`
	Path    string `cel:"path"`
	Line    int64  `cel:"line"`
	Removed bool   `cel:"removed"`
}

// Kept is a file whose content was kept.
type Kept struct {
	Path    string `cel:"path"`
	Content []byte `cel:"content"`
}

// Findings are what was found in files.
type Findings struct {
	Hits      []Hit  `cel:"hits"`
	Retrieved []Kept `cel:"retrieved"`
}

// Report is what a malware scanner found in a file.
type Report struct {
	Scanner    string   `cel:"scanner"`
	Signatures []string `cel:"signatures"`
	Path       string   `cel:"path"`
	Removed    bool     `cel:"removed"`
}

// Malware is the outcome of malware scans.
type Malware struct {
	Scanned bool     `cel:"scanned"`
	Reports []Report `cel:"reports"`
}

// Ancestor is an image this one is built on.
type Ancestor struct {
	Digest string   `cel:"digest"`
	Tags   []string `cel:"tags"`
	Base   bool     `cel:"base"`
}

// Feeds is the state of the vulnerability data.
type Feeds struct {
	LastSync   time.Time `cel:"last_sync"`
	Namespaces []string  `cel:"namespaces"`
}

// nativeTypes announces the types above to the language.
func nativeTypes() []any {
	all := []any{ext.ParseStructTags(true)}
	for _, value := range []any{Image{}, Distro{}, Config{}, Dockerfile{}, Package{}, Affected{}, Vulnerability{}, File{}, Hit{}, Kept{}, Findings{},
		Report{}, Malware{}, Ancestor{}, Feeds{}} {
		all = append(all, reflect.TypeOf(value))
	}
	return all
}

func typeOf(value any) *cel.Type { return cel.ObjectType(reflect.TypeOf(value).String()) }

func viewPackage(p *catalog.Package) Package {
	return Package{
		Type: p.Type, Namespace: p.Namespace, Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, PURL: p.PURL, CPEs: p.CPEs,
		Licenses: p.Licenses, Origin: p.Origin, Size: p.Size, Location: p.Location, Metadata: p.Metadata, Layer: p.Layer, Owner: p.Owner,
		OS: catalog.IsOS(p.Type),
	}
}

func viewVulnerability(v *policy.Vulnerability) Vulnerability {
	out := Vulnerability{
		ID: v.ID, Severity: strings.ToLower(v.Severity.String()), SeverityLevel: int64(v.Severity), Package: Affected(v.Package), FeedGroup: v.FeedGroup,
		URL: v.URL, FixedIn: v.FixedIn, WillNotFix: v.WillNotFix, DetectedAt: v.DetectedAt, FixObservedAt: v.FixObservedAt,
		Annotation: string(v.Annotation), Exploited: v.Exploited, CVSS: highest(v.NVD, v.Vendor),
	}
	if v.EPSS != nil {
		out.EPSSScore, out.EPSSPercentile = v.EPSS.Score, v.EPSS.Percentile
	}
	return out
}

// unscored is what a vulnerability without a score compares as, here and in gate vulnerabilities.
const unscored = -1.0

func highest(lists ...[]feed.CVSS) float64 {
	best := unscored
	for _, list := range lists {
		for _, score := range list {
			if score.Base != nil && score.Version >= "3" {
				best = max(best, *score.Base)
			}
		}
	}
	return best
}

func viewFile(e *catalog.Entry) File {
	return File{
		Path: e.Path, Type: string(e.Type), Mode: int64(e.Mode), UID: int64(e.UID), GID: int64(e.GID), Size: e.Size, SHA256: e.SHA256, Link: e.Link,
	}
}
