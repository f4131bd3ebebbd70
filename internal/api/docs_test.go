package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	var doc map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	const problemRef = "paths /v1/receipts post responses default content application/problem+json schema $ref"
	for path, want := range map[string]any{
		"openapi":                             "3.1.0",
		"paths /v1/receipts post operationId": "create_receipt",
		"paths /v1/receipts post requestBody required":                               true,
		"paths /v1/receipts post security 0 merchant":                                []any{},
		"paths /ops/v1/me get x-permission":                                          "receipts.read",
		"paths /v1/receipts post parameters 0 name":                                  "Idempotency-Key",
		"paths /v1/receipts post parameters 0 required":                              true,
		"paths /v1/receipts post responses 201 content application/json schema $ref": "#/components/schemas/Receipt",
		problemRef: "#/components/schemas/Problem",
		"components securitySchemes customer scheme":                        "bearer",
		"components schemas CreateReceiptBody additionalProperties":         false,
		"components schemas CreateReceiptBody properties amount type":       "integer",
		"components schemas CreateReceiptBody properties amount minimum":    1.,
		"components schemas CreateReceiptBody properties amount examples 0": 1999.,
		"components schemas Receipt properties amount minimum":              -9007199254740991.,
		"components schemas Receipt properties currency type":               "string",
		"components schemas Receipt properties currency examples 0":         "CNY",
		"components schemas Receipt properties id pattern":                  "^pay_[0-9a-hjkmnp-tv-z]{26}$",
		"components schemas Receipt properties lines type":                  "array",
		"components schemas CreateReceiptBody properties day format":        "date",
	} {
		if got := dig(doc, strings.Split(path, " ")); !cmp.Equal(got, want) {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
}

func dig(at any, keys []string) any {
	for _, key := range keys {
		switch node := at.(type) {
		case map[string]any:
			at = node[key]
		case []any:
			at = node[0]
		default:
			return nil
		}
	}
	return at
}

func TestDocsPage(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for path, media := range map[string]string{
		"/docs": "text/html; charset=utf-8", "/docs/docs.js": "text/javascript; charset=utf-8",
		"/docs/docs.css": "text/css; charset=utf-8",
	} {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		policy := recorder.Header().Get("Content-Security-Policy")
		if recorder.Code != 200 || recorder.Header().Get("Content-Type") != media ||
			!strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %d %v", path, recorder.Code, recorder.Header())
		}
		if strings.Contains(recorder.Body.String(), "https://") {
			t.Errorf("%s leaves this host", path)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var broken error
	server, log := newServer(t, func(o *api.Options) {
		o.Ready = []api.ReadyCheck{{Name: "database", Run: func(context.Context) error { return broken }}}
	})
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := apitest.Call(t, server, apitest.Request{Method: "GET", Path: path}); answer.Status != 200 {
			t.Errorf("%s: %s", path, answer.Body)
		}
	}
	broken = errors.New("secret host")
	answer := apitest.Call(t, server, apitest.Request{Method: "GET", Path: "/readyz"})
	if problem := answer.Problem(t, 503, "health.not_ready"); problem.Detail != "database is not ready" {
		t.Errorf("%s", answer.Body)
	}
	if !strings.Contains(log.String(), "secret host") {
		t.Errorf("the cause is not in the log: %s", log)
	}
	if answer := apitest.Call(t, server, apitest.Request{Method: "GET", Path: "/healthz"}); answer.Status != 200 {
		t.Errorf("a process that is not ready lives: %s", answer.Body)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, func(o *api.Options) { o.Metrics = prometheus.NewRegistry() })
	apitest.Call(t, server, fetch(aReceipt+"e"))
	apitest.Call(t, server, fetch(aReceipt+"4"))
	apitest.Call(t, server, fetch("/v1/nothing"))
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`feiqian_http_request_seconds_count{class="2xx",method="GET",route="/v1/receipts/{id}"} 1`,
		`feiqian_http_request_seconds_count{class="4xx",method="GET",route="/v1/receipts/{id}"} 1`,
		`feiqian_http_request_seconds_count{class="4xx",method="",route="none"} 1`,
	} {
		if !strings.Contains(recorder.Body.String(), line) {
			t.Errorf("%s is not there", line)
		}
	}
}

// TestVerify makes sure that the helper finds what it is there to find.
func TestVerify(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/pay/v1/me", nil)
	header := http.Header{"Content-Type": {"application/json"}, "Request-Id": {"req_1"}}
	const good = `{"id":"x","actor":"public","request":"req_01kanq4j3qf8yt0v5d7r2m9xce"}`
	says := func(status int, body string) apitest.Answer {
		return apitest.Answer{Status: status, Header: header, Body: []byte(body)}
	}
	instead := func(old, now string) apitest.Answer { return says(200, strings.Replace(good, old, now, 1)) }
	bare := func(name string) apitest.Answer {
		answer := says(200, good)
		answer.Header = header.Clone()
		answer.Header.Del(name)
		return answer
	}
	for name, test := range map[string]struct {
		answer apitest.Answer
		ok     bool
	}{
		"Good":         {says(200, good), true},
		"Unknown":      {says(200, good[:len(good)-1]+`,"x":1}`), false},
		"OtherCase":    {instead("actor", "Actor"), false},
		"Missing":      {says(200, `{"id":"x","actor":"public"}`), false},
		"Null":         {instead(`"x"`, "null"), false},
		"WrongType":    {instead(`"x"`, "1"), false},
		"NoID":         {instead("req_", "pay_"), false},
		"Status":       {says(201, good), false},
		"NoJSON":       {says(200, "hello"), false},
		"Media":        {bare("Content-Type"), false},
		"NoRequestID":  {bare("Request-Id"), false},
		"PlainProblem": {says(500, `{"code":"x"}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := apitest.Verify(server.OpenAPI(), request, test.answer); (err == nil) != test.ok {
				t.Errorf("Verify = %v", err)
			}
		})
	}
}
