package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"plimsoll/persistence/statement"
)

// queryDuration is one histogram per process, whatever number of pools it opens.
var queryDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Namespace: "plimsoll",
	Subsystem: "database",
	Name:      "query_duration_seconds",
	Help:      "Time from sending a statement to its last row, by declared name.",
	Buckets:   prometheus.ExponentialBuckets(0.0005, 4, 9), // 0.5 ms to 33 s
}, []string{"query", "outcome"})

// Collectors returns what a process registers to expose this package's metrics.
func Collectors() []prometheus.Collector { return []prometheus.Collector{queryDuration} }

// queryTracer times every statement of a connection.
type queryTracer struct{}

type queryStart struct {
	name string
	at   time.Time
}

type queryStartKey struct{}

func (queryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, queryStartKey{}, queryStart{statement.Name(data.SQL), time.Now()})
}

func (queryTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	start, ok := ctx.Value(queryStartKey{}).(queryStart)
	if !ok {
		return
	}
	outcome := "ok"
	if data.Err != nil {
		outcome = "error"
	}
	queryDuration.WithLabelValues(start.name, outcome).Observe(time.Since(start.at).Seconds())
}
