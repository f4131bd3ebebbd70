package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/party"
)

// TestExamples sends the example of every body that merchants send: each is there, and is read as a request.
func TestExamples(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	s := w.shop(t, party.NewMerchant{})
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody *struct {
				Content map[string]struct{ Example json.RawMessage }
			} `json:"requestBody"` //nolint:tagliatelle // OpenAPI's word
		}
	}
	_, answer := w.send(t, get("/openapi.json", ""))
	answer.JSON(t, &document)
	for _, route := range w.Server.Routes() {
		if route.Actor != api.ActorMerchant {
			continue
		}
		body := document.Paths[route.Path][strings.ToLower(route.Method)].RequestBody
		if body == nil {
			continue
		}
		example := body.Content["application/json"].Example
		if len(example) == 0 {
			t.Errorf("%s has no example of its body", route.Name)
			continue
		}
		_, answer := w.send(t, apitest.Request{
			Method: route.Method, Path: concrete(route.Path), Token: s.token, Key: w.key(), Body: example,
		})
		var problem api.Problem
		if answer.Status >= 400 {
			answer.JSON(t, &problem)
		}
		if answer.Status >= 500 || strings.HasPrefix(problem.Code, "request.") {
			t.Errorf("the example of %s: %d %s", route.Name, answer.Status, answer.Body)
		}
	}
}
