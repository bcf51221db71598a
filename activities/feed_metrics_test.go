package activities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestFeedsAreMeasured(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.publish("npm", advisory("GHSA-1", "npm", "left-pad", "1.3.1"), `{"id":"GHSA-2","affected":7}`)
	s.sync()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.acts.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.GetSummary() != nil:
				got[name] = float64(m.GetSummary().GetSampleCount())
			case f.GetName() == "plimsoll_feed_last_success_timestamp_seconds":
				got[name] = min(m.GetGauge().GetValue(), 1)
			default:
				got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{
		"anchore_feeds_record_processing_time osv":                2,
		"plimsoll_feed_records_skipped_total osv":                 1,
		"plimsoll_feed_records Debian osv":                        1,
		"plimsoll_feed_records npm osv":                           1,
		"plimsoll_feed_alarm unreadable npm osv":                  1,
		"plimsoll_feed_last_success_timestamp_seconds Debian osv": 1,
		"plimsoll_feed_last_success_timestamp_seconds npm osv":    1,
	}
	for name, n := range want {
		if diff := cmp.Diff(n, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s\nall %v", name, diff, got)
		}
	}
}
