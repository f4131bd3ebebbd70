// Package api is the HTTP door: it reads requests strictly, asks who calls, runs one function for
// each route, and writes answers and problems. No route decodes, writes or maps errors by itself.
//
// A route is one line in a list and one function:
//
//	api.Handle(api.Route{
//		Method: "POST", Path: "/v1/payments", Actor: api.ActorMerchant, Status: 201,
//		Name: "create_payment", Tag: "Payments", Summary: "Create a payment",
//	}, payments.create)
//
//	func (p payments) create(ctx context.Context, req *createPayment) (*Payment, error)
//
//	type createPayment struct {
//		api.Idempotent
//		Body createPaymentBody
//	}
//
// Members of a request struct come from the path (`path:"id"`), the query (`query:"limit"`), a header
// (`header:"…"`) and the body (Body). The same tags that document them check them: required,
// minLength, maxLength, pattern, enum, minimum, maximum, minItems, maxItems, default, doc, example.
// A struct with a method Check() error is asked too. The answer is the JSON body itself, or Answer
// for stored bytes, Page for lists, NoContent for nothing.
//
// Read route.go for what a route declares, exchange.go for the way of a request, decode.go for how
// bodies are read, schema.go for how huma's schemas become the OpenAPI document, problem.go for errors.
package api

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
)

// Options is what the server needs. Only Endpoints and the verifiers that they call for must be set.
type Options struct {
	// Title and Version name the instance in the OpenAPI document; default Feiqian API, development.
	Title, Version string
	// Clock tells the time of request ids; default the machine's.
	Clock *clock.Clock
	// Log takes one line for each request; default slog.Default.
	Log *slog.Logger
	// Verifiers tell who a token belongs to.
	Verifiers Verifiers
	// CheckSignature checks the signature of a merchant's request; nil where nobody signs.
	CheckSignature func(ctx context.Context, merchant id.Merchant, message httpsig.Message) error
	// Endpoints is the one list of routes.
	Endpoints []Endpoint
	// Pages are public pages of our own that are no endpoints; they bring their own Content-Security-Policy.
	Pages []WebPage
	// Mounts serves embedded web apps and other foreign handlers: ServeMux pattern to handler. They bring
	// their own Content-Security-Policy.
	Mounts map[string]http.Handler
	// Ready is asked by /readyz; all must agree.
	Ready []ReadyCheck
	// Metrics collects request times and is shown at /metrics; nil for neither.
	Metrics *prometheus.Registry
	// Tracer takes a span for each request; nil for none, at no cost. See NewTracing.
	Tracer trace.TracerProvider
	// Trail takes acts of the staff that no decision recorded, and refusals that bear on security; nil for neither.
	Trail *audit.Trail
	// TrustedOrigins may send session requests from other sites: https://pay.example.com.
	TrustedOrigins []string
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed; default none.
	TrustedProxies []netip.Prefix
	// Edge guards the doors: rates, blocks, detectors, firewall, connections.
	Edge Edge
	// BodyMaxBytes is the largest body of a route that names no limit of its own; default 64 KiB.
	BodyMaxBytes int64
	// RequestTimeout ends the context of a request; default 30 s.
	RequestTimeout time.Duration
	// OnShutdown is called when the server begins to stop, to end what would not end by itself.
	OnShutdown func()
	// ShutdownTimeout is how long Serve waits for requests under way; default 15 s.
	ShutdownTimeout time.Duration
}

// Server answers HTTP requests. It is safe for many goroutines.
type Server struct {
	options   Options
	log       *slog.Logger
	clock     *clock.Clock
	started   time.Time // with its monotonic reading, for measuring
	mux       *http.ServeMux
	document  *huma.OpenAPI
	routes    []Route
	crossSite *http.CrossOriginProtection
	headers   fixedHeaders
	security  map[string][]string
	limits    map[edge.Class]*classLimit
	metrics   *metrics
	buffers   sync.Pool // of *bodyBuffer
	draining  atomic.Bool
	events    map[string]string // kinds of security events by code
}

// fixedHeaders are header values that never change, shared by all answers so that writing one costs no
// allocation. Nobody may change them in place.
type fixedHeaders struct {
	json, problem, noStore, replayed, hsts []string
}

// New builds the server. It panics when a route contradicts itself, declares no actor, asks for a
// verifier that is not there, or collides with another: these are mistakes of programming, and every
// test that builds the server finds them.
func New(options Options) *Server {
	s := &Server{
		options:   options.withDefaults(),
		started:   time.Now(), //nolint:forbidigo // monotonic time for measuring, not an instant of the business
		mux:       http.NewServeMux(),
		crossSite: http.NewCrossOriginProtection(),
		headers: fixedHeaders{
			json:     []string{"application/json"},
			problem:  []string{"application/problem+json"},
			noStore:  []string{"no-store"},
			replayed: []string{"true"},
			hsts:     []string{transportSecurity},
		},
	}
	s.events = securityKinds()
	s.security, s.limits = securityHeaders(), newClassLimits(options.Edge.Rates)
	s.log, s.clock = s.options.Log, s.options.Clock
	s.buffers.New = func() any { return newBodyBuffer() }
	for _, origin := range options.TrustedOrigins {
		if err := s.crossSite.AddTrustedOrigin(origin); err != nil {
			panic(fmt.Sprintf("api: trusted origin: %v", err))
		}
	}
	s.metrics = newMetrics(options.Metrics)
	s.register(slices.Concat(s.healthEndpoints(), options.Endpoints))
	s.registerDocs()
	for _, page := range s.options.Pages {
		s.page(page)
	}
	s.registerMounts()
	return s
}

func (o Options) withDefaults() Options {
	if o.Title == "" {
		o.Title = "Feiqian API"
	}
	if o.Version == "" {
		o.Version = "development"
	}
	if o.Clock == nil {
		o.Clock = &clock.Clock{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.BodyMaxBytes <= 0 {
		o.BodyMaxBytes = 64 << 10
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = 30 * time.Second
	}
	if o.ShutdownTimeout <= 0 {
		o.ShutdownTimeout = 15 * time.Second
	}
	return o
}

// register documents all endpoints, refines the schemas, and only then compiles what reads the
// requests, so that document and checks cannot differ.
func (s *Server) register(endpoints []Endpoint) {
	book := newBook(s.options.Title, s.options.Version)
	for i, e := range endpoints {
		e.Class = cmp.Or(e.Class, classOf(e.Route))
		endpoints[i] = e
		e.check(s.options.Verifiers)
		book.add(e)
	}
	for _, e := range endpoints {
		limit := e.BodyMaxBytes
		if limit <= 0 {
			limit = s.options.BodyMaxBytes
		}
		s.handle(e.Route, &endpoint{
			Endpoint: e,
			server:   s,
			plan:     book.plan(e, limit),
			times:    s.metrics.route(e.Method, e.Path),
			limit:    s.limitOf(e.Class),
		})
	}
	s.document = book.document
}

// handle gives a route its handler and its place in Routes.
func (s *Server) handle(route Route, handler http.Handler) {
	s.mux.Handle(route.Method+" "+route.Path, handler)
	s.routes = append(s.routes, route)
}

// WebPage is a public page of our own that is no endpoint.
type WebPage struct {
	Method, Path string
	Class        edge.Class
	Handler      http.HandlerFunc
}

// page is handle for a page.
func (s *Server) page(p WebPage) {
	route := Route{Method: p.Method, Path: p.Path, Actor: ActorPublic, Class: p.Class}
	s.handle(route, &mounted{
		handler: p.Handler, times: s.metrics.route(p.Method, p.Path), limit: s.limitOf(p.Class),
	})
}

// plain is page for one that is only read.
func (s *Server) plain(path string, class edge.Class, handler http.HandlerFunc) {
	s.page(WebPage{Method: http.MethodGet, Path: path, Class: class, Handler: handler})
}

// registerMounts hangs the foreign handlers in. Below the prefixes of the API an unknown path stays
// a problem, whatever a mount at / would say.
func (s *Server) registerMounts() {
	var prefixes []string
	for _, route := range s.routes {
		if root := routeRoot(route.Path); strings.Count(root, "/") > 1 && !slices.Contains(prefixes, root) {
			prefixes = append(prefixes, root)
		}
	}
	for pattern, handler := range s.options.Mounts {
		s.mux.Handle(pattern, &mounted{handler: handler, times: s.metrics.route("", pattern), not: prefixes})
	}
}

// routeRoot returns the prefix of a path up to its version: /wallet/v1/ for /wallet/v1/transfers; ""
// where there is none.
func routeRoot(path string) string {
	before, _, ok := strings.Cut(path, "/v1/")
	if !ok {
		return ""
	}
	return before + "/v1/"
}

// Routes lists every route with who may call it, in the order of registration; without Mounts.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// OpenAPI returns the document that /openapi.json shows. Nobody may change it.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.document }

// Handler returns the server as a handler; with tracing where Options has a Tracer.
func (s *Server) Handler() http.Handler {
	if s.options.Tracer == nil {
		return s
	}
	return traced(s, s.options.Tracer)
}

// elapsed is the monotonic time since the server was built.
func (s *Server) elapsed() time.Duration { return time.Since(s.started) }

// contextKey finds the requestContext in a context.
type contextKey struct{}

// requestContext carries what one request knows about itself. It is never used again, so that a
// goroutine that outlives its request cannot see another one's caller.
type requestContext struct {
	context.Context //nolint:containedctx // it is a context
	exchange        *exchange
}

// Value returns the request's own facts, and for other keys what the parent knows.
func (c *requestContext) Value(key any) any {
	switch key.(type) {
	case contextKey:
		return c
	case audit.OriginKey:
		return c.exchange.origin()
	}
	return c.Context.Value(key)
}
