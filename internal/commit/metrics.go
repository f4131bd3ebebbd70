package commit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures groups: how many decisions they hold, how long decisions wait, how long the
// commit takes.
type Metrics struct {
	size    prometheus.Histogram
	wait    prometheus.Histogram
	seconds prometheus.Histogram
	refused prometheus.Counter
	retries prometheus.Counter
	unknown prometheus.Counter
}

func newMetrics() *Metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 16)
	return &Metrics{
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "feiqian_commit_group_size",
			Help:    "Decisions in one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "feiqian_commit_wait_seconds",
			Help:    "Time the first decision of a group waited in the queue.",
			Buckets: seconds,
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "feiqian_commit_seconds", Help: "Time of a group from its reads to its durable commit.", Buckets: seconds,
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feiqian_commit_refused_total", Help: "Decisions refused because the queue was full.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feiqian_commit_retries_total", Help: "Groups run again after a conflict or a lost connection.",
		}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "feiqian_commit_unknown_total", Help: "Commits whose outcome had to be looked up.",
		}),
	}
}

// Collectors returns the measurements for a registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.size, m.wait, m.seconds, m.refused, m.retries, m.unknown}
}

func (m *Metrics) observe(calls []*call, start time.Time) {
	m.size.Observe(float64(len(calls)))                  //nolint:forbidigo // a measurement, not money
	m.wait.Observe(start.Sub(calls[0].queued).Seconds()) // the first one waited longest
	m.seconds.Observe(time.Since(start).Seconds())
}
