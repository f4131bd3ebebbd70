package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

func parts(of ...map[string]any) []map[string]any { return of }

func share(s shop, bps int64) map[string]any {
	return map[string]any{"receiver_id": string(s.id), "bps": bps}
}

func fixed(s shop, amount int64) map[string]any {
	return map[string]any{"receiver_id": string(s.id), "amount": amount}
}

// TestSplit splits payments with receivers: with the payment, by rule, by call and never more than the payment; refunds
// bring their shares back.
func TestSplit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, guide, driver := w.shop(
			t,
			party.NewMerchant{FeeBps: 60},
		), w.shop(
			t,
			party.NewMerchant{},
		), w.shop(
			t,
			party.NewMerchant{},
		)
		p := w.person(t, 5_000_00)
		payer, own, first, second := "2001:"+string(
			p.id,
		), "2101:"+string(
			s.id,
		), "2101:"+string(
			guide.id,
		), "2101:"+string(
			driver.id,
		)
		waits := "2103:" + string(s.id)
		with := func(b balances, fee int64) balances {
			b["1901"], b["1902"], b["4001"] = -fee, fee, fee
			return b.real()
		}

		t.Run("AtOnce", func(t *testing.T) { //nolint:paralleltest // one after the other
			more := map[string]any{"splits": parts(share(guide, 1_500), fixed(driver, 5_00))}
			var made payment.Payment
			w.ok(t, 201, s.order(w, 100_00, more), &made)
			w.moves(t, with(balances{payer: -100_00, own: 100_00 - 60 - 15_00 - 5_00, first: 15_00, second: 5_00}, 60), func() {
				w.ok(t, 200, p.confirm(w, made.ID), nil)
			})
			var splits api.Page[payment.Split]
			w.ok(t, 200, get("/v1/payments/"+string(made.ID)+"/splits", s.token), &splits)
			if len(splits.Data) != 2 || splits.Data[0].State != payment.SplitDone || splits.Data[0].Amount != cny(15_00) {
				t.Errorf("%+v", splits)
			}
			// A third comes back: of each split a third, the fee's share, and the rest from the merchant.
			w.moves(t, with(balances{payer: 30_00, own: 18 + 4_50 + 1_50 - 30_00, first: -4_50, second: -1_50}, -18), func() {
				w.ok(t, 201, s.refund(w, made.ID, map[string]any{"amount": 30_00}), nil)
			})
			// The receivers keep theirs.
			w.moves(t, with(balances{payer: 10_00, own: 6 - 10_00}, -6), func() {
				w.ok(t, 201, s.refund(w, made.ID, map[string]any{"amount": 10_00, "keep_splits": true}), nil)
			})
			w.moves(t, with(balances{payer: 60_00, own: 36 + 10_50 + 3_50 - 60_00, first: -10_50, second: -3_50}, -36), func() {
				w.ok(t, 201, s.refund(w, made.ID, map[string]any{}), nil)
			})
			w.ok(t, 200, get("/v1/received_splits", guide.token), &splits)
			if len(splits.Data) != 1 || splits.Data[0].Returned != cny(15_00) {
				t.Errorf("%+v", splits)
			}
		})

		t.Run("ByRuleAndCode", func(t *testing.T) { //nolint:paralleltest // one after the other
			var rule payment.SplitRule
			w.ok(t, 201, apitest.Request{Method: "POST", Path: "/v1/split_rules", Token: s.token, Body: map[string]any{
				"name": "tour", "splits": parts(share(guide, 3_333), share(driver, 3_333)),
			}}, &rule)
			order := s.order(w, 10_00, map[string]any{"split_rule_id": rule.ID, "payment_code": w.code(t, p)})
			w.moves(t, with(balances{payer: -10_00, own: 10_00 - 6 - 6_66, first: 3_33, second: 3_33}, 6), func() {
				w.ok(t, 201, order, nil)
			})
			w.ok(t, 204, apitest.Request{Method: "DELETE", Path: "/v1/split_rules/" + string(rule.ID), Token: s.token}, nil)
			w.refused(t, 404, "payment.split_rule_not_found", s.order(w, 10_00, map[string]any{"split_rule_id": rule.ID}))
			// A decline splits nothing.
			poor := w.person(t, 0)
			var declined payment.Payment
			w.moves(t, nil, func() {
				w.ok(t, 201, s.order(w, 10_00, map[string]any{
					"splits": parts(share(guide, 100)), "payment_code": w.code(t, poor),
				}), &declined)
			})
			if declined.State != payment.Declined {
				t.Errorf("%+v", declined)
			}
		})

		t.Run("Held", func(t *testing.T) { //nolint:paralleltest // one after the other
			var made payment.Payment
			w.ok(t, 201, s.order(w, 100_00, map[string]any{"funds": "held", "release_after": 3600}), &made)
			w.moves(t, with(balances{payer: -100_00, waits: 99_40}, 60), func() { w.ok(t, 200, p.confirm(w, made.ID), nil) })
			w.refused(
				t,
				409,
				"payment.split_exceeds",
				s.act(w, made, "splits", map[string]any{"splits": parts(fixed(guide, 99_41))}),
			)
			w.moves(t, balances{waits: -20_00, first: 20_00}, func() {
				w.ok(t, 200, s.act(w, made, "splits", map[string]any{"splits": parts(share(guide, 2_000))}), &made)
			})
			if made.Custody.Held != cny(79_40) {
				t.Errorf("%+v", made.Custody)
			}
			w.refused(t, 409, "payment.release_exceeds", s.act(w, made, "release", map[string]any{"amount": 79_41}))
			w.moves(t, balances{waits: -9_40, own: 9_40}, func() {
				w.ok(t, 200, s.act(w, made, "release", map[string]any{"amount": 9_40}), nil)
			})
			// Half comes back: half of the split, then what waits, so that the merchant's own balance stays.
			w.moves(t, with(balances{payer: 50_00, waits: 30 + 10_00 - 50_00, first: -10_00}, -30), func() {
				w.ok(t, 201, s.refund(w, made.ID, map[string]any{"amount": 50_00}), nil)
			})
			w.moves(t, balances{waits: -30_30, second: 5_00, own: 25_30}, func() {
				w.ok(t, 200, s.act(w, made, "splits", map[string]any{
					"splits": parts(fixed(driver, 5_00)), "release": true,
				}), nil)
			})
			w.refused(t, 409, "payment.no_custody", s.act(w, made, "release", map[string]any{}))
			if told := w.told(t, s, made); told != "created succeeded split released split" {
				t.Error(told)
			}
		})

		t.Run("Later", func(t *testing.T) { //nolint:paralleltest // one after the other
			made := w.authorized(t, s, p, 100_00, map[string]any{"funds": "held"})
			w.moves(t, with(balances{payer: -40_00, waits: 39_76}, 24), func() {
				w.ok(t, 200, s.act(w, made, "capture", map[string]any{"amount": 40_00, "more": true}), nil)
			})
			w.moves(t, with(balances{payer: -60_00, waits: 59_64}, 36), func() {
				w.ok(t, 200, s.act(w, made, "capture", map[string]any{}), nil)
			})
			w.moves(t, balances{waits: -99_40, own: 99_40}, func() {
				w.ok(t, 200, s.act(w, made, "release", map[string]any{}), nil)
			})
		})

		// A receiver who has spent the money gives what is there; the merchant bears the rest.
		t.Run("Spent", func(t *testing.T) { //nolint:paralleltest // one after the other
			broke := w.shop(t, party.NewMerchant{})
			var made payment.Payment
			w.ok(t, 201, s.order(w, 10_00, map[string]any{"splits": parts(fixed(broke, 5_00))}), &made)
			w.ok(t, 200, p.confirm(w, made.ID), nil)
			sale := w.paid(t, broke, p, 1_00)
			w.ok(t, 201, broke.refund(w, sale.ID, map[string]any{}), nil)
			bad := w.paid(t, broke, p, 3_00) // refunded out of the split: 2.00 of it are left
			w.ok(t, 201, broke.refund(w, bad.ID, map[string]any{}), nil)
			w.moves(t, with(balances{payer: 10_00, own: 6 + 5_00 - 10_00, "2101:" + string(broke.id): -5_00}, -6), func() {
				w.ok(t, 201, s.refund(w, made.ID, map[string]any{}), nil)
			})
		})
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestEscrow: the payer's money waits until the payer has the goods, or long enough; a wish to be refunded stops the clock.
func TestEscrow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 1_000_00), w.person(t, 0)
		payer, own, waits := "2001:"+string(p.id), "2101:"+string(s.id), "2103:"+string(s.id)
		escrow := func() payment.Payment {
			t.Helper()
			var made payment.Payment
			w.ok(t, 201, s.order(w, 100_00, map[string]any{"funds": "escrow", "release_after": 86_400}), &made)
			w.ok(t, 200, p.confirm(w, made.ID), nil)
			return made
		}
		release := func(who person, of payment.Payment, body map[string]any) apitest.Request {
			return apitest.Request{
				Method: "POST",
				Path:   "/wallet/v1/payments/" + string(of.ID) + "/release",
				Token:  who.token,
				Key:    w.key(),
				Body:   body,
			}
		}
		made := escrow()
		w.refused(t, 409, "payment.no_custody", s.act(w, made, "release", map[string]any{}))
		w.refused(t, 409, "payment.no_custody", s.act(w, made, "splits", map[string]any{
			"splits": parts(fixed(w.shop(t, party.NewMerchant{}), 1)),
		}))
		w.refused(t, 404, "payment.not_found", release(other, made, map[string]any{}))
		w.moves(
			t,
			balances{waits: -40_00, own: 40_00},
			func() { w.ok(t, 200, release(p, made, map[string]any{"amount": 40_00}), nil) },
		)
		w.moves(t, balances{waits: -59_40, own: 59_40}, func() { w.ok(t, 200, release(p, made, map[string]any{}), nil) })
		w.refused(t, 409, "payment.no_custody", release(p, made, map[string]any{}))

		back := escrow()
		w.moves(t, balances{payer: 100_00, waits: -99_40, "1901": 60, "1902": -60, "4001": -60}.real(), func() {
			w.ok(t, 201, s.refund(w, back.ID, map[string]any{}), nil)
		})

		soon, stopped := escrow(), escrow()
		var asked payment.RefundView
		w.ok(t, 201, p.askRefund(w, stopped, map[string]any{"reason": "broken"}), &asked)
		before := w.balances(t)
		w.Clock.Advance(24 * time.Hour)
		eventually(t, "the release of what has waited", func() bool {
			return strings.HasSuffix(w.told(t, s, soon), "released")
		})
		w.quiet(t)
		if moved := before.moved(w.balances(t)); moved[own] != 99_40 || moved[waits] != -99_40 {
			t.Errorf("a day later moved %v", moved)
		}
		w.ok(t, 200, w.onRefund(s.token, "/v1", asked.ID, "reject", map[string]any{"note": "it works"}), nil)
		eventually(t, "the release of what was stopped", func() bool {
			return strings.HasSuffix(w.told(t, s, stopped), "released")
		})
		w.quiet(t)
		w.agree(t)
	})
}

// TestSplitInput refuses parts that don't fit, and writes nothing.
func TestSplitInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, a, b := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{})
		frozen := w.shop(t, party.NewMerchant{})
		must(t, w.Parties.SetMerchantState(t.Context(), frozen.id, party.StateFrozen, "a test"))
		w.Clock.Advance(3 * time.Second) // what is known of merchants is at most two seconds old
		for name, test := range map[string]struct {
			code string
			more map[string]any
		}{
			"Exceeds":     {"payment.split_exceeds", map[string]any{"splits": parts(fixed(a, 9_95))}},
			"WholeShare":  {"payment.split_exceeds", map[string]any{"splits": parts(share(a, 10_000))}},
			"TooMuch":     {"payment.bad_split", map[string]any{"splits": parts(share(a, 6_000), share(b, 4_001))}},
			"Twice":       {"payment.bad_split", map[string]any{"splits": parts(share(a, 1), fixed(a, 1))}},
			"Both":        {"payment.bad_split", map[string]any{"splits": parts(map[string]any{"receiver_id": a.id, "bps": 1, "amount": 1})}},
			"Neither":     {"payment.bad_split", map[string]any{"splits": parts(map[string]any{"receiver_id": a.id})}},
			"Self":        {"payment.bad_split", map[string]any{"splits": parts(fixed(s, 1))}},
			"Nobody":      {"payment.bad_split", map[string]any{"splits": parts(map[string]any{"receiver_id": "mer_01kanq4j3qf8yt0v5d7r2m9xce", "amount": 1})}},
			"Frozen":      {"payment.bad_split", map[string]any{"splits": parts(fixed(frozen, 1))}},
			"LessThanFen": {"payment.bad_split", map[string]any{"splits": parts(share(a, 1))}},
			"NoParts":     {"payment.bad_funds", map[string]any{"funds": "split"}},
			"Manual":      {"payment.bad_funds", map[string]any{"splits": parts(fixed(a, 1)), "capture": "manual"}},
			"HeldParts":   {"payment.bad_funds", map[string]any{"funds": "held", "splits": parts(fixed(a, 1))}},
			"Release":     {"payment.bad_funds", map[string]any{"release_after": 60}},
			"Funds":       {"request.bad_field", map[string]any{"funds": "gone"}},
		} {
			t.Log(name)
			w.refused(t, 400, test.code, s.order(w, 10_00, test.more))
		}
		made := w.created(t, s, 10_00)
		w.refused(t, 409, "payment.no_custody", s.act(w, made, "splits", map[string]any{"splits": parts(fixed(a, 1))}))
	})
}

// TestSplitRaces splits, releases and refunds one payment from many sides at once: never more than was paid moves.
func TestSplitRaces(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, a, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{}), w.person(t, 1_000_00)
		var made payment.Payment
		w.ok(t, 201, s.order(w, 100_00, map[string]any{"funds": "held"}), &made)
		w.ok(t, 200, p.confirm(w, made.ID), nil)
		for _, answer := range w.together(t, 30, func(i int) apitest.Request {
			switch i % 3 {
			case 0:
				return s.act(w, made, "splits", map[string]any{"splits": parts(fixed(a, 10_00))})
			case 1:
				return s.act(w, made, "release", map[string]any{"amount": 7_00})
			}
			return s.refund(w, made.ID, map[string]any{"amount": 9_00})
		}) {
			if answer.Status >= 500 && answer.Status != 503 {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		w.quiet(t)
		w.agree(t)
	})
}
