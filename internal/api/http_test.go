package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
)

const aReceipt = "/v1/receipts/pay_01kanq4j3qf8yt0v5d7r2m9xc"

func TestUnrouted(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for _, path := range []string{"/", "/v1", "/v1/nothing", "/v1/receipts/", "//v1/receipts", "/v1/../v1/receipts"} {
		answer := apitest.Call(t, server, fetch(path))
		answer.Problem(t, 404, "request.unknown_route")
		if answer.Header.Get("Location") != "" {
			t.Errorf("%s redirects", path)
		}
	}
	answer := apitest.Call(t, server, apitest.Request{Method: "PUT", Path: "/v1/receipts", Token: "merchant"})
	answer.Problem(t, 405, "request.method_not_allowed")
	if allow := answer.Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	call := fetch(aReceipt + "e")
	call.Header = map[string]string{"Request-Id": "req_mine"}
	answer := apitest.Call(t, server, call)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := answer.Header.Get("Request-Id"); !strings.HasPrefix(got, "req_") || got == "req_mine" {
		t.Errorf("Request-Id: %q", got)
	}
	answer = apitest.Call(t, server, apitest.Request{Method: "DELETE", Path: aReceipt + "e", Token: "merchant"})
	if answer.Status != 204 || len(answer.Body) != 0 || answer.Header.Get("Content-Type") != "" {
		t.Errorf("%d %v %s", answer.Status, answer.Header, answer.Body)
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for query, want := range map[string]string{"": "", "?expand=payer,lines": "payer+lines", "?loud=true": "LOUD"} {
		var got receipt
		apitest.Call(t, server, fetch(aReceipt+"e"+query)).JSON(t, &got)
		if got.Reference != want {
			t.Errorf("%q: %q, want %q", query, got.Reference, want)
		}
	}
	for query, want := range map[string][2]string{
		"?color=red":                  {"request.unknown_parameter", "color"},
		"?loud=yes":                   {"request.bad_field", "loud"},
		"?loud=":                      {"request.bad_field", "loud"},
		"?loud=true&loud=true":        {"request.repeated_parameter", "loud"},
		"?expand=payer,secret":        {"request.bad_field", "expand"},
		"?expand=%ff":                 {"request.bad_encoding", "expand"},
		"?expand=%00":                 {"request.bad_encoding", "expand"},
		"?expand=%zz":                 {"request.bad_encoding", ""},
		"?" + strings.Repeat("x", 99): {"request.unknown_parameter", strings.Repeat("x", 64)},
	} {
		problem := apitest.Call(t, server, fetch(aReceipt+"e"+query)).Problem(t, 400, want[0])
		if problem.Param != want[1] {
			t.Errorf("%q: param %q, want %q", query, problem.Param, want[1])
		}
	}
	problem := apitest.Call(t, server, fetch("/v1/receipts/7")).Problem(t, 400, "request.bad_field")
	if problem.Param != "id" {
		t.Errorf("param %q", problem.Param)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	type page struct {
		Data       []receipt `json:"data"`
		HasMore    bool      `json:"has_more"`
		NextCursor string    `json:"next_cursor"`
	}
	var first, second page
	apitest.Call(t, server, fetch("/v1/receipts?limit=2&from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z")).
		JSON(t, &first)
	if len(first.Data) != 2 || !first.HasMore || first.NextCursor == "" {
		t.Fatalf("%+v", first)
	}
	apitest.Call(t, server, fetch("/v1/receipts?cursor="+first.NextCursor)).JSON(t, &second)
	if len(second.Data) != 1 || second.HasMore || second.NextCursor != "" {
		t.Errorf("%+v", second)
	}
	var empty page
	end := api.Cursor("pay_z").String()
	answer := apitest.Call(t, server, fetch("/v1/receipts?cursor="+end))
	if answer.JSON(t, &empty); empty.Data == nil {
		t.Errorf("an empty list is [], not %s", answer.Body)
	}
	for query, want := range map[string][2]string{
		"limit=0":    {"request.bad_field", "limit"},
		"limit=101":  {"request.bad_field", "limit"},
		"limit=ten":  {"request.bad_field", "limit"},
		"limit=":     {"request.bad_field", "limit"},
		"cursor=!":   {"request.bad_cursor", "cursor"},
		"cursor=":    {"request.bad_cursor", "cursor"},
		"cursor=AAA": {"request.bad_cursor", "cursor"},
		"from=today": {"request.bad_field", "from"},
		"from=2026-11-23T00:00:00Z&to=2026-11-23T00:00:00Z": {"request.bad_field", "to"},
	} {
		problem := apitest.Call(t, server, fetch("/v1/receipts?"+query)).Problem(t, 400, want[0])
		if problem.Param != want[1] {
			t.Errorf("%s: param %q, want %q", query, problem.Param, want[1])
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, func(o *api.Options) { o.RequestTimeout = 50 * time.Millisecond })
	for last, want := range map[string]struct {
		status    int
		code      string
		retryable bool
	}{
		"1": {400, "a.invalid", false}, "2": {401, "a.unauthenticated", false}, "3": {403, "a.forbidden", false},
		"4": {404, "a.not_found", false}, "5": {409, "a.conflict", false}, "6": {422, "a.mismatch", false},
		"7": {429, "a.limited", true}, "8": {503, "a.unavailable", true}, "9": {413, "a.too_large", false},
		"a": {504, "a.timeout", true}, "b": {500, "internal", true}, "c": {500, "internal", true},
		"p": {500, "internal", true}, "z": {504, "request.timeout", true},
	} {
		answer := apitest.Call(t, server, fetch(aReceipt+last))
		problem := answer.Problem(t, want.status, want.code)
		if problem.Type != "urn:feiqian:problem:"+want.code || problem.Title == "" || problem.Detail == "" ||
			problem.Retryable != want.retryable || string(problem.RequestID) != answer.Header.Get("Request-Id") {
			t.Errorf("%s: %s", last, answer.Body)
		}
		if strings.Contains(string(answer.Body), "secret") || strings.Contains(string(answer.Body), "Zhang") {
			t.Errorf("the cause leaked: %s", answer.Body)
		}
		if (answer.Header.Get("WWW-Authenticate") != "") != (want.status == 401) {
			t.Errorf("WWW-Authenticate: %q", answer.Header.Get("WWW-Authenticate"))
		}
	}
	answer := apitest.Call(t, server, fetch(aReceipt+"7"))
	if problem := answer.Problem(t, 429, "a.limited"); problem.RetryAfter != 2 || answer.Header.Get("Retry-After") != "2" {
		t.Errorf("retry after %d, %q", problem.RetryAfter, answer.Header.Get("Retry-After"))
	}
	problem := apitest.Call(t, server, fetch(aReceipt+"1")).Problem(t, 400, "a.invalid")
	if problem.Param != "p" || problem.Hint != "h" {
		t.Errorf("%+v", problem)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	server, log := newServer(t)
	apitest.Call(t, server, fetch(aReceipt+"e"))
	if log.Len() > 0 {
		t.Errorf("a good answer is logged at info: %s", log)
	}
	answer := apitest.Call(t, server, fetch(aReceipt+"c"))
	apitest.Call(t, server, post(`{"secret":"123456"}`))
	apitest.Call(t, server, fetch("/secret/path?secret=1"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("three failures are three lines: %s", log)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"level": "ERROR", "route": "/v1/receipts/{id}", "method": "GET", "status": 500., "caller": string(merchantID),
		"request_id": answer.Header.Get("Request-Id"),
	} {
		if line[name] != want {
			t.Errorf("%s = %v, want %v", name, line[name], want)
		}
	}
	if cause, _ := line["error"].(string); !strings.Contains(cause, "dial tcp") {
		t.Errorf("the cause is not in the log: %s", lines[0])
	}
	if rest := strings.Join(lines[1:], ""); strings.Contains(rest, "secret") || strings.Contains(log.String(), "Bearer") {
		t.Errorf("the log tells too much: %s", rest)
	}
	if strings.Count(lines[0], "request_id") != 1 {
		t.Errorf("one request id a line: %s", lines[0])
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	server, log := newServer(t)
	apitest.Call(t, server, fetch(aReceipt+"p")).Problem(t, 500, "internal")
	if !strings.Contains(log.String(), "secret reason") || !strings.Contains(log.String(), "stack") {
		t.Errorf("the panic is not in the log: %s", log)
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for path, want := range map[string]whoami{
		"/wallet/v1/me": {ID: string(customerID), Actor: "customer"},
		"/ops/v1/me":    {ID: string(staffID), Actor: "staff"},
		"/pay/v1/me":    {Actor: "public"},
	} {
		answer := apitest.Call(t, server, apitest.Request{Method: "GET", Path: path, Token: want.Actor})
		var got whoami
		answer.JSON(t, &got)
		if got.ID != want.ID || got.Actor != want.Actor || string(got.Request) != answer.Header.Get("Request-Id") {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if caller := api.CallerOf(t.Context()); caller.ID() != "" || api.RequestIDOf(t.Context()) != "" {
		t.Error("outside a request nobody calls")
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	for name, test := range map[string]struct {
		path, header, code string
		status             int
	}{
		"NoToken":       {"/v1/receipts", "", "auth.token_missing", 401},
		"Basic":         {"/v1/receipts", "Basic bWU6eW91", "auth.token_missing", 401},
		"EmptyToken":    {"/v1/receipts", "Bearer ", "auth.token_missing", 401},
		"TokenOfSpaces": {"/v1/receipts", "Bearer a b", "auth.token_missing", 401},
		"LongToken":     {"/v1/receipts", "Bearer " + strings.Repeat("a", 5000), "auth.token_missing", 401},
		"OtherActor":    {"/v1/receipts", "Bearer customer", "auth.token_unknown", 401},
		"NotStaff":      {"/ops/v1/me", "Bearer customer", "auth.token_unknown", 401},
		"NoPermission":  {"/ops/v1/me", "Bearer trainee", "auth.permission_missing", 403},
		"Nobody":        {"/v1/receipts", "Bearer nobody", "internal", 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := apitest.Request{Method: "GET", Path: test.path}
			if test.header != "" {
				call.Header = map[string]string{"Authorization": test.header}
			}
			answer := apitest.Call(t, server, call)
			answer.Problem(t, test.status, test.code)
			challenge := answer.Header.Get("WWW-Authenticate")
			if test.status == 401 && strings.Contains(challenge, "invalid_token") != (test.header != "") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	if answer := apitest.Call(t, server, apitest.Request{
		Method: "GET", Path: "/v1/receipts", Header: map[string]string{"Authorization": "bearer merchant"},
	}); answer.Status != 200 {
		t.Errorf("the scheme is not case-sensitive: %s", answer.Body)
	}
}

// TestAccessOfAllRoutes walks every route: without a token only public ones answer.
func TestAccessOfAllRoutes(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, func(o *api.Options) { o.Metrics = prometheus.NewRegistry() })
	routes := server.Routes()
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs", "/metrics", "/v1/receipts/{id}"} {
		if !slices.ContainsFunc(routes, func(r api.Route) bool { return r.Path == path }) {
			t.Errorf("%s is not in the list", path)
		}
	}
	for _, route := range routes {
		path := strings.ReplaceAll(route.Path, "{id}", "pay_1")
		request := httptest.NewRequestWithContext(t.Context(), route.Method, path, nil)
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		if (recorder.Code == http.StatusUnauthorized) == (route.Actor == api.ActorPublic) {
			t.Errorf("%s %s for %s: %d", route.Method, route.Path, route.Actor, recorder.Code)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t, func(o *api.Options) { o.TrustedOrigins = []string{"https://wallet.example.com"} })
	for name, test := range map[string]struct {
		path, token string
		header      map[string]string
		status      int
	}{
		"CrossSite":   {"/wallet/v1/me", "customer", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"OtherOrigin": {"/wallet/v1/me", "customer", map[string]string{"Origin": "https://evil.example.com"}, 403},
		"SameOrigin":  {"/wallet/v1/me", "customer", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"TrustedOrigin": {"/wallet/v1/me", "customer", map[string]string{
			"Sec-Fetch-Site": "cross-site", "Origin": "https://wallet.example.com",
		}, 200},
		"NoBrowser": {"/wallet/v1/me", "customer", nil, 200},
		"Merchant":  {"/v1/receipts", "merchant", map[string]string{"Sec-Fetch-Site": "cross-site"}, 201},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := apitest.Request{Method: "POST", Path: test.path, Token: test.token, Header: test.header}
			if test.token == "merchant" {
				call.Key, call.Body = "k", goodBody
			}
			if answer := apitest.Call(t, server, call); answer.Status != test.status {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		})
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("app")) })
	server, _ := newServer(t, func(o *api.Options) { o.Mounts = map[string]http.Handler{"/": app} })
	for path, status := range map[string]int{
		"/": 200, "/checkout/x": 200, "/v1/nothing": 404, "/wallet/v1/nothing": 404, "/v1/receipts": 401, "/docs": 200,
	} {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if recorder.Code != status {
			t.Errorf("%s: %d, want %d", path, recorder.Code, status)
		}
		if status == 404 && recorder.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", path, recorder.Body)
		}
	}
}
