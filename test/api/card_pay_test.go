package api_test

import (
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// confirmBy is a confirmation with more in its body.
func (p person) confirmBy(w *world, name id.Payment, more map[string]any) apitest.Request {
	call := p.confirm(w, name)
	more["pin"] = pin
	call.Body = more
	return call
}

func (p person) confirmCard(w *world, name id.Payment) apitest.Request {
	return p.confirmBy(w, name, map[string]any{"card_id": p.cardID})
}

// seen reads a payment as its payer, when its bank has decided.
func (w *world) seen(t testing.TB, p person, name id.Payment) payment.PayerView {
	t.Helper()
	var view payment.PayerView
	w.ok(t, 200, get("/wallet/v1/payments/"+string(name)+"?wait=20", p.token), &view)
	return view
}

// carded makes a payment, pays it by card and waits for it.
func (w *world) carded(t testing.TB, s shop, p person, amount int64, more map[string]any) payment.Payment {
	t.Helper()
	var made payment.Payment
	w.ok(t, 201, s.order(w, amount, more), &made)
	w.ok(t, 200, p.confirmCard(w, made.ID), nil)
	w.seen(t, p, made.ID)
	w.quiet(t)
	w.ok(t, 200, get("/v1/payments/"+string(made.ID), s.token), &made)
	if made.State != payment.Succeeded {
		t.Fatalf("paid by card it is %s (%s)", made.State, made.DeclineCode)
	}
	return made
}

// TestCardPayment pays merchants by card: what moves, what everybody sees, and what is refused.
func TestCardPayment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{FeeBps: 60}), w.withCard(t), w.withCard(t)
		w.quiet(t)
		own := "2101:" + string(s.id)
		made := w.created(t, s, 100_00)
		call := p.confirmCard(w, made.ID)
		var view payment.PayerView
		w.ok(t, 200, w.dryOf(call), &view)
		if view.State != payment.Processing {
			t.Errorf("dry, it is %s", view.State)
		}
		w.moves(t, balances{
			own: 99_40, "1001": 100_00, "1901": -60, "1902": 60, "4001": 60, "5001": 20, "2502": 20,
		}.real(), func() {
			first := w.ok(t, 200, call, &view)
			if view.State != payment.Processing || view.Method != payment.ByCard || view.CardID != p.cardID ||
				view.Card == nil || view.Card.Issuer != "ICBC" || len(view.Card.Last4) != 4 || view.Entry != "" {
				t.Errorf("%+v", view)
			}
			view = w.seen(t, p, made.ID)
			w.quiet(t)
			w.replays(t, "confirm by card", call, first)
		})
		if view.State != payment.Succeeded || len(view.Tries) != 1 || view.Tries[0].State != payment.Succeeded {
			t.Errorf("%+v", view)
		}
		var told api.PaymentDetail
		w.ok(t, 200, get("/v1/payments/"+string(made.ID)+"?expand=attempts", s.token), &told)
		if told.Method != payment.ByCard || told.Card == nil || told.Card.Last4 != view.Card.Last4 || len(told.Tries) != 1 ||
			told.Card.Type != card.Debit || told.Fee != cny(60) || told.Captured != cny(100_00) {
			t.Errorf("%+v", told)
		}
		if kinds := w.told(t, s, made); kinds != "created processing succeeded" {
			t.Errorf("told %s", kinds)
		}
		w.refused(t, 409, "payment.already_succeeded", p.confirmCard(w, made.ID))
		rich := w.person(t, 500_00)
		if made = w.paid(t, s, rich, 1_00); made.Method != payment.ByBalance || made.Card != nil {
			t.Errorf("%+v", made)
		}
		w.cardPaymentRefusals(t, s, p, other)
	})
}

func (w *world) cardPaymentRefusals(t *testing.T, s shop, p, other person) {
	t.Helper()
	waits := w.created(t, s, 50_00)
	by := func(more map[string]any) apitest.Request { return p.confirmBy(w, waits.ID, more) }
	w.refused(t, 404, "card.not_found", by(map[string]any{"card_id": other.cardID}))
	w.refused(t, 400, "payment.bad_method", by(map[string]any{"card_id": p.cardID, "method": "balance"}))
	w.refused(t, 409, "payment.insufficient_funds", by(map[string]any{"method": "balance"}))
	w.refused(t, 400, "request.bad_field", by(map[string]any{"method": "gold"}))
	w.refused(t, 400, "attempt.no_account", w.person(t, 0).confirmBy(w, waits.ID, map[string]any{"method": "card"}))
	var later payment.Payment
	w.ok(t, 201, s.order(w, 50_00, map[string]any{"capture": "manual"}), &later)
	w.refused(t, 409, "payment.card_no_capture", p.confirmCard(w, later.ID))
	w.refused(t, 403, "card.above_transaction_limit", w.withCode(t, p, p.confirmCard(w, w.created(t, s, 5_000_01).ID)))
	w.refused(t, 403, "auth.step_up_required", p.confirmCard(w, w.created(t, s, 1_000_00).ID))
	w.ok(t, 200, p.agreement(map[string]any{"state": "suspended"}), nil)
	w.refused(t, 409, "card.agreement_suspended", p.confirmCard(w, waits.ID))
	w.ok(t, 200, p.agreement(map[string]any{"state": "active"}), nil)
	w.ok(t, 200, p.confirmBy(w, waits.ID, map[string]any{"method": "card"}), nil) // the default card
	if view := w.seen(t, p, waits.ID); view.State != payment.Succeeded || view.CardID != p.cardID {
		t.Errorf("%+v", view)
	}
	w.quiet(t)
	w.agree(t)
}

// TestCardPaymentFaults pays by card at an issuer that does not answer well: no answer is never a no, and nothing
// moves twice.
func TestCardPaymentFaults(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		for i, test := range []struct {
			what   string
			minor  int64
			state  payment.State
			code   string
			booked int64
		}{
			{"declined", 90_01, payment.Created, "insufficient_funds", 0},
			{"suspended there", 90_06, payment.Created, "agreement_suspended", 0},
			{"slow", 90_11, payment.Succeeded, "", 1},
			{"booked, no answer", 90_12, payment.Succeeded, "", 1},
			{"booked, error", 90_14, payment.Succeeded, "", 1},
			{"pending, booked", 90_15, payment.Succeeded, "", 1},
			{"pending, declined", 90_16, payment.Created, "do_not_honor", 0},
			{"three notices", 90_17, payment.Succeeded, "", 1},
			{"late notice", 90_18, payment.Succeeded, "", 1},
			{"badly signed", 90_19, payment.Succeeded, "", 1},
			{"contradicts", 90_20, payment.Succeeded, "", 1},
		} {
			if i == 6 {
				p = w.withCard(t) // a day's sum with one factor is near
			}
			w.quiet(t)
			made := w.created(t, s, test.minor)
			before := w.balances(t)
			w.ok(t, 200, p.confirmCard(w, made.ID), nil)
			view := w.seen(t, p, made.ID)
			w.quiet(t)
			if view.State != test.state || view.DeclineCode != test.code || len(view.Tries) != 1 {
				t.Errorf("%s: %+v", test.what, view)
			}
			got := before.moved(w.balances(t))["2101:"+string(s.id)]
			n, err := w.issuer.Books().Booked(t.Context(), string(view.Tries[0].ID))
			if must(t, err); got != test.minor*test.booked || int64(n) != test.booked {
				t.Errorf("%s: the merchant got %d, the issuer booked %d times", test.what, got, n)
			}
		}
		w.agree(t)
		w.cardPaymentLost(t, s, w.withCard(t))
	})
}

// cardPaymentLost pays by card with orders that the issuer never gets, or of which it never tells: until it is known,
// nobody else acts on the payment.
func (w *world) cardPaymentLost(t *testing.T, s shop, p person) {
	t.Helper()
	var short, late payment.Payment
	long := w.created(t, s, 90_13)
	w.ok(t, 201, s.order(w, 90_13, map[string]any{"expires_in": 20}), &short)
	w.ok(t, 201, s.order(w, 190_12, map[string]any{"expires_in": 20}), &late)
	used := w.count(t, "SELECT used_minor FROM card_agreements WHERE id = $1", string(p.cardID))
	for _, of := range []id.Payment{long.ID, short.ID, late.ID} {
		w.ok(t, 200, p.confirmCard(w, of), nil)
	}
	eventually(t, "all are sent", func() bool {
		return w.count(t, "SELECT count(*) FROM attempts WHERE state IN ('created', 'sent')") == 0
	})
	w.Clock.Advance(25 * time.Second)
	must(t, w.Payments.ExpireDue(t.Context()))
	for _, call := range []apitest.Request{
		p.confirmCard(w, short.ID), p.confirm(w, short.ID), p.confirm(w, long.ID), s.void(w, short.ID),
	} {
		w.call(t, call).Problem(t, 409, "payment.already_processing")
	}
	w.Clock.Advance(20 * time.Second) // now what is not found is believed
	w.quiet(t)
	for of, want := range map[id.Payment]payment.State{
		long.ID: payment.Created, short.ID: payment.Declined, late.ID: payment.Succeeded,
	} {
		if view := w.seen(
			t,
			p,
			of,
		); view.State != want ||
			view.State == payment.Declined && view.DeclineCode != "bank_unavailable" {
			t.Errorf("%+v, want %s", view, want)
		}
	}
	if now := w.count(t, "SELECT used_minor FROM card_agreements WHERE id = $1", string(p.cardID)); now != used+190_12 {
		t.Errorf("the agreement counts %d, before %d", now, used)
	}
	w.ok(t, 200, s.void(w, long.ID), nil)
	w.agree(t)
}

// TestCardPaymentDeclined: after a decline somebody else or another way may pay, and nothing of the try is left in
// limits.
func TestCardPaymentDeclined(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, friend := w.shop(t, party.NewMerchant{FeeBps: 60}), w.withCard(t), w.person(t, 500_00)
		made := w.created(t, s, 90_02)
		w.ok(t, 200, p.confirmCard(w, made.ID), nil)
		if view := w.seen(t, p, made.ID); view.State != payment.Created || view.DeclineCode != "do_not_honor" ||
			view.Method != "" || view.Card != nil {
			t.Errorf("%+v", view)
		}
		if kinds := w.told(t, s, made); kinds != "created processing attempt_declined" {
			t.Errorf("told %s", kinds)
		}
		if view := w.seen(t, friend, made.ID); view.DeclineCode != "" || len(view.Tries) != 0 {
			t.Errorf("another payer sees %+v", view)
		}
		for _, sums := range w.texts(t, "SELECT lifetime_sums FROM limit_counters WHERE id = $1", string(p.id)+"/CNY") {
			if sums != "" {
				t.Errorf("the limits count %q", sums)
			}
		}
		w.ok(t, 200, friend.confirm(w, made.ID), nil)
		var told api.PaymentDetail
		w.ok(t, 200, get("/v1/payments/"+string(made.ID)+"?expand=attempts", s.token), &told)
		if told.State != payment.Succeeded || told.Method != payment.ByBalance || told.DeclineCode != "" ||
			len(told.Tries) != 1 || told.Tries[0].DeclineCode != "do_not_honor" || told.Card != nil {
			t.Errorf("%+v", told)
		}
		w.refused(t, 404, "payment.not_found", get("/wallet/v1/payments/"+string(made.ID), p.token))
		w.quiet(t)
		w.agree(t)
	})
}

// TestCardPaymentRace confirms by balance and by card and voids at once: one of them is done.
func TestCardPaymentRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		w.topUp(t, p, 500_00)
		w.quiet(t)
		before := w.balances(t)
		var got int64
		for range 8 {
			made := w.created(t, s, 10_00)
			calls := []apitest.Request{
				p.confirm(w, made.ID), p.confirmCard(w, made.ID), s.void(w, made.ID), p.confirmCard(w, made.ID),
			}
			done := 0
			for _, answer := range w.together(t, len(calls), func(i int) apitest.Request { return calls[i] }) {
				switch answer.Status {
				case http.StatusOK:
					done++
				case http.StatusConflict:
				default:
					t.Errorf("%d %s", answer.Status, answer.Body)
				}
			}
			w.quiet(t)
			w.ok(t, 200, get("/v1/payments/"+string(made.ID), s.token), &made)
			if done != 1 || made.State != payment.Succeeded && made.State != payment.Voided {
				t.Errorf("%d were done, it is %s", done, made.State)
			}
			if made.State == payment.Succeeded {
				got += 10_00
			}
		}
		if moved := before.moved(w.balances(t))["2101:"+string(s.id)]; moved != got {
			t.Errorf("the merchant got %d, of %d", moved, got)
		}
		w.agree(t)
	})
}

// TestCardWays lists cards among the ways to pay, the best first with the reason.
func TestCardWays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		second := w.bound(t, p, w.debit(t, p, 0))
		list := func(of id.Payment) []checkout.Way {
			var ways api.Page[checkout.Way]
			w.ok(t, 200, get("/wallet/v1/payment_ways?payment_id="+string(of), p.token), &ways)
			return ways.Data
		}
		made := w.created(t, s, 30_00)
		ways := list(made.ID)
		if len(ways) != 5 || ways[0].Card != p.cardID || !ways[0].Usable || *ways[0].Left != 5_000_00 ||
			ways[1].Card != second.ID || ways[0].Reason.English != "free of charge; up to ¥5000.00 now" {
			t.Fatalf("%+v", ways)
		}
		w.topUp(t, p, 100_00)
		w.ok(t, 200, p.agreement(map[string]any{"day_limit": 20_00}), nil)
		ways = list(made.ID)
		if ways[0].Method != "balance" || ways[1].Card != second.ID || ways[4].Method != "payment_code" {
			t.Fatalf("%+v", ways)
		}
		for _, way := range ways {
			if way.Card == p.cardID && (way.Usable || way.Reason.Chinese != "超过此卡限额，现可付 ¥20.00") {
				t.Errorf("%+v", way)
			}
		}
		var later payment.Payment
		w.ok(t, 201, s.order(w, 50_00, map[string]any{"capture": "manual"}), &later)
		for _, way := range list(later.ID) {
			if way.Method == "card" && way.Usable {
				t.Errorf("a card for a later capture: %+v", way)
			}
		}
	})
}

// TestAgreementEndedAtIssuer: a debit that the issuer declines because the agreement has ended ends ours.
func TestAgreementEndedAtIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		must(t, w.issuer.End(t.Context(), string(p.cardID)))
		made := w.created(t, s, 10_00)
		w.ok(t, 200, p.confirmCard(w, made.ID), nil)
		if view := w.seen(t, p, made.ID); view.DeclineCode != string(channel.DeclineAgreementEnded) {
			t.Errorf("%+v", view)
		}
		var terms card.Terms
		w.ok(t, 200, p.card("GET", p.cardID, "/agreement", nil), &terms)
		if terms.State != card.AgreementCancelled || terms.EndedAt.IsZero() {
			t.Errorf("%+v", terms)
		}
		w.quiet(t)
		w.refused(t, 409, "card.agreement_cancelled", p.confirmCard(w, made.ID))
		w.agree(t)
	})
}

// TestCardByStoreCode pays a store's printed code by card: it has no time to wait in, and counts toward the limit of
// static codes.
func TestCardByStoreCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.withCard(t)
		var code struct {
			ID id.QRCode `json:"id"`
		}
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/v1/qr_codes", Token: s.token, Key: w.key(), Body: map[string]any{"currency": "CNY"},
		}, &code)
		pay := func(minor int64) apitest.Request {
			return apitest.Request{
				Method: "POST", Path: "/wallet/v1/qr_codes/" + string(code.ID) + "/pay", Token: p.token, Key: w.key(),
				Body: map[string]any{"amount": minor, "card_id": p.cardID, "pin": pin},
			}
		}
		var view payment.PayerView
		w.ok(t, 201, pay(100_00), &view)
		if view = w.seen(t, p, view.ID); view.State != payment.Succeeded || view.Method != payment.ByCard {
			t.Errorf("%+v", view)
		}
		w.ok(t, 201, pay(90_01), &view)
		if view = w.seen(t, p, view.ID); view.State != payment.Declined || view.DeclineCode != "insufficient_funds" {
			t.Errorf("%+v", view)
		}
		w.quiet(t)
		w.refused(t, 409, "limit.exceeded", pay(400_01))
		w.ok(t, 201, pay(400_00), &view) // the declined one counts no more
		w.seen(t, p, view.ID)
		w.quiet(t)
		w.agree(t)
	})
}

// TestCoolingGivenBack: what a bank or an issuer declines is given back to a wallet that cools off.
func TestCoolingGivenBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		w.topUp(t, p, 300_00)
		w.quiet(t)
		until := w.Clock.Now().Add(12 * time.Hour)
		must(t, w.DB.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE pins SET cooling_until = $1 WHERE id = $2",
				clock.Micros(until), string(p.id))
			return err
		}))
		spent := func() int64 { return w.count(t, "SELECT cooling_spent FROM pins WHERE id = $1", string(p.id)) }
		made := w.created(t, s, 90_02)
		w.ok(t, 200, p.confirmCard(w, made.ID), nil)
		w.seen(t, p, made.ID)
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/withdrawals", 90_02), nil)
		w.quiet(t)
		if n := spent(); n != 0 {
			t.Errorf("%d are counted", n)
		}
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/withdrawals", 150_00), nil)
		w.quiet(t)
		if n := spent(); n != 150_00*3 {
			t.Errorf("%d are counted", n)
		}
		w.refused(t, 403, "auth.cooling_off", p.confirmCard(w, w.created(t, s, 60_00).ID))
		w.agree(t)
	})
}
