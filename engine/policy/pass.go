package policy

import (
	"crypto/md5" //nolint:gosec // a short name for a finding, as clients know it; nothing is protected by it
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
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
	Tag string    // registry/repository:tag under which the image is looked at

	gate, trigger string
	ruleID        string
	warnings      []string
	found         []found
	validUntil    time.Time
}

type found struct {
	triggerID, message, suggestion string
	upgrade                        Upgrade // zero: none
}

// Report adds a finding whose trigger id is TriggerID of the key.
func (p *Pass) Report(message string, key ...string) error {
	return p.ReportAdvised("", message, key...)
}

// ReportAdvised is Report with a suggestion, as in ReportID.
func (p *Pass) ReportAdvised(suggestion, message string, key ...string) error {
	return p.ReportID(TriggerID(p.gate, p.trigger, key...), message, suggestion)
}

// ReportID adds a finding with a trigger id that people can write by hand. suggestion, if any, tells in the
// imperative how to get rid of it; equal suggestions are shown once.
func (p *Pass) ReportID(triggerID, message, suggestion string) error {
	return p.report(found{triggerID: triggerID, message: message, suggestion: suggestion})
}

// ReportUpgrade is ReportID for a finding that another version of a package does not have. Upgrades of one package,
// whichever rules ask for them, become one suggestion.
func (p *Pass) ReportUpgrade(triggerID, message string, upgrade Upgrade) error {
	return p.report(found{triggerID: triggerID, message: message, upgrade: upgrade})
}

func (p *Pass) report(hit found) error {
	if len(p.found) == MaxFindings {
		return fmt.Errorf("%w: more than %d, narrow the rule's parameters", ErrTooManyFindings, MaxFindings)
	}
	p.found = append(p.found, hit)
	return nil
}

// RuleID is the id the policy's author gave the rule, for the few trigger ids it is part of.
func (p *Pass) RuleID() string { return p.ruleID }

// Warn adds a problem of severity warn to the result, for what keeps a check from saying more but is no fault of the
// image. It changes no verdict.
func (p *Pass) Warn(text string) { p.warnings = append(p.warnings, text) }

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
