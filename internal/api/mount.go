package api

import (
	"net/http"
	"strings"
)

// mounted is a handler that writes its own answers.
type mounted struct {
	handler http.Handler
	times   *routeTimes
	limit   *classLimit
	not     []string // path prefixes that belong to the API
}

// ServeHTTP hands the request on, unless its path belongs to the API and the API did not know it.
func (m *mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, prefix := range m.not {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return // the exchange answers 404
		}
	}
	if x, ok := w.(*exchange); ok {
		x.route, x.times = r.Pattern, m.times
		if err := m.limit.count(x); err != nil {
			x.fail(err)
			return
		}
	}
	m.handler.ServeHTTP(w, r)
}
