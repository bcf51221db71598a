package policy

import (
	"fmt"
	"regexp"
	"strconv"
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
	problems              []Problem
	ruleSets, imageSets   map[string]bool
	allowlists            map[string]bool
	ruleCount, itemsCount int
}

func (c *docCheck) fault(kind, path, format string, args ...any) {
	if len(c.problems) < MaxProblems {
		c.problems = append(c.problems, newProblem(SeverityError, kind, path, "", fmt.Sprintf(format, args...)))
	}
}

// check finds wrong versions, duplicate ids, dangling references, bad patterns, bad expiry times and exceeded
// limits anywhere in the document, referenced or not.
func (d *Document) check() []Problem {
	c := &docCheck{ruleSets: map[string]bool{}, imageSets: map[string]bool{}, allowlists: map[string]bool{}}
	for i := range d.RuleSets {
		c.ruleSet(&d.RuleSets[i], at("rule_sets", i))
	}
	for i := range d.Allowlists {
		c.allowlist(&d.Allowlists[i], at("allowlists", i))
	}
	for i := range d.Mappings {
		m, path := &d.Mappings[i], at("mappings", i)
		c.selector(m.Registry, m.Repository, m.Image, path)
		c.references(m.RuleSetIDs, m.AllowlistIDs, path)
		for j, id := range m.RuleSetIDs {
			if c.ruleSets[id] && !c.imageSets[id] {
				c.fault(ProblemValidation, path+at("rule_set_ids", j), "rule set %s is for sources, not for images", id)
			}
		}
	}
	for i := range d.SourceMappings {
		m, path := &d.SourceMappings[i], at("source_mappings", i)
		c.pattern(m.Host, path+"/host")
		c.pattern(m.Repository, path+"/repository")
		c.references(m.RuleSetIDs, m.AllowlistIDs, path)
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
	c.imageSets[s.ID] = s.ArtifactType != ArtifactSource
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
		c.pattern(item.TriggerID, path+at("items", i)+"/trigger_id")
		if item.ExpiresOn == nil {
			continue
		}
		if _, err := parseExpiry(*item.ExpiresOn); err != nil {
			c.fault(ProblemExpiry, path+at("items", i)+"/expires_on", "%v", err)
		}
	}
}

func (c *docCheck) references(ruleSets, allowlists []string, path string) {
	for i, id := range ruleSets {
		if !c.ruleSets[id] {
			c.fault(ProblemReference, path+at("rule_set_ids", i), "no rule set has the id %s", id)
		}
	}
	for i, id := range allowlists {
		if !c.allowlists[id] {
			c.fault(ProblemReference, path+at("allowlist_ids", i), "no allowlist has the id %s", id)
		}
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
	if _, err := compilePattern(value); err != nil {
		c.fault(ProblemPattern, path, "%v", err)
	}
}
