package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

func (s shop) act(w *world, of payment.Payment, act string, body map[string]any) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/v1/payments/" + string(of.ID) + "/" + act, Token: s.token, Key: w.key(), Body: body,
	}
}

// authorized makes a payment with manual capture and lets the payer agree.
func (w *world) authorized(t testing.TB, s shop, p person, amount int64, more map[string]any) payment.Payment {
	t.Helper()
	var made payment.Payment
	w.ok(t, 201, s.order(w, amount, withMore(map[string]any{"capture": "manual"}, more)), &made)
	var seen payment.PayerView
	w.ok(t, 200, p.confirm(w, made.ID), &seen)
	if seen.State != payment.Authorized || seen.Authorization == nil || seen.Authorization.CaptureBefore.IsZero() {
		t.Fatalf("the payer sees %+v", seen)
	}
	return w.read(t, s, made)
}

func withMore(body, more map[string]any) map[string]any {
	maps.Copy(body, more)
	return body
}

func (w *world) read(t testing.TB, s shop, p payment.Payment) payment.Payment {
	t.Helper()
	var now payment.Payment
	w.ok(t, 200, get("/v1/payments/"+string(p.ID), s.token), &now)
	return now
}

// told returns the kinds of events about a payment, in order.
func (w *world) told(t testing.TB, s shop, p payment.Payment) string {
	t.Helper()
	var page api.Page[outbox.Event]
	w.ok(t, 200, get("/v1/events?limit=100&subject="+string(p.ID), s.token), &page)
	kinds := make([]string, len(page.Data))
	for i, event := range page.Data {
		kinds[i] = strings.TrimPrefix(event.Kind, "payment.")
	}
	return strings.Join(kinds, " ")
}

func (w *world) pending(t testing.TB, p person, minor int64) {
	t.Helper()
	var now api.BalanceView
	w.ok(t, 200, get("/wallet/v1/balance", p.token), &now)
	if now.Pending.Minor != minor || now.Available.Minor != now.Posted.Minor-minor {
		t.Errorf("%+v, want %d pending", now, minor)
	}
}

// TestCapture walks through the life of payments that the merchant captures, to the fen and to the limits.
func TestCapture(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60, FeeFixedMinor: 10}), w.person(t, 1_000_00)
		const rule = "cn.day.one_factor"
		paidTo := func(amount, fee int64) balances {
			return balances{
				"2001:" + string(p.id): -amount, "2101:" + string(s.id): amount - fee,
				"1901": -fee, "1902": fee, "4001": fee,
			}.real()
		}

		t.Run("Whole", func(t *testing.T) { //nolint:paralleltest // one after the other
			var made payment.Payment
			w.moves(t, nil, func() { made = w.authorized(t, s, p, 100_00, nil) })
			w.pending(t, p, 100_00)
			w.refused(t, 409, "payment.already_authorized", p.confirm(w, made.ID))
			w.refused(t, 409, "refund.not_paid", s.refund(w, made.ID, nil))
			w.refused(t, 409, "payment.capture_exceeds", s.act(w, made, "capture", map[string]any{"amount": 100_01}))
			w.moves(t, paidTo(100_00, 70), func() { w.ok(t, 200, s.act(w, made, "capture", map[string]any{}), &made) })
			w.pending(t, p, 0)
			if made.State != payment.Succeeded || made.Captured != cny(100_00) || made.Fee != cny(70) || made.Entry == "" {
				t.Errorf("%+v", made)
			}
			w.refused(t, 409, "payment.not_authorized", s.act(w, made, "capture", map[string]any{}))
			w.refused(t, 409, "payment.already_succeeded", s.void(w, made.ID))
			if told := w.told(t, s, made); told != "created authorized succeeded" {
				t.Error(told)
			}
			w.receipts(t, made.Entry)
		})

		t.Run("Parts", func(t *testing.T) { //nolint:paralleltest // one after the other
			used := w.used(t, p, rule)
			made := w.authorized(t, s, p, 100_00, nil)
			if now := w.used(t, p, rule); now != used+100_00 {
				t.Errorf("the limit counted %d", now-used)
			}
			take := func(amount, fee int64, more bool) {
				t.Helper()
				w.moves(t, paidTo(amount, fee), func() {
					w.ok(t, 200, s.act(w, made, "capture", map[string]any{"amount": amount, "more": more, "reference": "box"}), &made)
				})
			}
			take(30_00, 28, true)
			w.pending(t, p, 70_00)
			take(20_01, 12, true) // 40 of 50.01, less what was charged
			w.ok(t, 201, s.refund(w, made.ID, map[string]any{"amount": 50_01}), nil)
			w.refused(t, 409, "refund.exceeds_payment", s.refund(w, made.ID, map[string]any{"amount": 1}))
			take(10_00, 6, false)
			w.pending(t, p, 0)
			if now := w.used(t, p, rule); made.State != payment.Succeeded || now != used+60_01 {
				t.Errorf("%s, the limit counted %d", made.State, now-used)
			}
			var captures api.Page[payment.Capture]
			w.ok(t, 200, get("/v1/payments/"+string(made.ID)+"/captures", s.token), &captures)
			var detail api.PaymentDetail
			w.ok(t, 200, get("/v1/payments/"+string(made.ID)+"?expand=refunds,captures", s.token), &detail)
			if len(captures.Data) != 3 || captures.Data[1].Amount != cny(20_01) || captures.Data[1].Fee != cny(12) ||
				len(detail.Captures) != 3 || len(detail.Refunds) != 1 || detail.Fee != cny(46) {
				t.Errorf("%+v %+v", captures, detail)
			}
			if told := w.told(t, s, made); told != "created authorized"+strings.Repeat(" captured", 2)+" succeeded" {
				t.Error(told)
			}
			w.refused(t, 400, "request.bad_expand", get("/v1/payments/"+string(made.ID)+"?expand=entries", s.token))
			w.ok(t, 201, s.refund(w, made.ID, nil), nil)
		})

		t.Run("Raised", func(t *testing.T) { //nolint:paralleltest // one after the other
			made := w.authorized(t, s, p, 50_00, map[string]any{"amount_max": 80_00})
			w.refused(t, 409, "payment.bad_raise", s.act(w, made, "raise", map[string]any{"amount": 80_01}))
			w.refused(t, 409, "payment.bad_raise", s.act(w, made, "raise", map[string]any{"amount": 50_00}))
			w.moves(t, nil, func() { w.ok(t, 200, s.act(w, made, "raise", map[string]any{"amount": 80_00}), &made) })
			w.pending(t, p, 80_00)
			w.moves(t, paidTo(80_00, 58), func() { w.ok(t, 200, s.act(w, made, "capture", map[string]any{}), &made) })
			w.refused(t, 409, "payment.not_authorized", s.act(w, made, "raise", map[string]any{"amount": 80_00}))
			if told := w.told(t, s, made); told != "created authorized raised succeeded" {
				t.Error(told)
			}
			poor := w.person(t, 60_00)
			made = w.authorized(t, s, poor, 50_00, map[string]any{"amount_max": 80_00})
			w.refused(t, 409, "payment.payer_funds_low", s.act(w, made, "raise", map[string]any{"amount": 60_01}))
			w.ok(t, 200, s.void(w, made.ID), nil)
		})

		t.Run("Voided", func(t *testing.T) { //nolint:paralleltest // one after the other
			used := w.used(t, p, rule)
			made := w.authorized(t, s, p, 40_00, nil)
			w.moves(t, nil, func() { w.ok(t, 200, s.void(w, made.ID), &made) })
			w.pending(t, p, 0)
			if now := w.used(t, p, rule); made.State != payment.Voided || now != used {
				t.Errorf("%s, the limit counted %d", made.State, now-used)
			}
			w.refused(t, 409, "payment.not_authorized", s.act(w, made, "capture", map[string]any{}))
			part := w.authorized(t, s, p, 40_00, nil)
			w.ok(t, 200, s.act(w, part, "capture", map[string]any{"amount": 1_00, "more": true}), nil)
			w.ok(t, 200, s.void(w, part.ID), &part)
			if part.State != payment.Succeeded || part.Captured != cny(1_00) || w.used(t, p, rule) != used+1_00 {
				t.Errorf("%+v", part)
			}
		})

		t.Run("ByCode", func(t *testing.T) { //nolint:paralleltest // one after the other
			var made payment.Payment
			order := s.order(w, 20_00, map[string]any{"payment_code": w.code(t, p), "capture": "manual"})
			w.moves(t, nil, func() { w.ok(t, 201, order, &made) })
			if made.State != payment.Authorized || made.Authorization == nil {
				t.Errorf("%+v", made)
			}
			w.moves(t, paidTo(15_00, 19), func() {
				w.ok(t, 200, s.act(w, made, "capture", map[string]any{"amount": 15_00}), &made)
			})
			w.pending(t, p, 0)
		})
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestCaptureExpires: what is not captured in time is the payer's again; late captures and rises are refused.
func TestCaptureExpires(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 1_000_00)
		none := w.authorized(t, s, p, 10_00, map[string]any{"capture_within": 3600, "amount_max": 20_00})
		part := w.authorized(t, s, p, 10_00, map[string]any{"capture_within": 3600})
		week := w.authorized(t, s, p, 10_00, nil)
		w.ok(t, 200, s.act(w, part, "capture", map[string]any{"amount": 4_00, "more": true}), nil)
		w.pending(t, p, 26_00)
		w.Clock.Advance(time.Hour)
		for act, body := range map[string]map[string]any{"capture": {}, "raise": {"amount": 20_00}} {
			answer := w.call(t, s.act(w, none, act, body))
			if code := codeOf(
				t,
				answer,
			); answer.Status != 409 ||
				(code != "payment.capture_expired" && code != "payment.not_authorized") {
				t.Errorf("%s late: %d %s", act, answer.Status, answer.Body)
			}
		}
		eventually(t, "the end of what was not captured", func() bool {
			return w.read(t, s, none).State == payment.Expired && w.read(t, s, part).State == payment.Succeeded
		})
		w.pending(t, p, 10_00)
		if told := w.told(t, s, none) + ", " + w.told(t, s, part); told != "created authorized expired, "+
			"created authorized captured succeeded" {
			t.Error(told)
		}
		w.Clock.Advance(7 * 24 * time.Hour)
		eventually(t, "the end of the week", func() bool { return w.read(t, s, week).State == payment.Expired })
		w.pending(t, p, 0)
		w.quiet(t)
		w.agree(t)
	})
}

// TestCaptureRaces captures, voids and raises one payment from many sides at once: never more than was agreed to moves.
func TestCaptureRaces(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 1_000_00)
		for range 3 {
			made := w.authorized(t, s, p, 100_00, map[string]any{"amount_max": 120_00})
			answers := w.together(t, 24, func(i int) apitest.Request {
				switch {
				case i%8 == 7:
					return s.act(w, made, "raise", map[string]any{"amount": 120_00})
				case i == 20:
					return s.void(w, made.ID)
				}
				return s.act(w, made, "capture", map[string]any{"amount": 30_00, "more": true})
			})
			var taken int64
			for i, answer := range answers {
				switch {
				case answer.Status == 200 && i%8 != 7 && i != 20:
					taken += 30_00
				case answer.Status != 200 && answer.Status != 409 && answer.Status != 503:
					t.Errorf("%d %s", answer.Status, answer.Body)
				}
			}
			now := w.read(t, s, made)
			if now.Captured.Minor != taken || taken > now.Amount.Minor {
				t.Errorf("%d were answered, %+v", taken, now)
			}
			if now.State == payment.Authorized {
				w.ok(t, 200, s.void(w, made.ID), nil)
			}
			w.pending(t, p, 0)
		}
		w.quiet(t)
		w.agree(t)
	})
}

// TestCaptureInput refuses what does not fit; and finds payments by what the merchant wrote.
func TestCaptureInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 100_00)
		many := map[string]any{}
		for i := range 21 {
			many[strings.Repeat("k", i+1)] = "v"
		}
		for _, test := range []struct {
			code string
			more map[string]any
		}{
			{"request.bad_field", map[string]any{"capture": "later"}},
			{"payment.bad_capture", map[string]any{"capture_within": 60}},
			{"payment.bad_capture", map[string]any{"capture": "automatic", "amount_max": 60_00}},
			{"payment.bad_capture", map[string]any{"capture": "manual", "amount_max": 9_99}},
			{"request.bad_field", map[string]any{"capture": "manual", "capture_within": 2_592_001}},
			{"payment.bad_metadata", map[string]any{"metadata": many}},
			{"payment.bad_metadata", map[string]any{"metadata": map[string]any{"": "v"}}},
			{"payment.bad_metadata", map[string]any{"metadata": map[string]any{strings.Repeat("k", 41): "v"}}},
			{"payment.bad_metadata", map[string]any{"metadata": map[string]any{"k": strings.Repeat("v", 501)}}},
			{"payment.bad_metadata", map[string]any{"metadata": map[string]any{"k": "a\nb"}}},
			{"request.bad_field", map[string]any{"metadata": map[string]any{"k": 1}}},
		} {
			w.refused(t, 400, test.code, s.order(w, 10_00, test.more))
		}
		made := w.authorized(t, s, p, 10_00, map[string]any{
			"reference": "Order%7", "description": "Zwei Tassen 茶", "metadata": map[string]any{"table": "Seven_A"},
		})
		for _, body := range []map[string]any{{"amount": 0}, {"amount": -1}, {"amount": 1.5}, {"amount": "1"}, {"all": true}} {
			if answer := w.call(t, s.act(w, made, "capture", body)); answer.Status != 400 {
				t.Errorf("capture %v: %d %s", body, answer.Status, answer.Body)
			}
		}
		w.refused(t, 400, "payment.bad_reference", s.act(w, made, "capture", map[string]any{"reference": "a\nb"}))
		created := w.created(t, s, 5_00)
		w.refused(t, 409, "payment.not_authorized", s.act(w, created, "capture", map[string]any{}))
		w.refused(t, 409, "payment.not_authorized", s.act(w, created, "raise", map[string]any{"amount": 6_00}))

		found := func(search string) []string {
			var page api.Page[payment.Payment]
			w.ok(t, 200, get("/v1/payments?search="+search, s.token), &page)
			names := make([]string, len(page.Data))
			for i, p := range page.Data {
				names[i] = string(p.ID)
			}
			return names
		}
		for search, want := range map[string][]string{
			"order%257": {string(made.ID)}, "tassen": {string(made.ID)}, "SEVEN_a": {string(made.ID)}, "r_%257": {},
			string(created.ID): {string(created.ID)}, "%E8%8C%B6": {string(made.ID)}, "nothing": {}, "%25": {string(made.ID)},
		} {
			if got := found(search); !slices.Equal(got, want) {
				t.Errorf("%s finds %v", search, got)
			}
		}
		account := ledger.Account(ledger.UserBalance, "CNY", string(p.id))
		if balance, err := w.Ledger.Balance(t.Context(), account); err != nil || balance.Pending != cny(10_00) {
			t.Errorf("%+v %v", balance, err)
		}
	})
}
