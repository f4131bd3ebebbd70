package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Two refusals are of HTTP, not of the business: they have a status but no kind of their own.
const (
	codeMethodNotAllowed = "request.method_not_allowed"
	codeUnsupportedMedia = "request.unsupported_media_type"
)

// problemPrefix makes a stable URI of a code, RFC 9457 §3.1.1.
const problemPrefix = "urn:feiqian:problem:"

// Problem is an error as the caller sees it, RFC 9457. Code is stable and made for programs; Detail is
// for people and may change.
type Problem struct {
	Type       string     `json:"type" format:"uri" doc:"Stable URI of the code."`
	Title      string     `json:"title" doc:"What the status means." example:"Bad Request"`
	Status     int        `json:"status" doc:"HTTP status." example:"400"`
	Detail     string     `json:"detail" doc:"What happened, for people; may change."`
	Code       string     `json:"code" doc:"What happened, for programs." example:"request.unknown_field"`
	Param      string     `json:"param,omitempty" doc:"Member of the request at fault." example:"lines[0].amount"`
	RequestID  id.Request `json:"request_id" doc:"Name this when you ask us about the call."`
	Retryable  bool       `json:"retryable" doc:"Whether the same request may succeed later."`
	Hint       string     `json:"hint,omitempty" doc:"What to do next." example:"correct the name of the member"`
	Details    any        `json:"details,omitempty" doc:"More for programs; which members, the code says."`
	RetryAfter int64      `json:"retry_after,omitzero" minimum:"1" doc:"Seconds to wait." example:"2"`
}

// statusOf is the one table from faults to HTTP.
func statusOf(f *fault.Fault) int {
	switch f.Code {
	case codeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case codeUnsupportedMedia:
		return http.StatusUnsupportedMediaType
	}
	switch f.Kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Mismatch:
		return http.StatusUnprocessableEntity
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Timeout:
		return http.StatusGatewayTimeout
	case fault.Internal, fault.None:
	}
	return http.StatusInternalServerError
}

// retryable reports whether the same request may succeed later.
func retryable(f *fault.Fault) bool {
	switch f.Kind {
	case fault.Internal, fault.Limited, fault.Unavailable, fault.Timeout:
		return true
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Conflict,
		fault.Mismatch, fault.TooLarge, fault.None:
	}
	return f.RetryAfter > 0
}

// problemOf returns what the caller may know about a fault. Of an internal one that is nothing but its
// being ours.
func problemOf(f *fault.Fault, request id.Request) Problem {
	status := statusOf(f)
	p := Problem{
		Type: problemPrefix + f.Code, Title: http.StatusText(status), Status: status, Detail: f.Message,
		Code: f.Code, Param: withoutNumbers(f.Param), RequestID: request, Retryable: retryable(f), Hint: f.Hint,
		Details: f.Details,
	}
	if f.RetryAfter > 0 {
		p.RetryAfter = int64((f.RetryAfter + time.Second - 1) / time.Second)
	}
	if f.Kind == fault.Internal {
		p.Code, p.Type, p.Param, p.Details = "internal", problemPrefix+"internal", "", nil
		p.Detail, p.Hint = "something went wrong on our side", "try again later, and name the request id when you ask us"
	}
	return p
}

// writeProblem sends the problem of f.
func (x *exchange) writeProblem(f *fault.Fault) {
	p, header := problemOf(f, x.id), x.Header()
	x.code = p.Code
	header["Content-Type"] = x.server.headers.problem
	header["Cache-Control"] = x.server.headers.noStore
	if p.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	switch p.Status {
	case http.StatusUnauthorized: // RFC 6750 §3
		challenge := `Bearer realm="feiqian"`
		if len(x.request.Header["Authorization"]) > 0 {
			challenge += `, error="invalid_token"`
		}
		header.Set("WWW-Authenticate", challenge)
	case http.StatusRequestEntityTooLarge:
		header.Set("Connection", "close") // what is left of the body is not read
	}
	body, err := Encode(&p)
	if err != nil { // a text that is not UTF-8; the code says enough
		body = []byte(`{"code":` + strconv.Quote(p.Code) + `,"request_id":"` + string(x.id) + `"}`)
	}
	x.send(p.Status, body)
}

// numberMin is the shortest run of digits that may be somebody's card, document or phone.
const numberMin = 9

// withoutNumbers hides long runs of digits: the name of a member that nobody knows is the caller's text, and may be
// what was meant as its value.
func withoutNumbers(param string) string {
	out, run := make([]byte, 0, len(param)), 0
	for i := range len(param) {
		if c := param[i]; c < '0' || c > '9' {
			out, run = append(out, c), 0
			continue
		}
		if run++; run == numberMin {
			out = append(out[:len(out)-numberMin+1], "****"...)
		}
		if run < numberMin {
			out = append(out, param[i])
		}
	}
	return string(out)
}
