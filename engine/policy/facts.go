package policy

import (
	"context"
	"iter"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/vex"
)

// Facts is what an evaluation may ask about one image. Each method is called at most once per evaluation and
// only when a rule that is really run needs it, so an implementation loads nothing before it is asked and need
// not cache. An error makes the asking rules fail closed; it never means "there is nothing".
type Facts interface {
	Image(ctx context.Context) (Image, error)
	Config(ctx context.Context) (Config, error)
	Dockerfile(ctx context.Context) (Dockerfile, error)
	// Files yields the squashed file system in path order. The sequence may be ranged over several times.
	Files(ctx context.Context) (iter.Seq[catalog.Entry], error)
	Packages(ctx context.Context) ([]catalog.Package, error)
	// Vulnerabilities may lack what only RatedVulnerabilities promise.
	Vulnerabilities(ctx context.Context) ([]Vulnerability, error)
	// RatedVulnerabilities are the Vulnerabilities with what is known of the CVEs behind them, which costs more to load:
	// Exploited, EPSS and NVD.
	RatedVulnerabilities(ctx context.Context) ([]Vulnerability, error)
	FeedStatus(ctx context.Context) (FeedStatus, error)
	// Lifecycle is what is published about the support of the image's distribution; nil when nothing is.
	Lifecycle(ctx context.Context) (*feed.Lifecycle, error)
	Findings(ctx context.Context) (Findings, error)
	Malware(ctx context.Context) (Malware, error)
	// Verified compares the final file system with what the package databases recorded; a package of which
	// nothing is recorded has no entry.
	Verified(ctx context.Context) ([]Verification, error)
	// Ancestors are the analysed images whose layers are the first layers of this one, fewest layers first.
	Ancestors(ctx context.Context) ([]Ancestor, error)
	// BaseVulnerabilities are those of the base image; none without a base image.
	BaseVulnerabilities(ctx context.Context) ([]Vulnerability, error)
	// Predecessor is the analysed image that the evaluated tag named last before it named this one; nil without one.
	Predecessor(ctx context.Context, tag string) (*Predecessor, error)
	// PackageIndex is what is published of the image's packages of a type: catalog.TypeNpm or catalog.TypeGem.
	PackageIndex(ctx context.Context, packageType string) (PackageIndex, error)
	// Sources are the source repositories the image is known to be made from.
	Sources(ctx context.Context) ([]Source, error)
	// STIGEvaluations are the moments of the evaluations stored for the image, in any order.
	STIGEvaluations(ctx context.Context) ([]time.Time, error)
}

// Image is what identifies and describes the image as a whole.
type Image struct {
	Digest string          `json:"digest"` // of the manifest, with its algorithm: sha256:…
	ID     string          `json:"id"`     // of the config, 64 hex digits without algorithm
	Distro *catalog.Distro `json:"distro,omitempty"`
	OS     string          `json:"os"`
	Arch   string          `json:"arch"`
	Size   int64           `json:"size"` // bytes
	Layers []string        `json:"layers,omitempty"`
}

// Config is the part of the image config (OCI image spec, config.md) that rules look at.
type Config struct {
	User         string   `json:"user,omitempty"`
	ExposedPorts []string `json:"exposed_ports,omitempty"` // keys of ExposedPorts: 8080/tcp
}

// DockerfileMode tells where a Dockerfile's text comes from.
type DockerfileMode string

const (
	DockerfileNone    DockerfileMode = ""        // neither text nor history
	DockerfileActual  DockerfileMode = "Actual"  // sent by the user
	DockerfileGuessed DockerfileMode = "Guessed" // rebuilt from the image history
)

// Dockerfile is the text an image was, or may have been, built from.
type Dockerfile struct {
	Text string         `json:"text,omitempty"`
	Mode DockerfileMode `json:"mode,omitempty"`
}

// Vulnerability is one match of a vulnerability with one package at one location.
type Vulnerability struct {
	ID         string          `json:"id"`
	Severity   feed.Severity   `json:"severity"`
	Package    AffectedPackage `json:"package"`
	FeedGroup  string          `json:"feed_group,omitempty"`
	Also       []string        `json:"also,omitempty"` // other names of the same, such as the CVEs behind an advisory
	URL        string          `json:"url,omitempty"`
	FixedIn    []string        `json:"fixed_in,omitempty"` // fix versions; none when no fix is known
	WillNotFix bool            `json:"will_not_fix,omitempty"`
	// DetectedAt is when this system first saw the match on this image; later analyses and rescans keep it.
	DetectedAt time.Time `json:"detected_at,omitzero"`
	// FixObservedAt is when the feed first carried these fix versions; zero when that is not known.
	FixObservedAt time.Time `json:"fix_observed_at,omitzero"`
	// Annotation is what the account or its documents say about it; empty: nothing.
	Annotation vex.Status `json:"annotation,omitempty"`
	// Exploited: CISA lists one of the CVEs behind it as known to be exploited.
	Exploited bool `json:"exploited,omitempty"`
	// EPSS is the highest of the CVEs behind it; nil when none has one.
	EPSS *EPSS `json:"epss,omitempty"`
	// NVD and Vendor are the scores NVD and the feed's own publisher give, of any CVSS version.
	NVD    []feed.CVSS `json:"nvd,omitempty"`
	Vendor []feed.CVSS `json:"vendor,omitempty"`
}

// EPSS says how likely a vulnerability is to be exploited within 30 days (FIRST), both values from 0 to 1.
type EPSS struct {
	Score      float64 `json:"score"`
	Percentile float64 `json:"percentile"`
}

// AffectedPackage names the package of a Vulnerability in the words of package catalog.
type AffectedPackage struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Type     string `json:"type"` // one of catalog's Type constants
	Location string `json:"location,omitempty"`
}

// FeedStatus describes the vulnerability data the matches were made with.
type FeedStatus struct {
	// LastSync is the earliest of the last successful syncs of all enabled feed groups, changed or not; zero
	// when no group is enabled or one of them never succeeded.
	LastSync time.Time `json:"last_sync,omitzero"`
	// Namespaces lists the namespaces the data has advisories for ("debian:12", "npm"), in any order.
	Namespaces []string `json:"namespaces,omitempty"`
	// Exploited: there is a list of exploited vulnerabilities (CISA KEV).
	Exploited bool `json:"exploited,omitempty"`
	// Predicted: there are scores that predict exploitation (EPSS).
	Predicted bool `json:"predicted,omitempty"`
}
