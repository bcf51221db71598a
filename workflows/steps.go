package workflows

import "time"

// Steps of AnalyzeImage. Each is idempotent: repeating one, even while a lost worker's copy still runs,
// changes nothing further.
var (
	// BeginAnalysis puts the run's fence on the image record and plans the layers. FailSuperseded when the
	// record asks for something else by now.
	BeginAnalysis = Activity[Run, AnalysisPlan]{Name: "BeginAnalysis", Opts: record}
	// AnalyzeLayer reads one layer blob, unless its result is stored, and stores the result.
	AnalyzeLayer = Activity[AnalyzeLayerInput, AnalyzeLayerResult]{Name: "AnalyzeLayer", Opts: layerWork}
	// VerifyLayerAccess asks the registry whether the account may read blobs that are not read again.
	VerifyLayerAccess = Activity[VerifyLayersInput, VerifyLayersResult]{Name: "VerifyLayerAccess", Opts: registryChecks}
	// ListReferrers asks the registry what is attached to the image and stores the answer, or why there is none.
	ListReferrers = Activity[Run, ReferrersResult]{Name: "ListReferrers", Opts: listing}
	// AssembleImage overlays the layer results and stores what is inside the image.
	AssembleImage = Activity[Run, AssembleResult]{Name: "AssembleImage", Opts: compute}
	// AssembleImport stores what is inside an image as its uploaded documents have it.
	AssembleImport = Activity[Run, AssembleResult]{Name: "AssembleImport", Opts: compute}
	// MatchAnalysis matches the packages no image had before and counts the image's findings.
	MatchAnalysis = Activity[MatchInput, MatchResult]{Name: "MatchAnalysis", Opts: compute}
	// EvaluateImage evaluates the account's active policy for every tag of the image.
	EvaluateImage = Activity[EvaluateInput, EvaluateResult]{Name: "EvaluateImage", Opts: compute}
	// CompleteAnalysis publishes the analysis; FailSuperseded when the fence has moved.
	CompleteAnalysis = Activity[CompleteInput, Done]{Name: "CompleteAnalysis", Opts: record}
	// FailAnalysis records why the analysis failed, unless the fence has moved.
	FailAnalysis = Activity[FailInput, Done]{Name: "FailAnalysis", Opts: record}
	// CancelAnalysis returns the record to its state before the analysis, unless the fence has moved.
	CancelAnalysis = Activity[Run, Done]{Name: "CancelAnalysis", Opts: record}
)

// Run identifies one run of an analysis: the record, the submission it serves and the run that writes.
type Run struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
	Request int64  `json:"request"`
	RunID   string `json:"run_id"`
	Force   bool   `json:"force,omitempty"`
}

// AnalysisPlan lists the layers in manifest order, bottom first.
type AnalysisPlan struct {
	AnalyzerSet string         `json:"analyzer_set"`
	Layers      []PlannedLayer `json:"layers"`
	// TimeLimit is how long workers may be at the image; 0 is no limit.
	TimeLimit time.Duration `json:"time_limit,omitempty"`
	// Import: the image is made of uploaded documents; no registry is asked and there are no layers to read.
	Import bool `json:"import,omitempty"`
}

// PlannedLayer is one layer of the manifest.
type PlannedLayer struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`             // compressed bytes
	Stored bool   `json:"stored,omitempty"` // a result of the plan's analyzer set exists
}

// AnalyzeLayerInput names a layer of an image. Index is its place in the manifest.
type AnalyzeLayerInput struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
	Index   int    `json:"index"`
	Layer   string `json:"layer"`
	Size    int64  `json:"size"`
	// Force reads the blob even though a result is stored.
	Force bool `json:"force,omitempty"`
}

// AnalyzeLayerResult says how the layer's result came to be.
type AnalyzeLayerResult struct {
	Reused    bool  `json:"reused,omitempty"` // another run had stored it meanwhile
	BytesRead int64 `json:"bytes_read"`
}

// LayerProgress is the heartbeat of AnalyzeLayer; the Temporal UI shows it.
type LayerProgress struct {
	Stage      string `json:"stage"`
	Layer      int    `json:"layer"` // place in the manifest; -1: the image as a whole
	BytesDone  int64  `json:"bytes_done"`
	BytesTotal int64  `json:"bytes_total"`
}

// Stages of an analysis, as heartbeats and the API name them.
const (
	StageWaiting  = "waiting" // for another run that reads the same layer
	StageAnalyze  = "analyze"
	StageVerify   = "verify"
	StageAssemble = "assemble"
	StageMatch    = "match"
	StageEvaluate = "evaluate"
)

// VerifyLayersInput names blobs by their digests, each once.
type VerifyLayersInput struct {
	Account string   `json:"account"`
	Digest  string   `json:"digest"`
	Layers  []string `json:"layers"`
}

// VerifyLayersResult counts the blobs the account may read; it is all of them or an error.
type VerifyLayersResult struct {
	Checked int `json:"checked"`
}

// ReferrersResult counts what is attached to an image. Incomplete: the registry did not tell all of it.
type ReferrersResult struct {
	Found      int  `json:"found"`
	Incomplete bool `json:"incomplete,omitempty"`
}

// AssembleResult refers to the stored analysis.
type AssembleResult struct {
	AnalysisID int64 `json:"analysis_id"`
	Packages   int   `json:"packages"`
	Files      int   `json:"files"`
	Incomplete int   `json:"incomplete"` // what could not be read; details are with the analysis
}

// MatchInput names an analysis, and the run for progress.
type MatchInput struct {
	Run        Run   `json:"run"`
	AnalysisID int64 `json:"analysis_id"`
}

// MatchResult counts.
type MatchResult struct {
	Matched         int `json:"matched"` // dictionary entries matched for the first time
	Vulnerabilities int `json:"vulnerabilities"`
}

// EvaluateInput names the published analysis to judge.
type EvaluateInput struct {
	Run        Run   `json:"run"`
	AnalysisID int64 `json:"analysis_id"`
}

// EvaluateResult counts.
type EvaluateResult struct {
	Tags    int `json:"tags"`
	Stopped int `json:"stopped"` // tags whose final action is stop
}

// CompleteInput names the analysis to publish.
type CompleteInput struct {
	Run        Run   `json:"run"`
	AnalysisID int64 `json:"analysis_id"`
	// What the analysis' record says about the run.
	StartedAt    time.Time `json:"started_at"`
	Layers       int       `json:"layers"`
	LayersReused int       `json:"layers_reused"`
	BytesRead    int64     `json:"bytes_read"`
}

// FailInput carries a stable code and a message a person can act on.
type FailInput struct {
	Run     Run    `json:"run"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Done is the result of a step that only records.
type Done struct{}
