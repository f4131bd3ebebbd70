package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/fault"
)

// Edge is what guards the doors; each part may be nil.
type Edge struct {
	Blocks      *edge.Blocks
	Watch       *edge.Watch
	WAF         *edge.WAF
	Connections *edge.Connections
	// Rates is the table of rates; nil for edge.Classes.
	Rates []edge.Rate
}

// classOf is the class of a route that names none.
func classOf(r Route) edge.Class {
	reads := r.Method == http.MethodGet
	switch r.Actor {
	case ActorMerchant:
		return pick(reads, edge.ClassMerchantRead, edge.ClassMerchantWrite)
	case ActorCustomer:
		return pick(reads, edge.ClassWalletRead, edge.ClassWalletWrite)
	case ActorStaff:
		return edge.ClassStaff
	case ActorUser:
		return edge.ClassPortal
	case ActorApplicant:
		return edge.ClassApplicant
	case ActorPublic:
	}
	return pick(reads, edge.ClassPublic, edge.ClassSignIn)
}

func pick(first bool, a, b edge.Class) edge.Class {
	if first {
		return a
	}
	return b
}

// classLimit counts the calls of one class; nil counts nothing.
type classLimit struct {
	limiter *edge.Limiter
	policy  []string
	name    string
}

// newLimits returns one limit for each class of the table.
func newClassLimits(rates []edge.Rate) map[edge.Class]*classLimit {
	if rates == nil {
		rates = edge.Classes()
	}
	limits := map[edge.Class]*classLimit{} //nolint:exhaustive // filled from the table
	for _, rate := range rates {
		limiter := edge.NewLimiter(rate)
		limits[rate.Class] = &classLimit{
			limiter: limiter, name: strconv.Quote(string(rate.Class)),
			policy: []string{fmt.Sprintf("%q;q=%d;w=%d", rate.Class, rate.Burst, ceilSeconds(limiter.Window()))},
		}
	}
	return limits
}

// limitOf returns the limit of a class. It panics for a class that is not in the table: a route that nobody has
// thought about is no route.
func (s *Server) limitOf(class edge.Class) *classLimit {
	if class == edge.ClassNone {
		return nil
	}
	limit, there := s.limits[class]
	if !there {
		panic(fmt.Sprintf("api: %q is not in the table of rates", class))
	}
	return limit
}

// count takes one call, and says in the headers of the IETF draft (draft-ietf-httpapi-ratelimit-headers-10) what is
// left. Errors: request.too_many.
func (l *classLimit) count(x *exchange) error {
	if l == nil {
		return nil
	}
	who := x.caller.counted()
	if who == "" || l.limiter.Rate().Per == edge.PerAddress {
		who = edge.PrefixOf(x.address()).String()
	}
	room := l.limiter.Take(who, x.begun)
	header := x.Header()
	header["Ratelimit-Policy"] = l.policy
	var text [64]byte
	left := append(append(text[:0], l.name...), ";r="...)
	left = append(strconv.AppendInt(left, int64(room.Remaining), 10), ";t="...)
	left = strconv.AppendInt(left, ceilSeconds(room.Reset), 10)
	header["Ratelimit"] = []string{string(left)}
	if room.OK {
		return nil
	}
	return fault.New(fault.Limited, "request.too_many", "too many requests").
		WithHint("wait for Retry-After, and spread your requests").WithRetryAfter(room.Retry)
}

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// counted is whom limits and blocks know a caller by: a merchant by the key, others by who they are.
func (c Caller) counted() string {
	if c.Actor == ActorMerchant && c.Key != "" {
		return string(c.Key)
	}
	return c.ID()
}

// address is the caller's address, computed once and only for who asks.
func (x *exchange) address() netip.Addr {
	if !x.from.IsValid() {
		x.from, _ = netip.ParseAddr(addressOf(x.request, x.server.options.TrustedProxies))
	}
	return x.from
}

// blamed is the address that may be blamed for a request; none where many may be behind it. A private address that
// forwards for others and is not trusted is most likely a proxy that somebody forgot to name.
func (x *exchange) blamed() netip.Addr {
	address := x.address()
	guarded := edge.Guarded(x.server.options.TrustedProxies)
	if !address.IsValid() || guarded.Has(edge.PrefixOf(address)) ||
		address.IsPrivate() && len(x.request.Header["X-Forwarded-For"]) > 0 {
		return netip.Addr{}
	}
	return address
}

// vital are asked by machines that decide whether we live; nobody is kept out of them.
func vital(path string) bool { return path == "/healthz" || path == "/readyz" }

// admit refuses who is blocked, and attacks where the firewall is on. It runs before any route.
func (x *exchange) admit() error {
	e := &x.server.options.Edge
	if e.Blocks != nil && e.Blocks.Any() && !vital(x.request.URL.Path) {
		if err := e.Blocks.CheckAddress(x.address()); err != nil {
			return err
		}
	}
	if e.WAF == nil || !browserFacing(x.request.URL.Path) {
		return nil
	}
	verdict, err := e.WAF.Inspect(x.request, x.address())
	if err != nil {
		return fault.New(fault.Invalid, "request.body_incomplete", "the body did not arrive whole").WithCause(err)
	}
	if verdict.Attack {
		x.saw(edge.SignAttack, x.request.URL.Path)
	}
	if verdict.Refuse {
		return fault.New(fault.Forbidden, "edge.attack", "this request looks like an attack").
			WithHint("if it is none, name the request id to the operator's support")
	}
	return nil
}

// browserFacing reports whether browsers use the door of a path: those of staff, merchants' users and pages. Payments
// come through others.
func browserFacing(path string) bool {
	for _, machines := range []string{"/v1/", "/wallet/v1/", "/channels/"} {
		if strings.HasPrefix(path, machines) {
			return false
		}
	}
	return !vital(path) && path != "/metrics"
}

// saw reports a sign of an intruder.
func (x *exchange) saw(sign edge.Sign, detail string) {
	if watch := x.server.options.Edge.Watch; watch != nil {
		watch.Saw(edge.Sighting{
			Sign: sign, Address: x.blamed(), Caller: x.caller.counted(), Login: x.login, Detail: detail,
		})
	}
}

// signOf tells which refusals are signs of an intruder: the code, and the status for what is not there.
func signOf(code string, status int, route string) edge.Sign {
	switch code {
	case "request.unknown_route", codeMethodNotAllowed:
		return edge.SignUnknown
	case "auth.key_invalid", "auth.session_invalid", "auth.invitation_invalid", "onboarding.token_invalid":
		return edge.SignBadToken
	case "auth.bad_credentials", "auth.login_locked", "auth.too_many_sign_ins", "auth.recovery_refused":
		return edge.SignBadLogin
	case "wallet.code_invalid", "wallet.code_expired", "wallet.code_used", "wallet.bad_code":
		return edge.SignBadCode
	}
	if status == http.StatusNotFound && strings.Contains(route, "{") {
		return edge.SignMissing
	}
	return ""
}

// watch looks at a refusal, and at a sign-in, when the answer is out.
func (x *exchange) watch() {
	watch := x.server.options.Edge.Watch
	if watch == nil || x.status < http.StatusBadRequest && x.login == "" {
		return
	}
	if x.status < http.StatusBadRequest {
		watch.SignedIn(edge.Sighting{Address: x.blamed(), Caller: x.signedIn, Login: x.login})
		return
	}
	sign, detail := signOf(x.code, x.status, x.route), x.request.URL.Path
	switch {
	case sign == edge.SignMissing && x.caller.Actor == ActorMerchant:
		sign = edge.SignMissingOfKey
	case sign == edge.SignBadToken:
		detail = x.request.Header.Get("Authorization")
	}
	if sign != "" {
		x.saw(sign, detail)
	}
}

// noteLogin says with which login a request of ctx tries to sign in, so that guessing is seen.
func noteLogin(ctx context.Context, login string) {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		c.exchange.login = login
	}
}

// noteSignedIn says who has signed in.
func noteSignedIn(ctx context.Context, who string) {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		c.exchange.signedIn = who
	}
}
