package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// Who may call a route. Staff routes name the roles that hold the route's permission.
const (
	anybody   = "anybody"
	merchants = "merchant"
	customers = "customer"
	everyRole = "admin finance support auditor compliance risk"
	readers   = "admin finance auditor"
	admins    = "admin"
	reviewers = "compliance"
	knowers   = "auditor compliance risk"
)

// access says who may call each route. A route that is missing here fails TestAccess: whoever adds one decides
// here, a second time, whom it is for.
var access = map[string]string{
	"GET /healthz":       anybody,
	"GET /readyz":        anybody,
	"GET /openapi.json":  anybody,
	"GET /docs":          anybody,
	"GET /docs/docs.js":  anybody,
	"GET /docs/docs.css": anybody,
	"GET /metrics":       anybody,

	"POST /v1/payments":              merchants,
	"GET /v1/payments":               merchants,
	"GET /v1/payments/{id}":          merchants,
	"POST /v1/payments/{id}/void":    merchants,
	"POST /v1/payments/{id}/refunds": merchants,
	"GET /v1/payments/{id}/refunds":  merchants,
	"GET /v1/balance":                merchants,
	"GET /v1/statement":              merchants,
	"GET /v1/events":                 merchants,
	"GET /v1/receipts/{entry_id}":    merchants,

	"POST /wallet/v1/register":              anybody,
	"POST /wallet/v1/login":                 anybody,
	"POST /wallet/v1/logout":                customers,
	"GET /wallet/v1/me":                     customers,
	"PUT /wallet/v1/pin":                    customers,
	"PUT /wallet/v1/password":               customers,
	"GET /wallet/v1/devices":                customers,
	"DELETE /wallet/v1/devices/{id}":        customers,
	"GET /wallet/v1/balance":                customers,
	"GET /wallet/v1/statement":              customers,
	"GET /wallet/v1/receipts/{entry_id}":    customers,
	"GET /wallet/v1/bank_accounts":          customers,
	"POST /wallet/v1/bank_accounts":         customers,
	"GET /wallet/v1/payees":                 customers,
	"POST /wallet/v1/payment_codes":         customers,
	"POST /wallet/v1/top_ups":               customers,
	"GET /wallet/v1/top_ups/{id}":           customers,
	"POST /wallet/v1/withdrawals":           customers,
	"GET /wallet/v1/withdrawals/{id}":       customers,
	"POST /wallet/v1/transfers":             customers,
	"GET /wallet/v1/payments/{id}":          customers,
	"POST /wallet/v1/payments/{id}/confirm": customers,
	"GET /wallet/v1/limits":                 customers,

	"GET /wallet/v1/identity":                          customers,
	"POST /wallet/v1/identity":                         customers,
	"POST /wallet/v1/identity/images":                  customers,
	"POST /wallet/v1/identity/checks":                  customers,
	"POST /wallet/v1/identity/checks/{channel}/answer": customers,

	"GET /ops/v1/identity/reviews":                  knowers,
	"GET /ops/v1/identity/reviews/{id}":             knowers,
	"POST /ops/v1/identity/reviews/{id}/approve":    reviewers,
	"POST /ops/v1/identity/reviews/{id}/refuse":     reviewers,
	"POST /ops/v1/identity/customers/{id}/reverify": reviewers,
	"GET /ops/v1/identity/images/{id}":              reviewers,

	"POST /ops/v1/login":                       anybody,
	"POST /ops/v1/logout":                      everyRole,
	"GET /ops/v1/chart":                        readers,
	"GET /ops/v1/trial_balance":                readers,
	"GET /ops/v1/accounts/{account}":           readers,
	"GET /ops/v1/accounts/{account}/statement": readers,
	"GET /ops/v1/receipts/{entry_id}":          readers,
	"GET /ops/v1/log":                          readers,
	"GET /ops/v1/payments/{id}":                everyRole,
	"GET /ops/v1/attempts":                     everyRole,
	"GET /ops/v1/attempts/{id}":                everyRole,
	"GET /ops/v1/merchants":                    everyRole,
	"POST /ops/v1/merchants":                   admins,
	"PUT /ops/v1/merchants/{id}/state":         admins,
	"GET /ops/v1/merchants/{id}/keys":          everyRole,
	"POST /ops/v1/merchants/{id}/keys":         admins,
	"DELETE /ops/v1/merchants/{id}/keys/{key}": admins,
	"GET /ops/v1/customers/{id}":               "admin support auditor compliance risk",
	"PUT /ops/v1/customers/{id}/state":         "admin support",
	"GET /ops/v1/jobs/dead":                    admins,
	"POST /ops/v1/jobs/{id}/retry":             admins,
	"POST /ops/v1/sandbox/clock":               admins,
	"GET /ops/v1/limits":                       "admin auditor",
	"GET /ops/v1/limits/{rule}/history":        "admin auditor",
	"POST /ops/v1/limits/{rule}/changes":       admins,
}

// names are ids that nothing has, for the parameters of a path.
var names = map[string]string{
	"/v1/payments/{id}":           "pay_",
	"/wallet/v1/payments/{id}":    "pay_",
	"/ops/v1/payments/{id}":       "pay_",
	"/wallet/v1/top_ups/{id}":     "top_",
	"/wallet/v1/withdrawals/{id}": "po_",
	"/wallet/v1/devices/{id}":     "dev_",
	"/ops/v1/attempts/{id}":       "att_",
	"/ops/v1/merchants/{id}":      "mer_",
	"/ops/v1/customers/{id}":      "cus_",
	"/ops/v1/identity/reviews/":   "cus_",
	"/ops/v1/identity/customers/": "cus_",
	"/ops/v1/identity/images/":    "img_",
	"/ops/v1/jobs/{id}":           "job_",
}

// concrete fills a path's parameters.
func concrete(path string) string {
	for prefix, kind := range names {
		if strings.HasPrefix(path, prefix) {
			path = strings.Replace(path, "{id}", kind+"01kanq4j3qf8yt0v5d7r2m9xce", 1)
		}
	}
	return strings.NewReplacer(
		"{entry_id}",
		string(id.New[id.Entry](instant)),
		"{channel}",
		"bank_transfer",
		"{account}",
		"2001:CNY:cus_nobody",
		"{rule}",
		"cn.nothing",
		"{key}",
		string(id.New[id.APIKey](instant)),
	).Replace(path)
}

// TestAccess calls every route as everybody.
func TestAccess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		tokens := map[string]string{"nobody": "", merchants: w.shop(t, party.NewMerchant{}).token}
		for role := range strings.FieldsSeq(everyRole) {
			tokens[role] = w.staff(t, party.Role(role))
		}
		customer := w.person(t, 0)
		seen := map[string]bool{}
		for _, route := range w.Server.Routes() {
			name := route.Method + " " + route.Path
			seen[name] = true
			allowed, listed := access[name]
			if !listed {
				t.Errorf("%s is not in the table of this test: say who may call it", name)
				continue
			}
			if (allowed == anybody) != (route.Actor == api.ActorPublic) {
				t.Errorf("%s is declared for %s, the table says %s", name, route.Actor, allowed)
			}
			tokens[customers] = w.session(t, customer)
			for who, token := range tokens {
				w.checkAccess(t, route, who, token, allowed)
			}
		}
		for name := range access {
			if !seen[name] {
				t.Errorf("%s is in the table of this test and not in the server", name)
			}
		}
	})
}

func (w *world) session(t testing.TB, p person) string {
	t.Helper()
	in, err := w.Auth.StartSession(t.Context(), p.id, auth.DeviceRequest{Name: "another"})
	must(t, err)
	return in.Token
}

// checkAccess sends a request with a body that no route takes: who may call gets another refusal or an answer.
func (w *world) checkAccess(t *testing.T, route api.Route, who, token, allowed string) {
	t.Helper()
	call := apitest.Request{Method: route.Method, Path: concrete(route.Path), Token: token, Key: w.key()}
	if route.Method != http.MethodGet && route.Method != http.MethodDelete && !strings.HasSuffix(route.Path, "/logout") {
		call.Body = `{"nonsense":true}`
	}
	want := 0
	roles := strings.Contains(everyRole, strings.Fields(allowed)[0])
	switch {
	case allowed == anybody, strings.Contains(" "+allowed+" ", " "+who+" "):
	case roles && strings.Contains(everyRole, who):
		want = http.StatusForbidden
	default:
		want = http.StatusUnauthorized
	}
	if strings.HasSuffix(route.Path, "/logout") && want == 0 {
		if strings.Contains(everyRole, who) {
			return // it would end a session that later rows need; see TestSignOut
		}
	}
	before := w.snapshot(t)
	_, answer := w.send(t, call)
	refused := answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden
	if want == 0 && refused || want != 0 && answer.Status != want {
		t.Errorf("%s %s as %s: %d %s", route.Method, route.Path, who, answer.Status, answer.Body)
	}
	if refused {
		before.same(t, w.snapshot(t), route.Method+" "+route.Path+" as "+who)
		challenge := answer.Header.Get("WWW-Authenticate")
		if (answer.Status == http.StatusUnauthorized) != (challenge != "") {
			t.Errorf("%s %s as %s: %d with challenge %q", route.Method, route.Path, who, answer.Status, challenge)
		}
	}
}

// TestKeys refuses keys and tokens that are wrong, foreign, revoked or over.
func TestKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 0)
		order := s.order(w, 100, nil)
		as := func(token string) apitest.Request { order.Token = token; return order }
		other := strings.Replace(s.token, "sk_sandbox_", "sk_live_", 1)
		last := s.token[:len(s.token)-1] + map[bool]string{true: "A", false: "B"}[s.token[len(s.token)-1] != 'A']
		for name, test := range map[string][2]string{
			"Missing": {"", "auth.token_missing"}, "Guessed": {"sk_sandbox_" + strings.Repeat("A", 52), "auth.key_invalid"},
			"OneOff": {last, "auth.key_invalid"}, "Short": {"sk_sandbox_A", "auth.key_invalid"}, "Live": {other, "auth.key_wrong_mode"},
			"Session": {p.token, "auth.key_invalid"}, "Long": {strings.Repeat("k", 5000), "auth.token_missing"},
			"Case": {"sk_sandbox_" + strings.ToUpper(s.token[len("sk_sandbox_"):]), "auth.key_invalid"}, "NotVisible": {"sk_sandbox_\u00fc", "auth.token_missing"},
		} {
			if problem := w.refused(t, 401, test[1], as(test[0])); strings.Contains(problem.Detail, s.token) {
				t.Errorf("%s: the answer shows a key", name)
			}
		}
		twice := as("")
		twice.Header = map[string]string{"Authorization": "Basic " + s.token}
		w.refused(t, 401, "auth.token_missing", twice)

		// A revoked key ends at once; the merchant's other key goes on.
		_, second, err := w.Auth.CreateKey(t.Context(), s.id, "second")
		must(t, err)
		w.ok(t, 201, as(s.token), nil)
		admin := w.staff(t, party.RoleAdmin)
		w.ok(t, 204, apitest.Request{
			Method: "DELETE", Path: "/ops/v1/merchants/" + string(s.id) + "/keys/" + string(s.key), Token: admin,
		}, nil)
		w.refused(t, 401, "auth.key_invalid", as(s.token))
		order.Key = w.key()
		w.ok(t, 201, as(second), nil)

		// Signing out ends the session at once; a session is over after its time.
		token := w.session(t, p)
		w.ok(t, 200, get("/wallet/v1/me", token), nil)
		w.ok(t, 204, apitest.Request{Method: "POST", Path: "/wallet/v1/logout", Token: token}, nil)
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", token))
		w.Clock.Advance(31 * 24 * hour) // which ends much else besides, so that there is no snapshot here
		w.call(t, get("/wallet/v1/me", p.token)).Problem(t, 401, "auth.session_invalid")
		w.call(t, get("/ops/v1/chart", admin)).Problem(t, 401, "auth.session_invalid")
	})
}

// TestForeign shows what is another's as if it were not there.
func TestForeign(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		owner, stranger := w.person(t, 50_000), w.person(t, 0)
		shop, rival := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{})
		paid := w.paid(t, shop, owner, 10_000)
		var refund payment.Refund
		w.ok(t, 201, shop.refund(w, paid.ID, map[string]any{"amount": 100}), &refund)
		topUp := w.topUp(t, owner, 700)
		var withdrawal struct {
			ID string `json:"id"`
		}
		w.ok(t, 201, owner.bankMoney(w, "/wallet/v1/withdrawals", 500), &withdrawal)
		w.ok(t, 200, get("/wallet/v1/withdrawals/"+withdrawal.ID+"?wait=25", owner.token), nil)
		w.quiet(t)
		w.receipts(t, paid.Entry)
		w.receipts(t, topUp.Entry)
		pay, entry := string(paid.ID), string(paid.Entry)

		for path, code := range map[string]string{
			"/wallet/v1/payments/" + pay:                 "payment.not_found",
			"/wallet/v1/top_ups/" + string(topUp.ID):     "top_up.not_found",
			"/wallet/v1/withdrawals/" + withdrawal.ID:    "payout.not_found",
			"/wallet/v1/receipts/" + entry:               "ledger.entry_not_found",
			"/wallet/v1/receipts/" + string(topUp.Entry): "ledger.entry_not_found",
		} {
			w.ok(t, 200, get(path, owner.token), nil)
			w.refused(t, 404, code, get(path, stranger.token))
		}
		w.refused(t, 404, "payment.not_found", stranger.confirm(w, paid.ID))
		// Another's bank account: neither in nor out.
		for _, path := range []string{"/wallet/v1/top_ups", "/wallet/v1/withdrawals"} {
			theft := stranger
			theft.bankAccount = owner.bankAccount
			w.refused(t, 404, "bank_account.not_found", theft.bankMoney(w, path, 100))
		}
		w.refused(t, 404, "auth.device_not_found", apitest.Request{
			Method: "DELETE", Path: "/wallet/v1/devices/" + string(owner.device.ID), Token: stranger.token,
		})
		for _, path := range []string{"/wallet/v1/bank_accounts", "/wallet/v1/statement"} {
			if n := w.rows(t, get(path, owner.token)); n == 0 {
				t.Errorf("%s: the owner sees nothing", path)
			}
		}
		if n := w.rows(t, get("/wallet/v1/bank_accounts", stranger.token)); n != 1 {
			t.Errorf("the stranger sees %d bank accounts", n)
		}
		if n := w.rows(t, get("/wallet/v1/statement", stranger.token)); n != 0 {
			t.Errorf("the stranger's statement has %d rows", n)
		}

		for _, path := range []string{"/v1/payments/" + pay, "/v1/payments/" + pay + "/refunds"} {
			w.ok(t, 200, get(path, shop.token), nil)
			w.refused(t, 404, "payment.not_found", get(path, rival.token))
		}
		w.ok(t, 200, get("/v1/receipts/"+entry, shop.token), nil)
		w.refused(t, 404, "ledger.entry_not_found", get("/v1/receipts/"+entry, rival.token))
		w.refused(t, 404, "payment.not_found", rival.refund(w, paid.ID, map[string]any{"amount": 1}))
		w.refused(t, 404, "payment.not_found", rival.void(w, paid.ID))
		for _, path := range []string{
			"/v1/payments", "/v1/events", "/v1/statement", "/v1/events?subject=" + pay, "/v1/events?subject=" + string(refund.ID),
		} {
			if n := w.rows(t, get(path, shop.token)); n == 0 {
				t.Errorf("%s: the owner sees nothing", path)
			}
			if n := w.rows(t, get(path, rival.token)); n != 0 {
				t.Errorf("%s: the rival sees %d rows", path, n)
			}
		}
		// A cursor of another's list opens no door.
		var page api.Page[payment.Payment]
		w.ok(t, 200, get("/v1/payments?cursor="+api.Cursor("pay_zzz").String(), rival.token), &page)
		if len(page.Data) != 0 {
			t.Errorf("the rival sees %d payments behind a cursor", len(page.Data))
		}
		// The payer sees nothing that is between merchant and operator.
		view := jsonOf(t, w.ok(t, 200, get("/wallet/v1/payments/"+pay, owner.token), nil).Body)
		for _, member := range []string{"fee", "fee_returned", "customer_id", "reference"} {
			if _, there := view[member]; there {
				t.Errorf("the payer sees %s", member)
			}
		}
		w.agree(t)
	})
}

// receipts waits until the log has an entry.
func (w *world) receipts(t testing.TB, entry id.Entry) {
	t.Helper()
	admin := w.staff(t, party.RoleAdmin)
	eventually(t, "the log", func() bool {
		_, answer := w.send(t, get("/ops/v1/receipts/"+string(entry), admin))
		return answer.Status == http.StatusOK
	})
}

// rows counts the rows of a page.
func (w *world) rows(t testing.TB, call apitest.Request) int {
	t.Helper()
	var page struct {
		Data []any `json:"data"`
	}
	w.ok(t, 200, call, &page)
	return len(page.Data)
}

// TestNoticeDoor takes nothing that the bank has not signed.
func TestNoticeDoor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for i, body := range []any{"", "{}", `{"status":"succeeded"}`, strings.Repeat("x", 100_000), nil} {
			before := w.snapshot(t)
			_, answer := w.send(t, apitest.Request{
				Method: "POST", Path: "/channels/bank/notices", Body: body,
				Header: map[string]string{"Signature": "sig=:AAAA:", "Signature-Input": `sig=("@method");keyid="sandbox-bank"`},
			})
			if answer.Status != http.StatusBadRequest {
				t.Errorf("notice %d: %d %s", i, answer.Status, answer.Body)
			}
			before.same(t, w.snapshot(t), fmt.Sprintf("notice %d", i))
		}
	})
}
