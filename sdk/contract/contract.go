// Package contract cuts what merchants' programs can call out of the OpenAPI document: sdk/openapi.json, from
// which the types of both SDKs are generated. Its test fails where a generated file is not what the routes say.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/fault"
)

//go:generate go run ./write ../openapi.json
//go:generate go tool -modfile=tools.mod oapi-codegen -config types.yaml -o ../go/types.gen.go ../openapi.json

// document is what is kept of an OpenAPI document.
type document struct {
	OpenAPI    string                                `json:"openapi"`
	Info       json.RawMessage                       `json:"info"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas         map[string]json.RawMessage `json:"schemas"`
		SecuritySchemes map[string]json.RawMessage `json:"securitySchemes"` //nolint:tagliatelle // OpenAPI's word
	} `json:"components"`
}

var reference = regexp.MustCompile(`"\$ref":\s*"#/components/schemas/([^"]+)"`)

// Document returns the merchants' part of the OpenAPI document as indented JSON: the paths of /v1 and the schemas
// that they lead to. Errors: the document cannot be read back.
func Document() ([]byte, error) {
	nobody := func(context.Context, string) (api.Caller, error) {
		return api.Caller{}, fault.New(fault.Unauthenticated, "auth.nobody", "this server answers nobody")
	}
	services := &api.Services{} // routes are described without what stands behind them
	server := api.New(api.Options{Endpoints: services.Endpoints(), Verifiers: api.Verifiers{
		Merchant: nobody, Customer: nobody, Staff: nobody, User: nobody, Applicant: nobody,
	}})
	whole, err := json.Marshal(server.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return cut(whole)
}

// cut keeps the paths of /v1 and the schemas that they lead to.
func cut(whole []byte) ([]byte, error) {
	var all document
	if err := json.Unmarshal(whole, &all); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	kept := document{OpenAPI: all.OpenAPI, Info: all.Info, Paths: map[string]map[string]json.RawMessage{}}
	kept.Components.Schemas = map[string]json.RawMessage{}
	kept.Components.SecuritySchemes = map[string]json.RawMessage{"merchant": all.Components.SecuritySchemes["merchant"]}
	var wanted []json.RawMessage
	for path, item := range all.Paths {
		if !strings.HasPrefix(path, "/v1/") {
			continue
		}
		kept.Paths[path] = item
		for _, operation := range item {
			wanted = append(wanted, operation)
		}
	}
	for len(wanted) > 0 {
		text := wanted[0]
		wanted = wanted[1:]
		for _, found := range reference.FindAllSubmatch(text, -1) {
			name := string(found[1])
			if _, known := kept.Components.Schemas[name]; known {
				continue
			}
			kept.Components.Schemas[name] = all.Components.Schemas[name]
			wanted = append(wanted, all.Components.Schemas[name])
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(kept); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return out.Bytes(), nil
}
