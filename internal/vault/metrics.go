package vault

import "github.com/prometheus/client_golang/prometheus"

// Metrics measures the vault of this node.
type Metrics struct {
	resealed  *prometheus.CounterVec
	failed    *prometheus.CounterVec
	refused   *prometheus.CounterVec
	remaining *prometheus.GaugeVec
}

func newMetrics() *Metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"purpose"})
	}
	return &Metrics{
		resealed: counter("feiqian_vault_resealed_total", "Rows that were sealed again under the newest data key."),
		failed:   counter("feiqian_vault_reseal_failures_total", "Rows that could not be sealed again."),
		refused:  counter("feiqian_vault_open_failures_total", "Sealed values that did not open: changed, or moved."),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "feiqian_vault_rows_to_reseal", Help: "Rows under older data keys, as the last walk over them found.",
		}, []string{"purpose"}),
	}
}

// Collectors returns the measurements for a registry.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.resealed, m.failed, m.refused, m.remaining}
}
