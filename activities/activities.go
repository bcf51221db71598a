package activities

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"plimsoll/activities/fetch"
	"plimsoll/activities/malware"
	"plimsoll/activities/registry"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/internal/registryhttp"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

// Deps is what activities work with.
type Deps struct {
	Pool   *pgxpool.Pool
	Feeds  *pgxpool.Pool // where the vulnerability data is; nil: in Pool
	Sealer *seal.Sealer
	Blobs  blob.Store
	// Trust says whose feed bundles are taken over; zero: nobody's.
	Trust bundle.Trust
	// Access is how registries are reached; nil means no private certificates and no exchange with AWS.
	Access *registryhttp.Access
	// Schedules holds those of watchers.
	Schedules workflows.Schedules
	Watch     Watch
	Events    Events
	WhatIf    WhatIf
	// MaxImageMiB is the largest image watchers add, as the registry sends it; negative: any.
	MaxImageMiB int
	// UserBaseImages lets images that users marked count as base images before any other ancestor.
	UserBaseImages bool
	// Host names this process in transitions and among the services.
	Host    string
	Version string
}

// Activities implements the steps of package workflows.
type Activities struct {
	analysis Analysis
	feeds    Feeds
	trust    bundle.Trust
	origin   persistence.Origin
	now      func() time.Time

	watch        Watch
	eventConfig  Events
	whatIfConfig WhatIf
	maxImageMiB  int
	schedules    workflows.Schedules

	images      *persistence.Images
	progress    *persistence.Progresses
	layers      *persistence.Layers
	analyses    *persistence.Analyses
	matches     *persistence.Matches
	feedStore   *persistence.Feeds
	policies    *persistence.Policies
	evaluations *persistence.Evaluations
	registries  *persistence.Registries
	settings    *persistence.Settings
	outbox      *persistence.Outbox
	referrers   *persistence.Referrers
	services    *persistence.Services
	imports     *persistence.Imports
	annotations *persistence.Annotations
	events      *persistence.Events
	whatIfs     *persistence.WhatIfs
	alerts      *persistence.Alerts

	subscriptions *persistence.Subscriptions
	blobs         blob.Store
	facts         *facts.Loader
	signatures    *malware.Folder // nil: none is kept

	pass     *image.Pass
	registry *registry.Client
	fetcher  *fetch.Fetcher
	meters   *feedMeters
	drivers  []feed.Driver
	gates    []policy.Gate
}

// New returns the activities. Both sections must be valid.
func New(deps Deps, analysis Analysis, feeds Feeds) (*Activities, error) {
	all := gates.All()
	if err := policy.Validate(all); err != nil {
		return nil, fmt.Errorf("policy gates: %w", err)
	}
	analyzers, err := analysis.analyzers()
	if err != nil {
		return nil, fmt.Errorf("analyzers: %w", err)
	}
	fetcher, err := fetch.New(feeds.fetch(analysis.scratch()))
	if err != nil {
		return nil, fmt.Errorf("feeds: %w", err)
	}
	deps.Feeds = cmp.Or(deps.Feeds, deps.Pool)
	var folder *malware.Folder
	if analysis.Malware.SignaturesDir != "" {
		folder = malware.NewFolder(analysis.Malware)
	}
	return &Activities{
		signatures: folder,
		analysis:   analysis, feeds: feeds, trust: deps.Trust, now: time.Now, watch: deps.Watch, eventConfig: deps.Events, whatIfConfig: deps.WhatIf, maxImageMiB: deps.MaxImageMiB, schedules: deps.Schedules,
		origin:      persistence.Origin{HostID: deps.Host, Service: serviceAnalyzer, Version: deps.Version},
		images:      persistence.NewImages(deps.Pool),
		progress:    persistence.NewProgresses(deps.Pool),
		layers:      persistence.NewLayers(deps.Pool),
		analyses:    persistence.NewAnalyses(deps.Pool),
		matches:     persistence.NewMatches(deps.Pool, deps.Feeds),
		feedStore:   persistence.NewFeeds(deps.Feeds),
		policies:    persistence.NewPolicies(deps.Pool),
		evaluations: persistence.NewEvaluations(deps.Pool),
		registries:  persistence.NewRegistries(deps.Pool, deps.Sealer),
		settings:    persistence.NewSettings(deps.Pool),
		outbox:      persistence.NewOutbox(deps.Pool),
		referrers:   persistence.NewReferrers(deps.Pool),
		services:    persistence.NewServices(deps.Pool),
		imports:     persistence.NewImports(deps.Pool),
		annotations: persistence.NewAnnotations(deps.Pool),
		events:      persistence.NewEvents(deps.Pool),
		whatIfs:     persistence.NewWhatIfs(deps.Pool),
		alerts:      persistence.NewAlerts(deps.Pool),

		subscriptions: persistence.NewSubscriptions(deps.Pool),
		blobs:         deps.Blobs,
		facts:         facts.New(deps.Pool, deps.Feeds, deps.Blobs, facts.Config{UserBaseImages: deps.UserBaseImages}),
		pass:          image.NewPass(analyzers, analysis.limits(), analysis.scratch(), analysis.Digests...),
		registry: registry.New(registry.Config{
			Access:        deps.Access,
			ManifestBytes: analysis.MaxManifestBytes, ConfigBytes: analysis.MaxConfigBytes, StallTimeout: analysis.StallTimeout,
			ForeignHosts: analysis.Foreign, Tags: deps.Watch.MaxTags,
		}),
		fetcher: fetcher,
		meters:  newFeedMeters(persistence.NewFeeds(deps.Pool).Groups, time.Now),
		drivers: feeds.drivers(),
		gates:   all,
	}, nil
}

// Collectors returns the metrics of the activities.
func (a *Activities) Collectors() []prometheus.Collector {
	return append(a.registry.Collectors(), a.meters)
}

// Register binds the activities that run on a queue.
func (a *Activities) Register(r workflows.Registry, queue string) {
	b := binder{r, queue, a.origin.HostID}
	bind(b, workflows.ResolveReference, a.resolveReference)
	bind(b, workflows.BeginAnalysis, a.beginAnalysis)
	bind(b, workflows.AnalyzeLayer, a.analyzeLayer)
	bind(b, workflows.VerifyLayerAccess, a.verifyLayerAccess)
	bind(b, workflows.ListReferrers, a.listReferrers)
	bind(b, workflows.AssembleImage, a.assembleImage)
	bind(b, workflows.AssembleImport, a.assembleImport)
	bind(b, workflows.MatchAnalysis, a.matchAnalysis)
	bind(b, workflows.CompleteAnalysis, a.completeAnalysis)
	bind(b, workflows.MeasureAnalysis, a.measureAnalysis)
	bind(b, workflows.EvaluateImage, a.evaluateImage)
	bind(b, workflows.FailAnalysis, a.failAnalysis)
	bind(b, workflows.CancelAnalysis, a.cancelAnalysis)
	bind(b, workflows.DeleteRecord, a.deleteRecord)
	bind(b, workflows.CollectGarbage, a.collectGarbage)
	bind(b, workflows.ListFeedGroups, a.listFeedGroups)
	bind(b, workflows.SyncGroup, a.syncGroup)
	bind(b, workflows.ClearGroup, a.clearGroup)
	bind(b, workflows.TakeUpload, a.takeUpload)
	bind(b, workflows.DropUpload, a.dropUpload)
	bind(b, workflows.EndFeedSync, a.endFeedSync)
	bind(b, workflows.PendingRescans, a.pendingRescans)
	bind(b, workflows.RescansStarted, a.rescansStarted)
	bind(b, workflows.RescanMatches, a.rescanMatches)
	bind(b, workflows.RescanVerdicts, a.rescanVerdicts)
	bind(b, workflows.AnnotatedVerdicts, a.annotatedVerdicts)
	bind(b, workflows.PolicyVerdicts, a.policyVerdicts)
	bind(b, workflows.ImageVerdicts, a.imageVerdicts)
	bind(b, workflows.DueVerdicts, a.dueVerdicts)
	bind(b, workflows.BeginTrial, a.beginTrial)
	bind(b, workflows.TryImages, a.tryImages)
	bind(b, workflows.EndTrial, a.endTrial)
	bind(b, workflows.PollTag, a.pollTag)
	bind(b, workflows.NoteTags, a.noteTags)
	bind(b, workflows.AddTags, a.addTags)
	bind(b, workflows.ApplyWatch, a.applyWatch)
	bind(b, workflows.ListRepositoryTags, a.listRepositoryTags)
}

type binder struct {
	registry workflows.Registry
	queue    string
	host     string
}

// bind registers an implementation whose errors go through the table, if its step runs on the binder's queue.
func bind[In, Out any](b binder, step workflows.Activity[In, Out], impl func(context.Context, In) (Out, error)) {
	if step.Queue() != b.queue {
		return
	}
	step.Bind(b.registry, func(ctx context.Context, in In) (Out, error) {
		out, err := impl(sourced(ctx, b.queue, b.host), in)
		return out, outward(ctx, err)
	})
}
