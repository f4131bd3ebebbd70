// Package fault is the one error type that crosses packages: a kind that says what the caller can
// do, a stable code, a message that is safe to show, and a cause for the log.
//
// A decline is not a fault: it is a result, and travels in the domain types.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what the caller can do about a fault. The zero value is Internal: an error nobody
// classified is ours.
type Kind uint8

const (
	// Internal means that we failed; the caller may ask again later.
	Internal Kind = iota
	// Invalid means that the request itself is wrong; the caller must change it.
	Invalid
	// Unauthenticated means that the caller did not prove who it is.
	Unauthenticated
	// Forbidden means that the caller is known and has no right to this.
	Forbidden
	// NotFound means that the thing does not exist, or not for this caller.
	NotFound
	// Conflict means that the state of the thing does not allow the act.
	Conflict
	// Mismatch means that an idempotency key came again with another request.
	Mismatch
	// Limited means too many requests or attempts; RetryAfter says when to come back.
	Limited
	// Unavailable means that we are busy or a party we need is away; RetryAfter says when to come back.
	Unavailable
	// TooLarge means that the request is bigger than we read.
	TooLarge
	// Timeout means that the act took longer than the caller or we allow.
	Timeout
	// None is the kind of no error at all.
	None
)

// Fault is an error with a kind, a stable code and a message that is safe for a human.
//
// Code is lower snake case with the domain in front: `payment.already_paid`. Message never holds a
// secret or personal data. Param names the request member at fault, if there is one. Hint says what
// to do next. Details is more for programs, a struct that can be JSON; nil for none. Err is the cause; it
// goes to the log only.
type Fault struct {
	Kind       Kind
	Code       string
	Message    string
	Param      string
	Hint       string
	RetryAfter time.Duration
	Details    any
	Err        error
}

// New returns a fault of kind with a stable code and a message that is safe for a human.
func New(kind Kind, code, message string) *Fault {
	return &Fault{Kind: kind, Code: code, Message: message}
}

// Newf is New with a formatted message.
func Newf(kind Kind, code, format string, args ...any) *Fault {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// Wrap returns an Internal fault for an error that nobody expected. Doing says what we were doing,
// with the id: `capture pay_1`.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Fault](err); ok {
		copied := *known
		copied.Err = fmt.Errorf("%s: %w", doing, err)
		return &copied
	}
	return From(fmt.Errorf("%s: %w", doing, err))
}

// Error returns code and message, and the cause where there is one: a text for the log.
func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Code + ": " + f.Message + ": " + f.Err.Error()
	}
	return f.Code + ": " + f.Message
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Is reports whether target is a fault of the same code, so that errors.Is works on sentinels.
func (f *Fault) Is(target error) bool {
	other, ok := target.(*Fault)
	return ok && other.Code == f.Code
}

// WithParam returns a copy that names the request member at fault.
func (f *Fault) WithParam(param string) *Fault {
	copied := *f
	copied.Param = param
	return &copied
}

// WithHint returns a copy that says what to do next.
func (f *Fault) WithHint(hint string) *Fault {
	copied := *f
	copied.Hint = hint
	return &copied
}

// WithRetryAfter returns a copy that says when to come back.
func (f *Fault) WithRetryAfter(after time.Duration) *Fault {
	copied := *f
	copied.RetryAfter = after
	return &copied
}

// WithDetails returns a copy that says more to programs.
func (f *Fault) WithDetails(details any) *Fault {
	copied := *f
	copied.Details = details
	return &copied
}

// WithCause returns a copy with the cause for the log.
func (f *Fault) WithCause(err error) *Fault {
	copied := *f
	copied.Err = err
	return &copied
}

// From returns the fault in err's chain; any other error becomes an Internal fault around it.
// It returns nil for nil.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Fault](err); ok {
		return known
	}
	return &Fault{Kind: Internal, Code: "internal", Message: "something went wrong on our side", Err: err}
}

// KindOf returns the kind of the fault in err's chain; Internal for any other error, None for nil.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	return From(err).Kind
}

// CodeOf returns the code of the fault in err's chain, "" for nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	return From(err).Code
}
