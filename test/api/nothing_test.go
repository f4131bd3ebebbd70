package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
)

// TestFromNothing takes a new payer from nothing to class III and through every way to confirm, a real browser's passkey
// among them, and is stopped by every limit on the way with the rule, what is left, and what would lift it.
func TestFromNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		nextDay := func() {
			t.Helper()
			w.Clock.Advance(24 * time.Hour)
			eventually(t, "the top-up's arrival from the bank", func() bool {
				return w.count(t, "SELECT count(*) FROM attempts WHERE arrived_at = 0") == 0
			})
			w.quiet(t)
		}
		known := authority.SeedPeople()[3]
		p := w.joined(t, known.Phones[0])
		s := w.shop(t, party.NewMerchant{FeeBps: 60})
		w.topUp(t, p, 20_000_00)
		w.quiet(t)

		// Class 0 pays nothing.
		w.exceeds(t, "cn.unverified", 0, p.confirm(w, w.created(t, s, 1).ID))

		// Class I: 1,000 yuan in a lifetime.
		w.ok(t, 200, p.document(known), nil)
		w.pass(t, p, map[string]any{"channel": "authority"}, 1)
		w.ok(t, 200, p.confirm(w, w.created(t, s, 400_00).ID), nil)
		nextDay()
		w.exceeds(t, "cn.class1.lifetime", 600_00, p.confirm(w, w.created(t, s, 600_01).ID))

		// Class II. A day has 1,000 yuan with one factor, be it the PIN or a payment code.
		asJPEG, asPNG := pictures(t)
		w.ok(t, 200, p.image("front", asJPEG), nil)
		w.ok(t, 200, p.image("back", asPNG), nil)
		w.pass(t, p, map[string]any{"channel": "phone"}, 1)
		w.pass(t, p, map[string]any{"channel": "card", "card_number": known.Cards[0].Number}, 2)
		w.ok(t, 200, p.confirm(w, w.created(t, s, 900_00).ID), nil)
		problem := w.refused(t, 403, "auth.step_up_required", p.confirm(w, w.created(t, s, 100_01).ID))
		if !strings.Contains(problem.Detail, "two") || problem.Hint == "" {
			t.Errorf("the step-up does not say what it needs: %+v", problem)
		}
		nextDay()
		var scanned payment.Payment
		w.ok(t, 201, s.order(w, 1_000_00, map[string]any{"payment_code": w.code(t, p)}), &scanned)
		if scanned.State != payment.Succeeded {
			t.Errorf("%+v", scanned)
		}
		w.ok(t, 201, s.order(w, 1, map[string]any{"payment_code": w.code(t, p)}), &scanned)
		if scanned.State != payment.Declined || scanned.DeclineCode != payment.DeclineLimitExceeded {
			t.Errorf("%+v", scanned)
		}
		if left := w.left(t, p, "cn.qr.c"); left != 0 {
			t.Errorf("%d left by code", left)
		}

		// Class III. PIN and a code by text: 5,000 yuan a day.
		nextDay()
		w.pass(t, p, map[string]any{"channel": "commercial"}, 2)
		w.pass(t, p, map[string]any{"channel": "bank_transfer", "account_number": known.Accounts[0]}, 2)
		w.ok(t, 200, p.identityPost("/checks/bank_transfer/answer",
			map[string]any{"amount": authority.Deposit(known.Accounts[0])}), nil)
		if v := w.identity(t, p); v.Class != 3 {
			t.Fatalf("%+v", v)
		}
		w.ok(t, 200, w.coded(t, p, w.created(t, s, 4_000_00).ID), nil)
		beyond := w.created(t, s, w.left(t, p, "cn.day.two_factors")+1)
		w.refused(t, 403, "auth.step_up_required", w.coded(t, p, beyond.ID))

		// A passkey of a real browser signs payee and amount, and lifts the day's limit.
		page := w.browse(t)
		var ask api.PasskeyAsk
		w.ok(t, 201, post("/wallet/v1/passkeys/challenges", p.token, map[string]any{"password": password, "pin": pin}), &ask)
		w.ok(t, 201, post("/wallet/v1/passkeys", p.token, map[string]any{
			"name": "Finger", "challenge_id": ask.Challenge, "credential": page.create(t, ask),
		}), nil)
		call := w.signed(t, p, page, beyond.ID)
		another := call
		another.Path, another.Key = "/wallet/v1/payments/"+string(w.created(t, s, 1_00).ID)+"/confirm", w.key()
		w.refused(t, 403, "auth.passkey_refused", another)
		w.ok(t, 200, call, nil)
		replay := call
		replay.Path, replay.Key = "/wallet/v1/payments/"+string(w.created(t, s, 1_00).ID)+"/confirm", w.key()
		w.refused(t, 403, "auth.passkey_refused", replay)
		w.Clock.Advance(time.Minute)
		var signIn api.PasskeyAsk
		w.ok(t, 201, apitest.Request{Method: "POST", Path: "/wallet/v1/passkey_challenges"}, &signIn)
		var session api.Session
		w.ok(t, 201, post("/wallet/v1/passkey_login", "", map[string]any{
			"challenge_id": signIn.Challenge, "credential": page.get(t, signIn), "device_name": "Laptop",
		}), &session)
		if session.Customer.ID != p.id {
			t.Errorf("signed in as %s", session.Customer.ID)
		}

		// The year of class III: 200,000 yuan, whatever signs.
		w.quiet(t)
		year := w.left(t, p, "cn.class3.year")
		w.exceeds(t, "cn.class3.year", year, w.signed(t, p, page, w.created(t, s, year+1).ID))
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// joined registers a customer by a code to the phone, and sets the PIN.
func (w *world) joined(t *testing.T, phone string) person {
	t.Helper()
	var sent struct {
		ID string `json:"code_id"`
	}
	w.ok(t, 201, post("/wallet/v1/codes", "", map[string]any{"phone": phone, "purpose": "register"}), &sent)
	var session api.Session
	w.ok(t, 201, post("/wallet/v1/register", "", map[string]any{
		"phone": phone, "name": "New", "password": password, "code_id": sent.ID, "code": w.textCode(t, phone, 0),
	}), &session)
	w.ok(t, 204, apitest.Request{
		Method: "PUT", Path: "/wallet/v1/pin", Token: session.Token, Body: map[string]any{"pin": pin, "password": password},
	}, nil)
	w.Clock.Advance(25 * time.Hour) // a device of the first day needs more
	p := person{id: session.Customer.ID, phone: phone, token: session.Token, number: "6200000000000017"}
	must(
		t,
		w.bank.OpenAccount(t.Context(), bank.SeedAccount{Number: p.number, HolderName: "New", Balance: cny(1_000_000_00)}),
	)
	var account struct {
		ID id.BankAccount `json:"id"`
	}
	w.ok(
		t,
		201,
		post("/wallet/v1/bank_accounts", p.token, map[string]any{"number": p.number, "holder_name": "New"}),
		&account,
	)
	p.bankAccount = account.ID
	return p
}

// pass runs a check that passes and expects the class that it leads to.
func (w *world) pass(t *testing.T, p person, check map[string]any, class party.Class) {
	t.Helper()
	w.ok(t, 200, p.identityPost("/checks", check), nil)
	if v := w.identity(t, p); v.Class != class {
		t.Fatalf("class %d after %s, want %d", v.Class, check["channel"], class)
	}
}

// left returns what a rule leaves.
func (w *world) left(t *testing.T, p person, rule string) int64 {
	t.Helper()
	var standing limit.Standing
	w.ok(t, 200, get("/wallet/v1/limits", p.token), &standing)
	for _, r := range standing.Limits {
		if r.Rule == rule {
			return *r.Left
		}
	}
	t.Fatalf("rule %s does not concern the payer", rule)
	return 0
}

// coded is the confirmation of a payment by the PIN and a code that is sent for it.
func (w *world) coded(t *testing.T, p person, name id.Payment) apitest.Request {
	t.Helper()
	known := 0
	for _, text := range w.sms.Inbox(p.phone) {
		if smsc.CodeIn(text.Text) != "" {
			known++
		}
	}
	var needs api.ConfirmationNeeds
	w.ok(t, 201, post("/wallet/v1/confirmations", p.token, map[string]any{
		"act": "payment", "payment_id": name, "want": "code",
	}), &needs)
	call := p.confirm(w, name)
	call.Body = map[string]any{"pin": pin, "code_id": needs.Code.ID, "code": w.textCode(t, p.phone, known)}
	return call
}

// signed is the confirmation of a payment by a browser's passkey.
func (w *world) signed(t *testing.T, p person, page browser, name id.Payment) apitest.Request {
	t.Helper()
	var needs api.ConfirmationNeeds
	w.ok(t, 201, post("/wallet/v1/confirmations", p.token, map[string]any{
		"act": "payment", "payment_id": name, "want": "passkey",
	}), &needs)
	call := p.confirm(w, name)
	call.Body = map[string]any{"passkey": map[string]any{
		"challenge_id": needs.Passkey.Challenge, "credential": page.get(t, *needs.Passkey),
	}}
	return call
}
