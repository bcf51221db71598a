package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"plimsoll/internal/build"
	"plimsoll/internal/log"
)

// readyTimeout bounds one readiness check, below the usual probe timeout.
const readyTimeout = 3 * time.Second

// Check is one thing a role cannot work without. Its name is shown to anyone
// who may ask for readiness; its error is only logged.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// NewRegistry returns a Prometheus registry with the Go and process figures
// and the build.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := build.Current()
	running := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "plimsoll_build_info",
		Help:        "Always 1; the labels name the build.",
		ConstLabels: prometheus.Labels{"version": info.Version, "commit": info.Commit, "go": info.Go},
	})
	running.Set(1)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), running)
	return registry
}

// Operate answers what operators and probes ask: /health (the process runs),
// /ready (every check passes), /version (describe) and /metrics. It belongs on
// an address that only they can reach.
func Operate(gatherer prometheus.Gatherer, describe any, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, http.StatusOK, describe) })
	mux.Handle("GET /ready", Ready(checks...))
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

// Ready answers 200 when every check passes, otherwise 503; the body names the
// checks and never says why one failed.
func Ready(checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, answer := readiness(r.Context(), checks)
		writeJSON(w, r, status, answer)
	})
}

// readiness runs the checks; the answer says "ok" or "failed" for each.
func readiness(ctx context.Context, checks []Check) (int, map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	status, answer := http.StatusOK, map[string]string{}
	for _, check := range checks {
		answer[check.Name] = "ok"
		if err := check.Run(ctx); err != nil {
			status, answer[check.Name] = http.StatusServiceUnavailable, "failed"
			if !errors.Is(err, context.Canceled) {
				log.From(ctx).Warn("not ready", zap.String(log.KeyComponent, check.Name), zap.Error(err))
			}
		}
	}
	return status, answer
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.From(r.Context()).Debug("client went away", zap.Error(err))
	}
}
