package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// bufferedMax is the longest answer whose length net/http finds out by itself (its buffer is 2048 bytes).
const bufferedMax = 2000

// statusClosed is logged when the caller went away; nobody receives it.
const statusClosed = 499

// exchange is one request and its answer on their way. It stands in for the ResponseWriter, so that it
// can turn the mux's own text answers into problems and knows what was written.
type exchange struct {
	http.ResponseWriter
	server  *Server
	request *http.Request
	id      id.Request
	begun   time.Duration
	caller  Caller
	// recorded says that the act's audit record is durable.
	recorded atomic.Bool
	route    string // pattern for the log; "" as long as nothing matched
	times    *routeTimes
	status   int
	bytes    int64
	cause    error  // what the log should know about a failure
	code     string // of the problem that was answered
	from     netip.Addr
	// version is the dated form of a merchant's answer; "" for others.
	version string
	// login is what somebody signs in with, signedIn who it then was; see watch.
	login, signedIn string
}

// endpoint is an Endpoint that is ready to serve.
type endpoint struct {
	Endpoint
	server *Server
	plan   *plan
	times  *routeTimes
	limit  *classLimit
}

// ServeHTTP gives the request an id, finds its route, and turns a panic and the mux's own refusals into problems.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		ResponseWriter: w, server: s, request: r,
		id: id.New[id.Request](s.clock.Now()), begun: s.elapsed(),
	}
	header := w.Header()
	header["Request-Id"] = []string{string(x.id)}
	s.secure(header, r)
	defer x.end() //nolint:contextcheck // the exchange has the request's context
	if err := x.admit(); err != nil {
		x.route, x.times = "none", s.metrics.unrouted
		x.fail(err)
		return
	}
	s.mux.ServeHTTP(x, r)
	if x.route == "" {
		x.refuseUnrouted()
	}
}

// ServeHTTP runs one endpoint: guard, read, call, write.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, ok := w.(*exchange)
	if !ok { // only the server's own mux calls this
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	x.route, x.times = e.Path, e.times
	w.Header()["Cache-Control"] = e.server.headers.noStore
	timed, cancel := context.WithTimeout(r.Context(), e.server.options.RequestTimeout)
	defer cancel()
	ctx := &requestContext{Context: timed, exchange: x} // inherits from timed, which contextcheck does not see
	err := e.guard(ctx, x)                              //nolint:contextcheck // see above
	if err == nil {
		err = e.limit.count(x)
	}
	if err == nil && e.Actor == ActorMerchant {
		err = x.chooseVersion()
	}
	if err == nil && e.Actor == ActorMerchant {
		err = e.checkSignature(ctx, x) //nolint:contextcheck // see above
	}
	if err != nil {
		x.note(ctx, err) //nolint:contextcheck // see above
		x.fail(err)
		return
	}
	answer, err := e.serve(ctx, x, e.plan) //nolint:contextcheck // see above
	if err == nil {
		e.recordAct(ctx, x)      //nolint:contextcheck // see above
		err = e.write(x, answer) //nolint:contextcheck // see above
	}
	if err != nil {
		x.note(ctx, err) //nolint:contextcheck // see above
		x.fail(err)
	}
}

// write sends an answer. Errors come before the first byte; a caller that hangs up is no error of ours.
func (e *endpoint) write(x *exchange, answer any) error {
	status, header := e.Status, x.Header()
	var body []byte
	switch answer := answer.(type) {
	case *NoContent:
		x.WriteHeader(http.StatusNoContent)
		return nil
	case *File:
		header["Content-Type"] = []string{answer.Media}
		header["Content-Disposition"] = []string{"attachment"}
		header["Content-Security-Policy"] = []string{"default-src 'none'; sandbox"}
		x.send(cmp.Or(status, http.StatusOK), answer.Body)
		return nil
	case *Stream:
		return x.stream(answer)
	case storedAnswer:
		var replayed bool
		if status, body, replayed = answer.stored(); replayed {
			header["Idempotent-Replayed"] = e.server.headers.replayed
		}
	default:
		var err error
		if body, err = Encode(answer); err != nil {
			return fault.Wrap(err, "encode the answer of "+e.Name)
		}
	}
	if x.version != "" {
		var err error
		if body, err = apiversion.Back(body, x.version); err != nil {
			return fault.Wrap(err, "write the answer of "+e.Name+" as of "+x.version)
		}
	}
	if status == 0 {
		status = http.StatusOK
	}
	if status != http.StatusNoContent {
		header["Content-Type"] = e.server.headers.json
	}
	x.send(status, body)
	return nil
}

// send writes status and body; the headers are in place.
func (x *exchange) send(status int, body []byte) {
	if len(body) > bufferedMax {
		x.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.WriteHeader(status)
	// The error says that the caller is gone, which is nobody's fault and nothing can be done about.
	_, _ = x.Write(body)
}

// WriteHeader notes the status. While no route has matched, it swallows what the mux itself would say.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	if x.route != "" {
		x.ResponseWriter.WriteHeader(status)
	}
}

// Write counts the bytes. While no route has matched, it swallows what the mux itself would say.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if x.route == "" {
		return len(b), nil
	}
	n, err := x.ResponseWriter.Write(b) //nolint:gosec // JSON with its type and nosniff, or a mount's own page
	x.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController the writer behind.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// refuseUnrouted answers a request that no route takes: 405 where another method would do, else 404.
// A path that only needs cleaning is 404 too: an API does not redirect a POST.
func (x *exchange) refuseUnrouted() {
	refusal := fault.New(fault.NotFound, "request.unknown_route", "there is nothing at this path").
		WithHint("see /docs for the routes")
	if x.status == http.StatusMethodNotAllowed {
		refusal = fault.New(fault.Invalid, codeMethodNotAllowed, "this path does not take this method").
			WithHint("use one of the methods of the Allow header")
	}
	x.Header().Del("Location")
	x.status, x.route, x.times = 0, "none", x.server.metrics.unrouted
	x.fail(refusal)
}

// fail answers with the problem of err, once, and keeps the cause for the log.
func (x *exchange) fail(err error) {
	f := fault.From(err)
	if f.Kind == fault.Internal {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			f = fault.New(fault.Timeout, "request.timeout", "this took longer than we allow").WithCause(err)
		case errors.Is(err, context.Canceled) && x.request.Context().Err() != nil:
			x.cause, x.status = err, statusClosed
			return
		}
	}
	if f.Kind == fault.Internal || f.Err != nil {
		x.cause = err
	}
	x.writeProblem(f)
}

// end turns a panic into a problem, measures and logs.
func (x *exchange) end() {
	if reason := recover(); reason != nil {
		if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(reason)
		}
		x.server.log.LogAttrs(x.request.Context(), slog.LevelError, "a request panicked",
			slog.String("request_id", string(x.id)), slog.Any("panic", reason), slog.String("stack", string(debug.Stack())))
		if x.status != 0 && x.route != "" {
			defer panic(http.ErrAbortHandler) // half an answer must not look whole
		} else {
			x.route = cmp.Or(x.route, "none")
			x.fail(fault.New(fault.Internal, "internal", "something went wrong on our side"))
		}
	}
	x.watch()
	took := x.server.elapsed() - x.begun
	x.times.observe(x.status, took)
	x.logLine(took)
}

// logLine writes the one line of the request: never bodies, headers, queries or raw paths. A good answer is
// at debug, a refusal at info, a failure of ours at error and with its cause.
func (x *exchange) logLine(took time.Duration) {
	level := slog.LevelDebug
	switch {
	case x.status >= http.StatusInternalServerError && x.cause != nil:
		level = slog.LevelError
	case x.status >= http.StatusBadRequest:
		level = slog.LevelInfo
	}
	log, ctx := x.server.log, x.request.Context()
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("request_id", string(x.id)), slog.String("method", x.request.Method),
		slog.String("route", x.route), slog.Int("status", x.status),
		slog.Int64("bytes", x.bytes), slog.Duration("took", took))
	if caller := x.caller.ID(); caller != "" {
		attrs = append(attrs, slog.String("caller", caller))
	}
	if x.cause != nil {
		attrs = append(attrs, slog.String("error", x.cause.Error()))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}
