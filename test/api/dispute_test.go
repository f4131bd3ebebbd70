package api_test

import (
	"encoding/base64"
	"maps"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

func (p person) dispute(w *world, of payment.Payment, body map[string]any) apitest.Request {
	all := map[string]any{"kind": "not_received", "complaint": "no parcel came"}
	maps.Copy(all, body)
	return apitest.Request{
		Method: "POST", Path: "/wallet/v1/payments/" + string(of.ID) + "/disputes", Token: p.token, Key: w.key(), Body: all,
	}
}

func (w *world) onDispute(token, house string, name id.Dispute, act string, body any) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: house + "/disputes/" + string(name) + "/" + act, Token: token, Key: w.key(), Body: body,
	}
}

// evident opens a dispute of one minor unit, with a file of evidence.
func (w *world) evident(t testing.TB, p person, of payment.Payment) (dispute, file string) {
	t.Helper()
	var d payment.Dispute
	w.ok(t, 201, p.dispute(w, of, map[string]any{"amount": 1}), &d)
	var added payment.DisputeFile
	w.ok(t, 201, w.addFile(p.token, "/wallet/v1", d.ID, pdf), &added)
	return string(d.ID), string(added.ID)
}

func (w *world) addFile(token, house string, name id.Dispute, content []byte) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: house + "/disputes/" + string(name) + "/files", Token: token,
		Body: map[string]any{"content": base64.StdEncoding.EncodeToString(content)},
	}
}

// contested opens a dispute of a payment that the merchant contests.
func (w *world) contested(t testing.TB, s shop, p person, of payment.Payment) id.Dispute {
	t.Helper()
	var d payment.Dispute
	w.ok(t, 201, p.dispute(w, of, nil), &d)
	w.ok(t, 200, w.onDispute(s.token, "/v1", d.ID, "contest", map[string]any{"answer": "it was signed for"}), nil)
	return d.ID
}

func decided(refund int64) map[string]any {
	return map[string]any{"refund": refund, "reason": "the carrier's list"}
}

// held is what is set aside of a merchant's balance.
func (w *world) held(t testing.TB, s shop) int64 {
	t.Helper()
	return w.count(t, "SELECT COALESCE(SUM(debits_pending), 0) FROM accounts WHERE owner = $1 AND code = '2101'",
		string(s.id))
}

// TestDispute walks through every move of a dispute, with its money.
func TestDispute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 9_000_00)
		finance := w.staff(t, party.RoleFinance)
		back := func(amount, fee int64) balances {
			return balances{
				"2001:" + string(p.id): amount, "2101:" + string(s.id): fee - amount, "1901": fee, "1902": -fee, "4001": -fee,
			}.real()
		}
		open := func(of payment.Payment, body map[string]any) payment.Dispute {
			t.Helper()
			var d payment.Dispute
			w.moves(t, nil, func() { w.ok(t, 201, p.dispute(w, of, body), &d) })
			return d
		}
		state := func(d payment.Dispute, want payment.DisputeState, held int64) payment.Dispute {
			t.Helper()
			var now payment.Dispute
			w.ok(t, 200, get("/v1/disputes/"+string(d.ID), s.token), &now)
			if now.State != want || w.held(t, s) != held {
				t.Errorf("%s, want %s; %d held, want %d", now.State, want, w.held(t, s), held)
			}
			return now
		}

		// Accepted: what is disputed is held, can't be refunded beside it, and goes back.
		paid := w.paid(t, s, p, 100_00)
		d := open(paid, map[string]any{"amount": 40_00})
		if seen := state(d, payment.DisputeOpen, 40_00-24); seen.Held == nil || seen.Held.Minor != 40_00-24 {
			t.Errorf("%+v", seen)
		}
		w.refused(t, 409, "dispute.already_open", p.dispute(w, paid, nil))
		w.refused(t, 409, "refund.exceeds_payment", s.refund(w, paid.ID, map[string]any{"amount": 60_01}))
		w.refused(t, 409, "dispute.wrong_state", w.onDispute(finance, "/ops/v1", d.ID, "decide", decided(0)))
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{}), nil)
		accept := w.onDispute(s.token, "/v1", d.ID, "accept", map[string]any{"answer": "sorry"})
		w.moves(t, back(40_00, 24), func() { w.ok(t, 200, accept, nil) })
		w.moves(t, nil, func() { w.ok(t, 200, accept, nil) })
		if seen := state(d, payment.DisputeAccepted, 0); seen.Refunded.Minor != 40_00 || seen.Refund == "" {
			t.Errorf("%+v", seen)
		}
		w.refused(t, 409, "refund.exceeds_payment", p.dispute(w, paid, nil))
		w.refused(t, 409, "dispute.wrong_state", w.onDispute(p.token, "/wallet/v1", d.ID, "withdraw", nil))

		// Withdrawn: all is as before.
		paid = w.paid(t, s, p, 100_00)
		d = open(paid, nil)
		w.moves(t, nil, func() { w.ok(t, 200, w.onDispute(p.token, "/wallet/v1", d.ID, "withdraw", nil), nil) })
		state(d, payment.DisputeWithdrawn, 0)

		// Contested, with evidence, and decided in part.
		d = open(paid, nil)
		var file payment.DisputeFile
		w.ok(t, 201, w.addFile(s.token, "/v1", d.ID, pdf), &file)
		w.refused(t, 400, "dispute.bad_file", w.addFile(s.token, "/v1", d.ID, []byte("GIF89a")))
		w.ok(t, 200, w.onDispute(s.token, "/v1", d.ID, "contest", map[string]any{"answer": "signed for"}), nil)
		state(d, payment.DisputeInReview, 100_00-60)
		w.refused(t, 409, "dispute.already_answered",
			w.onDispute(s.token, "/v1", d.ID, "accept", map[string]any{"answer": "or not"}))
		var content api.Evidence
		w.ok(t, 200, get("/wallet/v1/disputes/"+string(d.ID)+"/files/"+string(file.ID), p.token), &content)
		if content.Content != base64.StdEncoding.EncodeToString(pdf) || content.Author != payment.ByMerchant {
			t.Errorf("%+v", content)
		}
		var thread payment.Dispute
		w.ok(t, 200, get("/wallet/v1/disputes/"+string(d.ID), p.token), &thread)
		if thread.Answer != "signed for" || len(thread.Files) != 1 || thread.Held != nil {
			t.Errorf("%+v", thread)
		}
		w.refused(t, 400, "dispute.bad_refund", w.onDispute(finance, "/ops/v1", d.ID, "decide", decided(100_01)))
		w.moves(t, back(30_00, 18), func() {
			w.ok(t, 201, w.onDispute(finance, "/ops/v1", d.ID, "decide", decided(30_00)), nil)
		})
		state(d, payment.DisputeUpheld, 0)

		// Nobody answers: the staff decide, here for the merchant; until then the merchant may still accept.
		d = open(paid, nil)
		late := open(w.paid(t, s, p, 10_00), nil)
		w.Clock.Advance(7 * 24 * time.Hour)
		must(t, w.Payments.DisputesDue(t.Context()))
		finance = w.staff(t, party.RoleFinance)
		state(d, payment.DisputeInReview, 70_00-42+10_00-6)
		w.refused(t, 409, "dispute.wrong_state",
			w.onDispute(s.token, "/v1", d.ID, "contest", map[string]any{"answer": "late"}))
		w.refused(t, 409, "dispute.answer_late", w.addFile(s.token, "/v1", d.ID, pdf))
		w.refused(t, 409, "dispute.answer_late",
			w.onDispute(s.token, "/v1", late.ID, "accept", map[string]any{"answer": "late"}))
		w.moves(t, nil, func() { w.ok(t, 201, w.onDispute(finance, "/ops/v1", d.ID, "decide", decided(0)), nil) })
		state(d, payment.DisputeRejected, 10_00-6)
		w.moves(t, back(10_00, 6), func() {
			w.ok(t, 200, w.onDispute(s.token, "/v1", late.ID, "accept", map[string]any{}), nil)
		})
		state(late, payment.DisputeAccepted, 0)
		w.Clock.Advance(payment.DisputeWithin)
		p.token = w.session(t, p)
		// No snapshot here: what was answered half a year ago is forgotten beside it.
		w.call(t, p.dispute(w, paid, nil)).Problem(t, 409, "dispute.too_late")
		if n := w.count(t, "SELECT count(*) FROM disputes"); n != 5 {
			t.Errorf("%d disputes", n)
		}
		w.quiet(t)
		w.agree(t)
	})
}

// TestDisputeEscrow: what waits stays while it is disputed, and a payer's win comes out of it.
func TestDisputeEscrow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 1_000_00)
		var order payment.Payment
		w.ok(t, 201, s.order(w, 50_00, map[string]any{"funds": "escrow", "release_after": 60}), &order)
		w.ok(t, 200, p.confirm(w, order.ID), nil)
		var d payment.Dispute
		w.ok(t, 201, p.dispute(w, order, nil), &d)
		if held := w.held(t, s); held != 0 {
			t.Errorf("%d held beside the escrow", held)
		}
		w.Clock.Advance(2 * time.Minute)
		w.moves(t, nil, func() { must(t, w.Payments.ReleaseDue(t.Context())) })
		w.refused(t, 409, "payment.disputed", apitest.Request{
			Method: "POST", Path: "/wallet/v1/payments/" + string(order.ID) + "/release", Token: p.token, Key: w.key(),
			Body: map[string]any{},
		})
		w.moves(t, balances{"2001:" + string(p.id): 50_00, "2103:" + string(s.id): -50_00}, func() {
			w.ok(t, 200, w.onDispute(s.token, "/v1", d.ID, "accept", map[string]any{}), nil)
		})
		w.quiet(t)
		w.agree(t)
	})
}

// TestDisputeStaffDecide: above the operator's figure accepting takes a dispute before the staff, once, and gives nothing
// back by itself.
func TestDisputeStaffDecide(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 1_000_00)
		w.ok(t, 200, apitest.Request{
			Method: "PUT", Path: "/ops/v1/merchants/" + string(s.id) + "/refund_limit", Token: w.staff(t, party.RoleAdmin),
			Body: map[string]any{"operator_above": 70_00},
		}, nil)
		accept := func(of payment.Dispute, body map[string]any) apitest.Request {
			return w.onDispute(s.token, "/v1", of.ID, "accept", body)
		}
		var d payment.Dispute
		w.ok(t, 201, p.dispute(w, w.paid(t, s, p, 80_00), nil), &d)
		w.moves(t, nil, func() { w.ok(t, 200, accept(d, map[string]any{"answer": "our fault"}), &d) })
		if d.State != payment.DisputeInReview || d.Answer != "our fault" || w.held(t, s) != 80_00 {
			t.Errorf("%+v", d)
		}
		w.refused(t, 409, "dispute.staff_decide", accept(d, map[string]any{}))
		w.moves(t, balances{"2001:" + string(p.id): 80_00, "2101:" + string(s.id): -80_00}.real(), func() {
			w.ok(t, 201, w.onDispute(w.staff(t, party.RoleFinance), "/ops/v1", d.ID, "decide", decided(80_00)), nil)
		})
		w.quiet(t)
		w.agree(t)
	})
}

// TestDisputeTwoPeople: a dispute above the limit is decided by two.
func TestDisputeTwoPeople(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 1_000_00)
		one, two := w.staff(t, party.RoleFinance), w.staff(t, party.RoleFinance)
		name := w.contested(t, s, p, w.paid(t, s, p, 20_00))
		var acted api.Acted
		w.moves(t, nil, func() {
			w.ok(t, 202, w.onDispute(one, "/ops/v1", name, "decide", decided(0)), &acted)
		})
		approve := func(token string) apitest.Request {
			return ops("POST", "/proposals/"+string(acted.Proposal.ID)+"/approve", token, map[string]any{})
		}
		w.refused(t, 403, "approval.same_person", approve(one))
		w.ok(t, 200, approve(two), nil)
		var d payment.Dispute
		w.ok(t, 200, get("/ops/v1/disputes/"+string(name), one), &d)
		if d.State != payment.DisputeRejected || d.Reason == "" {
			t.Errorf("%+v", d)
		}
		w.agree(t)
	}, func(c *config.Config) { c.RefundAloneMax = 10_00 })
}

// TestDisputeRace refunds, disputes and accepts in parallel: never more than the payment goes back.
func TestDisputeRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 1_000_00)
		paid := w.paid(t, s, p, 100_00)
		w.paid(t, s, p, 100_00) // the balance would carry more
		w.together(t, 24, func(i int) apitest.Request {
			if i%3 == 0 {
				return p.dispute(w, paid, map[string]any{"amount": 50_00})
			}
			return s.refund(w, paid.ID, map[string]any{"amount": 15_00})
		})
		names := w.texts(t, "SELECT id FROM disputes")
		if len(names) > 1 {
			t.Fatalf("%d are open", len(names))
		}
		for _, name := range names {
			w.together(t, 12, func(i int) apitest.Request {
				switch i % 3 {
				case 0:
					return s.refund(w, paid.ID, map[string]any{"amount": 15_00})
				case 1:
					return w.onDispute(p.token, "/wallet/v1", id.Dispute(name), "withdraw", nil)
				}
				return w.onDispute(s.token, "/v1", id.Dispute(name), "accept", map[string]any{})
			})
		}
		sum := w.count(t, "SELECT COALESCE(SUM(amount_minor), 0) FROM refunds WHERE payment_id = $1", string(paid.ID))
		refunded := w.count(t, "SELECT refunded_minor FROM payments WHERE id = $1", string(paid.ID))
		if sum > 100_00 || sum != refunded || w.held(t, s) != 0 {
			t.Errorf("%d refunded, %d counted, %d held", sum, refunded, w.held(t, s))
		}
		w.quiet(t)
		w.agree(t)
	})
}
