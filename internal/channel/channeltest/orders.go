package channeltest

import (
	"context"
	"sync"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

func capabilities(s *suite) {
	t, b := s.t, s.bench
	c := b.Channel.Capabilities()
	if c.Name == "" || c.Title == "" || c.Timeout <= 0 || c.NotFoundGrace <= c.Timeout {
		t.Errorf("name, title, time-out and a longer grace are needed: %+v", c)
	}
	for _, kind := range []channel.Kind{channel.KindPayIn, channel.KindQuery} {
		if !c.Supports(kind) {
			t.Errorf("%s is not supported", kind)
		}
	}
	if err := c.Check(channel.KindPayIn, b.Amount); err != nil {
		t.Errorf("the ordinary amount is refused: %v", err)
	}
	for code := range b.Declines {
		if c.DeclineCode(string(code)) == "" {
			t.Errorf("no code for %s", code)
		}
	}
}

func bind(s *suite) {
	t, b := s.t, s.bench
	if !b.Channel.Capabilities().Supports(channel.KindBind) {
		binding, err := b.Channel.Bind(t.Context(), b.Account)
		if fault.CodeOf(err) != channel.CodeNotSupported || binding != (channel.Binding{}) {
			t.Errorf("a channel that does not bind: %+v, %v", binding, err)
		}
		return
	}
	first, err := b.Channel.Bind(t.Context(), b.Account)
	if err != nil {
		t.Fatal(err)
	}
	if first.Token == "" || first.BankName == "" || first.Token == b.Account.Number ||
		first.MaskedNumber != channel.MaskNumber(b.Account.Number) {
		t.Errorf("got %+v", first)
	}
	if second, err := b.Channel.Bind(t.Context(), b.Account); err != nil || second != first {
		t.Errorf("bound again: %+v, %v; want %+v", second, err, first)
	}
}

func bindErrors(s *suite) {
	t, b := s.t, s.bench
	if !b.Channel.Capabilities().Supports(channel.KindBind) {
		t.Skip("the channel does not bind")
	}
	for code, request := range map[string]channel.BindRequest{
		"channel.account_not_found": b.Unknown,
		"channel.name_mismatch":     b.WrongName,
		"channel.account_closed":    b.Closed,
	} {
		binding, err := b.Channel.Bind(t.Context(), request)
		if fault.CodeOf(err) != code || binding != (channel.Binding{}) {
			t.Errorf("got %+v, %v; want %s", binding, err, code)
		}
	}
}

func payIn(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.Amount)
	result, err := b.Channel.PayIn(t.Context(), order)
	b.succeeded(t, order.Reference, result, err)
	if asked, err := b.query(t, channel.KindPayIn, order); err != nil || asked != result {
		t.Errorf("the query says %+v, %v; the answer was %+v", asked, err, result)
	}
}

func payOut(s *suite) {
	t, b := s.t, s.bench
	b.paidIn(t, b.times(2))
	order := b.order(t, b.Amount)
	result, err := b.Channel.PayOut(t.Context(), order)
	b.succeeded(t, order.Reference, result, err)
	if asked, err := b.query(t, channel.KindPayOut, order); err != nil || asked != result {
		t.Errorf("the query says %+v, %v; the answer was %+v", asked, err, result)
	}
}

func payOutReserveTooLow(s *suite) {
	t, b := s.t, s.bench
	b.paidIn(t, b.Amount)
	order := b.order(t, b.times(2))
	result, err := b.Channel.PayOut(t.Context(), order)
	b.declined(t, order.Reference, channel.DeclineInsufficientFunds, result, err)
}

func declined(s *suite) {
	t, b := s.t, s.bench
	b.paidIn(t, b.times(10))
	for code, amount := range b.Declines {
		in, out := b.order(t, amount), b.order(t, amount)
		result, err := b.Channel.PayIn(t.Context(), in)
		b.declined(t, in.Reference, code, result, err)
		result, err = b.query(t, channel.KindPayIn, in)
		b.declined(t, in.Reference, code, result, err)
		result, err = b.Channel.PayOut(t.Context(), out)
		b.declined(t, out.Reference, code, result, err)
	}
}

func unknownAccount(s *suite) {
	t, b := s.t, s.bench
	order := channel.Order{Reference: b.reference(), AccountToken: "acc_of_nobody", Amount: b.Amount}
	result, err := b.Channel.PayIn(t.Context(), order)
	b.declined(t, order.Reference, channel.DeclineAccountNotFound, result, err)
}

// An order that no channel could take is refused before it is sent, as an error and not a decline.
func invalid(s *suite) {
	t, b := s.t, s.bench
	good := b.order(t, b.Amount)
	terms, _ := b.Channel.Capabilities().TermsFor(b.Amount.Currency)
	for name, change := range map[string]func(o *channel.Order){
		"NoAmount":      func(o *channel.Order) { o.Amount.Minor = 0 },
		"Negative":      func(o *channel.Order) { o.Amount.Minor = -o.Amount.Minor },
		"TooMuch":       func(o *channel.Order) { o.Amount.Minor = terms.Max + 1 },
		"OtherCurrency": func(o *channel.Order) { o.Amount.Currency = "XXX" },
		"NoReference":   func(o *channel.Order) { o.Reference = "" },
		"NoAccount":     func(o *channel.Order) { o.AccountToken = "" },
	} {
		order := good
		change(&order)
		result, err := b.Channel.PayIn(t.Context(), order)
		if fault.KindOf(err) != fault.Invalid || result != (channel.Result{}) {
			t.Errorf("%s: got %+v, %v", name, result, err)
		}
		b.booked(t, good.Reference, 0)
	}
}

func repeat(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.Amount)
	first, err := b.Channel.PayIn(t.Context(), order)
	b.succeeded(t, order.Reference, first, err)
	for range 3 {
		again, err := b.Channel.PayIn(t.Context(), order)
		b.succeeded(t, order.Reference, again, err)
		if again != first {
			t.Errorf("again %+v, first %+v", again, first)
		}
	}
}

func repeatDeclined(s *suite) {
	t, b := s.t, s.bench
	for code, amount := range b.Declines {
		order := b.order(t, amount)
		for range 2 {
			result, err := b.Channel.PayIn(t.Context(), order)
			b.declined(t, order.Reference, code, result, err)
		}
	}
}

// Another order under a used reference tells nothing about the first one: unknown, with an error.
func repeatOther(s *suite) {
	t, b := s.t, s.bench
	order := b.paidIn(t, b.Amount)
	other := order
	other.Amount = b.times(2)
	result, err := b.Channel.PayIn(t.Context(), other)
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeReferenceReused {
		t.Errorf("other amount: got %+v, %v", result, err)
	}
	result, err = b.Channel.PayOut(t.Context(), order)
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeReferenceReused {
		t.Errorf("other kind: got %+v, %v", result, err)
	}
	b.booked(t, order.Reference, 1)
}

func repeatConcurrent(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.Amount)
	results := together(8, func() (channel.Result, error) { return b.Channel.PayIn(t.Context(), order) })
	for _, r := range results {
		b.succeeded(t, order.Reference, r.result, r.err)
		if r.result != results[0].result {
			t.Errorf("got %+v and %+v", r.result, results[0].result)
		}
	}
}

// outcome is what one of several calls gave.
type outcome struct {
	result channel.Result
	err    error
}

// together makes n calls at once.
func together(n int, call func() (channel.Result, error)) []outcome {
	outcomes := make([]outcome, n)
	var calls sync.WaitGroup
	for i := range outcomes {
		calls.Go(func() { outcomes[i].result, outcomes[i].err = call() })
	}
	calls.Wait()
	return outcomes
}

func (b *Bench) refund(
	ctx context.Context, original channel.Order, amount money.Amount,
) (channel.RefundOrder, channel.Result, error) {
	order := channel.RefundOrder{Reference: b.reference(), Original: original.Reference, Amount: amount}
	result, err := b.Channel.Refund(ctx, order)
	return order, result, err
}

func refund(s *suite) {
	t, b := s.t, s.bench
	original := b.paidIn(t, b.times(3))
	part, result, err := b.refund(t.Context(), original, b.times(2))
	b.succeeded(t, part.Reference, result, err)
	over, result, err := b.refund(t.Context(), original, b.times(2))
	b.declined(t, over.Reference, channel.DeclineRefundExceedsOriginal, result, err)
	rest, result, err := b.refund(t.Context(), original, b.times(1))
	b.succeeded(t, rest.Reference, result, err)
	over, result, err = b.refund(t.Context(), original, b.times(1))
	b.declined(t, over.Reference, channel.DeclineRefundExceedsOriginal, result, err)
	if again, err := b.Channel.Refund(t.Context(), rest); err != nil || again.Outcome != channel.OutcomeSucceeded {
		t.Errorf("the last refund again: %+v, %v", again, err)
	}
	b.booked(t, rest.Reference, 1)
}

func refundNoOriginal(s *suite) {
	t, b := s.t, s.bench
	b.paidIn(t, b.times(3))
	order, result, err := b.refund(t.Context(), channel.Order{Reference: b.reference()}, b.Amount)
	b.declined(t, order.Reference, channel.DeclineOriginalNotFound, result, err)
	out := b.order(t, b.Amount)
	if _, err := b.Channel.PayOut(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	order, result, err = b.refund(t.Context(), out, b.Amount)
	b.declined(t, order.Reference, channel.DeclineOriginalNotFound, result, err)
}

// Of five refunds of two fifths each, sent at once, two fit.
func refundConcurrent(s *suite) {
	t, b := s.t, s.bench
	original := b.paidIn(t, b.times(5))
	b.paidIn(t, b.times(10)) // so that the reserve alone would not stop them
	fit := 0
	for _, r := range together(5, func() (channel.Result, error) {
		_, result, err := b.refund(t.Context(), original, b.times(2))
		return result, err
	}) {
		switch {
		case r.err == nil && r.result.Outcome == channel.OutcomeSucceeded:
			fit++
		case r.err != nil || r.result.DeclineCode != channel.DeclineRefundExceedsOriginal:
			t.Errorf("got %+v, %v", r.result, r.err)
		}
	}
	if fit != 2 {
		t.Errorf("%d refunds were booked, want 2", fit)
	}
}

func queryNotFound(s *suite) {
	t, b := s.t, s.bench
	result, err := b.query(t, channel.KindPayIn, b.order(t, b.Amount))
	if err != nil || result.Outcome != channel.OutcomeNotFound {
		t.Errorf("got %+v, %v", result, err)
	}
}

// An answer about another amount or kind than we sent is not believed.
func queryMismatch(s *suite) {
	t, b := s.t, s.bench
	order := b.paidIn(t, b.Amount)
	other := order
	other.Amount = b.times(2)
	result, err := b.query(t, channel.KindPayIn, other)
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeAnswerMismatch {
		t.Errorf("other amount: got %+v, %v", result, err)
	}
	result, err = b.query(t, channel.KindPayOut, order)
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeAnswerMismatch {
		t.Errorf("other kind: got %+v, %v", result, err)
	}
}
