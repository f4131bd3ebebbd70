package api_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

const replayedHeader = "Idempotent-Replayed"

// goods are good requests of every act that moves money, each with what it needs.
func (w *world) goods(t *testing.T, s shop, p, payee person) map[string]func() apitest.Request {
	t.Helper()
	paid := w.paid(t, s, p, 5_000)
	return map[string]func() apitest.Request{
		"Payment": func() apitest.Request { return s.order(w, 100, nil) },
		"ByCode": func() apitest.Request {
			return s.order(w, 100, map[string]any{"payment_code": w.code(t, p)})
		},
		"Void":       func() apitest.Request { return s.void(w, w.created(t, s, 100).ID) },
		"Confirm":    func() apitest.Request { return p.confirm(w, w.created(t, s, 100).ID) },
		"Refund":     func() apitest.Request { return s.refund(w, paid.ID, map[string]any{"amount": 100}) },
		"TopUp":      func() apitest.Request { return p.bankMoney(w, "/wallet/v1/top_ups", 100) },
		"Withdrawal": func() apitest.Request { return p.bankMoney(w, "/wallet/v1/withdrawals", 100) },
		"Transfer":   func() apitest.Request { return p.transfer(w, payee, 100) },
	}
}

// TestIdempotency repeats every act: alone, in parallel, with another body, and as a dry run before.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, payee := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 100_000), w.person(t, 0)
		for name, good := range w.goods(t, s, p, payee) {
			call := good()
			w.dry(t, name, call)
			first := w.parallel(t, name, call)
			w.quiet(t)
			w.replays(t, name, call, first)
		}
		w.agree(t)
	})
}

// dry runs an act without doing it.
func (w *world) dry(t *testing.T, name string, call apitest.Request) {
	t.Helper()
	w.quiet(t)
	before := w.snapshot(t)
	call.Path += "?dry_run=true"
	answer := w.call(t, call)
	if answer.Status != http.StatusCreated && answer.Status != http.StatusOK {
		t.Errorf("%s: a dry run answers %d %s", name, answer.Status, answer.Body)
	}
	before.same(t, w.snapshot(t), name+" as a dry run")
	again := w.call(t, call)
	if again.Header.Get(replayedHeader) != "" {
		t.Errorf("%s: a dry run burnt its key", name)
	}
	// The answer is the real one's: the same members, and the same values but ids and instants.
	for member, value := range jsonOf(t, answer.Body) {
		other := jsonOf(t, again.Body)[member]
		if !volatile(member) && fmt.Sprint(other) != fmt.Sprint(value) {
			t.Errorf("%s: %s is %v, then %v", name, member, value, other)
		}
	}
}

// volatile says which members of an answer differ from act to act.
func volatile(member string) bool {
	return member == "id" || strings.HasSuffix(member, "_at") || member == "entry_id" || member == "attempt_id"
}

// parallel sends one request ten times at once: one act, and ten times the same answer.
func (w *world) parallel(t *testing.T, name string, call apitest.Request) apitest.Answer {
	t.Helper()
	dry := call
	dry.Path += "?dry_run=true"
	foretold := w.call(t, dry)
	answers := w.together(t, 10, func(int) apitest.Request { return call })
	fresh := 0
	for _, answer := range answers {
		if answer.Status != foretold.Status || !bytes.Equal(answer.Body, answers[0].Body) {
			t.Errorf("%s: %d %s, then %d %s", name, answers[0].Status, answers[0].Body, answer.Status, answer.Body)
		}
		if answer.Header.Get(replayedHeader) == "" {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%s: %d of ten answers are fresh", name, fresh)
	}
	for member, value := range jsonOf(t, foretold.Body) {
		now, there := jsonOf(t, answers[0].Body)[member]
		if !there || !volatile(member) && fmt.Sprint(now) != fmt.Sprint(value) {
			t.Errorf("%s: the dry run said %s is %v, it is %v", name, member, value, now)
		}
	}
	return answers[0]
}

// together sends n requests at once.
func (w *world) together(t *testing.T, n int, call func(i int) apitest.Request) []apitest.Answer {
	t.Helper()
	answers := make([]apitest.Answer, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		request := call(i)
		all.Go(func() {
			<-begin
			answers[i] = w.call(t, request)
		})
	}
	close(begin)
	all.Wait()
	return answers
}

// replays sends a done act again.
func (w *world) replays(t *testing.T, name string, call apitest.Request, first apitest.Answer) {
	t.Helper()
	before := w.snapshot(t)
	again := w.call(t, call)
	if again.Header.Get(replayedHeader) != "true" || again.Status != first.Status || !bytes.Equal(again.Body, first.Body) {
		t.Errorf("%s: replayed as %d %s, want %d %s", name, again.Status, again.Body, first.Status, first.Body)
	}
	quoted := call
	quoted.Key = `"` + call.Key + `"`
	if answer := w.call(t, quoted); !bytes.Equal(answer.Body, first.Body) {
		t.Errorf("%s: the quoted key is another key", name)
	}
	before.same(t, w.snapshot(t), name+" again")
	other := call
	body, _ := call.Body.(map[string]any)
	if body["amount"] == nil { // the subject stands in the path
		other.Path = strings.Replace(call.Path, "pay_0", "pay_7", 1)
		if answer := w.call(t, other); answer.Status < http.StatusBadRequest {
			t.Errorf("%s: the same key for another subject is answered %d", name, answer.Status)
		}
		before.same(t, w.snapshot(t), name+" with another subject")
		return
	}
	changed := map[string]any{}
	maps.Copy(changed, body)
	changed["amount"] = 101
	other.Body = changed
	w.refused(t, 422, "idempotency.key_reused", other)
}

// TestIdempotencyScope: a key is a caller's and an act's.
func TestIdempotencyScope(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, rival, p := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{}), w.person(t, 10_000)
		order := s.order(w, 100, nil)
		var mine, theirs payment.Payment
		w.ok(t, 201, order, &mine)
		order.Token = rival.token
		if answer := w.ok(t, 201, order, &theirs); answer.Header.Get(replayedHeader) != "" || theirs.ID == mine.ID {
			t.Errorf("another merchant's key gave this answer: %s", answer.Body)
		}
		confirm := p.confirm(w, mine.ID)
		confirm.Key = order.Key
		w.ok(t, 200, confirm, nil)
		refund := s.refund(w, mine.ID, map[string]any{"amount": 1})
		refund.Key = order.Key
		w.ok(t, 201, refund, nil)

		// The same key for two subjects is a mistake of the caller's.
		first, second := w.created(t, s, 100), w.created(t, s, 100)
		void := s.void(w, first.ID)
		w.ok(t, 200, void, nil)
		void.Path = s.void(w, second.ID).Path
		w.refused(t, 422, "idempotency.key_reused", void)

		// A wrong PIN is not part of the act: the answer is the stored one, and nothing is counted.
		transfer := p.transfer(w, w.person(t, 0), 100)
		w.ok(t, 201, transfer, nil)
		body, _ := transfer.Body.(map[string]any)
		body["pin"] = "000001"
		before := w.snapshot(t)
		if answer := w.ok(t, 201, transfer, nil); answer.Header.Get(replayedHeader) != "true" {
			t.Errorf("not replayed: %s", answer.Body)
		}
		before.same(t, w.snapshot(t), "a replay with a wrong PIN")
	})
}

// TestReplayAfterChange: the answer of an act that is done does not depend on what happened since.
func TestReplayAfterChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, payee := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 100_000), w.person(t, 0)
		code, transfer, order := s.order(
			w,
			100,
			map[string]any{"payment_code": w.code(t, p)},
		), p.transfer(
			w,
			payee,
			100,
		), s.order(
			w,
			100,
			nil,
		)
		for _, call := range []apitest.Request{code, transfer, order} {
			w.ok(t, 201, call, nil)
		}
		w.setState(t, payee, "frozen")
		must(t, w.Parties.SetMerchantState(t.Context(), s.id, party.StateFrozen, "test"))
		w.Clock.Advance(hour) // the code is long out of date, and nobody remembers who was active
		w.expired(t)
		for _, call := range []apitest.Request{code, transfer, order} {
			if answer := w.ok(t, 201, call, nil); answer.Header.Get(replayedHeader) != "true" {
				t.Errorf("not replayed: %s", answer.Body)
			}
		}
		w.refused(t, 409, "transfer.payee_not_active", p.transfer(w, payee, 100))
		w.refused(t, 403, "party.merchant_not_active", s.order(w, 100, nil))
	})
}

// TestReference gives a merchant's number to one payment and one refund only.
func TestReference(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, rival, p := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{}), w.person(t, 50_000)
		named := func(s shop, reference string) apitest.Request {
			return s.order(w, 100, map[string]any{"reference": reference})
		}
		w.ok(t, 201, named(s, "order/1"), nil)
		w.refused(t, 409, "payment.reference_used", named(s, "order/1"))
		byCode := named(s, "order/1")
		body, _ := byCode.Body.(map[string]any)
		body["payment_code"] = w.code(t, p)
		w.refused(t, 409, "payment.reference_used", byCode)
		w.ok(t, 201, named(s, "Order/1"), nil) // another number
		w.ok(t, 201, named(rival, "order/1"), nil)
		if n := w.rows(t, get("/v1/payments?reference=order%2F1", s.token)); n != 1 {
			t.Errorf("%d payments have the reference", n)
		}

		paid := w.paid(t, s, p, 1_000)
		w.once(t, "payment.reference_used", 20, func(int) apitest.Request { return named(s, "order 2") })
		w.once(t, "refund.reference_used", 20, func(int) apitest.Request {
			return s.refund(w, paid.ID, map[string]any{"amount": 10, "reference": "refund 1"})
		})
		w.refused(
			t,
			409,
			"refund.reference_used",
			s.refund(w, paid.ID, map[string]any{"amount": 10, "reference": "refund 1"}),
		)
		w.agree(t)
	})
}

// once sends n requests at once, of which exactly one may win; the others are refused with code.
func (w *world) once(t *testing.T, code string, n int, call func(i int) apitest.Request) {
	t.Helper()
	won := 0
	for _, answer := range w.together(t, n, call) {
		if answer.Status < http.StatusBadRequest {
			won++
		} else {
			answer.Problem(t, 409, code)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won", won, n)
	}
}

// TestRaces lets several acts want the same thing at once.
func TestRaces(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{FeeBps: 137, FeeFixedMinor: 3})
		payers := []person{w.person(t, 20_000), w.person(t, 20_000), w.person(t, 20_000)}
		for range 5 { // many confirm one payment
			made := w.created(t, s, 100)
			won := 0
			for _, answer := range w.together(t, 12, func(i int) apitest.Request { return payers[i%3].confirm(w, made.ID) }) {
				switch answer.Status {
				case http.StatusOK:
					won++
				case http.StatusNotFound: // who came later sees another's payment, which is not there
					answer.Problem(t, 404, "payment.not_found")
				default:
					answer.Problem(t, 409, "payment.already_succeeded")
				}
			}
			if won != 1 {
				t.Errorf("%d of 12 confirmed one payment", won)
			}
		}
		for range 5 { // the payer confirms while the merchant calls off
			made := w.created(t, s, 100)
			won := 0
			for _, answer := range w.together(t, 6, func(i int) apitest.Request {
				if i%2 == 0 {
					return payers[0].confirm(w, made.ID)
				}
				return s.void(w, made.ID)
			}) {
				if answer.Status == http.StatusOK {
					won++
				}
			}
			if won != 1 {
				t.Errorf("%d of confirm and void won", won)
			}
		}
		w.agree(t)
		// One balance, more wishes than it covers: 7 of 20 transfers of 1000 fit into 7500.
		poor := w.person(t, 7_500)
		w.together(t, 20, func(int) apitest.Request { return poor.transfer(w, payers[0], 1_000) })
		if left := w.balances(t)["2001:"+string(poor.id)]; left != 500 {
			t.Errorf("%d left of 7500", left)
		}
		// One code, many scanners.
		code := w.code(t, payers[1])
		won := 0
		for _, answer := range w.together(t, 10, func(int) apitest.Request {
			return s.order(w, 100, map[string]any{"payment_code": code})
		}) {
			if answer.Status == http.StatusCreated {
				won++
			} else {
				answer.Problem(t, 400, "wallet.code_used")
			}
		}
		if won != 1 {
			t.Errorf("one code paid %d times", won)
		}
		w.agree(t)
	})
}

// TestRefundRace refunds in parallel beyond the payment.
func TestRefundRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 137, FeeFixedMinor: 3}), w.person(t, 100_000)
		for _, amount := range []int64{1_000, 997, 30, 7} {
			paid := w.paid(t, s, p, amount)
			part := max(amount/7, 1)
			w.together(t, 16, func(int) apitest.Request { return s.refund(w, paid.ID, map[string]any{"amount": part}) })
			// The rest goes back at once, also as "all that is left".
			_, rest := w.send(t, s.refund(w, paid.ID, map[string]any{}))
			if left := amount - 16*part; left > 0 && rest.Status != http.StatusCreated {
				t.Errorf("the rest of %d: %s", amount, rest.Body)
			}
			var now payment.Payment
			w.ok(t, 200, get("/v1/payments/"+string(paid.ID), s.token), &now)
			if now.Refunded.Minor != amount || now.FeeReturned != now.Fee {
				t.Errorf("%d refunded %v, fee %v returned %v", amount, now.Refunded, now.Fee, now.FeeReturned)
			}
			sum := w.count(t, "SELECT sum(amount_minor) FROM refunds WHERE payment_id = $1", string(paid.ID))
			fees := w.count(t, "SELECT sum(fee_returned_minor) FROM refunds WHERE payment_id = $1", string(paid.ID))
			if sum != amount || fees != now.Fee.Minor {
				t.Errorf("refunds of %d sum up to %d, their fee shares to %d of %v", amount, sum, fees, now.Fee)
			}
			w.refused(t, 409, "refund.exceeds_payment", s.refund(w, paid.ID, map[string]any{"amount": 1}))
			w.refused(t, 409, "refund.exceeds_payment", s.refund(w, paid.ID, map[string]any{}))
		}
		w.agree(t)
		if w.balances(t)["2001:"+string(p.id)] != 100_000 || w.balances(t)["4001"] != 0 {
			t.Errorf("all was refunded, and %v is left", w.balances(t))
		}
		w.refused(t, 409, "refund.not_paid", s.refund(w, w.created(t, s, 10).ID, map[string]any{"amount": 1}))
		w.refused(t, 404, "payment.not_found", s.refund(w, id.New[id.Payment](instant), map[string]any{"amount": 1}))
	})
}
