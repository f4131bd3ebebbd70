package api_test

import (
	"net/http"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// givenBack asks for a refund to a card and reads what has become of it.
func (w *world) givenBack(t testing.TB, s shop, of id.Payment, body map[string]any) payment.Refund {
	t.Helper()
	var refund payment.Refund
	w.ok(t, 201, s.refund(w, of, body), &refund)
	if refund.State != payment.RefundProcessing || !refund.CompletedAt.IsZero() {
		t.Errorf("%+v", refund)
	}
	w.quiet(t)
	w.ok(t, 200, get("/v1/refunds/"+string(refund.ID), s.token), &refund)
	return refund
}

func (w *world) refunded(t testing.TB, s shop, of id.Payment) (refunded, fee int64) {
	t.Helper()
	var now payment.Payment
	w.ok(t, 200, get("/v1/payments/"+string(of), s.token), &now)
	return now.Refunded.Minor, now.FeeReturned.Minor
}

// TestCardRefund gives payments by card back to the card, and takes what its issuer refuses.
func TestCardRefund(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.withCard(t)
		own := "2101:" + string(s.id)
		made := w.carded(t, s, p, 500_00, nil)
		w.ok(t, 201, w.dryOf(s.refund(w, made.ID, map[string]any{"amount": 100_00})), nil)
		w.moves(t, balances{own: -99_40, "1001": -100_00, "1901": 60, "1902": -60, "4001": -60}.real(), func() {
			if refund := w.givenBack(t, s, made.ID, map[string]any{"amount": 100_00}); refund.State != payment.RefundSucceeded ||
				refund.FeeReturned != cny(60) || refund.CompletedAt.IsZero() {
				t.Errorf("%+v", refund)
			}
		})
		w.moves(t, balances{}, func() {
			refund := w.givenBack(t, s, made.ID, map[string]any{"amount": 90_02})
			if refund.State != payment.RefundDeclined || refund.DeclineCode != "do_not_honor" || refund.FeeReturned.Minor != 0 {
				t.Errorf("%+v", refund)
			}
			var page api.Page[payment.RefundView]
			w.ok(t, 200, get("/wallet/v1/payments/"+string(made.ID)+"/refunds", p.token), &page)
			if len(page.Data) != 2 || page.Data[1].DeclineCode != "do_not_honor" {
				t.Errorf("the payer sees %+v", page.Data)
			}
		})
		if refunded, fee := w.refunded(t, s, made.ID); refunded != 100_00 || fee != 60 {
			t.Errorf("%d refunded, with a fee of %d", refunded, fee)
		}
		w.ok(t, 204, p.card("DELETE", p.cardID, "", nil), nil) // the way back does not need the agreement
		for _, minor := range []int64{90_12, 90_16, 90_17, 90_14} {
			w.givenBack(t, s, made.ID, map[string]any{"amount": minor})
		}
		if refund := w.givenBack(t, s, made.ID, map[string]any{}); refund.Minor != 400_00-90_12-90_17-90_14 {
			t.Errorf("the rest is %s", refund.Amount)
		}
		w.quiet(t)
		if refunded, fee := w.refunded(t, s, made.ID); refunded != 500_00 || fee != 3_00 {
			t.Errorf("%d refunded, with a fee of %d", refunded, fee)
		}
		w.refused(t, 409, "refund.exceeds_payment", s.refund(w, made.ID, map[string]any{"amount": 1}))
		w.agree(t)
	})
}

// TestCardRefundSources: what an issuer refuses goes back to where it came from.
func TestCardRefundSources(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, guide := w.shop(t, party.NewMerchant{FeeBps: 60, AdvanceMinor: 1_000_00}), w.shop(t, party.NewMerchant{})
		p := w.withCard(t)
		split := w.carded(t, s, p, 200_00, map[string]any{"splits": parts(share(guide, 5_000))})
		escrow := w.carded(t, s, p, 200_00, map[string]any{"funds": "escrow"})
		w.quiet(t)
		if escrow.Custody.Held != cny(198_80) {
			t.Errorf("%+v", escrow.Custody)
		}
		w.moves(t, balances{}, func() { w.givenBack(t, s, split.ID, map[string]any{"amount": 90_02}) })
		w.moves(t, balances{}, func() { w.givenBack(t, s, escrow.ID, map[string]any{"amount": 90_02}) })
		var received api.Page[payment.Split]
		w.ok(t, 200, get("/v1/received_splits", guide.token), &received)
		if received.Data[0].Returned.Minor != 0 || received.Data[0].Amount != cny(100_00) {
			t.Errorf("%+v", received.Data)
		}
		var now payment.Payment
		w.ok(t, 200, get("/v1/payments/"+string(escrow.ID), s.token), &now)
		if now.Custody.Held != cny(198_80) {
			t.Errorf("%+v", now.Custody)
		}
		// The merchant has less than that: we lend, and have it back.
		whole := w.carded(t, s, p, 300_00, nil)
		w.ok(t, 201, s.refund(w, split.ID, map[string]any{"keep_splits": true}), nil)
		w.quiet(t)
		w.moves(t, balances{}, func() {
			if refund := w.givenBack(t, s, whole.ID, map[string]any{"amount": 290_02}); refund.State != payment.RefundDeclined {
				t.Errorf("%+v", refund)
			}
		})
		w.moves(t, balances{
			"2101:" + string(guide.id): 0, "2103:" + string(s.id): -198_80, "1001": -200_00, "1901": 1_20, "1902": -1_20,
			"4001": -1_20,
		}.real(), func() { w.givenBack(t, s, escrow.ID, map[string]any{}) })
	})
}

// TestCardRefundRace asks for refunds of one payment at once: they never exceed it, here and at the issuer.
func TestCardRefundRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.withCard(t)
		made := w.carded(t, s, p, 100_00, nil)
		done := 0
		for _, answer := range w.together(t, 20, func(int) apitest.Request {
			return s.refund(w, made.ID, map[string]any{"amount": 30_00})
		}) {
			switch answer.Status {
			case http.StatusCreated:
				done++
			case http.StatusConflict:
			default:
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		w.quiet(t)
		if refunded, _ := w.refunded(t, s, made.ID); done != 3 || refunded != 90_00 {
			t.Errorf("%d were taken, %d refunded", done, refunded)
		}
		w.agree(t)
	})
}

// TestCardRefundReview: a payer's wish that the merchant approves goes to the card.
func TestCardRefundReview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.withCard(t)
		made := w.carded(t, s, p, 100_00, nil)
		var wish payment.RefundView
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/wallet/v1/payments/" + string(made.ID) + "/refunds", Token: p.token, Key: w.key(),
			Body: map[string]any{"reason": "broken"},
		}, &wish)
		var refund payment.Refund
		w.ok(t, 200, apitest.Request{
			Method: "POST",
			Path:   "/v1/refunds/" + string(wish.ID) + "/approve",
			Token:  s.token,
			Key:    w.key(),
			Body:   map[string]any{},
		}, &refund)
		if wish.State != payment.RefundInReview || refund.State != payment.RefundProcessing {
			t.Errorf("%s, then %s", wish.State, refund.State)
		}
		w.quiet(t)
		w.ok(t, 200, get("/v1/refunds/"+string(wish.ID), s.token), &refund)
		if refund.State != payment.RefundSucceeded {
			t.Errorf("%+v", refund)
		}
		w.agree(t)
	})
}
