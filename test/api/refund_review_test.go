package api_test

import (
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

func (p person) askRefund(w *world, of payment.Payment, body map[string]any) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/wallet/v1/payments/" + string(of.ID) + "/refunds", Token: p.token, Key: w.key(), Body: body,
	}
}

func (w *world) onRefund(token, house string, name id.Refund, act string, body map[string]any) apitest.Request {
	call := apitest.Request{
		Method: "POST", Path: house + "/refunds/" + string(name) + "/" + act, Token: token, Key: w.key(),
	}
	if body != nil {
		call.Body = body
	}
	return call
}

// TestRefundReview: a wish is reviewed by whom the rules name, and its result is told to payer and merchant; nothing moves
// before.
func TestRefundReview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 5_000_00)
		finance := w.staff(t, party.RoleFinance)
		boss, clerk := w.user(t, s.id, "", party.MerchantOwner), w.user(t, s.id, "", party.MerchantFinance)
		note := func(text string) map[string]any { return map[string]any{"note": text} }
		wish := func(of payment.Payment, amount int64) payment.RefundView {
			t.Helper()
			var view payment.RefundView
			w.moves(t, nil, func() {
				w.ok(t, 201, p.askRefund(w, of, map[string]any{"reason": "too late", "amount": amount}), &view)
			})
			return view
		}
		seen := func(of payment.Payment) payment.RefundView {
			t.Helper()
			var page api.Page[payment.RefundView]
			w.ok(t, 200, get("/wallet/v1/payments/"+string(of.ID)+"/refunds", p.token), &page)
			return page.Data[len(page.Data)-1]
		}
		back := func(amount, fee int64) balances {
			return balances{
				"2001:" + string(p.id): amount, "2101:" + string(s.id): fee - amount, "1901": fee, "1902": -fee, "4001": -fee,
			}.real()
		}

		paid := w.paid(t, s, p, 100_00)
		asked := wish(paid, 40_00)
		if asked.State != payment.RefundInReview || asked.Origin != payment.ByPayer {
			t.Errorf("%+v", asked)
		}
		w.refused(t, 409, "refund.in_review", p.askRefund(w, paid, map[string]any{"reason": "again"}))
		var stored payment.Refund
		w.ok(t, 200, get("/v1/refunds/"+string(asked.ID), s.token), &stored)
		if stored.Reviewer != payment.MerchantReviewer || len(stored.Reasons) != 1 ||
			stored.Reasons[0] != payment.ReasonPayerAsked {
			t.Errorf("%+v", stored)
		}
		w.refused(t, 403, "refund.other_reviewer", w.onRefund(finance, "/ops/v1", asked.ID, "approve", map[string]any{}))
		approve := w.onRefund(s.token, "/v1", asked.ID, "approve", note("sorry"))
		w.moves(t, back(40_00, 24), func() { w.ok(t, 200, approve, &stored) })
		w.moves(t, nil, func() { w.ok(t, 200, approve, &stored) })
		if view := seen(paid); view.State != payment.RefundSucceeded || view.Note != "sorry" || view.Entry == "" {
			t.Errorf("%+v", view)
		}
		w.refused(t, 409, "refund.already_decided", w.onRefund(s.token, "/v1", asked.ID, "reject", note("no")))

		asked = wish(paid, 60_00)
		w.refused(t, 400, "request.missing_field", w.onRefund(s.token, "/v1", asked.ID, "reject", map[string]any{}))
		w.moves(t, nil, func() { w.ok(t, 200, w.onRefund(s.token, "/v1", asked.ID, "reject", note("eaten")), nil) })
		if view := seen(paid); view.State != payment.RefundRejected || view.Note != "eaten" || view.CompletedAt.IsZero() {
			t.Errorf("%+v", view)
		}
		asked = wish(paid, 60_00)
		withdraw := w.onRefund(p.token, "/wallet/v1", asked.ID, "withdraw", nil)
		w.ok(t, 200, withdraw, nil)
		if view := seen(paid); view.State != payment.RefundWithdrawn {
			t.Errorf("%+v", view)
		}
		// A wish that the merchant overtakes is refused when it is approved: there is nothing left.
		asked = wish(paid, 60_00)
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 30_00}), nil)
		w.refused(t, 409, "refund.exceeds_payment", w.onRefund(s.token, "/v1", asked.ID, "approve", map[string]any{}))

		// The merchant's own figures: above 50 a person decides, and not who asked.
		rules := apitest.Request{
			Method: "PUT",
			Path:   "/merchant/v1/refund_rules",
			Token:  boss.token,
			Body: map[string]any{
				"payer_requests":   "automatic",
				"automatic_max":    20_00,
				"automatic_within": 3600,
				"review_above":     50_00,
			},
		}
		w.ok(t, 200, rules, nil)
		paid = w.paid(t, s, p, 200_00)
		var own payment.Refund
		w.moves(t, nil, func() { w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 50_01}), &own) })
		if own.State != payment.RefundInReview || own.Reasons[0] != payment.ReasonAboveMerchant {
			t.Errorf("%+v", own)
		}
		w.refused(t, 403, "refund.own", w.onRefund(s.token, "/v1", own.ID, "approve", map[string]any{}))
		w.refused(t, 409, "refund.in_review", s.refund(w, paid.ID, map[string]any{"amount": 60_00}))
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 1_00}), nil)
		w.moves(t, back(50_01, 30), func() {
			w.ok(t, 200, w.onRefund(clerk.token, "/merchant/v1", own.ID, "approve", map[string]any{}), nil)
		})
		mine := apitest.Request{
			Method: "POST", Path: "/merchant/v1/payments/" + string(paid.ID) + "/refunds", Token: clerk.token, Key: w.key(),
			Body: map[string]any{"amount": 60_00},
		}
		w.ok(t, 201, mine, &own)
		w.refused(t, 403, "refund.own", w.onRefund(clerk.token, "/merchant/v1", own.ID, "approve", map[string]any{}))
		w.refused(t, 403, "refund.person_needed", w.onRefund(s.token, "/v1", own.ID, "approve", map[string]any{}))
		w.ok(t, 200, w.onRefund(boss.token, "/merchant/v1", own.ID, "reject", note("no")), nil)

		// Automatic: small and soon at once, else reviewed.
		var view payment.RefundView
		w.moves(t, back(20_00, 12), func() {
			w.ok(t, 201, p.askRefund(w, paid, map[string]any{"reason": "cold", "amount": 20_00}), &view)
		})
		if view.State != payment.RefundSucceeded {
			t.Errorf("%+v", view)
		}
		w.Clock.Advance(time.Hour + time.Second)
		if late := wish(paid, 1_00); late.State != payment.RefundInReview {
			t.Errorf("%+v", late)
		}

		// The operator's figure puts it before the staff.
		admin := w.staff(t, party.RoleAdmin)
		limit := apitest.Request{
			Method: "PUT", Path: "/ops/v1/merchants/" + string(s.id) + "/refund_limit", Token: admin,
			Body: map[string]any{"operator_above": 70_00},
		}
		w.ok(t, 200, limit, nil)
		paid = w.paid(t, s, p, 100_00)
		asked = wish(paid, 80_00)
		w.refused(t, 403, "refund.other_reviewer", w.onRefund(s.token, "/v1", asked.ID, "approve", map[string]any{}))
		var queue api.Page[payment.Refund]
		w.ok(t, 200, get("/ops/v1/refunds?reviewer=staff&state=in_review", finance), &queue)
		if len(queue.Data) != 1 || queue.Data[0].ID != asked.ID {
			t.Errorf("%+v", queue)
		}
		w.moves(t, back(80_00, 48), func() {
			w.ok(t, 200, w.onRefund(finance, "/ops/v1", asked.ID, "approve", map[string]any{}), nil)
		})

		rules.Body = map[string]any{"payer_requests": "off"}
		w.ok(t, 200, rules, nil)
		w.refused(t, 403, "refund.requests_off", p.askRefund(w, paid, map[string]any{"reason": "cold", "amount": 1}))
		rules.Body = map[string]any{"payer_requests": "maybe"}
		w.refused(t, 400, "request.bad_field", rules)
		w.quiet(t)
		w.agree(t)
	})
}

// TestRefundReviewRaces approves and rejects one refund from many sides at once: it ends once.
func TestRefundReviewRaces(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 100_00)
		paid := w.paid(t, s, p, 50_00)
		var asked payment.RefundView
		w.ok(t, 201, p.askRefund(w, paid, map[string]any{"reason": "cold"}), &asked)
		before := w.balances(t)
		won := 0
		for _, answer := range w.together(t, 20, func(i int) apitest.Request {
			if i%2 == 0 {
				return w.onRefund(s.token, "/v1", asked.ID, "approve", map[string]any{})
			}
			return w.onRefund(s.token, "/v1", asked.ID, "reject", map[string]any{"note": "no"})
		}) {
			if answer.Status == 200 {
				won++
			}
		}
		moved := before.moved(w.balances(t))
		if gave := moved["2001:"+string(p.id)]; won != 1 || (gave != 0 && gave != 50_00) {
			t.Errorf("%d decided, moved %v", won, moved)
		}
		w.quiet(t)
		w.agree(t)
	})
}

// TestPayerRefunds lists the refunds of all of a payer's payments by pages, and nobody else's.
func TestPayerRefunds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{}), w.person(t, 100_00), w.person(t, 100_00)
		for _, payer := range []person{p, other, p} {
			w.ok(t, 201, s.refund(w, w.paid(t, s, payer, 10_00).ID, map[string]any{"amount": 1_00}), nil)
		}
		w.ok(t, 201, p.askRefund(w, w.paid(t, s, p, 10_00), map[string]any{"reason": "cold"}), nil)
		var first, rest api.Page[payment.RefundView]
		w.ok(t, 200, get("/wallet/v1/refunds?limit=2", p.token), &first)
		w.ok(t, 200, get("/wallet/v1/refunds?limit=2&cursor="+first.NextCursor, p.token), &rest)
		if len(first.Data) != 2 || first.Data[0].State != payment.RefundInReview || len(rest.Data) != 1 || rest.HasMore {
			t.Errorf("%+v, then %+v", first, rest)
		}
		w.ok(t, 200, get("/wallet/v1/refunds?state=succeeded", p.token), &first)
		if len(first.Data) != 2 {
			t.Errorf("%+v", first)
		}
	})
}
