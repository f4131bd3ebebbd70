package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
)

func TestZeroKindIsInternal(t *testing.T) {
	t.Parallel()
	if (&fault.Fault{}).Kind != fault.Internal {
		t.Error("a fault nobody classified must be ours")
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	plain := fault.Newf(fault.Conflict, "payment.already_paid", "payment %s is paid", "pay_1")
	for _, test := range []struct {
		err  error
		want string
	}{
		{plain, "payment.already_paid: payment pay_1 is paid"},
		{plain.WithCause(io.EOF), "payment.already_paid: payment pay_1 is paid: EOF"},
		{fault.Wrap(io.EOF, "capture pay_1"), "internal: something went wrong on our side: capture pay_1: EOF"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error = %q, want %q", got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	if err := fault.Wrap(nil, "nothing"); err != nil {
		t.Errorf("Wrap(nil) = %v", err)
	}
	err := fault.Wrap(io.EOF, "read")
	if !errors.Is(err, io.EOF) || fault.KindOf(err) != fault.Internal || fault.CodeOf(err) != "internal" {
		t.Errorf("Wrap(EOF) = %v", err)
	}
	known := fault.New(fault.Limited, "auth.locked", "too many attempts").
		WithParam("pin").WithHint("wait").WithRetryAfter(time.Minute)
	wrapped := fault.From(fault.Wrap(fmt.Errorf("check: %w", known), "pay pay_1"))
	if wrapped.Kind != fault.Limited || wrapped.Code != "auth.locked" || wrapped.Param != "pin" ||
		wrapped.Hint != "wait" || wrapped.RetryAfter != time.Minute {
		t.Errorf("Wrap lost what the caller needs: %+v", wrapped)
	}
	if !errors.Is(wrapped, known) || known.Err != nil {
		t.Error("Wrap must keep the chain and leave the fault it wraps alone")
	}
}

func TestWithReturnsCopies(t *testing.T) {
	t.Parallel()
	sentinel := fault.New(fault.Invalid, "a.b", "text")
	_ = sentinel.WithParam("p")
	_ = sentinel.WithHint("h")
	_ = sentinel.WithRetryAfter(time.Second)
	_ = sentinel.WithCause(io.EOF)
	if *sentinel != (fault.Fault{Kind: fault.Invalid, Code: "a.b", Message: "text"}) {
		t.Errorf("a With method changed its receiver: %+v", sentinel)
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	sentinel := fault.New(fault.NotFound, "payment.not_found", "no such payment")
	if !errors.Is(fmt.Errorf("load: %w", sentinel.WithParam("id")), sentinel) {
		t.Error("the same code is the same fault")
	}
	if errors.Is(fault.New(fault.NotFound, "refund.not_found", ""), sentinel) || errors.Is(errors.New("other"), sentinel) {
		t.Error("another code or error is another fault")
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	if fault.From(nil) != nil || fault.CodeOf(nil) != "" {
		t.Error("nil stays nil")
	}
	if f := fault.From(io.EOF); f.Kind != fault.Internal || f.Code != "internal" || !errors.Is(f, io.EOF) {
		t.Errorf("From(EOF) = %+v", f)
	}
	known := fault.New(fault.Conflict, "a.b", "")
	if fault.From(fmt.Errorf("x: %w", known)) != known || fault.KindOf(known) != fault.Conflict {
		t.Error("From finds the fault in the chain")
	}
}
