package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// expiryForm is the only form of expires_on: UTC, to the second or finer.
var expiryForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`)

// parseExpiry reads an expires_on value. Fractions are cut: an item never lives longer than it says.
func parseExpiry(value string) (time.Time, error) {
	if !expiryForm.MatchString(value) {
		return time.Time{}, fmt.Errorf("%q is not a UTC time like 2027-01-31T00:00:00Z", value)
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a UTC time like 2027-01-31T00:00:00Z", value)
	}
	return at.Truncate(time.Second), nil
}

// docCheck collects the faults of a document whose shape is right.
type docCheck struct {
	gates                 []Gate
	problems              []Problem
	regexps               int // size of all expressions so far
	ruleSets, allowlists  map[string]bool
	artifacts             map[string]string // of rule sets
	ruleCount, itemsCount int
	noted                 map[string]int // problems by severity
}

func newDocCheck(gates []Gate) *docCheck {
	return &docCheck{gates: gates, noted: map[string]int{}, ruleSets: map[string]bool{}, allowlists: map[string]bool{}, artifacts: map[string]string{}}
}

func (c *docCheck) fault(kind, path, format string, args ...any) {
	c.note(SeverityError, kind, path, format, args...)
}

func (c *docCheck) warn(kind, path, format string, args ...any) {
	c.note(SeverityWarn, kind, path, format, args...)
}

// later is text that is made only when it is wanted.
type later func() string

func (l later) String() string { return l() }

// note keeps MaxProblems of each severity.
func (c *docCheck) note(severity, kind, path, format string, args ...any) {
	if c.noted[severity] == MaxProblems {
		return
	}
	c.noted[severity]++
	c.problems = append(c.problems, newProblem(severity, kind, path, "", fmt.Sprintf(format, args...)))
}

// document finds wrong versions, duplicate ids, dangling references, bad patterns, bad expiry times and exceeded
// limits anywhere in the document, referenced or not.
func (c *docCheck) document(d *Document) []Problem {
	for i := range d.RuleSets {
		c.ruleSet(&d.RuleSets[i], at("rule_sets", i))
	}
	for i := range d.Allowlists {
		c.allowlist(&d.Allowlists[i], at("allowlists", i))
	}
	for i := range d.Mappings {
		m, path := &d.Mappings[i], at("mappings", i)
		c.selector(m.Registry, m.Repository, m.Image, path)
		c.references(m.RuleSetIDs, m.AllowlistIDs, path, ArtifactImage)
	}
	for i := range d.SourceMappings {
		m, path := &d.SourceMappings[i], at("source_mappings", i)
		c.pattern(m.Host, path+"/host")
		c.pattern(m.Repository, path+"/repository")
		c.references(m.RuleSetIDs, m.AllowlistIDs, path, ArtifactSource)
	}
	for i := range d.SBOMMappings {
		m, path := &d.SBOMMappings[i], at("sbom_mappings", i)
		c.pattern(m.SBOMName, path+"/sbom_name")
		if m.SBOMVersion != nil {
			c.pattern(*m.SBOMVersion, path+"/sbom_version")
		}
		c.references(m.RuleSetIDs, m.AllowlistIDs, path, ArtifactSBOM)
	}
	c.selectors(d.AllowlistedImages, "allowlisted_images")
	c.selectors(d.DenylistedImages, "denylisted_images")
	if c.ruleCount > MaxRules {
		c.fault(ProblemLimit, "/rule_sets", "%d rules in all, at most %d are allowed", c.ruleCount, MaxRules)
	}
	if c.itemsCount > MaxAllowlistItems {
		c.fault(ProblemLimit, "/allowlists", "%d items in all, at most %d are allowed", c.itemsCount, MaxAllowlistItems)
	}
	return c.problems
}

func at(list string, index int) string { return "/" + list + "/" + strconv.Itoa(index) }

func (c *docCheck) version(version, path string) {
	if version != Version {
		c.fault(ProblemVersion, path+"/version", "version %q is not supported, use %q", version, Version)
	}
}

func (c *docCheck) ruleSet(s *RuleSet, path string) {
	c.version(s.Version, path)
	if c.ruleSets[s.ID] {
		c.fault(ProblemDuplicate, path+"/id", "another rule set has the id %s", s.ID)
	}
	c.ruleSets[s.ID] = true
	c.artifacts[s.ID] = s.artifact()
	c.ruleCount += len(s.Rules)
}

func (c *docCheck) allowlist(a *Allowlist, path string) {
	c.version(a.Version, path)
	if c.allowlists[a.ID] {
		c.fault(ProblemDuplicate, path+"/id", "another allowlist has the id %s", a.ID)
	}
	c.allowlists[a.ID] = true
	c.itemsCount += len(a.Items)
	for i, item := range a.Items {
		if find(c.gates, item.Gate, func(g *Gate) string { return g.Name }) == nil {
			c.warn(ProblemGate, path+at("items", i)+"/gate", "unknown gate %q, the item claims nothing%s", item.Gate,
				later(func() string { return suggest(item.Gate, gateNames(c.gates)) }))
		}
		c.pattern(item.TriggerID, path+at("items", i)+"/trigger_id")
		if item.ExpiresOn == nil {
			continue
		}
		if _, err := parseExpiry(*item.ExpiresOn); err != nil {
			c.fault(ProblemExpiry, path+at("items", i)+"/expires_on", "%v", err)
		}
	}
}

// references checks what a mapping of artifacts of one type refers to.
func (c *docCheck) references(ruleSets, allowlists []string, path, artifact string) {
	c.named(ruleSets, c.ruleSets, path, "rule_set_ids", "rule set")
	for i, id := range ruleSets {
		switch of := c.artifacts[id]; {
		case of == "" || of == artifact:
		case artifact == ArtifactSource && of == ArtifactImage: // so accepted as long as source mappings decided nothing
			c.warn(ProblemValidation, path+at("rule_set_ids", i), "rule set %s is for images and left out here; give it the type %s", id, artifact)
		default:
			c.fault(ProblemValidation, path+at("rule_set_ids", i), "rule set %s is for artifacts of type %s, the mapping for %s", id, of, artifact)
		}
	}
	c.named(allowlists, c.allowlists, path, "allowlist_ids", "allowlist")
}

func (c *docCheck) named(ids []string, known map[string]bool, path, key, what string) {
	seen := map[string]bool{}
	for i, id := range ids {
		switch {
		case !known[id]:
			c.fault(ProblemReference, path+at(key, i), "no %s has the id %s%s", what, id,
				later(func() string { return suggest(id, slices.Sorted(maps.Keys(known))) }))
		case seen[id]:
			c.warn(ProblemDuplicate, path+at(key, i), "%s %s is named before, it counts once", what, id)
		}
		seen[id] = true
	}
}

func (c *docCheck) selectors(list []ImageSelector, name string) {
	for i, s := range list {
		c.selector(s.Registry, s.Repository, s.Image, at(name, i))
	}
}

func (c *docCheck) selector(registry, repository string, image ImageRef, path string) {
	c.pattern(registry, path+"/registry")
	c.pattern(repository, path+"/repository")
	if image.Type == SelectTag {
		c.pattern(image.Value, path+"/image/value")
	} else if image.Value == "" {
		c.fault(ProblemValidation, path+"/image/value", "must not be empty")
	}
}

func (c *docCheck) pattern(value, path string) {
	if len(value) > MaxPatternBytes {
		c.fault(ProblemLimit, path, "pattern has %d bytes, at most %d are allowed", len(value), MaxPatternBytes)
		return
	}
	if strings.Count(value, "*") > MaxWildcards && !strings.HasPrefix(value, regexpPrefix) {
		c.fault(ProblemLimit, path, "pattern has more than %d wildcards", MaxWildcards)
		return
	}
	expression, ok := strings.CutPrefix(value, regexpPrefix)
	if !ok {
		return
	}
	_, size, err := checkRegexp(expression, "")
	if err != nil {
		c.fault(ProblemPattern, path, "%v", err)
		return
	}
	if c.regexps += size; c.regexps > MaxRegexpsSize {
		c.fault(ProblemLimit, path, tooManyRegexps)
	}
}

const tooManyRegexps = "the regular expressions of the document compile to too much in all, use fewer or simpler ones"
