package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/feiqian/feiqian/internal/edge"
)

// Actor says who may call a route.
type Actor string

const (
	// ActorPublic is anybody.
	ActorPublic Actor = "public"
	// ActorMerchant is a merchant's server with its secret key.
	ActorMerchant Actor = "merchant"
	// ActorCustomer is a customer with a session.
	ActorCustomer Actor = "customer"
	// ActorUser is a person who works for a merchant, with a session and the route's permission.
	ActorUser Actor = "merchant_user"
	// ActorApplicant is who wants to be a merchant, with the token of the application.
	ActorApplicant Actor = "applicant"
	// ActorStaff is a person of the operator with a session and the route's permission.
	ActorStaff Actor = "staff"
)

// AnyPermission on a staff route lets every signed-in person of the operator call it.
const AnyPermission = "any"

// Route is what an endpoint declares about itself.
type Route struct {
	// Method is GET, POST, PUT, PATCH or DELETE.
	Method string
	// Path holds path parameters in braces: /v1/payments/{id}.
	Path string
	// Actor says who may call.
	Actor Actor
	// Permission is what staff and merchants' users must hold, or AnyPermission; empty for all other actors.
	Permission string
	// Name is the operation id, lower snake case and unique: create_payment.
	Name string
	// Tag groups routes in the documentation.
	Tag string
	// Summary is one line, Description is Markdown; both for the documentation.
	Summary, Description string
	// Status is that of a good answer; default 200, and 204 for NoContent.
	Status int
	// Proposes says that the act may need a second person; then the answer is 202 with the proposal (Acted).
	Proposes bool
	// Class is how often it may be called; default by actor and method, see classOf.
	Class edge.Class
	// WhileLocked lets a session that is locked by its gesture call the route.
	WhileLocked bool
	// Unsigned lets merchants who require signatures call it without one; one that is there is not looked at.
	Unsigned bool
	// BodyMaxBytes is the largest body; default Options.BodyMaxBytes.
	BodyMaxBytes int64
}

// Endpoint is a route with its function. Handle makes one.
type Endpoint struct {
	Route
	request, response reflect.Type
	serve             func(ctx context.Context, x *exchange, plan *plan) (any, error)
}

// Handle binds a function to a route. Req is a struct whose members say where they come from; Resp is
// the JSON body, or Answer, Page or NoContent. The function runs with a checked request and returns
// faults; it never sees HTTP.
func Handle[Req, Resp any](route Route, handler func(context.Context, *Req) (*Resp, error)) Endpoint {
	return Endpoint{
		Route:    route,
		request:  reflect.TypeFor[Req](),
		response: reflect.TypeFor[Resp](),
		serve: func(ctx context.Context, x *exchange, plan *plan) (any, error) {
			req := new(Req)
			if err := plan.read(x, reflect.ValueOf(req).Elem()); err != nil {
				return nil, err
			}
			resp, err := handler(ctx, req)
			if err != nil {
				return nil, err
			}
			return resp, nil
		},
	}
}

// check panics when the route contradicts itself.
func (e Endpoint) check(verifiers Verifiers) {
	fail := func(format string, args ...any) {
		panic(fmt.Sprintf("api: route %s %s: ", e.Method, e.Path) + fmt.Sprintf(format, args...))
	}
	switch e.Actor {
	case ActorPublic, ActorMerchant, ActorCustomer, ActorStaff, ActorUser, ActorApplicant:
	default:
		fail("declares no actor")
	}
	if e.Actor != ActorPublic && verifiers.of(e.Actor) == nil {
		fail("there is no verifier for %s", e.Actor)
	}
	if (e.Actor == ActorStaff || e.Actor == ActorUser) != (e.Permission != "") {
		fail("routes of staff and of merchants' users declare a permission, others do not")
	}
	switch e.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		fail("unknown method")
	}
	if !strings.HasPrefix(e.Path, "/") {
		fail("a path begins with a slash")
	}
	if e.Name == "" || e.Tag == "" || e.Summary == "" {
		fail("has no name, tag or summary")
	}
	if e.serve == nil || e.request.Kind() != reflect.Struct || e.response.Kind() != reflect.Struct {
		fail("wants a function from a struct to a struct; see Handle")
	}
}
