package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/feiqian/feiqian/internal/edge"
)

// classes are the status classes 1xx to 5xx.
const classes = 5

// metrics measures requests by route pattern and status class; nil measures nothing.
type metrics struct {
	seconds  *prometheus.HistogramVec
	unrouted *routeTimes
}

// routeTimes are the observers of one route, looked up once; nil observes nothing.
type routeTimes [classes]prometheus.Observer

func newMetrics(registry *prometheus.Registry) *metrics {
	if registry == nil {
		return &metrics{}
	}
	m := &metrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "feiqian_http_request_seconds",
		Help:    "Time from the head of a request to the end of its answer.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // 0.5 ms to 4 s
	}, []string{"method", "route", "class"})}
	registry.MustRegister(m.seconds)
	m.unrouted = m.route("", "none")
	return m
}

// route returns the observers of a route.
func (m *metrics) route(method, pattern string) *routeTimes {
	if m.seconds == nil {
		return nil
	}
	times := &routeTimes{}
	for i := range times {
		times[i] = m.seconds.WithLabelValues(method, pattern, strconv.Itoa(i+1)+"xx")
	}
	return times
}

func (t *routeTimes) observe(status int, took time.Duration) {
	if class := status / 100; t != nil && class >= 1 && class <= classes {
		t[class-1].Observe(took.Seconds())
	}
}

// registerMetrics shows the registry at /metrics.
func (s *Server) registerMetrics() {
	if s.options.Metrics == nil {
		return
	}
	page := promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	s.plain("/metrics", edge.ClassNone, func(w http.ResponseWriter, r *http.Request) { page.ServeHTTP(w, r) })
}
