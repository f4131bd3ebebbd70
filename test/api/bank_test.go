package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
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

// bankWay says which orders a test sends: by which door, in or out, by bank account or by card.
type bankWay struct {
	path      string
	out, card bool
}

// cases adds what only an issuer refuses.
func (b bankWay) cases() []bankCase {
	if !b.card {
		return bankCases()
	}
	return append(bankCases(), bankCase{
		name: "AgreementSuspended", amount: 190_06, state: "declined", decline: "agreement_suspended",
		orderEnd: channel.AttemptDeclined,
	})
}

// payer makes a person, with money where it is to go out: money comes from the party that it goes back to.
func (b bankWay) payer(t *testing.T, w *world) person {
	t.Helper()
	balance := map[bool]int64{true: 200_00}[b.out]
	if !b.card {
		return w.person(t, balance)
	}
	p := w.withCard(t)
	if balance > 0 {
		w.topUpBy(t, p, p.cardMoney(w, "/wallet/v1/top_ups", balance))
	}
	return p
}

func (b bankWay) order(w *world, p person, amount int64) apitest.Request {
	if b.card {
		return p.cardMoney(w, b.path, amount)
	}
	return p.bankMoney(w, b.path, amount)
}

func (b bankWay) books(w *world) *bank.Server {
	if b.card {
		return w.issuer.Books()
	}
	return w.bank
}

// TestBankOrders sends every kind of trouble through a top-up and through a withdrawal, at the bank and at the card
// issuer, each for a customer of its own and all at once; money is where it belongs while the outcome is unknown, and
// at the end.
func TestBankOrders(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]bankWay{
		"top_ups":          {path: "/wallet/v1/top_ups"},
		"withdrawals":      {path: "/wallet/v1/withdrawals", out: true},
		"card_top_ups":     {path: "/wallet/v1/top_ups", card: true},
		"card_withdrawals": {path: "/wallet/v1/withdrawals", out: true, card: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, w *world) { w.bankOrders(t, way) })
		})
	}
}

func (w *world) bankOrders(t *testing.T, way bankWay) {
	t.Helper()
	cases := way.cases()
	people, orders := make([]person, len(cases)), make([]bankOrder, len(cases))
	for i := range cases {
		people[i] = way.payer(t, w)
	}
	w.quiet(t)
	before := w.balances(t)
	for i, c := range cases {
		w.ok(t, 201, way.order(w, people[i], c.amount), &orders[i])
		if orders[i].State != "pending" {
			t.Errorf("%s begins %s", c.name, orders[i].State)
		}
	}
	for i, c := range cases {
		w.awaitBank(t, way.path, c, people[i], &orders[i])
	}
	// What is unknown stays on its way: the customer has it no more, and the bank not yet.
	open := before.moved(w.balances(t))
	if want := map[bool]int64{true: 190_13}[way.out]; open["1102"] != want || open["2002"] != 0 {
		t.Errorf("in transit: %v, want %d", open, want)
	}
	w.agreementsCount(t, way, cases, people, orders)
	w.Clock.Advance(40 * time.Second) // beyond the grace in which "not found" is not believed
	for i, c := range cases {
		c.unknown = false
		w.awaitBank(t, way.path, c, people[i], &orders[i])
	}
	w.quiet(t)
	w.checkBank(t, way, cases, people, orders, before)
	w.agreementsCount(t, way, cases, people, orders)
}

// agreementsCount checks that each card's agreement counts what was debited or may yet be, and nothing that was refused.
func (w *world) agreementsCount(t *testing.T, way bankWay, cases []bankCase, people []person, orders []bankOrder) {
	t.Helper()
	if !way.card {
		return
	}
	for i, c := range cases {
		want := int64(10_000_00)
		if way.out {
			want -= 200_00 // its money came by this card
		} else if orders[i].State != "declined" {
			want -= c.amount
		}
		var terms card.Terms
		w.ok(t, 200, people[i].card("GET", people[i].cardID, "/agreement", nil), &terms)
		if terms.RemainingToday.Minor != want {
			t.Errorf("%s: %s remain, want %d", c.name, terms.RemainingToday, want)
		}
	}
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
	way bankWay,
	cases []bankCase,
	people []person,
	orders []bankOrder,
	before balances,
) {
	t.Helper()
	want, ends := balances{}, map[string]int{"created": len(cases)}
	for i, c := range cases {
		ends[c.state]++
		if orders[i].State != c.state || orders[i].DeclineCode != c.decline {
			t.Errorf("%s ends %s %s, want %s %s", c.name, orders[i].State, orders[i].DeclineCode, c.state, c.decline)
		}
		booked, err := way.books(w).Booked(t.Context(), string(orders[i].Attempt))
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
		cost := (c.amount*map[bool]int64{true: 20, false: 10}[way.card] + 5_000) / 10_000
		sign := map[bool]int64{true: -1, false: 1}[way.out]
		want["2001:"+string(people[i].id)] = sign * c.amount
		want["1001"] += sign * c.amount
		want["5001"] += cost
		want["2502"] += cost
	}
	if got := before.moved(w.balances(t)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("moved %v\nwant  %v", got, want)
	}
	for _, event := range []string{"created", "succeeded", "declined"} {
		kind := map[bool]string{true: "payout.", false: "top_up."}[way.out] + event
		n := w.events(t, kind, "SELECT subject FROM attempts WHERE id >= $1", string(orders[0].Attempt))
		if n != ends[event] {
			t.Errorf("%d events %s, want %d", n, kind, ends[event])
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
