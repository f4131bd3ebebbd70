package api_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/feiqian/feiqian/internal/api"
)

// serve runs the server on a port and returns its address, how to stop it, and what Serve returned.
func serve(t *testing.T, server *api.Server) (string, context.CancelFunc, <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(stop)
	return listener.Addr().String(), stop, done
}

func TestServeTenMegabytes(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	address, _, _ := serve(t, server)
	for name, body := range map[string]io.Reader{
		"Known":   bytes.NewReader(make([]byte, 10<<20)),
		"Chunked": io.MultiReader(bytes.NewReader(make([]byte, 10<<20))),
		"Middle":  bytes.NewReader(make([]byte, 100<<10)),
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/receipts", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer merchant")
		request.Header.Set("Idempotency-Key", "k")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Errorf("%s: the answer did not arrive: %v", name, err)
			continue
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close ||
			!strings.Contains(string(text), "request.too_large") {
			t.Errorf("%s: %d, close %v, %s", name, response.StatusCode, response.Close, text)
		}
	}
}

func TestServeLongHeader(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	address, _, _ := serve(t, server)
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = fmt.Fprintf(connection, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("a", 64<<10))
	line, _ := bufio.NewReader(connection).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("a header of 64 KiB: %q", line)
	}
}

// TestServeStops lets a request under way end, and takes no new ones.
func TestServeStops(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	server, _ := newServer(t, func(o *api.Options) {
		o.Endpoints = append(o.Endpoints, api.Handle(api.Route{
			Method: "GET", Path: "/v1/slow", Actor: api.ActorPublic, Name: "slow", Tag: "Test", Summary: "Slow",
		}, func(ctx context.Context, _ *struct{}) (*whoami, error) {
			close(entered)
			<-leave
			return &whoami{ID: "late"}, ctx.Err()
		}))
	})
	address, stop, done := serve(t, server)
	var wait sync.WaitGroup
	wait.Go(func() {
		response, err := http.Get("http://" + address + "/v1/slow")
		if err != nil {
			t.Errorf("the request under way was cut off: %v", err)
			return
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d", response.StatusCode)
		}
	})
	<-entered
	stop()
	ready := func() int {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		return recorder.Code
	}
	for deadline := time.Now().Add(5 * time.Second); ready() != 503; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a server that stops is ready")
		}
	}
	close(leave)
	wait.Wait()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestServeCutsOff(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	server, _ := newServer(t, func(o *api.Options) {
		o.ShutdownTimeout = 20 * time.Millisecond
		o.Endpoints = append(o.Endpoints, api.Handle(api.Route{
			Method: "GET", Path: "/v1/slow", Actor: api.ActorPublic, Name: "slow", Tag: "Test", Summary: "Slow",
		}, func(ctx context.Context, _ *struct{}) (*whoami, error) {
			close(entered)
			<-ctx.Done()
			return nil, ctx.Err()
		}))
	})
	address, stop, done := serve(t, server)
	var wait sync.WaitGroup
	wait.Go(func() {
		if response, err := http.Get("http://" + address + "/v1/slow"); err == nil {
			_ = response.Body.Close()
		}
	})
	<-entered
	stop()
	if err := <-done; err == nil {
		t.Error("Serve does not say that it cut a request off")
	}
	wait.Wait()
}

func TestServeListenerBroken(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := server.Serve(t.Context(), listener); err == nil {
		t.Error("Serve on a closed listener")
	}
}

func TestTraced(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	server, _ := newServer(t, func(o *api.Options) {
		o.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/pay/v1/me", nil)
	request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	server.Handler().ServeHTTP(httptest.NewRecorder(), request)
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "GET /pay/v1/me" ||
		ended[0].SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("spans: %v", ended)
	}
	plain, _ := newServer(t)
	if plain.Handler() != http.Handler(plain) {
		t.Error("without a tracer nothing stands in front of the server")
	}
}

func TestNewTracing(t *testing.T) {
	t.Parallel()
	if tracer, stop, err := api.NewTracing(t.Context(), "", "test"); tracer != nil || stop != nil || err != nil {
		t.Errorf("no endpoint: %v, %v", tracer, err)
	}
	var got sync.WaitGroup
	got.Add(1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			t.Errorf("path %s", r.URL.Path)
		}
		got.Done()
	}))
	defer collector.Close()
	tracer, stop, err := api.NewTracing(t.Context(), collector.URL+"/v1/traces", "test")
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Tracer("test").Start(t.Context(), "x")
	span.End()
	if err := stop(t.Context()); err != nil {
		t.Error(err)
	}
	got.Wait()
}
