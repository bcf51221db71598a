package persistence

import "strings"

// Levels of events.
const (
	LevelInfo  = "INFO"
	LevelError = "ERROR"
)

// Kinds of things events are about.
const (
	resourceTag    = "image_tag"
	resourceDigest = "image_digest"
	resourcePolicy = "policy"
	resourceAlert  = "alert"
	resourceAction = "action"
)

// EventType describes a type of events.
type EventType struct {
	Type     string // category.subcategory.name, as existing clients know them
	Level    string
	Resource string // kind of what it is about; of an image without a tag image_digest
	Message  string
}

// Types of events.
var (
	EventAnalysisCompleted = EventType{"user.image.analysis.completed", LevelInfo, resourceTag, "Image analysed"}
	EventAnalysisFailed    = EventType{"user.image.analysis.failed", LevelError, resourceTag, "Image could not be analysed"}
	EventVulnerabilities   = EventType{"user.checks.tag.vulnerabilities.update", LevelInfo, resourceTag, "Known vulnerabilities of a tagged image changed"}
	EventVerdict           = EventType{"user.checks.tag.policy_evaluation.update", LevelInfo, resourceTag, "Verdict about a tagged image changed"}
	EventPolicyActivated   = EventType{"user.policy.active.updated", LevelInfo, resourcePolicy, "Another policy is active"}
	EventPolicyContent     = EventType{"user.policy.active.content_change", LevelInfo, resourcePolicy, "Active policy was edited"}
	EventAlertOpened       = EventType{"user.alerts.compliance_violation.opened", LevelInfo, resourceAlert, "Tag violates the active policy"}
	EventAlertClosed       = EventType{"user.alerts.compliance_violation.closed", LevelInfo, resourceAlert, "Alert about a tag closed"}
	EventActionPlan        = EventType{"user.actions.plan.created", LevelInfo, resourceAction, "Action plan stored"}
)

// EventTypes lists every type there is, by category and subcategory.
func EventTypes() []EventType {
	return []EventType{
		EventActionPlan, EventAlertClosed, EventAlertOpened, EventVerdict, EventVulnerabilities, EventAnalysisCompleted, EventAnalysisFailed,
		EventPolicyContent, EventPolicyActivated,
	}
}

func (t EventType) part(i int) string { return strings.SplitN(t.Type, ".", 3)[i] }

// Category is the first part of the type.
func (t EventType) Category() string { return t.part(0) }

// Subcategory is the second part of the type.
func (t EventType) Subcategory() string { return t.part(1) }

// Name is the rest of the type: what happened.
func (t EventType) Name() string { return t.part(2) }
