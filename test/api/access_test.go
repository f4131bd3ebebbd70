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
	everyRole = "admin finance risk compliance support auditor"
	readers   = "admin finance auditor"
	admins    = "admin"
	reviewers = "compliance"
	knowers   = "auditor compliance risk"
	auditors  = "admin compliance auditor"
	approvers = "admin finance risk compliance"

	applicants = "applicant"
	everyUser  = "m-owner m-finance m-operator m-viewer"
	owners     = "m-owner"
	sellers    = "m-owner m-operator"
	cashiers   = "m-owner m-finance"
)

// access says who may call each route. A route that is missing here fails TestAccess: whoever adds one decides
// here, a second time, whom it is for.
var access = map[string]string{
	"GET /v1/events/{id}":                                      merchants,
	"POST /v1/webhook_endpoints":                               merchants,
	"GET /v1/webhook_endpoints":                                merchants,
	"GET /v1/webhook_endpoints/{id}":                           merchants,
	"PATCH /v1/webhook_endpoints/{id}":                         merchants,
	"DELETE /v1/webhook_endpoints/{id}":                        merchants,
	"POST /v1/webhook_endpoints/{id}/enable":                   merchants,
	"POST /v1/webhook_endpoints/{id}/disable":                  merchants,
	"POST /v1/webhook_endpoints/{id}/rotate_secret":            merchants,
	"POST /v1/webhook_endpoints/{id}/test":                     merchants,
	"GET /v1/webhook_endpoints/{id}/deliveries":                merchants,
	"POST /v1/webhook_endpoints/{id}/events/{event_id}/resend": merchants,
	"POST /v1/webhook_endpoints/{id}/replay":                   merchants,
	"GET /ops/v1/merchants/{id}/webhook_endpoints":             everyRole,
	"GET /ops/v1/webhook_endpoints/{id}/deliveries":            everyRole,

	"GET /merchant/v1/signing_keys":                         owners,
	"POST /merchant/v1/signing_keys":                        owners,
	"POST /merchant/v1/signing_keys/{id}/revoke":            owners,
	"GET /merchant/v1/signature_rule":                       owners,
	"PUT /merchant/v1/signature_rule":                       owners,
	"GET /v1/signing_keys":                                  merchants,
	"POST /v1/signatures/debug":                             merchants,
	"GET /ops/v1/merchants/{id}/signing_keys":               everyRole,
	"POST /ops/v1/merchants/{id}/signing_keys/{key}/revoke": admins,
	"PUT /ops/v1/merchants/{id}/signature_rule":             admins,

	"GET /.well-known/feiqian-keys.json":     anybody,
	"POST /v1/payments/{id}/app_requests":    merchants,
	"POST /wallet/v1/app_requests":           customers,
	"POST /v1/payments/{id}/instruction":     merchants,
	"POST /v1/instructions/verify":           merchants,
	"GET /ops/v1/payments/{id}/instruction":  everyRole,
	"POST /wallet/v1/app_requests/{id}/back": customers,

	"GET /healthz":       anybody,
	"GET /readyz":        anybody,
	"GET /openapi.json":  anybody,
	"GET /docs":          anybody,
	"GET /docs/docs.js":  anybody,
	"GET /docs/docs.css": anybody,
	"GET /metrics":       anybody,

	"GET /pay/{id}":        anybody,
	"GET /pay/{id}/state":  anybody,
	"GET /pay/{id}/events": anybody,
	"GET /q/{token}":       anybody,
	"GET /l/{token}":       anybody,
	"POST /l/{token}":      anybody,

	"POST /v1/payments":              merchants,
	"GET /v1/payments":               merchants,
	"GET /v1/payments/{id}":          merchants,
	"POST /v1/payments/{id}/capture": merchants,
	"POST /v1/payments/{id}/raise":   merchants,
	"GET /v1/payments/{id}/captures": merchants,
	"POST /v1/payments/{id}/void":    merchants,
	"POST /v1/payments/{id}/refunds": merchants,
	"GET /v1/payments/{id}/refunds":  merchants,
	"POST /v1/payments/{id}/splits":  merchants,
	"GET /v1/payments/{id}/splits":   merchants,
	"POST /v1/payments/{id}/release": merchants,
	"GET /v1/received_splits":        merchants,
	"POST /v1/split_rules":           merchants,
	"GET /v1/split_rules":            merchants,
	"DELETE /v1/split_rules/{id}":    merchants,
	"GET /v1/refunds":                merchants,
	"GET /v1/refunds/{id}":           merchants,
	"POST /v1/refunds/{id}/approve":  merchants,
	"POST /v1/refunds/{id}/reject":   merchants,
	"GET /v1/refund_rules":           merchants,
	"PUT /v1/refund_rules":           merchants,

	"POST /wallet/v1/payments/{id}/refunds":   customers,
	"GET /wallet/v1/payments/{id}/refunds":    customers,
	"GET /wallet/v1/refunds":                  customers,
	"POST /wallet/v1/refunds/{id}/withdraw":   customers,
	"POST /wallet/v1/payments/{id}/release":   customers,
	"GET /merchant/v1/refunds":                everyUser,
	"POST /merchant/v1/payments/{id}/refunds": cashiers,
	"POST /merchant/v1/refunds/{id}/approve":  cashiers,
	"POST /merchant/v1/refunds/{id}/reject":   cashiers,
	"GET /merchant/v1/refund_rules":           everyUser,
	"PUT /merchant/v1/refund_rules":           cashiers,
	"GET /ops/v1/refunds":                     "admin finance risk compliance support auditor",
	"POST /ops/v1/refunds/{id}/approve":       "finance support",
	"POST /ops/v1/refunds/{id}/reject":        "finance support",
	"GET /ops/v1/take_downs":                  everyRole,
	"POST /ops/v1/take_downs":                 "risk compliance",
	"POST /ops/v1/take_downs/{subject}/lift":  "risk compliance",
	"GET /ops/v1/merchants/{id}/refund_rules": "admin finance risk compliance support auditor",
	"PUT /ops/v1/merchants/{id}/refund_limit": "admin",

	"POST /wallet/v1/payments/{id}/disputes":         customers,
	"GET /wallet/v1/disputes":                        customers,
	"GET /wallet/v1/disputes/{id}":                   customers,
	"POST /wallet/v1/disputes/{id}/withdraw":         customers,
	"POST /wallet/v1/disputes/{id}/files":            customers,
	"GET /wallet/v1/disputes/{id}/files/{file_id}":   customers,
	"GET /v1/disputes":                               merchants,
	"GET /v1/disputes/{id}":                          merchants,
	"POST /v1/disputes/{id}/accept":                  merchants,
	"POST /v1/disputes/{id}/contest":                 merchants,
	"POST /v1/disputes/{id}/files":                   merchants,
	"GET /v1/disputes/{id}/files/{file_id}":          merchants,
	"GET /merchant/v1/disputes":                      everyUser,
	"GET /merchant/v1/disputes/{id}":                 everyUser,
	"POST /merchant/v1/disputes/{id}/accept":         cashiers,
	"POST /merchant/v1/disputes/{id}/contest":        cashiers,
	"POST /merchant/v1/disputes/{id}/files":          cashiers,
	"GET /merchant/v1/disputes/{id}/files/{file_id}": everyUser,
	"GET /ops/v1/disputes":                           everyRole,
	"GET /ops/v1/disputes/{id}":                      everyRole,
	"GET /ops/v1/disputes/{id}/files/{file_id}":      "finance support",
	"POST /ops/v1/disputes/{id}/decide":              "finance support",

	"GET /v1/balance":             merchants,
	"GET /v1/statement":           merchants,
	"GET /v1/events":              merchants,
	"GET /v1/receipts/{entry_id}": merchants,

	"POST /v1/qr_codes":                      merchants,
	"GET /v1/qr_codes":                       merchants,
	"GET /v1/qr_codes/{id}":                  merchants,
	"POST /v1/qr_codes/{id}/disable":         merchants,
	"GET /v1/qr_codes/{id}/image":            merchants,
	"GET /v1/payments/{id}/qr_code":          merchants,
	"GET /v1/payments/{id}/qr_code/image":    merchants,
	"POST /v1/checkouts":                     merchants,
	"GET /v1/checkouts/{id}":                 merchants,
	"GET /v1/checkout_origins":               merchants,
	"PUT /v1/checkout_origins":               merchants,
	"GET /merchant/v1/checkout_origins":      owners,
	"PUT /merchant/v1/checkout_origins":      owners,
	"POST /v1/payment_links":                 merchants,
	"GET /v1/payment_links":                  merchants,
	"GET /v1/payment_links/{id}":             merchants,
	"POST /v1/payment_links/{id}/disable":    merchants,
	"POST /wallet/v1/scan":                   customers,
	"POST /wallet/v1/qr_codes":               customers,
	"POST /wallet/v1/qr_codes/{id}/disable":  customers,
	"GET /wallet/v1/qr_codes/{id}/image":     customers,
	"POST /wallet/v1/qr_codes/{id}/pay":      customers,
	"POST /wallet/v1/qr_codes/{id}/transfer": customers,
	"GET /wallet/v1/payment_ways":            customers,

	"POST /wallet/v1/register":                   anybody,
	"POST /wallet/v1/login":                      anybody,
	"POST /wallet/v1/codes":                      anybody,
	"POST /wallet/v1/passkey_challenges":         anybody,
	"POST /wallet/v1/passkey_login":              anybody,
	"GET /wallet/v1/passkeys":                    customers,
	"POST /wallet/v1/passkeys":                   customers,
	"POST /wallet/v1/passkeys/challenges":        customers,
	"PUT /wallet/v1/passkeys/{id}":               customers,
	"DELETE /wallet/v1/passkeys/{id}":            customers,
	"POST /wallet/v1/totp":                       customers,
	"POST /wallet/v1/totp/confirm":               customers,
	"POST /wallet/v1/totp/remove":                customers,
	"PUT /wallet/v1/gesture":                     customers,
	"POST /wallet/v1/lock":                       customers,
	"POST /wallet/v1/unlock":                     customers,
	"POST /wallet/v1/confirmations":              customers,
	"POST /wallet/v1/pin/restore":                customers,
	"POST /wallet/v1/password_resets":            anybody,
	"POST /ops/v1/totp":                          anybody,
	"POST /wallet/v1/logout":                     customers,
	"GET /wallet/v1/me":                          customers,
	"PUT /wallet/v1/pin":                         customers,
	"PUT /wallet/v1/password":                    customers,
	"GET /wallet/v1/devices":                     customers,
	"DELETE /wallet/v1/devices/{id}":             customers,
	"GET /wallet/v1/balance":                     customers,
	"GET /wallet/v1/statement":                   customers,
	"GET /wallet/v1/receipts/{entry_id}":         customers,
	"GET /wallet/v1/bank_accounts":               customers,
	"POST /wallet/v1/bank_accounts":              customers,
	"GET /wallet/v1/payees":                      customers,
	"POST /wallet/v1/payment_codes":              customers,
	"POST /wallet/v1/cards":                      customers,
	"GET /wallet/v1/cards":                       customers,
	"GET /wallet/v1/cards/{id}":                  customers,
	"DELETE /wallet/v1/cards/{id}":               customers,
	"POST /wallet/v1/cards/{id}/confirm":         customers,
	"PUT /wallet/v1/cards/{id}/default":          customers,
	"GET /wallet/v1/cards/{id}/agreement":        customers,
	"PUT /wallet/v1/cards/{id}/agreement":        customers,
	"DELETE /wallet/v1/cards/{id}/agreement":     customers,
	"POST /wallet/v1/cards/{id}/agreement/check": customers,
	"POST /wallet/v1/top_ups":                    customers,
	"GET /wallet/v1/top_ups/{id}":                customers,
	"POST /wallet/v1/withdrawals":                customers,
	"GET /wallet/v1/withdrawals/{id}":            customers,
	"POST /wallet/v1/transfers":                  customers,
	"GET /wallet/v1/payments/{id}":               customers,
	"POST /wallet/v1/payments/{id}/confirm":      customers,
	"GET /wallet/v1/limits":                      customers,

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

	"POST /ops/v1/login":                                    anybody,
	"POST /ops/v1/logout":                                   everyRole,
	"GET /ops/v1/chart":                                     readers,
	"GET /ops/v1/trial_balance":                             readers,
	"GET /ops/v1/accounts/{account}":                        readers,
	"GET /ops/v1/accounts/{account}/statement":              readers,
	"GET /ops/v1/receipts/{entry_id}":                       readers,
	"GET /ops/v1/log":                                       readers,
	"GET /ops/v1/payments/{id}":                             everyRole,
	"GET /ops/v1/attempts":                                  everyRole,
	"GET /ops/v1/attempts/{id}":                             everyRole,
	"GET /ops/v1/merchants":                                 everyRole,
	"POST /ops/v1/merchants":                                admins,
	"PUT /ops/v1/merchants/{id}/state":                      admins,
	"GET /ops/v1/merchants/{id}/keys":                       everyRole,
	"GET /ops/v1/merchants/{id}/users":                      everyRole,
	"POST /ops/v1/merchants/{id}/users/{user}/totp_reset":   admins,
	"POST /ops/v1/merchants/{id}/keys":                      admins,
	"DELETE /ops/v1/merchants/{id}/keys/{key}":              admins,
	"GET /ops/v1/customers/{id}":                            "admin risk compliance support auditor",
	"PUT /ops/v1/customers/{id}/state":                      "admin risk compliance support",
	"PUT /ops/v1/merchants/{id}/terms":                      admins,
	"POST /ops/v1/entries":                                  "finance",
	"POST /ops/v1/payments/{id}/refunds":                    "finance support",
	"GET /ops/v1/audit":                                     auditors,
	"GET /ops/v1/audit/head":                                auditors,
	"POST /ops/v1/audit/exports":                            auditors,
	"GET /ops/v1/proposals":                                 everyRole,
	"GET /ops/v1/proposals/{id}":                            everyRole,
	"POST /ops/v1/proposals/{id}/approve":                   approvers,
	"POST /ops/v1/proposals/{id}/refuse":                    approvers,
	"POST /ops/v1/proposals/{id}/withdraw":                  everyRole,
	"GET /ops/v1/staff":                                     auditors,
	"GET /ops/v1/staff/rights":                              auditors,
	"POST /ops/v1/staff":                                    admins,
	"PUT /ops/v1/staff/{id}/role":                           admins,
	"POST /ops/v1/staff/{id}/totp_reset":                    admins,
	"PUT /ops/v1/staff/{id}/person":                         admins,
	"PUT /ops/v1/staff/{id}/state":                          admins,
	"POST /ops/v1/customers/{id}/exports":                   "compliance",
	"POST /ops/v1/customers/{id}/erasure":                   "compliance",
	"GET /ops/v1/customers/{id}/erasure":                    "admin risk compliance support auditor",
	"POST /ops/v1/users/{id}/exports":                       "compliance",
	"POST /ops/v1/users/{id}/erasure":                       "compliance",
	"GET /ops/v1/users/{id}/erasure":                        everyRole,
	"POST /ops/v1/applications/{id}/exports":                "compliance",
	"POST /ops/v1/applications/{id}/erasure":                "compliance",
	"GET /ops/v1/applications/{id}/erasure":                 everyRole,
	"GET /ops/v1/jobs/dead":                                 admins,
	"POST /ops/v1/jobs/{id}/retry":                          admins,
	"POST /ops/v1/sandbox/clock":                            admins,
	"GET /ops/v1/limits":                                    everyRole,
	"GET /ops/v1/limits/{rule}/history":                     everyRole,
	"POST /ops/v1/limits/{rule}/changes":                    "risk",
	"GET /ops/v1/keys":                                      admins,
	"POST /ops/v1/keys/{purpose}/rotations":                 admins,
	"POST /ops/v1/keys/{purpose}/versions/{version}/retire": admins,

	"GET /ops/v1/applications":                              everyRole,
	"POST /ops/v1/applications":                             admins,
	"GET /ops/v1/applications/{id}":                         reviewers,
	"GET /ops/v1/applications/{id}/documents/{document_id}": reviewers,
	"POST /ops/v1/applications/{id}/review":                 reviewers,
	"GET /ops/v1/blocks":                                    "admin risk compliance auditor",
	"POST /ops/v1/blocks":                                   "admin risk",
	"POST /ops/v1/blocks/{id}/lift":                         "admin risk",

	"POST /merchant/v1/applications":                 anybody,
	"GET /merchant/v1/application":                   applicants,
	"PUT /merchant/v1/application":                   applicants,
	"POST /merchant/v1/application/documents":        applicants,
	"DELETE /merchant/v1/application/documents/{id}": applicants,
	"POST /merchant/v1/application/submit":           applicants,
	"POST /merchant/v1/application/owner_password":   applicants,
	"POST /merchant/v1/login":                        anybody,
	"POST /merchant/v1/totp":                         anybody,
	"POST /merchant/v1/invitations/accept":           anybody,
	"POST /merchant/v1/logout":                       everyUser,
	"GET /merchant/v1/me":                            everyUser,
	"PUT /merchant/v1/password":                      everyUser,
	"GET /merchant/v1/users":                         cashiers,
	"POST /merchant/v1/users":                        owners,
	"PUT /merchant/v1/users/{id}":                    owners,
	"POST /merchant/v1/users/{id}/totp_reset":        owners,
	"GET /merchant/v1/stores":                        everyUser,
	"POST /merchant/v1/stores":                       sellers,
	"GET /merchant/v1/stores/{id}":                   everyUser,
	"PUT /merchant/v1/stores/{id}/state":             sellers,
	"GET /merchant/v1/keys":                          owners,
	"POST /merchant/v1/keys":                         owners,
	"DELETE /merchant/v1/keys/{key}":                 owners,
	"GET /merchant/v1/payments":                      everyUser,
	"GET /merchant/v1/payments/{id}":                 everyUser,
	"GET /merchant/v1/balance":                       cashiers,
	"GET /merchant/v1/sub_merchants":                 cashiers,
}

// names are ids that nothing has, for the parameters of a path.
var names = map[string]string{
	"/v1/disputes/{id}":          "dsp_",
	"/wallet/v1/disputes/{id}":   "dsp_",
	"/merchant/v1/disputes/{id}": "dsp_",
	"/ops/v1/disputes/{id}":      "dsp_",
	"/v1/events/{id}":            "evt_",
	"/v1/webhook_endpoints/":     "whe_",
	"/ops/v1/webhook_endpoints/": "whe_",

	"/v1/payments/{id}":           "pay_",
	"/v1/qr_codes/{id}":           "qrc_",
	"/v1/refunds/{id}":            "rfd_",
	"/v1/checkouts/{id}":          "pay_",
	"/v1/payment_links/{id}":      "plk_",
	"/wallet/v1/qr_codes/{id}":    "qrc_",
	"/pay/{id}":                   "pay_",
	"/wallet/v1/payments/{id}":    "pay_",
	"/ops/v1/payments/{id}":       "pay_",
	"/wallet/v1/top_ups/{id}":     "top_",
	"/wallet/v1/withdrawals/{id}": "po_",
	"/wallet/v1/devices/{id}":     "dev_",
	"/wallet/v1/cards/{id}":       "crd_",
	"/wallet/v1/app_requests/":    "apr_",
	"/wallet/v1/passkeys/{id}":    "psk_",
	"/ops/v1/attempts/{id}":       "att_",
	"/ops/v1/merchants/{id}":      "mer_",
	"/ops/v1/customers/{id}":      "cus_",
	"/ops/v1/identity/reviews/":   "cus_",
	"/ops/v1/identity/customers/": "cus_",
	"/ops/v1/identity/images/":    "img_",
	"/ops/v1/jobs/{id}":           "job_",
	"/ops/v1/proposals/{id}":      "prp_",
	"/ops/v1/staff/{id}":          "stf_",
	"/ops/v1/applications/{id}":   "app_",
	"/ops/v1/users/{id}":          "mus_",
	"/ops/v1/blocks/{id}":         "blk_",

	"/merchant/v1/application/documents/{id}": "ado_",
	"/merchant/v1/users/{id}":                 "mus_",
	"/merchant/v1/stores/{id}":                "sto_",
	"/merchant/v1/payments/{id}":              "pay_",
}

// concrete fills a path's parameters.
func concrete(path string) string {
	for prefix, kind := range names {
		if strings.HasPrefix(path, prefix) {
			path = strings.Replace(path, "{id}", kind+"01kanq4j3qf8yt0v5d7r2m9xce", 1)
		}
	}
	return strings.NewReplacer(
		"{subject}",
		string(id.New[id.Payment](instant)),
		"{entry_id}",
		string(id.New[id.Entry](instant)),
		"{channel}",
		"bank_transfer",
		"{account}",
		"2001:CNY:cus_nobody",
		"{rule}",
		"cn.nothing",
		"{purpose}",
		"nothing",
		"{version}",
		"1",
		"{key}",
		string(id.New[id.APIKey](instant)),
		"{user}",
		string(id.New[id.MerchantUser](instant)),
		"{event_id}",
		string(id.New[id.Event](instant)),
		"{file_id}",
		string(id.New[id.DisputeFile](instant)),
		"{document_id}",
		string(id.New[id.ApplicationDocument](instant)),
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
		users := w.shop(t, party.NewMerchant{})
		for who := range strings.FieldsSeq(everyUser) {
			tokens[who] = w.user(t, users.id, "", party.MerchantRole(strings.TrimPrefix(who, "m-"))).token
		}
		tokens[applicants] = w.applicant(t).Token
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

// kindOf tells people of the operator and people of a merchant by their first role; "" for others.
func kindOf(roles string) string {
	first, _, _ := strings.Cut(roles, " ")
	switch {
	case strings.HasPrefix(first, "m-"):
		return "user"
	case strings.Contains(" "+everyRole+" ", " "+first+" "):
		return "staff"
	}
	return ""
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
	switch {
	case allowed == anybody, strings.Contains(" "+allowed+" ", " "+who+" "):
	case kindOf(allowed) == kindOf(who) && kindOf(who) != "":
		want = http.StatusForbidden
	default:
		want = http.StatusUnauthorized
	}
	if strings.HasSuffix(route.Path, "/logout") && want == 0 {
		if kindOf(who) != "" {
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
