package api_test

import (
	"maps"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// TestFixation: whatever token somebody brings to a door, the sign-in makes another one and leaves that one as it is.
func TestFixation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		attacker, victim := w.person(t, 0), w.person(t, 100)
		planted := vault.Token("st_")
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", planted))
		for _, brought := range []string{planted, attacker.token} {
			code := w.sendCode(t, victim.phone, "sign_in")
			code["password"] = password
			login := post("/wallet/v1/login", brought, code)
			login.Header = map[string]string{"Cookie": "session=" + brought + "; token=" + brought}
			var session api.Session
			answer := w.ok(t, 201, login, &session)
			if session.Token == brought || len(answer.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("the sign-in kept the token it was brought, or set a cookie")
			}
			w.ok(t, 200, get("/wallet/v1/me", session.Token), nil)
			w.quiet(t)
		}
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", planted))
		var me api.Me
		w.ok(t, 200, get("/wallet/v1/me", attacker.token), &me)
		if me.ID != attacker.id {
			t.Errorf("the attacker's session became one of %s", me.ID)
		}
		// A session in a cookie or in the address is none, and one of a door opens no other.
		cookie := get("/wallet/v1/me", "")
		cookie.Header = map[string]string{"Cookie": "session=" + victim.token}
		w.refused(t, 401, "auth.token_missing", cookie)
		for _, door := range []string{"/ops/v1/merchants", "/merchant/v1/me"} {
			if problem := w.call(t, get(door, victim.token)).Problem(t, 401, "auth.session_invalid"); problem.Detail == "" {
				t.Error("no detail")
			}
		}
	})
}

// TestStolenSession: the token of a device that proves itself moves no money on another device, by no way at all.
func TestStolenSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, thief := w.shop(t, party.NewMerchant{}), w.person(t, 10_000), w.person(t, 0)
		in, err := w.Auth.StartSession(t.Context(), p.id, auth.DeviceRequest{Name: "phone", Proves: true})
		must(t, err)
		p.token, p.device = in.Token, in.Device // and the thief has the token, and the PIN
		order := w.created(t, s, 100).ID
		proof := func(device id.Device, text string) map[string]any {
			secret, at := w.Vault.DeviceSecret(device, 1), w.Clock.Now().Unix()
			return map[string]any{"device_proof": map[string]any{
				"at": at, "mac": auth.DeviceMAC(secret[:], "confirm", text, at),
			}}
		}
		intent := auth.Intent{Act: auth.ActTransfer, Payee: string(thief.id), Amount: cny(100)}
		for _, call := range []apitest.Request{
			p.confirm(w, order), p.transfer(w, thief, 100), p.bankMoney(w, "/wallet/v1/withdrawals", 100),
			p.bankMoney(w, "/wallet/v1/top_ups", 100),
		} {
			w.refused(t, 403, "auth.device_proof_missing", call)
			body, _ := call.Body.(map[string]any)
			for _, device := range []id.Device{thief.device.ID, ""} { // a proof of the thief's own device, and none
				other := maps.Clone(body)
				maps.Copy(other, proof(device, intent.Text()))
				call.Body, call.Key = other, w.key()
				w.refused(t, 403, "auth.device_proof_missing", call)
			}
		}
		w.refused(t, 403, "auth.device_proof_missing", apitest.Request{
			Method: "POST", Path: "/wallet/v1/payment_codes", Token: p.token,
		})
		good := p.transfer(w, thief, 100)
		body, _ := good.Body.(map[string]any)
		maps.Copy(body, proof(p.device.ID, intent.Text()))
		w.ok(t, 201, good, nil)
		// The owner signs the phone out; the token is worth nothing then.
		other, err := w.Auth.StartSession(t.Context(), p.id, auth.DeviceRequest{Name: "tablet"})
		must(t, err)
		w.ok(t, 204, apitest.Request{
			Method: "DELETE", Path: "/wallet/v1/devices/" + string(p.device.ID), Token: other.Token,
		}, nil)
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", p.token))
		w.agree(t)
	})
}
