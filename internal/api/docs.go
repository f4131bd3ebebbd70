package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/feiqian/feiqian/internal/edge"
)

// docsPolicy lets the documentation load its own files and nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed docs
var docsFiles embed.FS

// registerDocs serves the OpenAPI document, a page that shows it, and the metrics.
func (s *Server) registerDocs() {
	document, err := json.Marshal(s.document)
	if err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document cannot be written: %v", err))
	}
	s.static("/openapi.json", "application/json", document)
	for path, file := range map[string][2]string{
		"/docs":          {"docs/index.html", "text/html; charset=utf-8"},
		"/docs/docs.js":  {"docs/docs.js", "text/javascript; charset=utf-8"},
		"/docs/docs.css": {"docs/docs.css", "text/css; charset=utf-8"},
	} {
		body, err := docsFiles.ReadFile(file[0])
		if err != nil {
			panic(fmt.Sprintf("api: %v", err))
		}
		s.static(path, file[1], body)
	}
	s.registerMetrics()
}

// static serves bytes that do not change while the process lives.
func (s *Server) static(path, contentType string, body []byte) {
	s.plain(path, edge.ClassPublic, func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Content-Security-Policy", docsPolicy)
		header.Set("Cache-Control", "no-cache")
		_, _ = w.Write(body) // the error says that the caller is gone
	})
}
