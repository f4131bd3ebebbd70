package api_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

// useLink presses a link's button; amount is what the payer types.
func (w *world) useLink(t testing.TB, link checkout.Link, amount string) apitest.Answer {
	t.Helper()
	_, answer := w.send(t, apitest.Request{
		Method: "POST", Path: strings.TrimPrefix(link.URL, w.Codes.Origin) + "?lang=en",
		Body:   "amount=" + url.QueryEscape(amount),
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
	})
	return answer
}

// begun is the payment that a link's button made.
func begun(t testing.TB, answer apitest.Answer) id.Payment {
	t.Helper()
	name := regexp.MustCompile(`pay_\w+`).FindString(answer.Header.Get("Location"))
	if answer.Status != 303 || name == "" {
		t.Fatalf("the link made nothing: %d", answer.Status)
	}
	return id.Payment(name)
}

// TestSharing splits and keeps the money of checkouts, links and printed codes as it does that of payments.
func TestSharing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		s, guide := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{})
		p := w.person(t, 5_000_00)
		payer, own, first, waits := "2001:"+string(p.id), "2101:"+string(s.id), "2101:"+string(guide.id),
			"2103:"+string(s.id)
		sold := func(minor, fee, part int64) balances {
			return balances{
				payer: -minor, own: minor - fee - part, first: part, "1901": -fee, "1902": fee, "4001": fee,
			}.real()
		}
		kept := func(minor, fee int64) balances {
			return balances{payer: -minor, waits: minor - fee, "1901": -fee, "1902": fee, "4001": fee}.real()
		}
		splits := parts(share(guide, 2_000))

		t.Run("Checkout", func(t *testing.T) { //nolint:paralleltest // one after the other
			made := w.checkout(t, s, map[string]any{"amount": 100_00, "splits": splits})
			w.moves(t, sold(100_00, 60, 20_00), func() { w.ok(t, 200, p.confirm(w, made.ID), nil) })
			held := w.checkout(t, s, map[string]any{"amount": 100_00, "funds": "escrow"})
			if page := w.page(t, held.URL+"&lang=en", nil); !strings.Contains(string(page.Body), "In escrow") {
				t.Error("the page does not say that the money waits")
			}
			w.moves(t, kept(100_00, 60), func() { w.ok(t, 200, p.confirm(w, held.ID), nil) })
			w.moves(t, balances{waits: -99_40, own: 99_40}, func() {
				w.ok(t, 200, apitest.Request{
					Method: "POST", Path: "/wallet/v1/payments/" + string(held.ID) + "/release", Token: p.token, Key: w.key(),
					Body: map[string]any{},
				}, nil)
			})
		})

		t.Run("Link", func(t *testing.T) { //nolint:paralleltest // one after the other
			var rule payment.SplitRule
			w.ok(t, 201, apitest.Request{Method: "POST", Path: "/v1/split_rules", Token: s.token, Body: map[string]any{
				"name": "tour", "splits": splits,
			}}, &rule)
			var link, later checkout.Link
			w.made(t, "/v1/payment_links", s.token, map[string]any{"split_rule_id": rule.ID}, &link)
			w.made(t, "/v1/payment_links", s.token, map[string]any{"amount": 50_00, "funds": "held"}, &later)
			if link.Funds != payment.FundsSplit || link.Rule != rule.ID || later.ReleaseAfter != 864_000 {
				t.Errorf("%+v %+v", link, later)
			}
			name := begun(t, w.useLink(t, link, "100"))
			w.moves(t, sold(100_00, 60, 20_00), func() { w.ok(t, 200, p.confirm(w, name), nil) })
			name = begun(t, w.useLink(t, later, ""))
			w.moves(t, kept(50_00, 30), func() { w.ok(t, 200, p.confirm(w, name), nil) })
			w.quiet(t)
			before := w.snapshot(t)
			if answer := w.useLink(t, link, "0.02"); answer.Status != 409 ||
				!strings.Contains(string(answer.Body), "take this amount") {
				t.Errorf("a payment of which a share is nothing: %d", answer.Status)
			}
			before.same(t, w.snapshot(t), "an amount too small to share")
			w.ok(t, 204, apitest.Request{Method: "DELETE", Path: "/v1/split_rules/" + string(rule.ID), Token: s.token}, nil)
			w.quiet(t)
			before = w.snapshot(t)
			if answer := w.useLink(t, link, "100"); answer.Status != 409 || strings.Contains(string(answer.Body), "rule") {
				t.Errorf("a rule that has ended: %d", answer.Status)
			}
			before.same(t, w.snapshot(t), "a rule that has ended")
		})

		t.Run("Code", func(t *testing.T) { //nolint:paralleltest // one after the other
			var code, fixedCode, escrow qr.Code
			w.made(t, "/v1/qr_codes", s.token, map[string]any{"splits": splits}, &code)
			w.made(t, "/v1/qr_codes", s.token, map[string]any{"amount": 10_00, "splits": parts(fixed(guide, 3_00))}, &fixedCode)
			w.made(t, "/v1/qr_codes", s.token, map[string]any{"funds": "escrow"}, &escrow)
			pay := func(code qr.Code, body map[string]any) apitest.Request {
				return p.payCode(w, "/wallet/v1/qr_codes/"+string(code.ID)+"/pay", body)
			}
			w.moves(t, sold(100_00, 60, 20_00), func() { w.ok(t, 201, pay(code, map[string]any{"amount": 100_00}), nil) })
			w.moves(t, sold(10_00, 6, 3_00), func() { w.ok(t, 201, pay(fixedCode, nil), nil) })
			if scanned := w.scan(t, p, escrow.URL); !scanned.Payee.Escrow {
				t.Errorf("%+v", scanned.Payee)
			}
			var paid payment.PayerView
			w.moves(t, kept(10_00, 6), func() { w.ok(t, 201, pay(escrow, map[string]any{"amount": 10_00}), &paid) })
			if paid.Funds != payment.FundsEscrow || !paid.Custody.Waits {
				t.Errorf("%+v", paid)
			}
			w.quiet(t)
			w.refused(t, 409, "payment.not_payable", pay(code, map[string]any{"amount": 2}))
		})
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestSharingInput refuses what no payment of a checkout, link or code could carry, and writes nothing.
func TestSharingInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, a := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{})
		for name, test := range map[string]struct {
			code string
			more map[string]any
		}{
			"Exceeds": {"payment.split_exceeds", map[string]any{"amount": 10_00, "currency": "CNY", "splits": parts(fixed(a, 9_95))}},
			"Self":    {"payment.bad_split", map[string]any{"amount": 10_00, "currency": "CNY", "splits": parts(fixed(s, 1))}},
			"Nobody":  {"payment.bad_split", map[string]any{"amount": 10_00, "currency": "CNY", "splits": parts(map[string]any{"receiver_id": "mer_01kanq4j3qf8yt0v5d7r2m9xce", "bps": 1000})}},
			"Escrow":  {"payment.bad_funds", map[string]any{"amount": 10_00, "currency": "CNY", "funds": "escrow", "splits": parts(fixed(a, 1))}},
			"Direct":  {"payment.bad_funds", map[string]any{"amount": 10_00, "currency": "CNY", "release_after": 60}},
		} {
			t.Run(name, func(t *testing.T) {
				w.quiet(t)
				for _, path := range []string{"/v1/checkouts", "/v1/payment_links", "/v1/qr_codes"} {
					w.refused(t, 400, test.code, apitest.Request{
						Method: "POST", Path: path, Token: s.token, Key: w.key(), Body: test.more,
					})
				}
			})
		}
		for _, path := range []string{"/v1/payment_links", "/v1/qr_codes"} {
			for _, more := range []map[string]any{
				{"splits": parts(fixed(a, 1))}, {"splits": parts(share(a, 10_000))},
			} {
				w.quiet(t)
				call := apitest.Request{Method: "POST", Path: path, Token: s.token, Key: w.key(), Body: more}
				if _, answer := w.send(t, call); answer.Status != 400 {
					t.Errorf("%s %v: %d %s", path, more, answer.Status, answer.Body)
				}
			}
		}
	})
}
