// Package apitest calls a server in tests and holds every answer against the OpenAPI document: a route, its
// schema and its answers cannot disagree unseen.
package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/api"
)

// Request is one call. Body is sent as it is where it is a string, a []byte or an io.Reader, else as JSON; nil is
// no body.
type Request struct {
	Method, Path string
	// Token is the bearer token, Key the idempotency key; empty for none.
	Token, Key string
	Body       any
	Header     map[string]string
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends a request to the server and fails the test when the answer is not as documented.
func Call(tb testing.TB, server *api.Server, call Request) Answer {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), call.Method, call.Path, reader(tb, call.Body))
	if call.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if call.Token != "" {
		request.Header.Set("Authorization", "Bearer "+call.Token)
	}
	if call.Key != "" {
		request.Header.Set("Idempotency-Key", call.Key)
	}
	for name, value := range call.Header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	answer := Answer{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.Bytes()}
	if err := Verify(server.OpenAPI(), request, answer); err != nil {
		tb.Errorf("%s %s: %v", call.Method, call.Path, err)
	}
	return answer
}

func reader(tb testing.TB, body any) io.Reader {
	tb.Helper()
	switch body := body.(type) {
	case nil:
		return nil
	case io.Reader:
		return body
	case string:
		return strings.NewReader(body)
	case []byte:
		return strings.NewReader(string(body))
	}
	encoded, err := api.Encode(body)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.NewReader(string(encoded))
}

// JSON reads the body into v.
func (a Answer) JSON(tb testing.TB, v any) {
	tb.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		tb.Fatalf("%s: %v", a.Body, err)
	}
}

// Problem fails the test unless the answer is a problem with this status and code, and returns it.
func (a Answer) Problem(tb testing.TB, status int, code string) api.Problem {
	tb.Helper()
	var problem api.Problem
	if a.Header.Get("Content-Type") != "application/problem+json" {
		tb.Fatalf("status %d is no problem: %s", a.Status, a.Body)
	}
	a.JSON(tb, &problem)
	if a.Status != status || problem.Status != status || problem.Code != code {
		tb.Errorf("status %d, code %s; want %d, %s (%s)", a.Status, problem.Code, status, code, a.Body)
	}
	return problem
}

// Verify returns an error when an answer is not what the document says about its route and status.
// It knows requests that went through a ServeMux, and otherwise finds the route by the path.
func Verify(document *huma.OpenAPI, request *http.Request, answer Answer) error {
	operation := operationOf(document, request)
	if operation == nil {
		if answer.Status < http.StatusBadRequest {
			return fmt.Errorf("status %d of a route that is not in the document", answer.Status)
		}
		return validate(document, &huma.Schema{Ref: "#/components/schemas/Problem"}, answer.Body)
	}
	documented, ok := operation.Responses[strconv.Itoa(answer.Status)]
	if !ok && answer.Status >= http.StatusBadRequest {
		documented, ok = operation.Responses["default"]
	}
	if !ok {
		return fmt.Errorf("status %d is not in the document", answer.Status)
	}
	for name := range documented.Headers {
		if name == "Request-Id" && answer.Header.Get(name) == "" {
			return fmt.Errorf("there is no header %s", name)
		}
	}
	if len(documented.Content) == 0 {
		if len(answer.Body) > 0 {
			return fmt.Errorf("status %d has a body", answer.Status)
		}
		return nil
	}
	media := answer.Header.Get("Content-Type")
	content, ok := documented.Content[media]
	if !ok {
		return fmt.Errorf("status %d has type %q; want one of %v", answer.Status, media,
			slices.Sorted(maps.Keys(documented.Content)))
	}
	if content.Schema == nil {
		return nil // a file
	}
	return validate(document, content.Schema, answer.Body)
}

// operationOf returns the documented operation of a request, nil for none.
func operationOf(document *huma.OpenAPI, request *http.Request) *huma.Operation {
	mux, found := http.NewServeMux(), map[string]*huma.Operation{}
	for path, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if operation != nil {
				pattern := operation.Method + " " + path
				found[pattern] = operation
				mux.Handle(pattern, http.NotFoundHandler())
			}
		}
	}
	_, pattern := mux.Handler(request)
	return found[pattern]
}

// validate holds a body against a schema; members that the schema does not know fail.
func validate(document *huma.OpenAPI, schema *huma.Schema, body []byte) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	registry, result := document.Components.Schemas, &huma.ValidateResult{}
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, result)
	strict(registry, schema, "", value, result)
	if len(result.Errors) > 0 {
		return fmt.Errorf("the body is not as documented: %w: %s", errors.Join(result.Errors...), body)
	}
	return nil
}

// strict finds members that differ from the schema's by case, or are null where the schema has no null; huma
// lets both pass.
func strict(registry huma.Registry, schema *huma.Schema, path string, value any, result *huma.ValidateResult) {
	for schema.Ref != "" {
		schema = registry.SchemaFromRef(schema.Ref)
	}
	switch value := value.(type) {
	case nil:
		if !schema.Nullable && schema.Type != "" {
			result.Errors = append(result.Errors, fmt.Errorf("%s is null", path))
		}
	case []any:
		for i, elem := range value {
			if schema.Items != nil {
				strict(registry, schema.Items, path+"["+strconv.Itoa(i)+"]", elem, result)
			}
		}
	case map[string]any:
		for name, elem := range value {
			property, ok := schema.Properties[name]
			if extra, open := schema.AdditionalProperties.(*huma.Schema); !ok && open {
				property, ok = extra, true
			}
			if ok {
				strict(registry, property, path+"."+name, elem, result)
			} else if schema.Type != "" {
				result.Errors = append(result.Errors, fmt.Errorf("%s.%s is not documented", path, name))
			}
		}
	}
}
