package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// bankCase is one amount that the sandbox's bank treats in its own way, and what must come of it.
type bankCase struct {
	name     string
	amount   int64
	state    string
	decline  string
	unknown  bool // it stays pending until the clock has passed the grace
	problem  bool // the bank contradicts itself, which a person has to see
	orderEnd channel.AttemptState
}

func bankCases() []bankCase {
	const succeeded, declined = "succeeded", "declined"
	good := func(name string, amount int64) bankCase {
		return bankCase{name: name, amount: amount, state: succeeded, orderEnd: channel.AttemptSucceeded}
	}
	bad := func(name string, amount int64, code string) bankCase {
		return bankCase{name: name, amount: amount, state: declined, decline: code, orderEnd: channel.AttemptDeclined}
	}
	lost := bad("LostNoAnswer", 190_13, "bank_unavailable")
	lost.unknown, lost.orderEnd = true, channel.AttemptNotBooked
	contradicts := good("NoticeContradicts", 190_20)
	contradicts.problem = true
	return []bankCase{
		good("Plain", 190_00),
		good("SlowAnswer", 190_11),
		good("BookedNoAnswer", 190_12),
		good("BookedError", 190_14),
		good(
			"PendingSuccess",
			190_15,
		),
		good("NoticeThrice", 190_17),
		good("NoticeLate", 190_18),
		good("BadSignature", 190_19),
		contradicts,
		bad("InsufficientFunds", 190_01, "insufficient_funds"),
		bad("DoNotHonor", 190_02, "do_not_honor"),
		bad("AccountClosed", 190_03, "account_closed"),
		bad("LimitExceeded", 190_04, "limit_exceeded"),
		bad("SuspectedFraud", 190_05, "suspected_fraud"),
		bad("PendingDecline", 190_16, "do_not_honor"),
		lost,
	}
}

// bankOrder is a top-up or a withdrawal as its customer sees it.
type bankOrder struct {
	ID          string     `json:"id"`
	State       string     `json:"state"`
	DeclineCode string     `json:"decline_code"`
	Attempt     id.Attempt `json:"attempt_id"`
}

// TestBankOrders sends every kind of trouble through a top-up and through a withdrawal, each for a customer of
// its own and
// all at once; money is where it belongs while the outcome is unknown, and at the end.
func TestBankOrders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/wallet/v1/top_ups", "/wallet/v1/withdrawals"} {
		out := strings.HasSuffix(path, "withdrawals")
		t.Run(path[len("/wallet/v1/"):], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, w *world) { w.bankOrders(t, path, out) })
		})
	}
}

func (w *world) bankOrders(t *testing.T, path string, out bool) {
	t.Helper()
	const balance = 200_00
	cases := bankCases()
	people, orders := make([]person, len(cases)), make([]bankOrder, len(cases))
	for i := range cases {
		people[i] = w.person(t, map[bool]int64{true: balance}[out])
	}
	before := w.balances(t)
	for i, c := range cases {
		w.ok(t, 201, people[i].bankMoney(w, path, c.amount), &orders[i])
		if orders[i].State != "pending" {
			t.Errorf("%s begins %s", c.name, orders[i].State)
		}
	}
	for i, c := range cases {
		w.awaitBank(t, path, c, people[i], &orders[i])
	}
	// What is unknown stays on its way: the customer has it no more, and the bank not yet.
	open := before.moved(w.balances(t))
	if want := map[bool]int64{true: 190_13}[out]; open["1102"] != want || open["2002"] != 0 {
		t.Errorf("in transit: %v, want %d", open, want)
	}
	w.Clock.Advance(40 * time.Second) // beyond the grace in which "not found" is not believed
	for i, c := range cases {
		c.unknown = false
		w.awaitBank(t, path, c, people[i], &orders[i])
	}
	w.quiet(t)
	w.checkBank(t, cases, people, orders, out, before)
}

// awaitBank waits for the end of an order, or until an unknown one was asked about in vain.
func (w *world) awaitBank(t *testing.T, path string, c bankCase, p person, order *bankOrder) {
	t.Helper()
	eventually(t, c.name, func() bool {
		if c.unknown {
			try, err := w.Attempts.Attempt(t.Context(), order.Attempt)
			return err == nil && try.State == channel.AttemptUnknown && try.Queries > 1
		}
		w.ok(t, 200, get(path+"/"+order.ID, p.token), order)
		return order.State != "pending"
	})
}

func (w *world) checkBank(
	t *testing.T,
	cases []bankCase,
	people []person,
	orders []bankOrder,
	out bool,
	before balances,
) {
	t.Helper()
	want := balances{}
	for i, c := range cases {
		if orders[i].State != c.state || orders[i].DeclineCode != c.decline {
			t.Errorf("%s ends %s %s, want %s %s", c.name, orders[i].State, orders[i].DeclineCode, c.state, c.decline)
		}
		booked, err := w.bank.Booked(t.Context(), string(orders[i].Attempt))
		must(t, err)
		if (booked == 1) != (c.state == "succeeded") {
			t.Errorf("%s: %s here, booked %d times there", c.name, c.state, booked)
		}
		if c.problem {
			w.Clock.Advance(2 * time.Second)
		}
		eventually(t, c.name+": what the person sees", func() bool {
			try, err := w.Attempts.Attempt(t.Context(), orders[i].Attempt)
			must(t, err)
			return try.State == c.orderEnd && (try.Problem != "") == c.problem
		})
		if c.state != "succeeded" {
			continue
		}
		cost := (c.amount*10 + 5_000) / 10_000
		sign := map[bool]int64{true: -1, false: 1}[out]
		want["2001:"+string(people[i].id)] = sign * c.amount
		want["1001"] += sign * c.amount
		want["5001"] += cost
		want["2502"] += cost
	}
	if got := before.moved(w.balances(t)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("moved %v\nwant  %v", got, want)
	}
	for _, event := range []string{"created", "succeeded", "declined"} {
		kind := map[bool]string{true: "payout.", false: "top_up."}[out] + event
		n := w.events(t, kind, "SELECT subject FROM attempts WHERE id >= $1", string(orders[0].Attempt))
		if wantEvents := map[string]int{"created": 16, "succeeded": 9, "declined": 7}[event]; n != wantEvents {
			t.Errorf("%d events %s, want %d", n, kind, wantEvents)
		}
	}
	w.agree(t)
}

// TestNotices hands in notices that come late, twice, with another amount, or that say the opposite of what is known.
func TestNotices(t *testing.T) {
	t.Parallel()
	const succeeded, declined, pending = channel.OutcomeSucceeded, channel.OutcomeDeclined, channel.OutcomePending
	each(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/wallet/v1/top_ups", "/wallet/v1/withdrawals"} {
			p, kind := w.person(t, 500_00), channel.KindPayIn
			if strings.HasSuffix(path, "withdrawals") {
				kind = channel.KindPayOut
			}
			for _, test := range []struct {
				amount  int64
				outcome channel.Outcome
				code    string // of the refusal
				problem bool
			}{
				{100_00, succeeded, "", false},
				{100_00, pending, "", false},
				{100_00, "", "", false},
				{100_00, declined, "", true},
				{90_01, declined, "", false},
				{90_01, pending, "", false},
				{90_01, succeeded, "", true},
			} {
				var order bankOrder
				w.ok(t, 201, p.bankMoney(w, path, test.amount), &order)
				w.quiet(t)
				notice := channel.Notice{
					ID: "ntc_1", Reference: order.Attempt, Kind: kind, Amount: cny(test.amount),
					Result: channel.Result{Outcome: test.outcome, DeclineCode: "do_not_honor"},
				}
				before := w.snapshot(t)
				for range 3 {
					must(t, w.Attempts.Notice(t.Context(), "bank", notice))
				}
				changed := strings.Join(before.changed(w.snapshot(t)), " ")
				if want := map[bool]string{true: "attempts commit_groups"}[test.problem]; changed != want {
					t.Errorf("%s after %d changed %q, want %q", test.outcome, test.amount, changed, want)
				}
				// One that is about something else is refused, whatever it says.
				before = w.snapshot(t)
				other := notice
				other.Amount = cny(test.amount + 1)
				if err := w.Attempts.Notice(t.Context(), "bank", other); fault.CodeOf(err) != channel.CodeAnswerMismatch {
					t.Errorf("another amount: %v", err)
				}
				if err := w.Attempts.Notice(t.Context(), "other", notice); fault.CodeOf(err) != channel.CodeAnswerMismatch {
					t.Errorf("another channel: %v", err)
				}
				other.Reference = "att_01kanq4j3qf8yt0v5d7r2m9xce"
				if err := w.Attempts.Notice(t.Context(), "bank", other); fault.KindOf(err) != fault.NotFound {
					t.Errorf("another order: %v", err)
				}
				before.same(t, w.snapshot(t), "a notice about something else")
			}
		}
		w.agree(t)
	})
}

// TestResend sends the bank's true notices again, much later.
func TestResend(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 100_00)
		topUp := w.topUp(t, p, 50_00)
		w.quiet(t)
		w.Clock.Advance(hour)
		w.expired(t)
		before := w.snapshot(t)
		resent, err := w.bank.Resend(t.Context(), string(topUp.Attempt))
		must(t, err)
		if resent == 0 {
			t.Error("there is no notice to send again")
		}
		must(t, w.Attempts.Arrive(t.Context(), "bank", "CNY")) // a statement read twice posts nothing twice
		before.same(t, w.snapshot(t), "a notice and a statement again")
		w.agree(t)
	})
}
