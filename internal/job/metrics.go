package job

import "github.com/prometheus/client_golang/prometheus"

// Metrics measures the jobs of this node.
type Metrics struct {
	runs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics() *Metrics {
	return &Metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feiqian_job_runs_total", Help: "Attempts of jobs by kind and result: done, failed, dead, given_back, lost.",
		}, []string{"kind", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "feiqian_job_seconds", Help: "Time of one attempt of a job.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"kind"}),
	}
}

// Collectors returns the measurements for a registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.runs, m.seconds}
}
