package api_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/inapp"
	"github.com/feiqian/feiqian/internal/jws"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	feiqian "github.com/feiqian/feiqian/sdk/go"
)

const shopApp = "com.example.shop"

func (s shop) appRequest(name id.Payment, more map[string]any) apitest.Request {
	body := map[string]any{"app": shopApp, "return_url": "exampleshop://paid?order=7"}
	maps.Copy(body, more)
	return apitest.Request{
		Method: "POST", Path: "/v1/payments/" + string(name) + "/app_requests", Token: s.token, Body: body,
	}
}

func (p person) opens(document string, more map[string]any) apitest.Request {
	body := map[string]any{"request": document}
	maps.Copy(body, more)
	return apitest.Request{Method: "POST", Path: "/wallet/v1/app_requests", Token: p.token, Body: body}
}

func (p person) leaves(name id.AppRequest) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/wallet/v1/app_requests/" + string(name) + "/back", Token: p.token}
}

// platformKeys reads the published keys as a merchant would.
func (w *world) platformKeys(t testing.TB) feiqian.PlatformKeys {
	t.Helper()
	answer := w.ok(t, 200, apitest.Request{Method: "GET", Path: "/.well-known/feiqian-keys.json"}, nil)
	keys, err := feiqian.ParsePlatformKeys(answer.Body)
	must(t, err)
	return keys
}

// TestInApp hands a payment from the merchant's app to the wallet and back; the merchant verifies the result offline.
func TestInApp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{}), w.person(t, 100_00), w.person(t, 100_00)
		made := w.created(t, s, 25_00)
		var request inapp.AppRequest
		w.ok(t, 201, s.appRequest(made.ID, nil), &request)
		if !strings.HasPrefix(request.URI, "feiqian://pay?request=ey") || request.ExpiresAt.After(made.ExpiresAt) {
			t.Errorf("%+v", request)
		}
		var opened inapp.Opened
		w.ok(t, 200, p.opens(request.URI, map[string]any{"caller_app": shopApp}), &opened)
		if opened.App != shopApp || opened.Payment.Minor != 25_00 || opened.Payment.MerchantName == "" ||
			opened.Path != "/wallet/v1/payments/"+string(made.ID)+"/confirm" {
			t.Errorf("%+v", opened)
		}
		w.ok(t, 200, p.opens(request.Document, nil), nil) // the same payer may again
		var early inapp.WayBack
		w.ok(t, 200, p.leaves(opened.ID), &early)
		keys := w.platformKeys(t)
		result, err := keys.VerifyAppResult(early.Result, w.Clock.Now())
		must(t, err)
		if result.State != "created" {
			t.Errorf("before the payment: %+v", result)
		}
		w.quiet(t)
		w.refused(t, 409, "app_request.taken", other.opens(request.Document, nil))
		w.refused(t, 404, "app_request.not_found", other.leaves(opened.ID))
		w.ok(t, 200, p.confirm(w, made.ID), nil)
		var back inapp.WayBack
		w.ok(t, 200, p.leaves(opened.ID), &back)
		address, err := url.Parse(back.URL)
		must(t, err)
		if address.Scheme != "exampleshop" || address.Query().Get("order") != "7" ||
			address.Query().Get("feiqian_result") != back.Result {
			t.Error(back.URL)
		}
		result, err = keys.VerifyAppResult(back.URL, w.Clock.Now()) // the address that the app was opened with
		must(t, err)
		if result.State != string(payment.Succeeded) || result.PaymentID != string(made.ID) || result.App != shopApp ||
			result.Amount != 25_00 || result.Currency != "CNY" || result.MerchantID != string(s.id) {
			t.Errorf("%+v", result)
		}
		for name, bad := range map[string]string{
			"Altered":  strings.Replace(back.Result, ".", ".e", 1),
			"Request":  request.Document,
			"Nothing":  "",
			"Unsigned": back.Result[:strings.LastIndex(back.Result, ".")+1],
		} {
			if _, err := keys.VerifyAppResult(bad, w.Clock.Now()); err == nil {
				t.Errorf("%s: a result that is none is believed", name)
			}
		}
		if _, err := keys.VerifyAppResult(back.Result, w.Clock.Now().Add(time.Hour)); err == nil {
			t.Error("an old result is believed")
		}
		w.quiet(t)
		w.refused(t, 409, "payment.already_succeeded", s.appRequest(made.ID, nil))
		w.agree(t)
	})
}

// TestInAppRefusals opens what is forged, altered, too old, of another app or of a payment that is over.
func TestInAppRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, officer := w.shop(t, party.NewMerchant{}), w.person(t, 100_00), w.colleague(t, party.RoleRisk, "")
		made := w.created(t, s, 25_00)
		var request inapp.AppRequest
		w.ok(t, 201, s.appRequest(made.ID, map[string]any{"expires_in": 60}), &request)
		parts := strings.Split(request.Document, ".")
		body, err := base64.RawURLEncoding.DecodeString(parts[1])
		must(t, err)
		var claims inapp.Claims
		must(t, json.Unmarshal(body, &claims))
		_, key, err := ed25519.GenerateKey(nil)
		must(t, err)
		forged, err := jws.New(key).Sign(inapp.RequestType, claims)
		must(t, err)
		claims.Amount = 1
		cheaper, err := json.Marshal(claims)
		must(t, err)
		stranger, err := w.AppRequests.Signer.Sign(inapp.ResultType, claims) // ours, and of another type
		must(t, err)
		w.quiet(t)
		for _, bad := range []string{
			forged, parts[0] + "." + base64.RawURLEncoding.EncodeToString(cheaper) + "." + parts[2], stranger, "x",
			parts[0] + "." + parts[1] + ".", "feiqian://pay?request=", request.Document + "A", "https://evil.example/" + request.Document,
		} {
			w.refused(t, 400, "app_request.invalid", p.opens(bad, nil))
		}
		w.refused(t, 409, "app_request.wrong_app", p.opens(request.Document, map[string]any{"caller_app": "com.evil.app"}))
		for address, code := range map[string]string{
			"javascript://x": "app_request.bad_url", "http://shop.example/": "app_request.bad_url", "paid": "app_request.bad_url",
			"feiqian://pay": "app_request.bad_url", "shop://u:p@paid": "app_request.bad_url", "shop://paid#x": "app_request.bad_url",
			"intent://x": "app_request.bad_url", "shop://pa id": "app_request.bad_url",
		} {
			w.refused(t, 400, code, s.appRequest(made.ID, map[string]any{"return_url": address}))
		}
		for _, app := range []string{"shop", "com..shop", "com.example shop", "../x.y"} {
			w.refused(t, 400, "app_request.bad_app", s.appRequest(made.ID, map[string]any{"app": app}))
		}
		w.ok(t, 201, takingDown(officer.token, string(made.ID)), nil)
		w.quiet(t)
		w.refused(t, 409, "payment.taken_down", p.opens(request.Document, nil))
		w.Clock.Advance(2 * time.Minute)
		w.quiet(t)
		w.refused(t, 409, "app_request.expired", p.opens(request.Document, nil))
	})
}

// TestInAppRace lets two payers open one request at once: one of them has it.
func TestInAppRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		people := []person{w.person(t, 0), w.person(t, 0), w.person(t, 0), w.person(t, 0)}
		var request inapp.AppRequest
		w.ok(t, 201, s.appRequest(w.created(t, s, 1_00).ID, nil), &request)
		answers := w.together(t, len(people), func(i int) apitest.Request { return people[i].opens(request.Document, nil) })
		opened := 0
		for _, answer := range answers {
			if answer.Status == 200 {
				opened++
			} else if answer.Status != 409 {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		if opened != 1 {
			t.Errorf("%d of them have it", opened)
		}
	})
}
