package api_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/api"
)

// discard is a ResponseWriter that costs nothing itself.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkPost is one checked money POST through everything but the network: guard, key, body, answer, metrics.
func BenchmarkPost(b *testing.B) {
	server, _ := newServer(b, func(o *api.Options) { o.Metrics = prometheus.NewRegistry() })
	handler := server.Handler()
	body := []byte(`{"amount":1999,"currency":"CNY","reference":"order 2026-11-22/1","method":"wallet",` +
		`"payer":"cus_01kanq4j3qf8yt0v5d7r2m9xce"}`)
	request := httptest.NewRequestWithContext(b.Context(), "POST", "/v1/receipts", nil)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer merchant")
	request.Header.Set("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
	reader := bytes.NewReader(body)
	writer := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		request.Body, request.ContentLength = io.NopCloser(reader), int64(len(body))
		clear(writer.header)
		handler.ServeHTTP(writer, request)
	}
}

// BenchmarkGet is a read by id through everything but the network.
func BenchmarkGet(b *testing.B) {
	server, _ := newServer(b)
	request := httptest.NewRequestWithContext(b.Context(), "GET", "/v1/receipts/pay_01kanq4j3qf8yt0v5d7r2m9xce", nil)
	request.Header.Set("Authorization", "Bearer merchant")
	writer := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(writer.header)
		server.ServeHTTP(writer, request)
	}
}
