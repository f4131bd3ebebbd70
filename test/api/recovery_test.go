package api_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
	"github.com/feiqian/feiqian/internal/wallet"
)

// sendCode asks for a code without a session and reads it.
func (w *world) sendCode(t *testing.T, phone, purpose string) map[string]any {
	t.Helper()
	known := 0
	for _, text := range w.sms.Inbox(phone) {
		if smsc.CodeIn(text.Text) != "" {
			known++
		}
	}
	var sent struct {
		ID string `json:"code_id"`
	}
	w.ok(t, 201, post("/wallet/v1/codes", "", map[string]any{"phone": phone, "purpose": purpose}), &sent)
	return map[string]any{"phone": phone, "code_id": sent.ID, "code": w.textCode(t, phone, known)}
}

// TestForgottenPIN resets the PIN by the password: small sums only for a day, and the old PIN puts it back.
func TestForgottenPIN(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 2_000_00), w.person(t, 0)
		w.settle()
		const fresh = "582913"
		set := func(body map[string]any) apitest.Request {
			return apitest.Request{Method: "PUT", Path: "/wallet/v1/pin", Token: p.token, Body: body}
		}
		restore := func(digits string) apitest.Request {
			return post("/wallet/v1/pin/restore", p.token, map[string]any{"pin": digits})
		}
		w.refused(t, 409, "auth.pin_not_cooling", restore(pin))
		w.ok(t, 204, set(map[string]any{"pin": fresh, "password": password}), nil)
		w.quiet(t)
		texts := len(w.sms.Inbox(p.phone))
		if texts == 0 {
			t.Error("the owner was not told")
		}
		w.ok(t, 201, w.withPIN(p.transfer(w, other, 150_00), fresh), nil)
		w.refused(t, 403, "auth.cooling_off", w.withPIN(p.transfer(w, other, 50_01), fresh))
		w.refused(t, 403, "auth.cooling_off", w.withPIN(p.bankMoney(w, "/wallet/v1/withdrawals", 200_01), fresh))
		w.ok(t, 201, w.withPIN(p.transfer(w, other, 50_00), fresh), nil)
		// To change it with the fresh one does not end it.
		w.ok(t, 204, set(map[string]any{"pin": "194827", "old_pin": fresh}), nil)
		w.refused(t, 403, "auth.cooling_off", w.withPIN(p.transfer(w, other, 1), "194827"))
		w.call(t, restore("000001")).Problem(t, 403, "auth.pin_wrong")
		w.refused(t, 400, "auth.bad_pin", restore("12345x"))
		w.ok(t, 204, restore(pin), nil)
		w.refused(t, 409, "auth.pin_not_cooling", restore(pin))
		w.call(t, w.withPIN(p.transfer(w, other, 1), "194827")).Problem(t, 403, "auth.pin_wrong")
		w.ok(t, 201, p.transfer(w, other, 300_00), nil)

		// A day later the fresh PIN is as good as any, and the old one is gone.
		w.ok(t, 204, set(map[string]any{"pin": fresh, "password": password}), nil)
		w.quiet(t)
		w.Clock.Advance(24 * time.Hour)
		w.refused(t, 409, "auth.pin_not_cooling", restore(pin))
		w.ok(t, 201, w.withPIN(p.transfer(w, other, 900_00), fresh), nil)
		w.quiet(t)
		kinds := w.texts(t, "SELECT kind FROM audit_records WHERE subject = $1 ORDER BY id", string(p.id))
		for _, want := range []string{"pin.reset", "pin.changed", "pin.restored"} {
			if !slices.Contains(kinds, want) {
				t.Errorf("%s is not in the trail: %v", want, kinds)
			}
		}
		w.agree(t)
	}, noon)
}

// TestForgottenPassword sets a new password by a code: all sessions end, and the wallet cools off.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 2_000_00), w.person(t, 0)
		w.settle()
		const fresh = "quite another phrase"
		with := func(code map[string]any, more map[string]any) apitest.Request {
			body := map[string]any{"new_password": fresh}
			for _, part := range []map[string]any{code, more} {
				maps.Copy(body, part)
			}
			return post("/wallet/v1/password_resets", "", body)
		}
		w.refused(t, 403, "auth.recovery_refused", with(w.sendCode(t, p.phone, "sign_in"), nil)) // for something else
		w.Clock.Advance(time.Minute)
		code := w.sendCode(t, p.phone, "reset_password")
		w.refused(t, 400, "auth.weak_password", with(code, map[string]any{"new_password": "password123"}))
		w.refused(t, 403, "auth.recovery_refused", with(code, map[string]any{"phone": other.phone}))
		w.refused(t, 403, "auth.recovery_refused", with(code, map[string]any{"phone": "+8613999999999"}))
		w.Clock.Advance(time.Minute)
		w.ok(t, 200, get("/wallet/v1/me", p.token), nil)
		w.ok(t, 204, with(code, nil), nil)
		w.quiet(t)
		w.refused(t, 403, "auth.recovery_refused", with(code, nil))
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", p.token))

		login := w.sendCode(t, p.phone, "sign_in")
		login["password"] = fresh
		var session api.Session
		w.ok(t, 201, post("/wallet/v1/login", "", login), &session)
		w.quiet(t)
		p.token = session.Token
		w.refused(t, 403, "auth.cooling_off", p.transfer(w, other, 200_01))
		w.ok(t, 201, p.transfer(w, other, 200_00), nil)
		w.refused(t, 409, "auth.pin_not_cooling", post("/wallet/v1/pin/restore", p.token, map[string]any{"pin": pin}))
		w.settle()
		w.ok(t, 201, p.transfer(w, other, 900_00), nil)
		var page api.Page[audit.Record]
		w.ok(t, 200, get("/ops/v1/audit?kind=password.reset&subject="+string(p.id), w.staff(t, party.RoleAdmin)), &page)
		if len(page.Data) != 1 || page.Data[0].Address == "" {
			t.Errorf("%+v", page.Data)
		}
		w.agree(t)
	}, noon)
}

// verified is a payer with a PIN whom the identity authority knows.
func (w *world) verified(t *testing.T, known authority.Person) person {
	t.Helper()
	p := w.payer(t, known.Phones[0])
	w.ok(t, 204, apitest.Request{
		Method: "PUT", Path: "/wallet/v1/pin", Token: p.token, Body: map[string]any{"pin": pin, "password": password},
	}, nil)
	w.ok(t, 200, p.document(known), nil)
	w.ok(t, 200, p.identityPost("/checks", map[string]any{"channel": "authority"}), nil)
	if view := w.identity(t, p); view.Class != 1 {
		t.Fatalf("%+v", view)
	}
	return p
}

func papers(name, number string) map[string]any {
	return map[string]any{"document_name": name, "document_number": number}
}

// TestRecoveryDocument: who was verified shows the document too, by which nobody learns who is registered.
func TestRecoveryDocument(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		known, stranger := authority.SeedPeople()[3], authority.SeedPeople()[0]
		p := w.verified(t, known)
		w.quiet(t)
		with := func(parts ...map[string]any) apitest.Request {
			body := map[string]any{"new_password": "quite another phrase"}
			for _, part := range parts {
				maps.Copy(body, part)
			}
			w.Clock.Advance(20 * time.Second) // sign-ins have a rate
			return post("/wallet/v1/password_resets", "", body)
		}
		right, wrong := papers(known.Name, known.Number), papers(known.Name, stranger.Number)

		// One answer to a wrong code, a wrong document and a phone that nobody has.
		code := w.sendCode(t, p.phone, "reset_password")
		digits := map[string]any{"code": wrongDigits(code)}
		var sent map[string]any
		w.ok(t, 201, post("/wallet/v1/codes", "", map[string]any{
			"phone": "+8613999999999", "purpose": "reset_password",
		}), &sent)
		nobody := map[string]any{"phone": "+8613999999999", "code_id": sent["code_id"], "code": "123456"}
		for name, call := range map[string]apitest.Request{
			"code": with(code, digits, right), "number": with(code, wrong), "name": with(code, papers("某人", known.Number)),
			"nobody": with(nobody, right), "no code": with(nobody, code, map[string]any{"phone": "+8613999999999"}),
			"unreadable": with(code, papers("??", "--")),
		} {
			problem := w.call(t, call).Problem(t, 403, "auth.recovery_refused")
			if problem.Detail != "this does not prove that the wallet is yours" || problem.Param != "" {
				t.Errorf("%s: %+v", name, problem)
			}
		}
		w.Clock.Advance(15 * time.Minute)
		code = w.sendCode(t, p.phone, "reset_password")
		w.quiet(t)
		w.refused(t, 403, "auth.document_required", with(code))
		w.ok(t, 200, get("/wallet/v1/me", p.token), nil)

		// Five wrong documents lock, and then the right one is refused too; three were shown above.
		w.call(t, with(code, wrong)).Problem(t, 403, "auth.recovery_refused")
		w.call(t, with(code, wrong)).Problem(t, 429, "auth.recovery_locked")
		w.refused(t, 429, "auth.recovery_locked", with(code, right))
		reset := func(more map[string]any) apitest.Request {
			body := map[string]any{"pin": "582913", "password": password}
			maps.Copy(body, more)
			return apitest.Request{Method: "PUT", Path: "/wallet/v1/pin", Token: p.token, Body: body}
		}
		w.refused(t, 429, "auth.recovery_locked", reset(right))
		w.Clock.Advance(15 * time.Minute)
		w.refused(t, 403, "auth.document_required", reset(nil))
		w.call(t, reset(wrong)).Problem(t, 403, "auth.recovery_refused")

		// A document that was shown since, and is not verified, proves nothing, and takes the proof of the other not away.
		w.ok(t, 200, p.document(stranger), nil)
		w.call(t, reset(papers(stranger.Name, stranger.Number))).Problem(t, 403, "auth.recovery_refused")
		w.ok(t, 204, reset(right), nil)
		code = w.sendCode(t, p.phone, "reset_password")
		w.ok(t, 204, with(code, right), nil)
		w.quiet(t)
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", p.token))
		for _, column := range []string{"before_json", "after_json", "reason"} {
			if n := w.count(t, "SELECT count(*) FROM audit_records WHERE "+column+" LIKE $1", "%"+known.Number+"%"); n != 0 {
				t.Error("the trail holds the number")
			}
		}
		eventually(t, "the record of refusals", func() bool {
			return w.count(t, "SELECT count(*) FROM audit_records WHERE kind = 'recovery.failed'") > 5
		})
	}, noon)
}

func wrongDigits(code map[string]any) string {
	if code["code"] == "123456" {
		return "654321"
	}
	return "123456"
}

// TestCoolingSum: all that takes money out of a wallet that cools off has one sum, payment codes too.
func TestCoolingSum(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{}), w.person(t, 2_000_00), w.person(t, 0)
		w.settle()
		const fresh = "582913"
		reset := func(digits string) {
			t.Helper()
			w.ok(t, 204, apitest.Request{
				Method: "PUT", Path: "/wallet/v1/pin", Token: p.token,
				Body: map[string]any{"pin": digits, "password": password},
			}, nil)
			w.quiet(t)
		}
		// offline is a code that the phone computes by itself.
		offline := func() string {
			w.Clock.Advance(wallet.StepTime)
			return wallet.ComputeCode(
				w.Vault.DeviceSecret(p.device.ID, 1), p.device.Handle, wallet.StepOf(w.Clock.Now()), 0)
		}
		byCode := func(code string, amount int64, state payment.State) {
			t.Helper()
			var made payment.Payment
			w.ok(t, 201, s.order(w, amount, map[string]any{"payment_code": code}), &made)
			declined := made.DeclineCode == payment.DeclineLimitExceeded
			if made.State != state || declined != (state == payment.Declined) {
				t.Errorf("%d by code: %+v", amount, made)
			}
		}
		withdraw := func(amount int64) apitest.Request {
			return w.withPIN(p.bankMoney(w, "/wallet/v1/withdrawals", amount), fresh)
		}
		transfer := func(amount int64) apitest.Request { return w.withPIN(p.transfer(w, other, amount), fresh) }

		reset(fresh)
		byCode(w.code(t, p), 200_01, payment.Declined) // and is not counted
		byCode(offline(), 100_00, payment.Succeeded)
		byCode(w.code(t, p), 50_00, payment.Succeeded)
		w.ok(t, 201, withdraw(20_00), nil)
		w.quiet(t)
		w.refused(t, 403, "auth.cooling_off", withdraw(30_01))
		w.guess(t, 403, "auth.pin_wrong", transfer(30_00)) // nor is this
		w.ok(t, 201, transfer(30_00), nil)
		w.refused(t, 403, "auth.cooling_off", transfer(1))
		w.refused(t, 403, "auth.cooling_off", withdraw(1))
		w.refused(t, 403, "auth.cooling_off", w.withPIN(p.confirm(w, w.created(t, s, 1).ID), fresh))
		byCode(offline(), 1, payment.Declined)
		byCode(w.code(t, p), 1, payment.Declined)
		w.ok(t, 201, w.withPIN(p.bankMoney(w, "/wallet/v1/top_ups", 100), fresh), nil)
		w.quiet(t)

		// Another reset is no way to another sum; a day later all is as before.
		reset(fresh)
		w.refused(t, 403, "auth.cooling_off", transfer(1))
		w.Clock.Advance(24 * time.Hour)
		byCode(offline(), 300_00, payment.Succeeded)
		w.ok(t, 201, transfer(300_00), nil)
		w.ok(t, 201, withdraw(300_00), nil)
		w.quiet(t)
		reset(fresh)
		w.ok(t, 201, withdraw(200_00), nil)
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestLostApp: two colleagues take a third one's app away, who sets up another with the password.
func TestLostApp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		maker, checker := w.colleague(t, party.RoleAdmin, ""), w.colleague(t, party.RoleAdmin, "")
		lost := w.colleague(t, party.RoleFinance, "")
		path := "/staff/" + string(lost.id) + "/totp_reset"
		why := map[string]any{"reason": "the phone is gone"}
		w.refused(t, 403, "auth.permission_missing", ops("POST", path, lost.token, why))
		w.refused(
			t,
			409,
			"auth.totp_not_set",
			ops("POST", "/staff/stf_01kanq4j3qf8yt0v5d7r2m9xce/totp_reset", maker.token, why),
		)
		proposal, _ := w.propose(t, ops("POST", path, maker.token, why))
		login := map[string]any{
			"email": w.texts(t, "SELECT email FROM staff WHERE id = $1", string(lost.id))[0], "password": password,
		}
		w.refused(t, 403, "auth.totp_required", ops("POST", "/login", "", login))
		w.ok(t, 200, get("/ops/v1/merchants", lost.token), nil)
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), nil)
		w.refused(t, 401, "auth.session_invalid", get("/ops/v1/merchants", lost.token)) // whoever has the phone has it
		w.refused(t, 403, "auth.totp_enrolment_required", ops("POST", "/login", "", login))
		var enrolment auth.Enrolment
		w.ok(t, 201, ops("POST", "/totp", "", login), &enrolment)
		code, err := auth.TOTPCode(enrolment.Secret, w.Clock.Now())
		must(t, err)
		login["totp"] = code
		var session api.StaffSession
		w.ok(t, 201, ops("POST", "/login", "", login), &session)
		if len(session.RecoveryCodes) == 0 {
			t.Error("no recovery codes with the new app")
		}
		w.ok(t, 200, get("/ops/v1/merchants", session.Token), nil)
		w.trailHolds(t)

		// Another role ends sessions too, and so does a suspension, also when it is over.
		why["role"] = "auditor"
		proposal, _ = w.propose(t, ops("PUT", "/staff/"+string(lost.id)+"/role", maker.token, why))
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), nil)
		w.refused(t, 401, "auth.session_invalid", get("/ops/v1/merchants", session.Token))
		other := w.colleague(t, party.RoleSupport, "")
		for _, state := range []string{"frozen", "active"} {
			w.ok(t, 204, ops("PUT", "/staff/"+string(other.id)+"/state", maker.token, map[string]any{
				"state": state, "reason": "a test",
			}), nil)
			w.refused(t, 401, "auth.session_invalid", get("/ops/v1/merchants", other.token))
		}
	})
}
