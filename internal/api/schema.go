package api

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaPrefix is where the OpenAPI document keeps its schemas.
const schemaPrefix = "#/components/schemas/"

// book writes the OpenAPI document and remembers, for each operation, the schemas its requests are read by.
type book struct {
	document *huma.OpenAPI
	registry huma.Registry
	refined  map[string]bool
	pages    map[string]*page
	compiler *compiler
}

// page is the documented request of one operation.
type page struct {
	params []documentedParam
	body   *huma.Schema
}

type documentedParam struct {
	in, name string
	field    reflect.StructField
	schema   *huma.Schema
}

func newBook(title, version string) *book {
	registry := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	bearer := func(doc string) *huma.SecurityScheme {
		return &huma.SecurityScheme{Type: "http", Scheme: "bearer", Description: doc}
	}
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: title, Version: version},
		Paths:   map[string]*huma.PathItem{},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				string(ActorMerchant):  bearer("A merchant's secret key."),
				string(ActorCustomer):  bearer("The token of a customer's session."),
				string(ActorStaff):     bearer("The token of a session of the operator's staff."),
				string(ActorUser):      bearer("The token of a session of a merchant's user."),
				string(ActorApplicant): bearer("The token of a merchant's application."),
			},
		},
	}
	return &book{
		document: document, registry: registry, refined: map[string]bool{}, pages: map[string]*page{},
		compiler: &compiler{registry: registry, objects: map[reflect.Type]*object{}},
	}
}

// add documents one endpoint. It panics when the types cannot be said in the document.
func (b *book) add(e Endpoint) {
	p := &page{params: b.documentParams(e)}
	operation := &huma.Operation{
		OperationID: e.Name, Method: e.Method, Path: e.Path,
		Summary: e.Summary, Description: e.Description, Tags: []string{e.Tag},
		Responses: b.responses(e),
	}
	if e.Actor != ActorPublic {
		operation.Security = []map[string][]string{{string(e.Actor): {}}}
	}
	operation.Extensions = map[string]any{"x-actor": string(e.Actor), "x-rate-class": string(e.Class)}
	if e.Permission != "" {
		operation.Extensions["x-permission"] = e.Permission
	}
	for _, parameter := range p.params {
		operation.Parameters = append(operation.Parameters, &huma.Param{
			Name: parameter.name, In: parameter.in, Description: parameter.schema.Description,
			Required: parameter.required(), Schema: parameter.schema, Explode: parameter.explode(),
		})
	}
	if e.Actor == ActorMerchant {
		operation.Parameters = append(operation.Parameters, versionParameter())
	}
	if field, ok := e.request.FieldByName("Body"); ok {
		if e.Method == http.MethodGet || e.Method == http.MethodDelete {
			panic(fmt.Sprintf("api: route %s %s cannot have a body", e.Method, e.Path))
		}
		p.body = b.schema(field.Type, e.Name+"_body")
		operation.RequestBody = &huma.RequestBody{
			Required: true,
			Content:  map[string]*huma.MediaType{"application/json": {Schema: p.body, Example: exampleOf(e.Name)}},
		}
	}
	b.pages[e.Name] = p
	b.document.AddOperation(operation)
}

// documentParams returns what a request takes from path, query and headers.
func (b *book) documentParams(e Endpoint) []documentedParam {
	refuseHidden(e.request, e.request, nil)
	var params []documentedParam
	for _, field := range reflect.VisibleFields(e.request) {
		if field.Anonymous || (field.Name == "Body" && len(field.Index) == 1) {
			continue
		}
		p := documentedParam{field: field}
		for _, in := range []string{"path", "query", "header"} {
			if name := field.Tag.Get(in); name != "" {
				p.in, p.name = in, name
			}
		}
		if p.in == "" || !field.IsExported() {
			panic(fmt.Sprintf("api: %s.%s comes from nowhere; tag it path, query or header", e.request, field.Name))
		}
		if p.in == "path" != strings.Contains(e.Path, "{"+p.name+"}") {
			panic(fmt.Sprintf("api: %s.%s and the path %s disagree", e.request, field.Name, e.Path))
		}
		if p.in == "header" && p.name != http.CanonicalHeaderKey(p.name) {
			panic(fmt.Sprintf("api: %s.%s: write the header as %s", e.request, field.Name, http.CanonicalHeaderKey(p.name)))
		}
		if slices.ContainsFunc(params, func(other documentedParam) bool { return other.in == p.in && other.name == p.name }) {
			panic(fmt.Sprintf("api: %s takes the %s parameter %s twice", e.request, p.in, p.name))
		}
		p.schema = huma.SchemaFromField(b.registry, field, e.Name+"_"+p.name)
		b.refine(field.Type, p.schema)
		params = append(params, p)
	}
	inPath := 0
	for _, p := range params {
		if p.in == "path" {
			inPath++
		}
	}
	if inPath != strings.Count(e.Path, "{") {
		panic(fmt.Sprintf("api: %s does not take every parameter of the path %s", e.request, e.Path))
	}
	return params
}

func (p documentedParam) required() bool {
	return p.in == "path" || p.field.Tag.Get("required") == "true"
}

// explode says that lists in a query are separated by commas.
func (p documentedParam) explode() *bool {
	if p.in == "query" && p.schema.Type == huma.TypeArray {
		return new(false)
	}
	return nil
}

// responses documents the good answer, and the problem as every other.
func (b *book) responses(e Endpoint) map[string]*huma.Response {
	text := func(doc string) *huma.Param {
		return &huma.Param{Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	headers := map[string]*huma.Param{"Request-Id": text("Our id of this call.")}
	problem := &huma.Response{
		Description: "A problem, RFC 9457.", Headers: headers,
		Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: b.schema(reflect.TypeFor[Problem](), "")},
		},
	}
	if e.response == reflect.TypeFor[NoContent]() {
		return map[string]*huma.Response{"204": {Description: "Done.", Headers: headers}, "default": problem}
	}
	if e.response == reflect.TypeFor[File]() {
		content := map[string]*huma.MediaType{}
		for _, media := range fileMedia() {
			content[media] = &huma.MediaType{}
		}
		return map[string]*huma.Response{
			strconv.Itoa(cmp.Or(e.Status, http.StatusOK)): {Description: "The file.", Headers: headers, Content: content},
			"default": problem,
		}
	}
	if e.response == reflect.TypeFor[Stream]() {
		content := map[string]*huma.MediaType{}
		for _, media := range streamTypes() {
			content[media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		return map[string]*huma.Response{
			"200":     {Description: "The file.", Headers: headers, Content: content},
			"default": problem,
		}
	}
	shown := e.response
	if answer, ok := reflect.TypeAssert[storedAnswer](reflect.New(e.response)); ok {
		shown = answer.documented()
		headers = map[string]*huma.Param{
			"Request-Id":          headers["Request-Id"],
			"Idempotent-Replayed": text("true where an earlier request with this key did the act."),
		}
	}
	status := cmp.Or(e.Status, http.StatusOK)
	content := map[string]*huma.MediaType{"application/json": {Schema: b.schema(shown, e.Name+"_answer")}}
	all := map[string]*huma.Response{
		strconv.Itoa(status): {Description: http.StatusText(status), Headers: headers, Content: content}, "default": problem,
	}
	if e.Proposes {
		all["202"] = &huma.Response{Description: "It waits for a second person.", Headers: headers, Content: content}
		if status == http.StatusNoContent {
			all["204"] = &huma.Response{Description: "Done.", Headers: headers}
		}
	}
	return all
}

// schema returns the refined schema of t.
func (b *book) schema(t reflect.Type, hint string) *huma.Schema {
	s := b.registry.Schema(t, true, hint)
	b.refine(t, s)
	return s
}

// plan compiles the reader of an endpoint's requests from what the document says. All endpoints must be
// documented before.
func (b *book) plan(e Endpoint, bodyMax int64) *plan {
	documented := b.pages[e.Name]
	p := &plan{bodyMax: bodyMax, checks: checkers(e.request)}
	for _, d := range documented.params {
		p.params = append(p.params, param{
			in: d.in, name: d.name, index: d.field.Index, node: b.compiler.compile(d.field.Type, d.schema),
			required: d.required(), missing: cmp.Or(d.field.Tag.Get("missing"), codeMissingField),
			fallback: d.field.Tag.Get("default"),
		})
	}
	if documented.body != nil {
		field, _ := e.request.FieldByName("Body")
		p.index, p.body = field.Index, b.compiler.compile(field.Type, documented.body)
		if p.body.pointer {
			panic(fmt.Sprintf("api: %s: a body is no pointer", e.request))
		}
	}
	return p
}

// checkers returns where in a request something has a Check: embedded parts, the body, the whole.
func checkers(request reflect.Type) [][]int {
	checker := reflect.TypeFor[Checker]()
	var found [][]int
	for _, field := range reflect.VisibleFields(request) {
		if field.Type.Kind() != reflect.Struct || (!field.Anonymous && field.Name != "Body") {
			continue
		}
		if !reflect.PointerTo(field.Type).Implements(checker) {
			continue
		}
		if !field.IsExported() {
			panic(fmt.Sprintf("api: %s embeds %s, whose Check cannot be called; export it", request, field.Type))
		}
		found = append(found, field.Index)
	}
	if reflect.PointerTo(request).Implements(checker) && !slices.ContainsFunc(found, promoted(request)) {
		found = append(found, nil)
	}
	return found
}

// promoted returns whether the embedded part at an index lends its Check to the whole: an own Check of the whole
// would hide it, and must run too.
func promoted(request reflect.Type) func(index []int) bool {
	whole, _ := reflect.PointerTo(request).MethodByName("Check")
	return func(index []int) bool {
		part, _ := reflect.PointerTo(request.FieldByIndex(index).Type).MethodByName("Check")
		return whole.Func.Pointer() == part.Func.Pointer()
	}
}
