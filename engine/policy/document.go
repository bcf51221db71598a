package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Version is the format version a document, its rule sets and its allowlists carry.
const Version = "2"

// Document is a policy in the v2 format. Parse is the way to get one. It marshals without any key the format
// does not know: strict clients refuse those.
type Document struct {
	ID                string          `json:"id"`
	Name              string          `json:"name"`
	Description       string          `json:"description,omitempty"`
	Version           string          `json:"version"`
	Allowlists        []Allowlist     `json:"allowlists,omitempty"`
	RuleSets          []RuleSet       `json:"rule_sets"`
	SourceMappings    []SourceMapping `json:"source_mappings,omitempty"`
	SBOMMappings      []SBOMMapping   `json:"sbom_mappings,omitempty"`
	Mappings          []Mapping       `json:"mappings"`
	AllowlistedImages []ImageSelector `json:"allowlisted_images,omitempty"`
	DenylistedImages  []ImageSelector `json:"denylisted_images,omitempty"`
	LastUpdated       json.Number     `json:"last_updated,omitempty"` // informational

	former bool
}

// Former reports whether the document was written as a bundle of the former format.
func (d *Document) Former() bool { return d.former }

// Allowlist turns findings into go.
type Allowlist struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Description string          `json:"description,omitempty"`
	Items       []AllowlistItem `json:"items"`
}

// AllowlistItem claims the findings of a gate whose trigger id matches the pattern, until it expires.
type AllowlistItem struct {
	ID          string  `json:"id"`
	Gate        string  `json:"gate"`
	TriggerID   string  `json:"trigger_id"`
	ExpiresOn   *string `json:"expires_on,omitempty"` // UTC; nil: never
	Description string  `json:"description,omitempty"`
}

// Artifact types a rule set may be meant for.
const (
	ArtifactImage  = "image"
	ArtifactSource = "source"
	ArtifactSBOM   = "sbom"
)

// RuleSet is a list of rules mappings refer to.
type RuleSet struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Description  string `json:"description,omitempty"`
	Version      string `json:"version"`
	ArtifactType string `json:"artifact_type,omitempty"` // empty: image
	Rules        []Rule `json:"rules"`
}

// Rule ties an action to what a trigger finds.
type Rule struct {
	ID             string      `json:"id"`
	Gate           string      `json:"gate"`
	Trigger        string      `json:"trigger"`
	Action         string      `json:"action"` // GO, WARN or STOP
	Description    string      `json:"description,omitempty"`
	Params         []RuleParam `json:"params"`
	Recommendation string      `json:"recommendation,omitempty"` // copied into each finding
}

// artifact is the type of artifact the set is for.
func (s *RuleSet) artifact() string { return cmp.Or(s.ArtifactType, ArtifactImage) }

// RuleParam sets one parameter of the rule's trigger.
type RuleParam struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SourceMapping says which rule sets and allowlists apply to the source code repositories it selects.
type SourceMapping struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	AllowlistIDs []string `json:"allowlist_ids"`
	RuleSetIDs   []string `json:"rule_set_ids"`
	Host         string   `json:"host"`
	Repository   string   `json:"repository"`
	Description  string   `json:"description,omitempty"`
}

// SBOMMapping says which rule sets and allowlists apply to the bills of materials it selects.
type SBOMMapping struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	AllowlistIDs []string `json:"allowlist_ids"`
	RuleSetIDs   []string `json:"rule_set_ids"`
	SBOMName     string   `json:"sbom_name"`
	SBOMVersion  *string  `json:"sbom_version,omitempty"` // nil: any
	Description  string   `json:"description,omitempty"`
}

// Mapping says which rule sets and allowlists apply to the images it selects.
type Mapping struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	AllowlistIDs []string `json:"allowlist_ids"`
	RuleSetIDs   []string `json:"rule_set_ids"`
	Registry     string   `json:"registry"`
	Repository   string   `json:"repository"`
	Image        ImageRef `json:"image"`
	Description  string   `json:"description,omitempty"`
}

// ImageSelector is an entry of the lists of always allowed and always denied images.
type ImageSelector struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Registry    string   `json:"registry"`
	Repository  string   `json:"repository"`
	Image       ImageRef `json:"image"`
	Description string   `json:"description,omitempty"`
}

// What the value of an ImageRef is compared with.
const (
	SelectTag    = "tag"
	SelectDigest = "digest"
	SelectID     = "id"
)

// ImageRef selects by tag pattern, by manifest digest (with its algorithm) or by image id.
type ImageRef struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Digest identifies what the document decides: "sha256:" and the hash of its JSON with sorted keys, without
// insignificant white space, empty optional keys or last_updated. Equal digests give equal results.
func (d *Document) Digest() (string, error) {
	decided := *d
	decided.LastUpdated = ""
	ordered, err := json.Marshal(&decided)
	if err != nil {
		return "", fmt.Errorf("encode policy %s: %w", d.ID, err)
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(ordered))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return "", fmt.Errorf("encode policy %s: %w", d.ID, err)
	}
	canonical, err := json.Marshal(tree) // sorts the keys of maps
	if err != nil {
		return "", fmt.Errorf("encode policy %s: %w", d.ID, err)
	}
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// ErrInvalid is what InvalidError wraps.
var ErrInvalid = errors.New("policy document is invalid")

// InvalidError carries every fault of a document.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	return fmt.Sprintf("%v: %d problems, first: %s", ErrInvalid, len(e.Problems), e.Problems[0].Details)
}

func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Parse reads a document and checks its form: JSON, keys, types, sizes. All faults are returned at once as an
// *InvalidError, except that a wrong version comes alone. What the document says is checked by Compile. A bundle
// of the former format is read as what it says in this one; pointers of faults are those into the bundle.
func Parse(data []byte) (*Document, error) {
	r := read(data, "")
	if located := r.located(); HasErrors(located) {
		return nil, &InvalidError{Problems: located}
	}
	return r.doc, nil
}

// Load parses and compiles, for documents that come from outside: faults of form and of content are returned
// together as an *InvalidError. warnings are the problems that do not make the document invalid.
func Load(data []byte, gates []Gate) (policy *Policy, warnings []Problem, err error) {
	return LoadFor("", data, gates)
}

// LoadFor is Load for an account: a bundle of the former format without id gets one made of the account's and its
// own name.
func LoadFor(account string, data []byte, gates []Gate) (policy *Policy, warnings []Problem, err error) {
	r := read(data, account)
	if r.doc != nil {
		var more []Problem
		policy, more = Compile(r.doc, gates)
		more = slices.DeleteFunc(more, func(p Problem) bool { return r.shape.about(p.Path) })
		r.problems = append(r.problems, more...)
	}
	located := r.located()
	if HasErrors(located) {
		return nil, nil, &InvalidError{Problems: located}
	}
	return policy, located, nil
}

// Restore prepares a document that was accepted once. What has become invalid since, because the format or a gate has
// changed, stops every image and says why; retired gates and triggers are skipped with a problem. Results show a document
// that cannot be read by the id and name it is stored under.
func Restore(id, name string, data []byte, gates []Gate) *Policy {
	r := read(data, "")
	located := r.located()
	if r.doc != nil && !HasErrors(located) {
		compiled, _ := Compile(r.doc, gates)
		return compiled
	}
	named := &Document{ID: id, Name: cmp.Or(name, id), Version: Version, RuleSets: []RuleSet{}, Mappings: []Mapping{}}
	faults := slices.DeleteFunc(located, func(p Problem) bool { return p.Severity != SeverityError })
	if len(faults) == 0 { // never pass what could not be read
		faults = []Problem{newProblem(SeverityError, ProblemValidation, "", "", "the stored document cannot be read")}
	}
	return &Policy{doc: named, faults: faults}
}

// reading is what became of a text.
type reading struct {
	doc      *Document // there too when its faults do not hinder reading the rest of it
	former   *former   // of a bundle
	shape    *shapeCheck
	problems []Problem
}

// located returns the problems with pointers into the text, errors first, no more than MaxProblems.
func (r *reading) located() []Problem {
	problems := slices.Clone(r.problems)
	if r.former != nil {
		problems = append(r.former.relocate(problems), r.former.problems...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	return problems[:min(len(problems), MaxProblems)]
}

func read(data []byte, account string) reading {
	tree, problem := decodeTree(data)
	if problem == nil {
		problem = checkVersion(tree)
	}
	if problem != nil {
		return reading{problems: []Problem{*problem}}
	}
	var r reading
	if isFormer(tree) {
		var err error
		tree, r.former = upgradeFormer(tree, account)
		if data, err = json.Marshal(tree); err != nil {
			return reading{problems: []Problem{newProblem(SeverityError, ProblemValidation, "", "", err.Error())}}
		}
	}
	r.shape = checkShape(tree)
	r.problems = r.shape.problems
	doc := new(Document)
	if err := json.Unmarshal(data, doc); err != nil {
		if len(r.problems) == 0 { // a value of the right type that Go cannot hold
			r.problems = []Problem{newProblem(SeverityError, ProblemValidation, "", "", err.Error())}
		}
		return r
	}
	doc.former = r.former != nil
	r.doc = doc
	return r
}
