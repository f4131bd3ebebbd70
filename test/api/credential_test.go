package api_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth/authtest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
)

func post(path, token string, body map[string]any) apitest.Request {
	return apitest.Request{Method: "POST", Path: path, Token: token, Body: body}
}

// textCode waits for the next code of a phone.
func (w *world) textCode(t *testing.T, phone string, known int) string {
	t.Helper()
	var code string
	eventually(t, "a code by text", func() bool {
		var all []string
		for _, text := range w.sms.Inbox(phone) {
			if found := smsc.CodeIn(text.Text); found != "" {
				all = append(all, found)
			}
		}
		if len(all) > known {
			code = all[len(all)-1]
		}
		return code != ""
	})
	w.quiet(t)
	return code
}

// settle makes a day pass, so that no device is new any more.
func (w *world) settle() { w.Clock.Advance(24 * time.Hour) }

// withCode adds a one-time code to an act that a person confirms.
func (w *world) withCode(t *testing.T, p person, call apitest.Request) apitest.Request {
	t.Helper()
	w.Clock.Advance(time.Minute) // the last code may not have been used
	body, _ := call.Body.(map[string]any)
	ask := map[string]any{"want": "code"}
	if path, ours := strings.CutSuffix(call.Path, "/confirm"); ours {
		ask["act"], ask["payment_id"] = "payment", path[strings.LastIndex(path, "/")+1:]
	} else {
		ask["act"] = strings.TrimSuffix(call.Path[strings.LastIndex(call.Path, "/")+1:], "s")
		for _, name := range []string{"amount", "currency", "payee", "bank_account_id"} {
			if value, has := body[name]; has {
				ask[name] = value
			}
		}
	}
	known := 0
	for _, text := range w.sms.Inbox(p.phone) {
		if smsc.CodeIn(text.Text) != "" {
			known++
		}
	}
	var needs api.ConfirmationNeeds
	w.ok(t, 201, post("/wallet/v1/confirmations", p.token, ask), &needs)
	more := maps.Clone(body)
	more["code_id"], more["code"] = needs.Code.ID, w.textCode(t, p.phone, known)
	call.Body = more
	return call
}

// TestNewPayer goes from nothing to a payment by PIN, by code and by passkey.
func TestNewPayer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		const phone = "+8613800000123"
		var sent struct {
			ID string `json:"code_id"`
		}
		w.ok(t, 201, post("/wallet/v1/codes", "", map[string]any{"phone": phone, "purpose": "register"}), &sent)
		code := w.textCode(t, phone, 0)
		body := map[string]any{"phone": phone, "name": "New", "password": password, "code_id": sent.ID, "code": code}
		var session api.Session
		w.ok(t, 201, post("/wallet/v1/register", "", body), &session)
		body["phone"] = "+8613800000124"
		w.refused(t, 403, "auth.code_invalid", post("/wallet/v1/register", "", body))
		login := map[string]any{"phone": phone, "password": password}
		w.refused(t, 403, "auth.code_required", post("/wallet/v1/login", "", login))
		login["device_id"] = session.Device.ID // an id is no proof
		w.refused(t, 403, "auth.code_required", post("/wallet/v1/login", "", login))
		w.ok(t, 204, apitest.Request{
			Method: "PUT", Path: "/wallet/v1/pin", Token: session.Token, Body: map[string]any{"pin": pin, "password": password},
		}, nil)

		// Money from somebody who has it, then an amount above one factor.
		p := person{id: session.Customer.ID, phone: phone, token: session.Token}
		w.class(t, p, 3)
		for range 2 { // what one gives with codes on a day
			giver := w.person(t, 5_000_00)
			w.ok(t, 201, w.withCode(t, giver, giver.transfer(w, p, 5_000_00)), nil)
		}
		s := w.shop(t, party.NewMerchant{})
		made := w.created(t, s, 900_00)
		confirm := p.confirm(w, made.ID)
		if problem := w.refused(t, 403, "auth.step_up_required", confirm); !strings.Contains(problem.Detail, "new_device") {
			t.Errorf("the reason is not told: %s", problem.Detail)
		}
		var needs api.ConfirmationNeeds
		w.ok(t, 201, post("/wallet/v1/confirmations", p.token, map[string]any{
			"act": "payment", "payment_id": made.ID, "want": "code",
		}), &needs)
		if needs.Need != "two_factors" || needs.Reason != "new_device" || needs.Code == nil {
			t.Fatalf("%+v", needs)
		}
		code = w.textCode(t, phone, 1)
		texts := w.sms.Inbox(phone)
		if last := texts[len(texts)-1].Text; !strings.Contains(last, "900.00") || !strings.Contains(last, "Shop") {
			t.Errorf("the text does not say what is paid: %s", strings.ReplaceAll(last, code, "……"))
		}
		confirm.Body = map[string]any{"pin": pin, "code_id": needs.Code.ID, "code": code}
		w.ok(t, 200, confirm, nil)
		w.passkeyPays(t, p, s)
		w.agree(t)
	})
}

// softKey is a passkey in software on the site of this instance.
func (w *world) softKey() *authtest.Passkey {
	return authtest.New("localhost", "http://localhost:"+w.url[strings.LastIndex(w.url, ":")+1:])
}

// passkey registers a passkey and returns its id.
func (w *world) passkey(t testing.TB, p person) string {
	t.Helper()
	key := w.softKey()
	var ask api.PasskeyAsk
	w.ok(t, 201, post("/wallet/v1/passkeys/challenges", p.token, map[string]any{"password": password, "pin": pin}), &ask)
	key.User = ask.UserHandle
	var made struct {
		ID string `json:"id"`
	}
	w.ok(t, 201, post("/wallet/v1/passkeys", p.token, map[string]any{
		"name": "Finger", "challenge_id": ask.Challenge, "credential": key.Create(ask.Bytes),
	}), &made)
	return made.ID
}

// passkeyPays registers a passkey and pays with it, and not twice, nor anything else.
func (w *world) passkeyPays(t *testing.T, p person, s shop) {
	t.Helper()
	key := authtest.New("localhost", "http://localhost:"+w.url[strings.LastIndex(w.url, ":")+1:])
	var ask api.PasskeyAsk
	w.ok(t, 201, post("/wallet/v1/passkeys/challenges", p.token, map[string]any{"password": password, "pin": pin}), &ask)
	key.User = ask.UserHandle
	w.ok(t, 201, post("/wallet/v1/passkeys", p.token, map[string]any{
		"name": "Finger", "challenge_id": ask.Challenge, "credential": key.Create(ask.Bytes),
	}), nil)
	pay := func(name id.Payment) apitest.Request {
		var needs api.ConfirmationNeeds
		w.ok(t, 201, post("/wallet/v1/confirmations", p.token, map[string]any{
			"act": "payment", "payment_id": name, "want": "passkey",
		}), &needs)
		call := p.confirm(w, name)
		call.Body = map[string]any{"passkey": map[string]any{
			"challenge_id": needs.Passkey.Challenge, "credential": key.Get(needs.Passkey.Bytes),
		}}
		return call
	}
	made := w.created(t, s, 6_000_00)
	call := pay(made.ID)
	another := call
	another.Path, another.Key = "/wallet/v1/payments/"+string(w.created(t, s, 1_00).ID)+"/confirm", w.key()
	w.refused(t, 403, "auth.passkey_refused", another)
	var paid payment.PayerView
	w.ok(t, 200, call, &paid)
	if paid.State != payment.Succeeded {
		t.Errorf("%+v", paid)
	}
	if answer := w.ok(t, 200, call, nil); answer.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("a repeat of the request was not a replay")
	}
	second := w.created(t, s, 1_00)
	call.Path, call.Key = "/wallet/v1/payments/"+string(second.ID)+"/confirm", w.key()
	w.refused(t, 403, "auth.passkey_refused", call)
	w.Clock.Advance(time.Minute)
	var signIn api.PasskeyAsk
	w.ok(t, 201, apitest.Request{Method: "POST", Path: "/wallet/v1/passkey_challenges"}, &signIn)
	var session api.Session
	w.ok(t, 201, post("/wallet/v1/passkey_login", "", map[string]any{
		"challenge_id": signIn.Challenge, "credential": key.Get(signIn.Bytes), "device_name": "Another",
	}), &session)
	w.quiet(t)
}

// TestEnumeration answers about a known and an unknown number alike.
func TestEnumeration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		for i, phone := range []string{p.phone, fmt.Sprintf("+86137%08d", w.next())} {
			var sent map[string]any
			w.ok(t, 201, post("/wallet/v1/codes", "", map[string]any{"phone": phone, "purpose": "sign_in"}), &sent)
			w.quiet(t)
			if len(sent) != 3 {
				t.Errorf("%v", sent)
			}
			w.refused(
				t,
				429,
				"auth.code_wait",
				post("/wallet/v1/codes", "", map[string]any{"phone": phone, "purpose": "sign_in"}),
			)
			if got := len(w.sms.Inbox(phone)); got != 1-i {
				t.Errorf("%d texts", got)
			}
			login := post("/wallet/v1/login", "", map[string]any{
				"phone": phone, "password": "not this one", "code_id": sent["code_id"], "code": "000000",
			})
			w.call(t, login).Problem(t, 401, "auth.bad_credentials")
			register := map[string]any{
				"phone": phone, "name": "X", "password": password, "code_id": sent["code_id"], "code": "000000",
			}
			w.refused(t, 403, "auth.code_invalid", post("/wallet/v1/register", "", register))
		}
	})
}
