package policy

import (
	"context"
	"crypto/md5" //nolint:gosec // a short name for a finding, as clients know it; nothing is protected by it
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// Bounds of what may be found in one image, by one rule and by all together.
const (
	MaxFindings      = 10000
	MaxTotalFindings = 50000
)

// ErrTooManyFindings says that a rule exceeded MaxFindings or MaxTotalFindings.
var ErrTooManyFindings = errors.New("too many findings")

// Pass is one run of one rule: what a Check may look at and where its findings go.
type Pass struct {
	Facts
	Now time.Time // UTC, whole seconds

	gate, trigger string
	found         []found
	validUntil    time.Time
}

type found struct {
	triggerID, message, suggestion string
}

// Report adds a finding whose trigger id is TriggerID of the key.
func (p *Pass) Report(message string, key ...string) error {
	return p.ReportID(TriggerID(p.gate, p.trigger, key...), message, "")
}

// ReportID adds a finding with a trigger id that people can write by hand. suggestion, if any, tells in the
// imperative how to get rid of it; equal suggestions are shown once.
func (p *Pass) ReportID(triggerID, message, suggestion string) error {
	if len(p.found) == MaxFindings {
		return fmt.Errorf("%w: more than %d, narrow the rule's parameters", ErrTooManyFindings, MaxFindings)
	}
	p.found = append(p.found, found{triggerID, message, suggestion})
	return nil
}

// Recheck notes a moment from which on the check may answer differently for the same facts. Moments that are
// not in the future are of no interest.
func (p *Pass) Recheck(at time.Time) {
	p.validUntil = earlier(p.validUntil, at, p.Now)
}

// lastYear is the last one RFC 3339 can write.
const lastYear = 9999

// earlier returns the earlier of until (zero: none) and at, if at lies after now.
func earlier(until, at, now time.Time) time.Time {
	if at.Year() <= lastYear && at.After(now) && (until.IsZero() || at.Before(until)) {
		return at
	}
	return until
}

// TriggerID is the id of findings that people do not write by hand: the hexadecimal MD5 over gate, trigger and
// the parts of the key, separated by NUL. The hash only shortens; the wording of messages is no part of it.
func TriggerID(gate, trigger string, key ...string) string {
	sum := md5.Sum([]byte(strings.Join(append([]string{gate, trigger}, key...), "\x00"))) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// loadError is the failure to get facts. Its text is for operators: it may speak of databases.
type loadError struct {
	what string
	err  error
}

func (e *loadError) Error() string { return fmt.Sprintf("load %s: %v", e.what, e.err) }
func (e *loadError) Unwrap() error { return e.err }

// memory answers each question about an image from the first answer. One goroutine uses it.
type memory struct {
	facts           Facts
	image           once[Image]
	config          once[Config]
	dockerfile      once[Dockerfile]
	files           once[iter.Seq[catalog.Entry]]
	packages        once[[]catalog.Package]
	vulnerabilities once[[]Vulnerability]
	feedStatus      once[FeedStatus]
	lifecycle       once[*feed.Lifecycle]
}

type once[T any] struct {
	done  bool
	value T
	err   error
}

func (o *once[T]) get(ctx context.Context, what string, load func(context.Context) (T, error)) (T, error) {
	if !o.done {
		o.value, o.err = load(ctx)
		if o.err != nil {
			o.err = &loadError{what, o.err}
		}
		o.done = true
	}
	return o.value, o.err
}

func (m *memory) Image(ctx context.Context) (Image, error) {
	return m.image.get(ctx, "image", m.facts.Image)
}

func (m *memory) Config(ctx context.Context) (Config, error) {
	return m.config.get(ctx, "image config", m.facts.Config)
}

func (m *memory) Dockerfile(ctx context.Context) (Dockerfile, error) {
	return m.dockerfile.get(ctx, "Dockerfile", m.facts.Dockerfile)
}

func (m *memory) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	return m.files.get(ctx, "files", m.facts.Files)
}

func (m *memory) Packages(ctx context.Context) ([]catalog.Package, error) {
	return m.packages.get(ctx, "packages", m.facts.Packages)
}

func (m *memory) Vulnerabilities(ctx context.Context) ([]Vulnerability, error) {
	return m.vulnerabilities.get(ctx, "vulnerabilities", m.facts.Vulnerabilities)
}

func (m *memory) FeedStatus(ctx context.Context) (FeedStatus, error) {
	return m.feedStatus.get(ctx, "feed status", m.facts.FeedStatus)
}

func (m *memory) Lifecycle(ctx context.Context) (*feed.Lifecycle, error) {
	return m.lifecycle.get(ctx, "lifecycle", m.facts.Lifecycle)
}
