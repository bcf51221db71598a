package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// AnalysisRun tells how the published analysis of an image came to be.
type AnalysisRun struct {
	AnalysisID   int64
	RunID        string
	Host         string // that published it
	Version      string // of the program
	SetupDigest  string
	Setup        json.RawMessage // analyzers and limits the run worked with
	Layers       int
	LayersReused int   // not read by this run
	BytesRead    int64 // compressed bytes this run took from the registry
	StartedAt    time.Time
	EndedAt      time.Time
}

// LayerOrigin tells who read a layer, when and with which version of the program. What is not known is empty.
type LayerOrigin struct {
	Digest     string
	Host       string
	Version    string
	AnalyzedAt time.Time
}

var (
	setupInsert = query("setup.insert", `
INSERT INTO plimsoll.analysis_setup (digest, document) VALUES (@digest, @document::jsonb) ON CONFLICT (digest) DO NOTHING`)

	// Only the run that has just published may say how it went.
	runSave = query("analysis.save_run", `
INSERT INTO plimsoll.analysis_run AS r (account, digest, analysis_id, run_id, host, version, setup, layers, layers_reused,
  bytes_read, started_at, ended_at)
SELECT i.account, i.digest, i.analysis_id, i.run_id, @host::text, @version::text, @setup::text, @layers::int, @layers_reused::int,
  @bytes_read::bigint, @started_at::timestamptz, @ended_at::timestamptz
FROM plimsoll.image i
WHERE i.account = @account AND i.digest = @digest AND i.requested = @request AND i.run_id = @run_id
  AND i.analysis_status = 'analyzed' AND i.analysis_id = @analysis_id
ON CONFLICT (account, digest) DO UPDATE SET analysis_id = excluded.analysis_id, run_id = excluded.run_id, host = excluded.host,
  version = excluded.version, setup = excluded.setup, layers = excluded.layers, layers_reused = excluded.layers_reused,
  bytes_read = excluded.bytes_read, started_at = excluded.started_at, ended_at = excluded.ended_at
WHERE r.run_id <> excluded.run_id`)

	runGet = query("analysis.run_of", `
SELECT r.analysis_id, r.run_id, r.host, r.version, r.setup AS setup_digest, s.document AS setup, r.layers, r.layers_reused,
  r.bytes_read, r.started_at, r.ended_at
FROM plimsoll.analysis_run r JOIN plimsoll.analysis_setup s ON s.digest = r.setup
WHERE r.account = @account AND r.digest = @digest`)

	layerOrigins = query("layer.origins", `
SELECT digest, host, version, analyzed_at FROM plimsoll.layer
WHERE analyzer_set = @set AND digest = ANY (@digests::text[])`)
)

// SaveRun records how the analysis came to be that the run has just published. A run that has lost the record since
// has nothing to say any more, which is no error; repeating it changes nothing.
func (s *Analyses) SaveRun(ctx context.Context, run Run, r AnalysisRun) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := exec(ctx, tx, setupInsert, args{"digest": r.SetupDigest, "document": storableJSON(r.Setup)}); err != nil {
			return err
		}
		_, err := exec(ctx, tx, runSave, args{
			"account": run.Account, "digest": run.Digest, "request": run.Request, "run_id": run.RunID, "analysis_id": r.AnalysisID,
			"host": r.Host, "version": r.Version, "setup": r.SetupDigest, "layers": r.Layers, "layers_reused": r.LayersReused,
			"bytes_read": r.BytesRead, "started_at": r.StartedAt, "ended_at": r.EndedAt,
		})
		return err
	})
	return wrap(err, "record analysis run of %s", run.Digest)
}

// RunOf returns how the published analysis of an image came to be; nil when nobody recorded it.
func (s *Analyses) RunOf(ctx context.Context, account, digest string) (*AnalysisRun, error) {
	run, err := one[AnalysisRun](ctx, s.pool, runGet, args{"account": account, "digest": digest})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("load analysis run of %s: %w", digest, err)
	}
	return &run, nil
}

// LayerOrigins tells of each layer who read it; layers whose result is not stored any more are missing.
func (s *Analyses) LayerOrigins(ctx context.Context, set string, digests []string) (map[string]LayerOrigin, error) {
	rows, err := many[LayerOrigin](ctx, s.pool, layerOrigins, args{"set": set, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load origins of layers: %w", err)
	}
	out := make(map[string]LayerOrigin, len(rows))
	for _, row := range rows {
		out[row.Digest] = row
	}
	return out, nil
}
