package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// tokenMax is the longest bearer token that is looked at.
const tokenMax = 4096

var errNobody = errors.New("the verifier named nobody")

// Caller is who a request comes from; for a public route only Actor is set.
type Caller struct {
	Actor    Actor
	Merchant id.Merchant
	Customer id.Customer
	Staff    id.Staff
	// User is a person of the merchant Merchant, and with a Store of that store only.
	User  id.MerchantUser
	Store id.Store
	// Application is the applicant's.
	Application id.Application
	// Session and Device belong to customers and staff, Key to merchants.
	Session id.Session
	Device  id.Device
	Key     id.APIKey
	// MustSign says that the merchant wants no request without a signature.
	MustSign bool
	// DeviceSince is since when the device is the customer's; DeviceProves that it promised to prove itself.
	DeviceSince  time.Time
	DeviceProves bool
	// Frozen customers may look and not act.
	Frozen bool
	// Locked is why a session behind a gesture lock may do nothing but unlock and sign out; nil where it is open.
	Locked error
	// Permissions are what a person of the operator or of a merchant may do.
	Permissions []string
}

// by names who acts, to the person or the key.
func (c Caller) by() string {
	if c.Actor == ActorMerchant {
		return string(c.Key)
	}
	return c.ID()
}

// ID returns the id of the merchant, customer or staff; "" for the public.
func (c Caller) ID() string {
	switch c.Actor {
	case ActorMerchant:
		return string(c.Merchant)
	case ActorCustomer:
		return string(c.Customer)
	case ActorStaff:
		return string(c.Staff)
	case ActorUser:
		return string(c.User)
	case ActorApplicant:
		return string(c.Application)
	case ActorPublic:
	}
	return ""
}

// May reports whether the caller is staff or a merchant's user and holds the permission.
func (c Caller) May(permission string) bool {
	return (c.Actor == ActorStaff || c.Actor == ActorUser) &&
		(permission == AnyPermission || slices.Contains(c.Permissions, permission))
}

// Verifier tells who a bearer token belongs to. Errors: faults, such as Unauthenticated for a
// token that is unknown or over.
type Verifier func(ctx context.Context, token string) (Caller, error)

// Verifiers are the ways to tell who calls. A route whose actor has none makes New panic.
type Verifiers struct {
	Merchant, Customer, Staff, User, Applicant Verifier
}

func (v Verifiers) of(actor Actor) Verifier {
	switch actor {
	case ActorMerchant:
		return v.Merchant
	case ActorCustomer:
		return v.Customer
	case ActorStaff:
		return v.Staff
	case ActorUser:
		return v.User
	case ActorApplicant:
		return v.Applicant
	case ActorPublic:
	}
	return nil
}

// CallerOf returns who the request of ctx comes from; the zero Caller outside a request.
func CallerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.exchange.caller
	}
	return Caller{}
}

// RequestIDOf returns the id of the request of ctx; "" outside a request.
func RequestIDOf(ctx context.Context) id.Request {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.exchange.id
	}
	return ""
}

// guard refuses callers that may not use the route, and otherwise notes who calls.
func (e *endpoint) guard(ctx context.Context, x *exchange) error {
	// A browser adds Origin or Sec-Fetch-Site by itself; servers send neither and pass.
	if e.Actor != ActorMerchant {
		if err := e.server.crossSite.Check(x.request); err != nil {
			return fault.New(fault.Forbidden, "request.cross_origin", "another site may not send this request").
				WithCause(err)
		}
	}
	if e.Actor == ActorPublic {
		x.caller = Caller{Actor: ActorPublic}
		return nil
	}
	token, err := bearer(x.request.Header)
	if err != nil {
		return err
	}
	caller, err := e.server.options.Verifiers.of(e.Actor)(ctx, token)
	if err != nil {
		return err
	}
	caller.Actor = e.Actor
	if caller.ID() == "" {
		return fault.Wrap(errNobody, "verify "+string(e.Actor))
	}
	x.caller = caller
	if blocks := e.server.options.Edge.Blocks; blocks != nil && blocks.Any() {
		if err := blocks.CheckCaller(caller.counted()); err != nil {
			return err
		}
	}
	if caller.Locked != nil && !e.WhileLocked {
		return caller.Locked
	}
	if e.Permission != "" && !caller.May(e.Permission) {
		return fault.Newf(fault.Forbidden, "auth.permission_missing", "this needs the permission %s", e.Permission).
			WithHint("ask an administrator for the permission")
	}
	return nil
}

// bearer reads the one token of the Authorization header, RFC 6750 §2.1.
func bearer(header http.Header) (string, error) {
	values := header["Authorization"]
	if len(values) != 1 {
		return "", unauthenticated("this needs one Authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > tokenMax || !visible(token) {
		return "", unauthenticated("the Authorization header is Bearer and a token")
	}
	return token, nil
}

func unauthenticated(message string) error {
	return fault.New(fault.Unauthenticated, "auth.token_missing", message).
		WithHint("send Authorization: Bearer and your secret key or session token")
}

// visible reports whether s is visible ASCII characters only.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}
