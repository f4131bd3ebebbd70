package api_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
)

// TestOpenAPI holds the document against the routes: each endpoint is in it, with its caller and permission, and nothing
// else is; every reference leads somewhere. All other tests here hold their answers against it.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		_, answer := w.send(t, get("/openapi.json", ""))
		if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%d %s", answer.Status, answer.Header.Get("Content-Type"))
		}
		var document struct {
			OpenAPI    string
			Paths      map[string]map[string]operation
			Components map[string]map[string]any
		}
		answer.JSON(t, &document)
		if document.OpenAPI != "3.1.0" {
			t.Errorf("OpenAPI %s", document.OpenAPI)
		}
		documented := map[string]operation{}
		for path, item := range document.Paths {
			for method, operation := range item {
				documented[strings.ToUpper(method)+" "+path] = operation
			}
		}
		ids := map[string]bool{}
		for _, route := range w.Server.Routes() {
			if route.Name == "" {
				continue // a page, not an endpoint
			}
			name := route.Method + " " + route.Path
			operation, ok := documented[name]
			if !ok {
				t.Errorf("%s is not documented", name)
				continue
			}
			delete(documented, name)
			operation.check(t, route)
			if ids[operation.OperationID] {
				t.Errorf("%s is the id of two operations", operation.OperationID)
			}
			ids[operation.OperationID] = true
		}
		for name := range documented {
			t.Errorf("%s is documented and not served", name)
		}
		for _, reference := range references(string(answer.Body)) {
			parts := strings.Split(reference, "/")
			if len(parts) != 4 || document.Components[parts[2]][parts[3]] == nil {
				t.Errorf("%s leads nowhere", reference)
			}
		}
		if _, again := w.send(t, get("/openapi.json", "")); string(again.Body) != string(answer.Body) {
			t.Error("the document differs from call to call")
		}
	})
}

type operation struct {
	OperationID string                       `json:"operationId"` //nolint:tagliatelle // OpenAPI\'s word
	Summary     string                       `json:"summary"`
	Tags        []string                     `json:"tags"`
	Security    []map[string]json.RawMessage `json:"security"`
	Permission  string                       `json:"x-permission"` //nolint:tagliatelle // a header\'s form
	Parameters  []struct {
		Name, In string
		Required bool
	} `json:"parameters"`
	Responses map[string]json.RawMessage `json:"responses"`
}

// check compares what is documented with what the route declares.
func (o operation) check(t *testing.T, route api.Route) {
	t.Helper()
	secured := false
	for _, scheme := range o.Security {
		_, there := scheme[string(route.Actor)]
		secured = secured || there
	}
	if secured == (route.Actor == api.ActorPublic) || o.Permission != route.Permission {
		t.Errorf(
			"%s: security %v, permission %q; the route is for %s %q",
			o.OperationID,
			o.Security,
			o.Permission,
			route.Actor,
			route.Permission,
		)
	}
	if o.OperationID != route.Name || o.Summary == "" || len(o.Tags) == 0 || o.Responses["default"] == nil {
		t.Errorf("%s: incomplete: %+v", route.Name, o)
	}
	for _, parameter := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(route.Path, -1) {
		if !o.has(parameter[1], "path") {
			t.Errorf("%s: parameter %s is not documented", route.Name, parameter[1])
		}
	}
	moves := []string{
		"create_payment",
		"void_payment", "capture_payment", "raise_payment", "split_payment", "release_payment", "release_escrow",
		"create_checkout", "create_payment_link", "create_qr_code", "pay_qr_code", "transfer_to_qr_code",
		"ask_refund", "withdraw_refund", "create_portal_refund", "approve_refund", "reject_refund",
		"approve_portal_refund", "reject_portal_refund", "approve_any_refund", "reject_any_refund",
		"open_dispute", "withdraw_dispute", "accept_dispute", "contest_dispute", "accept_portal_dispute",
		"contest_portal_dispute", "decide_dispute",
		"create_refund", "create_staff_refund", "create_entry",
		"create_top_up",
		"create_withdrawal",
		"create_transfer",
		"confirm_payment",
	}
	if slices.Contains(moves, route.Name) != o.has("Idempotency-Key", "header") ||
		slices.Contains(moves, route.Name) != o.has("dry_run", "query") {
		t.Errorf(
			"%s: an act that moves money or makes what takes it has an idempotency key and a dry run, and nothing else has",
			route.Name,
		)
	}
}

func (o operation) has(name, in string) bool {
	for _, parameter := range o.Parameters {
		if parameter.Name == name && parameter.In == in {
			return true
		}
	}
	return false
}

// references returns every "$ref" of a document.
func references(text string) []string {
	var out []string
	for _, found := range regexp.MustCompile(`"\$ref":\s*"([^"]+)"`).FindAllStringSubmatch(text, -1) {
		out = append(out, found[1])
	}
	return out
}

// TestUnknownPaths answers what is not there with a problem, below and beside the API.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/v1/nothing", "/wallet/v1/nothing", "/ops/v1/nothing", "/v1/payments/", "/v1", "/V1/payments", "/v2/payments"} {
			w.refused(t, 404, "request.unknown_route", get(path, ""))
		}
		w.refused(t, 405, "request.method_not_allowed", apitest.Request{Method: "DELETE", Path: "/v1/payments"})
		for _, origin := range []string{"https://evil.example", "null"} {
			w.refused(t, 403, "request.cross_origin", apitest.Request{
				Method: "POST",
				Path:   "/wallet/v1/login",
				Body:   `{"phone":"+8613800000001","password":"x"}`,
				Header: map[string]string{"Origin": origin},
			})
		}
	})
}
