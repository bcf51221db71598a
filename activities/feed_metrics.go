package activities

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plimsoll/persistence"
)

// feedMeters are the metrics of feeds: what drivers read, counted here, and the state of the groups, asked for when somebody
// looks.
type feedMeters struct {
	records *prometheus.SummaryVec
	skipped *prometheus.CounterVec
	groups  func(context.Context) ([]persistence.FeedGroup, error)
	now     func() time.Time

	synced, held, alarm *prometheus.Desc
}

func newFeedMeters(groups func(context.Context) ([]persistence.FeedGroup, error), now func() time.Time) *feedMeters {
	group := []string{"source", "group"}
	return &feedMeters{
		groups: groups, now: now,
		// Dashboards know this one by its name; its count is the number of records.
		records: prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Name: "anchore_feeds_record_processing_time", Help: "Seconds from one record a driver read to the next; the count is the number of records.",
		}, []string{"driver"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_feed_records_skipped_total", Help: "Records that could not be read, by driver.",
		}, []string{"driver"}),
		synced: prometheus.NewDesc("plimsoll_feed_last_success_timestamp_seconds", "When an enabled feed group was last brought up to date.", group, nil),
		held:   prometheus.NewDesc("plimsoll_feed_records", "Records a feed group holds.", group, nil),
		alarm:  prometheus.NewDesc("plimsoll_feed_alarm", "1 while an enabled feed group raises the alarm: refused, stale or unreadable.", append(group, "alarm"), nil),
	}
}

func (m *feedMeters) took(driver string) prometheus.Observer {
	return m.records.WithLabelValues(driver)
}

// Describe implements prometheus.Collector.
func (m *feedMeters) Describe(out chan<- *prometheus.Desc) {
	m.records.Describe(out)
	m.skipped.Describe(out)
	for _, d := range []*prometheus.Desc{m.synced, m.held, m.alarm} {
		out <- d
	}
}

// stateTimeout bounds how long a look at the metrics waits for the database.
const stateTimeout = 5 * time.Second

// Collect implements prometheus.Collector.
func (m *feedMeters) Collect(out chan<- prometheus.Metric) {
	m.records.Collect(out)
	m.skipped.Collect(out)
	ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
	defer cancel()
	groups, err := m.groups(ctx)
	if err != nil { // the rest of the metrics says that the database does not answer
		return
	}
	for _, g := range groups {
		if g.LastSync != nil && g.Enabled {
			out <- prometheus.MustNewConstMetric(m.synced, prometheus.GaugeValue, float64(g.LastSync.Unix()), g.Source, g.Name)
		}
		if g.Enabled || g.RecordCount > 0 {
			out <- prometheus.MustNewConstMetric(m.held, prometheus.GaugeValue, float64(g.RecordCount), g.Source, g.Name)
		}
		for _, alarm := range g.Alarms(m.now()) {
			out <- prometheus.MustNewConstMetric(m.alarm, prometheus.GaugeValue, 1, g.Source, g.Name, string(alarm))
		}
	}
}
