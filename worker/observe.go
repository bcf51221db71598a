package worker

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.uber.org/zap"

	"plimsoll/internal/log"
)

// metrics of a worker.
type metrics struct {
	activities *prometheus.HistogramVec
	dispatched prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		activities: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "plimsoll_activity_seconds",
			Help:    "Duration of activities, by name and outcome (ok or error).",
			Buckets: []float64{.01, .05, .25, 1, 5, 30, 120, 600, 3600},
		}, []string{"activity", "outcome"}),
		dispatched: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plimsoll_outbox_dispatched_total",
			Help: "Outbox rows the dispatcher took up because nobody had started their workflow.",
		}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.activities, m.dispatched}
}

// observer gives activities a logger that names them, and times them.
type observer struct {
	interceptor.WorkerInterceptorBase
	metrics *metrics
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (o *observer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &observed{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, metrics: o.metrics}
}

type observed struct {
	interceptor.ActivityInboundInterceptorBase
	metrics *metrics
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (o *observed) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	ctx = log.With(ctx, zap.String(log.KeyWorkflowID, info.WorkflowExecution.ID), zap.String(log.KeyRunID, info.WorkflowExecution.RunID),
		zap.String(log.KeyActivity, info.ActivityType.Name), zap.Int32(log.KeyAttempt, info.Attempt))
	began := time.Now()
	out, err := o.Next.ExecuteActivity(ctx, in)
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	o.metrics.activities.WithLabelValues(info.ActivityType.Name, outcome).Observe(time.Since(began).Seconds())
	return out, err
}
