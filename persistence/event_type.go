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
	resourceImage  = "image_reference"
	resourceRepo   = "repository"
	resourceFeeds  = "feeds"
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
	EventLookupFailed      = EventType{"system.image_analysis.registry_lookup_failed", LevelError, resourceImage, "Watched tag could not be followed in its registry"}
	EventListTagsFailed    = EventType{"system.repository.list_tags_fail", LevelError, resourceRepo, "Tags of a watched repository could not be followed"}
	EventSyncStarted       = EventType{"system.feeds.sync.started", LevelInfo, resourceFeeds, "Synchronisation of vulnerability data started"}
	EventSyncCompleted     = EventType{"system.feeds.sync.completed", LevelInfo, resourceFeeds, "Synchronisation of vulnerability data completed"}
	EventSyncFailed        = EventType{"system.feeds.sync.failed", LevelError, resourceFeeds, "Synchronisation of vulnerability data failed"}
	EventActionPlan        = EventType{"user.actions.plan.created", LevelInfo, resourceAction, "Action plan stored"}
)

// EventTypes lists every type there is, by category and subcategory.
func EventTypes() []EventType {
	return []EventType{
		EventSyncCompleted, EventSyncFailed, EventSyncStarted, EventLookupFailed, EventListTagsFailed,
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
