package identity_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// TestFaults runs every fault of every channel: nothing but a definite answer decides, and no class comes of another.
func TestFaults(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		n.work(t)
		known := authority.SeedPeople()[3]
		serial := 0
		for _, channel := range identity.Channels() {
			passes := []identity.CheckState{identity.CheckPassed}
			if channel == identity.ChannelTransfer {
				passes = []identity.CheckState{identity.CheckAsked}
			}
			for _, test := range []struct {
				number string
				states []identity.CheckState
				reason string
			}{
				{"11010119900101901X", []identity.CheckState{identity.CheckUnknown}, ""},
				{"110101199001019028", passes, ""},
				{"110101199001019036", []identity.CheckState{identity.CheckFailed}, identity.ReasonMismatch},
				{"110101199001019044", []identity.CheckState{identity.CheckFailed}, identity.ReasonNotFound},
				{"110101199001019052", []identity.CheckState{identity.CheckUnknown}, ""},
				{"110101199001019060", passes, ""},
				{"110101199001019079", []identity.CheckState{identity.CheckUnknown}, ""},
			} {
				serial++
				c := n.customer(t, fmt.Sprintf("+861390000%04d", serial))
				name := document(known)
				name.Number = test.number
				_, err := n.Submit(t.Context(), c, name)
				must(t, err)
				if n.view(t, c).State == identity.StateReview { // the number was shown before
					_, err := n.Approve(t.Context(), identity.Decision{Customer: c, Staff: "stf_x", Reason: "test"})
					must(t, err)
				}
				n.start(t, c, channel, known)
				got := n.until(t, c, channel, test.states...)
				if got.Reason != test.reason {
					t.Errorf("%s %s: %+v", channel, test.number, got)
				}
				if test.states[0] != identity.CheckPassed {
					n.class(t, c, 0)
				}
				if got.State == identity.CheckUnknown {
					n.refused(t, "identity.check_under_way", func() error {
						_, err := n.StartCheck(t.Context(), c, identity.Start{
							Channel: channel, Card: known.Cards[0].Number, Account: known.Accounts[0],
						})
						return err
					})
				}
			}
		}
	})
}

// TestUnknownIsFound asks again until the channel speaks, through an outage of its line.
func TestUnknownIsFound(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		n.work(t)
		known := authority.SeedPeople()[3]
		c := n.customer(t, known.Phones[0])
		_, err := n.Submit(t.Context(), c, document(known))
		must(t, err)
		out.SetFaults(authority.Fault{Channel: "authority", Fault: authority.FaultDecidedError, Times: 1},
			authority.Fault{Channel: "authority", Fault: authority.FaultBadSignature, Times: 1})
		n.start(t, c, identity.ChannelAuthority, known)
		n.until(t, c, identity.ChannelAuthority, identity.CheckUnknown)
		n.class(t, c, 0)
		n.until(t, c, identity.ChannelAuthority, identity.CheckPassed)
		n.class(t, c, 1)
		// The person's word is asked for, lost, and said again.
		n.start(t, c, identity.ChannelTransfer, known)
		n.until(t, c, identity.ChannelTransfer, identity.CheckAsked)
		out.SetFaults(authority.Fault{Channel: "bank_transfer", Fault: authority.FaultDecidedError, Times: 1})
		_, err = n.AnswerCheck(t.Context(), c, identity.ChannelTransfer, authority.Deposit(known.Accounts[0]))
		must(t, err)
		n.until(t, c, identity.ChannelTransfer, identity.CheckPassed)
		// Three wrong amounts are the end of a check.
		other := n.customer(t, "+8613911111111")
		p := authority.SeedPeople()[4]
		_, err = n.Submit(t.Context(), other, document(p))
		must(t, err)
		n.start(t, other, identity.ChannelTransfer, p)
		for i := range int64(3) {
			if got := n.until(t, other, identity.ChannelTransfer, identity.CheckAsked); got.AnswersLeft != 3-i {
				t.Errorf("%+v", got)
			}
			_, err = n.AnswerCheck(t.Context(), other, identity.ChannelTransfer, authority.Deposit(p.Accounts[0])%99+1)
			must(t, err)
			n.until(t, other, identity.ChannelTransfer, identity.CheckAsked, identity.CheckFailed)
		}
		if got := n.check(t, other, identity.ChannelTransfer); got.State != identity.CheckFailed ||
			got.Reason != identity.ReasonWrongAnswer {
			t.Errorf("%+v", got)
		}
		again := func() error {
			_, err := n.StartCheck(t.Context(), other, identity.Start{Channel: identity.ChannelTransfer, Account: p.Accounts[0]})
			return err
		}
		n.refused(t, "identity.too_many_tries", again)
		_, err = n.Submit(t.Context(), other, document(authority.SeedPeople()[2])) // no way around it
		must(t, err)
		n.refused(t, "identity.too_many_tries", again)
		clk.Advance(30 * 24 * time.Hour)
		must(t, again())
	})
}

// gate is a channel that answers when it is told, and counts.
type gate struct {
	channel identity.Channel
	open    chan struct{}
	calls   atomic.Int64
}

func (g *gate) Channel() identity.Channel { return g.channel }
func (g *gate) Timeout() time.Duration    { return time.Minute }
func (g *gate) Verify(ctx context.Context, _ identity.Query) (identity.Outcome, error) {
	g.calls.Add(1)
	select {
	case <-g.open:
		return identity.OutcomeMatched, nil
	case <-ctx.Done():
		return identity.OutcomeUnknown, errors.New("no answer")
	}
}

// TestResume ends a node in the middle of a call: another one asks again under the same reference, and the answer counts
// once.
func TestResume(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		key := t.TempDir() + "/key"
		stuck := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		dying := startNode(t, db, key, clk, stuck)
		stop := dying.work(t)
		known := authority.SeedPeople()[3]
		c := dying.customer(t, known.Phones[0])
		_, err := dying.Submit(t.Context(), c, document(known))
		must(t, err)
		dying.start(t, c, identity.ChannelAuthority, known)
		for stuck.calls.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
		ready := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		close(ready.open)
		n := startNode(t, db, key, clk, ready)
		n.work(t)
		n.until(t, c, identity.ChannelAuthority, identity.CheckPassed)
		n.class(t, c, 1)
		if found := n.events(t, "identity.check_decided"); found != 1 {
			t.Errorf("%d events", found)
		}
		if n.count(t, "SELECT count(*) FROM identity_checks WHERE length(sealed) > 0") != 0 {
			t.Error("what was asked is still there")
		}
	})
}

// TestVoidedAnswer lets an answer come after the person has shown another document: it is not heard.
func TestVoidedAnswer(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		late := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		n := startNode(t, db, t.TempDir()+"/key", clk, late)
		n.work(t)
		c := n.customer(t, "+8613900000001")
		_, err := n.Submit(t.Context(), c, document(authority.SeedPeople()[3]))
		must(t, err)
		n.start(t, c, identity.ChannelAuthority, authority.SeedPeople()[3])
		for late.calls.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		_, err = n.Submit(t.Context(), c, document(authority.SeedPeople()[4]))
		must(t, err)
		close(late.open)
		for n.count(t, "SELECT count(*) FROM jobs") > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if got := n.check(t, c, identity.ChannelAuthority); got.State != identity.CheckNone {
			t.Errorf("%+v", got)
		}
		n.class(t, c, 0)
	})
}
