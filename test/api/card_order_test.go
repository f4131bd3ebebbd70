package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
)

// withCard makes a person with nothing but a bound card.
func (w *world) withCard(t testing.TB) person {
	t.Helper()
	p := w.person(t, 0)
	p.cardID = w.bound(t, p, w.debit(t, p, 0)).ID
	return p
}

func (p person) cardMoney(w *world, path string, amount int64) apitest.Request {
	return apitest.Request{Method: "POST", Path: path, Token: p.token, Key: w.key(), Body: map[string]any{
		"amount": amount, "currency": "CNY", "card_id": p.cardID, "pin": pin,
	}}
}

func (p person) agreement(body map[string]any) apitest.Request {
	body["pin"] = pin
	return apitest.Request{
		Method: "PUT", Path: "/wallet/v1/cards/" + string(p.cardID) + "/agreement", Token: p.token, Body: body,
	}
}

const topUps, withdrawals = "/wallet/v1/top_ups", "/wallet/v1/withdrawals"

// TestCardMoney tops up by a named card, by the default one, and withdraws to it.
func TestCardMoney(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.withCard(t), w.withCard(t)
		second := w.bound(t, p, w.debit(t, p, 0))
		w.quiet(t)
		mine := "2001:" + string(p.id)
		w.moves(t, balances{mine: 100_00, "1001": 100_00, "5001": 20, "2502": 20}, func() {
			made := w.topUpBy(t, p, p.cardMoney(w, topUps, 100_00))
			if made.Card != p.cardID || made.BankAccount != "" {
				t.Errorf("%+v", made)
			}
		})
		named := p.cardMoney(w, topUps, 50_00)
		named.Body = map[string]any{"amount": 50_00, "currency": "CNY", "pin": pin}
		if made := w.topUpBy(t, p, named); made.Card != p.cardID {
			t.Errorf("by default it is %+v", made)
		}
		w.ok(t, 200, p.card("PUT", second.ID, "/default", nil), nil)
		w.quiet(t)
		w.replays(t, "default card", named, w.ok(t, 201, named, nil))
		w.quiet(t)
		w.moves(t, balances{mine: -30_00, "1001": -30_00, "5001": 6, "2502": 6}, func() {
			var out payout.Payout
			w.ok(t, 201, p.cardMoney(w, withdrawals, 30_00), &out)
			w.ok(t, 200, get(withdrawals+"/"+string(out.ID)+"?wait=20", p.token), &out)
			if out.State != payout.Succeeded || out.Card != p.cardID {
				t.Errorf("%+v", out)
			}
		})
		w.ok(t, 201, w.dryOf(p.cardMoney(w, topUps, 10_00)), nil)
		w.cardRefusals(t, p, other)
	})
}

// cardRefusals: what a card cannot pay leaves nothing behind.
func (w *world) cardRefusals(t *testing.T, p, other person) {
	t.Helper()
	with := func(path string, change func(body map[string]any)) apitest.Request {
		call := p.cardMoney(w, path, 10_00)
		body, _ := call.Body.(map[string]any)
		change(body)
		return call
	}
	w.refused(t, 404, "card.not_found", with(topUps, func(b map[string]any) { b["card_id"] = other.cardID }))
	w.refused(t, 404, "card.not_found", with(withdrawals, func(b map[string]any) { b["card_id"] = other.cardID }))
	w.refused(
		t,
		400,
		"attempt.two_accounts",
		with(topUps, func(b map[string]any) { b["bank_account_id"] = p.bankAccount }),
	)
	w.refused(t, 404, "bank_account.not_found", with(withdrawals, func(b map[string]any) { delete(b, "card_id") }))
	poor := w.person(t, 0)
	none := poor.cardMoney(w, topUps, 1)
	none.Body = map[string]any{"amount": 1, "currency": "CNY", "pin": pin}
	w.refused(t, 400, "attempt.no_account", none)
	w.refused(t, 400, "auth.proof_required", with(topUps, func(b map[string]any) { delete(b, "pin") }))
	w.refused(t, 400, "channel.amount_out_of_range", p.cardMoney(w, topUps, 50_000_01))
	w.refused(t, 403, "card.above_transaction_limit", p.cardMoney(w, topUps, 5_000_01))
	w.ok(t, 200, p.agreement(map[string]any{"day_limit": 200_00}), nil)
	w.refused(t, 403, "card.above_day_limit", p.cardMoney(w, topUps, 100_00)) // 150 are used
	w.ok(t, 200, p.agreement(map[string]any{"state": "suspended"}), nil)
	w.refused(t, 409, "card.agreement_suspended", p.cardMoney(w, topUps, 1))
	w.ok(t, 201, p.cardMoney(w, withdrawals, 1_00), nil) // a credit may go there
	w.quiet(t)
	w.ok(t, 204, p.card("DELETE", p.cardID, "/agreement", nil), nil)
	w.quiet(t)
	w.refused(t, 409, "card.agreement_cancelled", p.cardMoney(w, topUps, 1))
	w.refused(t, 409, "card.agreement_cancelled", p.cardMoney(w, withdrawals, 1))
	w.ok(t, 204, p.card("DELETE", p.cardID, "", nil), nil)
	w.waitCard(t, p, p.cardID, card.Unbound)
	w.quiet(t)
	w.refused(t, 409, "card.not_bound", p.cardMoney(w, topUps, 1))
	w.refused(t, 409, "card.not_bound", p.cardMoney(w, withdrawals, 1))
	w.agree(t)
}

// TestCardPastExpiry: a credit card pays until the end of its month.
func TestCardPastExpiry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		plastic := issuer.Card{
			Number: issuer.Number(issuer.NumberForm{Prefix: "622575", Length: 16, Serial: 7_000 + int(w.next())}),
			Holder: "Person of Test", Document: "11010519491231002X", Phone: p.phone,
			ExpiresOn: w.Clock.Now().Format("2006-01"),
		}
		must(t, w.issuer.AddCard(t.Context(), plastic))
		p.cardID = w.bound(t, p, plastic).ID
		w.topUpBy(t, p, p.cardMoney(w, topUps, 1_00))
		w.quiet(t)
		w.Clock.Advance(32 * 24 * time.Hour)
		eventually(t, "what is old is forgotten", func() bool {
			return w.count(t, "SELECT (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM card_checks)") == 0
		})
		in, err := w.Auth.StartSession(t.Context(), p.id, auth.DeviceRequest{Name: "phone"})
		must(t, err)
		p.token = in.Token
		w.quiet(t)
		w.refused(t, 409, "card.past_expiry", p.cardMoney(w, topUps, 1_00))
		w.refused(t, 409, "card.past_expiry", p.cardMoney(w, withdrawals, 1_00))
	})
}

// TestCardRace tops up 200 times at once against what a day leaves of the agreement: it is met to the fen and never
// passed, at the issuer and here.
func TestCardRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.withCard(t)
		w.ok(t, 200, p.agreement(map[string]any{"day_limit": 299_99}), nil)
		made := int64(0)
		for _, answer := range w.together(t, 200, func(int) apitest.Request { return p.cardMoney(w, topUps, 7_00) }) {
			switch {
			case answer.Status == http.StatusCreated:
				made++
			case answer.Status != http.StatusForbidden:
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		w.quiet(t)
		var terms card.Terms
		w.ok(t, 200, p.card("GET", p.cardID, "/agreement", nil), &terms)
		debited := w.count(t, "SELECT coalesce(sum(amount_minor), 0) FROM top_ups WHERE state = 'succeeded' AND card_id = $1",
			string(p.cardID))
		if made != 42 || debited != 294_00 || terms.RemainingToday != cny(5_99) {
			t.Errorf("%d were made, %d debited, %s remain", made, debited, terms.RemainingToday)
		}
		w.refused(t, 403, "card.above_day_limit", p.cardMoney(w, topUps, 6_00))
		w.topUpBy(t, p, p.cardMoney(w, topUps, 5_99))
		w.quiet(t)
		w.refused(t, 403, "card.above_day_limit", p.cardMoney(w, topUps, 1))
		w.agree(t)
	})
}

// TestCardEndsUnderWay: a debit that was answered pending before the card is unbound is settled as the issuer says.
func TestCardEndsUnderWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.withCard(t)
		var lost, booked payment.TopUp
		w.ok(t, 201, p.cardMoney(w, topUps, 90_13), &lost)
		w.ok(t, 201, p.cardMoney(w, topUps, 90_12), &booked)
		eventually(t, "both are sent", func() bool {
			for _, name := range []id.Attempt{lost.Attempt, booked.Attempt} {
				try, err := w.Attempts.Attempt(t.Context(), name)
				if err != nil || try.State == channel.AttemptCreated {
					return false
				}
			}
			n, err := w.issuer.Books().Booked(t.Context(), string(booked.Attempt))
			return err == nil && n == 1
		})
		w.ok(t, 204, p.card("DELETE", p.cardID, "", nil), nil)
		w.ok(t, 200, get(topUps+"/"+string(booked.ID)+"?wait=20", p.token), &booked)
		w.Clock.Advance(40 * time.Second)
		w.quiet(t)
		w.ok(t, 200, get(topUps+"/"+string(lost.ID), p.token), &lost)
		if lost.State != payment.Declined || booked.State != payment.Succeeded {
			t.Errorf("lost is %s, booked %s", lost.State, booked.State)
		}
		if n := w.count(t, "SELECT used_minor FROM card_agreements WHERE id = $1", string(p.cardID)); n != 90_12 {
			t.Errorf("the agreement counts %d", n)
		}
		w.agree(t)
	})
}
