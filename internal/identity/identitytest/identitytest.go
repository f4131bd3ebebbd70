// Package identitytest is the suite that every identity channel must pass. An adapter's test gives it a bench: the adapter,
// a real other side that knows somebody, and the documents that make trouble there.
package identitytest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
)

// Bench is one channel with the other side it talks to, fresh for each test. The queries have no reference; the suite
// gives each its own.
type Bench struct {
	// Verifier is what is tested.
	Verifier identity.Verifier
	// Known is a question about somebody whom the channel knows, all of it right.
	Known identity.Query
	// Mismatch is one about the same person in which something is wrong; NotFound is about nobody.
	Mismatch, NotFound identity.Query
	// NoAnswer, BadSignature and Failing never get an answer that can be trusted; Slow gets one late and within the
	// time-out; DecidedError is decided, and the first answer says that the channel failed.
	NoAnswer, BadSignature, Failing, Slow, DecidedError identity.Query
	// Amount is what a Confirmer has sent to the account of Known; any other amount is wrong.
	Amount int64
	// Asked returns how often the other side was asked under a reference.
	Asked func(reference id.IdentityCheck) int
}

// Run runs the suite. The factory is called once for each test.
func Run(t *testing.T, factory func(t *testing.T) *Bench) {
	t.Helper()
	for name, run := range map[string]func(t *testing.T, b *Bench){
		"Matched":      func(t *testing.T, b *Bench) { t.Helper(); b.says(t, b.Known, b.yes(), "") },
		"Mismatch":     func(t *testing.T, b *Bench) { t.Helper(); b.says(t, b.Mismatch, identity.OutcomeMismatch, "") },
		"NotFound":     func(t *testing.T, b *Bench) { t.Helper(); b.says(t, b.NotFound, identity.OutcomeNotFound, "") },
		"Slow":         func(t *testing.T, b *Bench) { t.Helper(); b.says(t, b.Slow, b.yes(), "") },
		"NoAnswer":     func(t *testing.T, b *Bench) { t.Helper(); b.unknown(t, b.NoAnswer, identity.CodeNoAnswer) },
		"BadSignature": func(t *testing.T, b *Bench) { t.Helper(); b.unknown(t, b.BadSignature, identity.CodeBadAnswer) },
		"Failing":      func(t *testing.T, b *Bench) { t.Helper(); b.unknown(t, b.Failing, identity.CodeChannelFailed) },
		"DecidedError": decidedError,
		"Repeat":       repeat,
		"RepeatOther":  repeatOther,
		"NoTime":       noTime,
		"Confirm":      confirm,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, factory(t))
		})
	}
}

// fresh gives a question a reference of its own.
func fresh(q identity.Query) identity.Query {
	q.Reference = id.New[id.IdentityCheck](time.Now())
	return q
}

// yes is what the channel says to who is known.
func (b *Bench) yes() identity.Outcome {
	if _, asks := b.Verifier.(identity.Confirmer); asks {
		return identity.OutcomeAsked
	}
	return identity.OutcomeMatched
}

func (b *Bench) says(t *testing.T, q identity.Query, want identity.Outcome, code string) {
	t.Helper()
	if q.Reference == "" {
		q = fresh(q)
	}
	outcome, err := b.Verifier.Verify(t.Context(), q)
	if outcome != want || fault.CodeOf(err) != code {
		t.Errorf("outcome %q, %v; want %q, %q", outcome, err, want, code)
	}
	text := fmt.Sprintf("%v %+v %#v %v", q, q, q, err)
	for _, secret := range []string{q.Document.Number, q.Document.Name, q.Card, q.Account, q.Phone} {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("an error or a question as it prints shows %q", secret)
		}
	}
}

func (b *Bench) unknown(t *testing.T, q identity.Query, code string) {
	t.Helper()
	q = fresh(q)
	for range 2 {
		b.says(t, q, identity.OutcomeUnknown, code)
	}
}

// decidedError asks until the channel says what it has decided.
func decidedError(t *testing.T, b *Bench) {
	t.Helper()
	q := fresh(b.DecidedError)
	b.says(t, q, identity.OutcomeUnknown, identity.CodeChannelFailed)
	b.says(t, q, b.yes(), "")
}

// repeat asks one reference many times at once: every answer is the same.
func repeat(t *testing.T, b *Bench) {
	t.Helper()
	q := fresh(b.Known)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { b.says(t, q, b.yes(), "") })
	}
	wg.Wait()
	if n := b.Asked(q.Reference); n != 10 {
		t.Errorf("asked %d times", n)
	}
}

// repeatOther asks something else under a reference that was decided: nothing of it is believed.
func repeatOther(t *testing.T, b *Bench) {
	t.Helper()
	q := fresh(b.Mismatch)
	b.says(t, q, identity.OutcomeMismatch, "")
	other := b.Known
	other.Reference = q.Reference
	b.says(t, other, identity.OutcomeUnknown, identity.CodeChannelFailed)
	b.says(t, q, identity.OutcomeMismatch, "")
}

// noTime gives the channel no time.
func noTime(t *testing.T, b *Bench) {
	t.Helper()
	if b.Verifier.Timeout() <= 0 {
		t.Error("the channel has no time-out")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	outcome, err := b.Verifier.Verify(ctx, fresh(b.Known))
	if outcome != identity.OutcomeUnknown || fault.CodeOf(err) != identity.CodeNoAnswer {
		t.Errorf("%q, %v", outcome, err)
	}
}

// confirm brings the person's word, wrong and right, each twice.
func confirm(t *testing.T, b *Bench) {
	t.Helper()
	confirmer, asks := b.Verifier.(identity.Confirmer)
	if !asks {
		t.Skip("this channel does not ask the person")
	}
	q := fresh(b.Known)
	say := func(try, amount int64, want identity.Outcome, code string) {
		t.Helper()
		outcome, err := confirmer.Confirm(t.Context(), identity.Reply{Reference: q.Reference, Try: try, AmountMinor: amount})
		if outcome != want || fault.CodeOf(err) != code {
			t.Errorf("try %d of %d: %q, %v; want %q", try, amount, outcome, err, want)
		}
	}
	say(1, b.Amount, identity.OutcomeUnknown, identity.CodeChannelFailed) // nobody was asked yet
	b.says(t, q, identity.OutcomeAsked, "")
	say(1, b.Amount+1, identity.OutcomeMismatch, "")
	say(1, b.Amount, identity.OutcomeMismatch, "") // a try is decided once
	say(2, b.Amount, identity.OutcomeMatched, "")
	say(2, b.Amount, identity.OutcomeMatched, "")
}
