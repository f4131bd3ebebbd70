package api_test

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// acts are the requests that move money, with %s where an amount and a currency stand.
func (w *world) acts(s shop, paid payment.Payment, p, payee person) map[string]apitest.Request {
	bank := `{%s,"bank_account_id":"` + string(p.bankAccount) + `","pin":"` + pin + `"}`
	return map[string]apitest.Request{
		"Payment":    {Method: "POST", Path: "/v1/payments", Token: s.token, Body: `{%s}`},
		"Refund":     {Method: "POST", Path: "/v1/payments/" + string(paid.ID) + "/refunds", Token: s.token, Body: `{%s}`},
		"TopUp":      {Method: "POST", Path: "/wallet/v1/top_ups", Token: p.token, Body: bank},
		"Withdrawal": {Method: "POST", Path: "/wallet/v1/withdrawals", Token: p.token, Body: bank},
		"Transfer": {
			Method: "POST", Path: "/wallet/v1/transfers", Token: p.token,
			Body: `{%s,"payee":"` + payee.phone + `","pin":"` + pin + `"}`,
		},
	}
}

// TestAmounts refuses every amount that is none, on every route that moves money.
func TestAmounts(t *testing.T) {
	t.Parallel()
	const (
		field, syntax, text = "request.bad_field", "request.bad_json", "request.bad_encoding"
		least               = "money.not_positive"
	)
	amounts := []struct{ name, members, code string }{
		{"Negative", `"amount":-1,"currency":"CNY"`, least},
		{"Zero", `"amount":0,"currency":"CNY"`, least},
		{"MinusZero", `"amount":-0,"currency":"CNY"`, least},
		{"Fraction", `"amount":1.5,"currency":"CNY"`, field},
		{"Point", `"amount":1.0,"currency":"CNY"`, field},
		{"Exponent", `"amount":1e3,"currency":"CNY"`, field},
		{"Text", `"amount":"1","currency":"CNY"`, field},
		{"Null", `"amount":null,"currency":"CNY"`, field},
		{"True", `"amount":true,"currency":"CNY"`, field},
		{"List", `"amount":[1],"currency":"CNY"`, field},
		{"Object", `"amount":{"amount":1},"currency":"CNY"`, field},
		{"NotExact", `"amount":9007199254740992,"currency":"CNY"`, field},
		{"MaxInt64", `"amount":9223372036854775807,"currency":"CNY"`, field},
		{"BeyondInt64", `"amount":9223372036854775808,"currency":"CNY"`, field},
		{"BelowInt64", `"amount":-9223372036854775809,"currency":"CNY"`, field},
		{"Wraps", `"amount":18446744073709551617,"currency":"CNY"`, field},
		{"LeadingZero", `"amount":01,"currency":"CNY"`, syntax},
		{"Plus", `"amount":+1,"currency":"CNY"`, syntax},
		{"NaN", `"amount":NaN,"currency":"CNY"`, syntax},
		{"Hex", `"amount":0x10,"currency":"CNY"`, syntax},
		{"Twice", `"amount":1,"amount":2,"currency":"CNY"`, "request.duplicate_field"},
		{"OtherCase", `"Amount":1,"currency":"CNY"`, "request.unknown_field"},
		{"Unknown", `"amount":1,"currency":"CNY","fee":0`, "request.unknown_field"},
		{"UnknownCurrency", `"amount":1,"currency":"XYZ"`, "money.unknown_currency"},
		{"LowerCase", `"amount":1,"currency":"cny"`, "money.unknown_currency"},
		{"EmptyCurrency", `"amount":1,"currency":""`, "money.unknown_currency"},
		{"CurrencyNumber", `"amount":1,"currency":156`, field},
		{"InvalidUTF8", "\"amount\":1,\"currency\":\"CN\xff\"", text},
		{"Surrogate", `"amount":1,"currency":"CN\ud800"`, syntax},
		{"Character0", `"amount":1,"currency":"CNY\u0000"`, text},
		{"WrongCurrency", `"amount":1,"currency":"USD"`, "payment.currency_not_supported"},
	}
	// A refund's amount may be left out, so it is another schema; what is left out is not what is zero.
	refunds := map[string]string{
		"Negative": field, "Zero": field, "MinusZero": field, "LeadingZero": field, "Hex": field,
		"WrongCurrency": "money.currency_mismatch",
	}
	each(t, func(t *testing.T, w *world) {
		s, p, payee := w.shop(t, party.NewMerchant{}), w.person(t, 100_000), w.person(t, 0)
		paid := w.paid(t, s, p, 5_000)
		for act, call := range w.acts(s, paid, p, payee) {
			form, ok := call.Body.(string)
			if !ok {
				t.Fatal("a form is text")
			}
			call.Key = w.key()
			for _, amount := range amounts {
				code := amount.code
				if other, there := refunds[amount.name]; there && act == "Refund" {
					code = other
				}
				call.Body = fmt.Sprintf(form, amount.members)
				before := w.snapshot(t)
				answer := w.call(t, call)
				if answer.Status == 400 && answer.Header.Get("Content-Type") == "application/problem+json" {
					answer.Problem(t, 400, code)
				} else {
					t.Errorf("%s %s: %d %s", act, amount.name, answer.Status, answer.Body)
				}
				if t.Failed() {
					t.Fatalf("%s %s", act, amount.name)
				}
				before.same(t, w.snapshot(t), act+" "+amount.name)
			}
			// None of them has burnt the key.
			call.Body = fmt.Sprintf(form, `"amount":1,"currency":"CNY"`)
			if answer := w.ok(t, 201, call, nil); answer.Header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%s: a refused request burnt its key", act)
			}
			w.quiet(t)
		}
		w.agree(t)
	})
}

// TestBodies refuses bodies, keys and parameters that are none.
func TestBodies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, payee := w.shop(t, party.NewMerchant{}), w.person(t, 100_000), w.person(t, 0)
		paid := w.paid(t, s, p, 5_000)
		const good = `"amount":1,"currency":"CNY"`
		for act, call := range w.acts(s, paid, p, payee) {
			form, _ := call.Body.(string)
			call.Key = w.key()
			for body, code := range map[string]string{
				"":                             "request.body_missing",
				"null":                         "request.bad_field",
				"[]":                           "request.bad_field",
				`"text"`:                       "request.bad_field",
				"{":                            "request.bad_json",
				fmt.Sprintf(form, good) + "{}": "request.bad_json",
				strings.Repeat("[", 60_000):    "request.bad_json",
			} {
				call.Body = body
				before := w.snapshot(t)
				answer := w.call(t, call)
				if answer.Status != 400 {
					t.Errorf("%s %.20q: %d %s", act, body, answer.Status, answer.Body)
				} else {
					answer.Problem(t, 400, code)
				}
				before.same(t, w.snapshot(t), act)
			}
			call.Body = fmt.Sprintf(form, good)
			w.badFrames(t, call)
		}
		w.agree(t)
	})
}

// badFrames sends a good body in a way that is not: too large, of another type, compressed, without or with a bad
// key, with a parameter that nobody knows.
func (w *world) badFrames(t *testing.T, good apitest.Request) {
	t.Helper()
	form, _ := good.Body.(string)
	with := func(change func(*apitest.Request)) apitest.Request {
		call := good
		change(&call)
		return call
	}
	header := func(name, value string) apitest.Request {
		return with(func(c *apitest.Request) { c.Header = map[string]string{name: value} })
	}
	huge := strings.Replace(form, "{", "{"+strings.Repeat(" ", 10<<20), 1)
	tooLarge := header("Expect", "100-continue")
	tooLarge.Body = huge
	w.refused(t, 413, "request.too_large", tooLarge)
	// A body that does not say its length is cut off as well.
	before := w.snapshot(t)
	call := good
	call.Body = io.MultiReader(strings.NewReader(huge))
	apitest.Call(t, w.Server, call).Problem(t, 413, "request.too_large")
	before.same(t, w.snapshot(t), "a body of unknown length")

	w.refused(t, 415, "request.unsupported_media_type", header("Content-Type", "text/plain"))
	w.refused(t, 415, "request.unsupported_media_type", header("Content-Type", "application/json; charset=gb18030"))
	w.refused(t, 415, "request.unsupported_media_type", header("Content-Encoding", "gzip"))
	w.refused(t, 400, "request.idempotency_key_missing", with(func(c *apitest.Request) { c.Key = "" }))
	for _, key := range []string{"with blank", "ключ", `"open`, strings.Repeat("k", 256), `"`, `""`} {
		w.refused(t, 400, "request.idempotency_key_bad", with(func(c *apitest.Request) { c.Key = key }))
	}
	w.refused(t, 400, "request.unknown_parameter", with(func(c *apitest.Request) { c.Path += "?dryrun=true" }))
	w.refused(
		t,
		400,
		"request.repeated_parameter",
		with(func(c *apitest.Request) { c.Path += "?dry_run=true&dry_run=false" }),
	)
	w.refused(t, 400, "request.bad_field", with(func(c *apitest.Request) { c.Path += "?dry_run=1" }))
	w.refused(t, 405, "request.method_not_allowed", with(func(c *apitest.Request) { c.Method = "PATCH" }))
}

// TestTexts refuses texts that nobody can print, and ids that are none.
func TestTexts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, payee := w.shop(t, party.NewMerchant{}), w.person(t, 100_000), w.person(t, 0)
		paid := w.paid(t, s, p, 5_000)
		long, control := strings.Repeat("飞", 201), "tea\u0007"
		for _, test := range []struct {
			code string
			more map[string]any
		}{
			{"request.bad_field", map[string]any{"reference": strings.Repeat("r", 65)}},
			{"payment.bad_reference", map[string]any{"reference": control}},
			{"payment.bad_description", map[string]any{"description": control}},
			{"request.bad_field", map[string]any{"description": long}},
			{"request.bad_field", map[string]any{"expires_in": -1}},
			{"request.bad_field", map[string]any{"expires_in": 0}},
			{"request.bad_field", map[string]any{"expires_in": 86401}},
			{"wallet.bad_code", map[string]any{"payment_code": "9512345"}},
		} {
			w.refused(t, 400, test.code, s.order(w, 100, test.more))
		}
		w.refused(t, 400, "request.bad_field", s.refund(w, paid.ID, map[string]any{"reason": long}))
		w.refused(t, 400, "refund.bad_reason", s.refund(w, paid.ID, map[string]any{"reason": control}))
		w.refused(t, 400, "payment.bad_reference", s.refund(w, paid.ID, map[string]any{"reference": control}))
		for _, name := range []string{"pay_1", "ref_" + string(paid.ID)[4:], strings.ToUpper(string(paid.ID)), "1 OR 1=1", "..%2f"} {
			w.refused(t, 400, "request.bad_field", get("/v1/payments/"+strings.ReplaceAll(name, " ", "%20"), s.token))
		}
		transfer := func(change map[string]any) apitest.Request {
			call := p.transfer(w, payee, 100)
			body, _ := call.Body.(map[string]any)
			maps.Copy(body, change)
			return call
		}
		for _, test := range []struct {
			status int
			code   string
			change map[string]any
		}{
			{400, "transfer.bad_note", map[string]any{"note": control}},
			{400, "request.bad_field", map[string]any{"note": long}},
			{400, "transfer.to_self", map[string]any{"payee": p.phone}},
			{400, "transfer.to_self", map[string]any{"payee": p.id}},
			{404, "party.customer_not_found", map[string]any{"payee": "+8613999999999"}},
			{404, "party.customer_not_found", map[string]any{"payee": "cus_01kanq4j3qf8yt0v5d7r2m9xce"}},
			{400, "party.bad_phone", map[string]any{"payee": "my mother"}},
			{400, "request.bad_field", map[string]any{"payee": ""}},
			{400, "auth.bad_pin", map[string]any{"pin": "12345x"}},
			{400, "request.bad_field", map[string]any{"pin": "1234567"}},
			{400, "request.bad_field", map[string]any{"pin": 739402}},
		} {
			w.refused(t, test.status, test.code, transfer(test.change))
		}
		// Too little money: refused, and not counted as anything.
		w.refused(t, 409, "payment.insufficient_funds", w.withCode(t, p, transfer(map[string]any{"amount": 400_000})))
		w.refused(t, 409, "payment.insufficient_funds", w.withCode(t, p, p.bankMoney(w, "/wallet/v1/withdrawals", 1_000_000)))
		w.refused(t, 409, "payment.insufficient_funds", payee.confirm(w, w.created(t, s, 100).ID))
		// Beyond what the bank takes at once.
		w.refused(t, 400, "channel.amount_out_of_range", p.bankMoney(w, "/wallet/v1/top_ups", 5_000_000_01))
		w.agree(t)
	})
}
