package api_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// TestTopUp: the bank's money and its cost, and the arrival on our reserve.
func TestTopUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for amount, cost := range map[int64]int64{100_00: 10, 1: 0, 499: 0, 500: 1, 12_345_67: 1235} {
			p := w.person(t, 0)
			w.moves(t, balances{
				"2001:" + string(p.id): amount, "1001": amount, "5001": cost, "2502": cost,
			}.real(), func() { w.topUp(t, p, amount) })
		}
	})
}

// TestFees pays with every kind of rounding, by confirmation and by code.
func TestFees(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 10_000_00)
		for _, test := range []struct {
			name                    string
			bps, fixed, amount, fee int64
		}{
			{"Plain", 60, 0, 100_00, 60},
			{"JustBelowHalf", 60, 0, 83, 0},
			{"JustAboveHalf", 60, 0, 84, 1},
			{"HalfGoesUp", 50, 0, 100, 1},
			{"HalfAndFixed", 50, 7, 300, 9},
			{"BelowHalf", 50, 0, 99, 0},
			{"OneFen", 60, 0, 1, 0},
			{"Fixed", 0, 30, 500, 30},
			{"BpsAndFixed", 38, 10, 50_00, 29},
			{"FixedIsMoreThanTheAmount", 60, 30, 10, 10},
			{"All", 10_000, 0, 500, 500},
			{"MoreThanAll", 10_000, 5, 500, 500},
			{"None", 0, 0, 500, 0},
		} {
			s := w.shop(t, party.NewMerchant{FeeBps: test.bps, FeeFixedMinor: test.fixed})
			want := balances{
				"2001:" + string(p.id): -test.amount, "2101:" + string(s.id): test.amount - test.fee,
				"1901": -test.fee, "1902": test.fee, "4001": test.fee,
			}.real()
			var paid payment.Payment
			w.moves(t, want, func() { paid = w.paid(t, s, p, test.amount) })
			if paid.Fee.Minor != test.fee {
				t.Errorf("%s: the payment says %v", test.name, paid.Fee)
			}
			w.moves(t, want, func() {
				w.ok(t, 201, s.order(w, test.amount, map[string]any{"payment_code": w.code(t, p)}), &paid)
			})
			if paid.State != payment.Succeeded || paid.Fee.Minor != test.fee {
				t.Errorf("%s by code: %+v", test.name, paid)
			}
			if t.Failed() {
				t.Fatal(test.name)
			}
			w.Clock.Advance(3 * stepTime) // ten codes in half a minute are enough for a phone
		}
	})
}

const stepTime = hour / 120

// TestTransfer moves a balance, the whole of it too.
func TestTransfer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		a, b := w.person(t, 10_000), w.person(t, 0)
		for _, amount := range []int64{1, 4_999, 5_000} {
			w.moves(t, balances{"2001:" + string(a.id): -amount, "2001:" + string(b.id): amount}, func() {
				w.ok(t, 201, a.transfer(w, b, amount), nil)
			})
		}
		w.refused(t, 409, "payment.insufficient_funds", a.transfer(w, b, 1))
		var balance struct {
			Posted, Available money.Amount
		}
		w.ok(t, 200, get("/wallet/v1/balance", b.token), &balance)
		if balance.Posted != cny(10_000) || balance.Available != cny(10_000) {
			t.Errorf("%+v", balance)
		}
		if n := w.rows(t, get("/wallet/v1/statement?limit=100", b.token)); n != 3 {
			t.Errorf("the statement has %d rows", n)
		}
		w.refused(t, 400, "money.unknown_currency", get("/wallet/v1/balance?currency=cny", b.token))
	})
}

// TestRefunds gives back in parts: the shares of the fee never sum to more than the fee, and the last takes the rest.
func TestRefunds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 10_000_00)
		for _, test := range []struct {
			name               string
			bps, fixed, amount int64
			parts, shares      []int64
		}{
			{"Full", 60, 0, 100_00, []int64{100_00}, []int64{60}},
			{"Partial", 60, 0, 100_00, []int64{30_00}, []int64{18}},
			{"Thirds", 60, 0, 100_00, []int64{33_33, 33_33, 33_34}, []int64{20, 20, 20}},
			{"OneFenOfThree", 3_333, 0, 3, []int64{1, 1, 1}, []int64{0, 0, 1}},
			{"TwoFenOfThree", 6_667, 0, 3, []int64{1, 1, 1}, []int64{1, 1, 0}},
			{"HalfUp", 0, 1, 4, []int64{2, 1, 1}, []int64{1, 0, 0}},
			{"RestOfShare", 0, 3, 10, []int64{5, 4, 1}, []int64{2, 1, 0}},
			{"AllFee", 10_000, 0, 5, []int64{2, 3}, []int64{2, 3}},
			{"NoFee", 0, 0, 100, []int64{1, 99}, []int64{0, 0}},
		} {
			s := w.shop(t, party.NewMerchant{FeeBps: test.bps, FeeFixedMinor: test.fixed})
			paid := w.paid(t, s, p, test.amount)
			var given, returned int64
			for i, part := range test.parts {
				share := test.shares[i]
				var refund payment.Refund
				w.moves(t, balances{
					"2001:" + string(p.id): part, "2101:" + string(s.id): share - part,
					"1901": share, "1902": -share, "4001": -share,
				}.real(), func() { w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": part}), &refund) })
				given, returned = given+part, returned+share
				if refund.FeeReturned.Minor != share || refund.Minor != part {
					t.Errorf("%s, part %d: %+v", test.name, i, refund)
				}
			}
			w.ok(t, 200, get("/v1/payments/"+string(paid.ID), s.token), &paid)
			if paid.Refunded.Minor != given || paid.FeeReturned.Minor != returned || returned > paid.Fee.Minor ||
				paid.State != payment.Succeeded {
				t.Errorf("%s: %+v", test.name, paid)
			}
			if n := w.rows(t, get("/v1/payments/"+string(paid.ID)+"/refunds", s.token)); n != len(test.parts) {
				t.Errorf("%s: %d refunds", test.name, n)
			}
			w.refused(t, 409, "refund.exceeds_payment", s.refund(w, paid.ID, map[string]any{"amount": test.amount - given + 1}))
			if t.Failed() {
				t.Fatal(test.name)
			}
		}
	})
}

// TestAdvance refunds for a merchant whose money has gone.
func TestAdvance(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 100_000)
		for _, test := range []struct {
			name                                string
			limit, left, refund, lent, debtPast int64
			refused                             bool
		}{
			{name: "NoLimit", limit: 0, left: 0, refund: 1_000, refused: true},
			{name: "BalanceCovers", limit: 0, left: 994, refund: 1_000, lent: 0},
			{name: "OneFenShort", limit: 0, left: 993, refund: 1_000, refused: true},
			{name: "PartLent", limit: 500, left: 600, refund: 1_000, lent: 394},
			{name: "AllLent", limit: 994, left: 0, refund: 1_000, lent: 994},
			{name: "JustBeyond", limit: 993, left: 0, refund: 1_000, refused: true},
			{name: "DebtCounts", limit: 1_500, left: 0, debtPast: 600, refund: 1_000, refused: true},
			{name: "DebtFits", limit: 1_600, left: 0, debtPast: 600, refund: 1_000, lent: 994},
		} {
			s := w.shop(t, party.NewMerchant{FeeBps: 60, AdvanceMinor: test.limit})
			paid := w.paid(t, s, p, 1_000)
			pending := ledger.Account(ledger.MerchantPending, "CNY", string(s.id))
			if gone := 994 - test.left; gone > 0 {
				w.post(
					t,
					ledger.Line{
						Reason: "settle",
						Debit:  pending,
						Credit: ledger.Account("2102", "CNY", string(s.id)),
						Amount: cny(gone),
					},
				)
			}
			if test.debtPast > 0 {
				w.post(t, ledger.Line{
					Reason: "past",
					Debit:  ledger.Account(ledger.MerchantDebt, "CNY", string(s.id)),
					Credit: "1902:CNY:n00",
					Amount: cny(test.debtPast),
				}, ledger.Line{Reason: "past", Debit: "1901:CNY:n00", Credit: "2102:CNY:" + ledger.AccountID(s.id), Amount: cny(test.debtPast)})
			}
			call := s.refund(w, paid.ID, map[string]any{"amount": test.refund})
			if test.refused {
				w.refused(t, 409, "refund.merchant_balance_low", call)
			} else {
				covered := test.refund - test.lent
				w.moves(t, balances{
					"2001:" + string(p.id): test.refund, "2101:" + string(s.id): 6 - covered, "1401:" + string(s.id): test.lent,
					"1901": 6 + test.lent, "1902": -6 - test.lent, "4001": -6,
				}.real(), func() { w.ok(t, 201, call, nil) })
			}
			if t.Failed() {
				t.Fatal(test.name)
			}
		}
	})
}

// TestStatements: what a statement and an event say is what happened, page by page.
func TestStatements(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 100_000)
		var payments []payment.Payment
		for i := range 7 {
			payments = append(payments, w.paid(t, s, p, int64(1_000+i)))
		}
		seen, cursor := 0, ""
		for {
			var page struct {
				Data       []payment.Payment `json:"data"`
				HasMore    bool              `json:"has_more"`
				NextCursor string            `json:"next_cursor"`
			}
			w.ok(t, 200, get("/v1/payments?limit=3"+cursor, s.token), &page)
			for _, row := range page.Data {
				if want := payments[len(payments)-1-seen]; row.ID != want.ID || row.Amount != want.Amount {
					t.Errorf("row %d is %s, want %s", seen, row.ID, want.ID)
				}
				seen++
			}
			if cursor = "&cursor=" + page.NextCursor; !page.HasMore {
				break
			}
		}
		if seen != len(payments) {
			t.Errorf("%d payments on all pages", seen)
		}
		// 2 events for each payment, oldest first; the last page's cursor asks for what comes.
		cursor, seen = "", 0
		for range 10 {
			var page struct {
				Data []struct {
					Kind, Subject string
					Data          payment.Payment
				} `json:"data"`
				NextCursor string `json:"next_cursor"`
			}
			w.ok(t, 200, get("/v1/events?limit=4"+cursor, s.token), &page)
			for _, event := range page.Data {
				want := payments[seen/2]
				if event.Subject != string(want.ID) || event.Data.ID != want.ID ||
					event.Kind != []string{"payment.created", "payment.succeeded"}[seen%2] {
					t.Errorf("event %d is %s of %s", seen, event.Kind, event.Subject)
				}
				seen++
			}
			cursor = "&cursor=" + page.NextCursor
		}
		if seen != 2*len(payments) {
			t.Errorf("%d events", seen)
		}
		for query, want := range map[string]int{
			"amount_min=1003": 4, "amount_max=1003": 4, "amount_min=1002&amount_max=1003": 2, "state=succeeded": 7, "state=voided": 0,
			"from=2100-01-01T00:00:00Z": 0, "to=2000-01-01T00:00:00Z": 0, "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z": 7,
		} {
			if n := w.rows(t, get("/v1/payments?"+query, s.token)); n != want {
				t.Errorf("%s: %d rows, want %d", query, n, want)
			}
		}
		for query, code := range map[string]string{
			"state=paid": "request.bad_field", "limit=0": "request.bad_field", "limit=101": "request.bad_field", "cursor=%21": "request.bad_cursor",
			"from=yesterday": "request.bad_field", "from=2026-11-22T00:00:00Z&to=2026-11-22T00:00:00Z": "request.bad_field",
			"amount_min=-1": "request.bad_field", "amount_min=1.5": "request.bad_field", "customer=x": "request.unknown_parameter",
		} {
			w.refused(t, 400, code, get("/v1/payments?"+query, s.token))
		}
		at := payments[3].CompletedAt.Format("2006-01-02T15:04:05.999999Z")
		w.ok(t, 200, get("/v1/balance?at="+at, s.token), nil)
		w.agree(t)
	})
}
