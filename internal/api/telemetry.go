package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// NewTracing returns a provider that sends spans to the OTLP endpoint, a URL such as
// http://localhost:4318/v1/traces, and the function that sends the rest and ends it. With an empty endpoint
// all three results are nil: there is no tracing.
func NewTracing(ctx context.Context, endpoint, version string) (
	trace.TracerProvider, func(context.Context) error, error,
) {
	if endpoint == "" {
		return nil, nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("traces to %s: %w; correct otlp_endpoint or leave it empty", endpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "feiqian"), attribute.String("service.version", version),
		)),
	)
	return provider, provider.Shutdown, nil
}

// traced makes a span for each request, named by method and route.
func traced(handler http.Handler, tracer trace.TracerProvider) http.Handler {
	return otelhttp.NewHandler(handler, "request",
		otelhttp.WithTracerProvider(tracer),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if r.Pattern == "" {
				return r.Method
			}
			return r.Pattern
		}),
	)
}

// LogHandler adds the request id, and the trace id where there is one, to every line that is logged with a
// request's context.
func LogHandler(inner slog.Handler) slog.Handler { return logHandler{inner} }

type logHandler struct{ slog.Handler }

// Handle adds the ids to one line.
func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if request := RequestIDOf(ctx); request != "" {
		record.AddAttrs(slog.String("request_id", string(request)))
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs keeps the ids.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the ids.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
