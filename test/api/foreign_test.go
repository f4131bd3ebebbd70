package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// foreign says, for a route that names an object in its path, query or body, what another one gets who may call the route
// and does not own the object: the code of a 404. Staff see all objects: shared. A route that is missing here fails
// TestHorizontal, so whoever adds one decides it.
type foreign struct {
	shared bool
	code   string
	// body is sent where the route takes one; STORE and BANK stand for the owner's store and bank account.
	body string
	// wholeOnly says that users of a store never get to the route, so that only those of other merchants are tried.
	wholeOnly bool
	// open says why an object of others may be named here.
	open string
}

var foreigners = map[string]foreign{
	"GET /v1/events/{id}":               {code: "outbox.not_found"},
	"GET /v1/webhook_endpoints/{id}":    {code: "webhook.endpoint_not_found"},
	"DELETE /v1/webhook_endpoints/{id}": {code: "webhook.endpoint_not_found"},
	"PATCH /v1/webhook_endpoints/{id}": {
		code: "webhook.endpoint_not_found",
		body: `{"description":"mine"}`,
	},
	"POST /v1/webhook_endpoints/{id}/enable":                   {code: "webhook.endpoint_not_found", body: `{}`},
	"POST /v1/webhook_endpoints/{id}/disable":                  {code: "webhook.endpoint_not_found"},
	"POST /v1/webhook_endpoints/{id}/rotate_secret":            {code: "webhook.endpoint_not_found", body: `{}`},
	"POST /v1/webhook_endpoints/{id}/test":                     {code: "webhook.endpoint_not_found"},
	"GET /v1/webhook_endpoints/{id}/deliveries":                {code: "webhook.endpoint_not_found"},
	"POST /v1/webhook_endpoints/{id}/events/{event_id}/resend": {code: "webhook.endpoint_not_found"},
	"POST /v1/webhook_endpoints/{id}/replay": {
		code: "webhook.endpoint_not_found",
		body: `{"from":"2026-01-01T00:00:00Z"}`,
	},
	"GET /ops/v1/merchants/{id}/webhook_endpoints":  {shared: true},
	"GET /ops/v1/webhook_endpoints/{id}/deliveries": {shared: true},

	"POST /merchant/v1/signing_keys/{id}/revoke":            {code: "signing.key_not_found", body: `{}`, wholeOnly: true},
	"GET /ops/v1/merchants/{id}/signing_keys":               {shared: true},
	"POST /ops/v1/merchants/{id}/signing_keys/{key}/revoke": {shared: true},
	"PUT /ops/v1/merchants/{id}/signature_rule":             {shared: true},

	"GET /v1/payments/{id}":          {code: "payment.not_found"},
	"POST /v1/payments/{id}/capture": {code: "payment.not_found", body: `{}`},
	"POST /v1/payments/{id}/raise":   {code: "payment.not_found", body: `{"amount":1}`},
	"GET /v1/payments/{id}/captures": {code: "payment.not_found"},
	"POST /v1/payments/{id}/void":    {code: "payment.not_found"},
	"POST /v1/payments/{id}/refunds": {code: "payment.not_found", body: `{"amount":1}`},
	"GET /v1/payments/{id}/refunds":  {code: "payment.not_found"},
	"POST /v1/payments/{id}/splits": {
		code: "payment.not_found",
		body: `{"splits":[{"receiver_id":"mer_01kanq4j3qf8yt0v5d7r2m9xce","amount":1}]}`,
	},
	"GET /v1/payments/{id}/splits":   {code: "payment.not_found"},
	"POST /v1/payments/{id}/release": {code: "payment.not_found", body: `{}`},
	"POST /v1/split_rules":           {open: "a receiver is any merchant"},
	"DELETE /v1/split_rules/{id}":    {code: "payment.split_rule_not_found"},
	"GET /v1/refunds/{id}":           {code: "refund.not_found"},
	"POST /v1/refunds/{id}/approve":  {code: "refund.not_found", body: `{}`},
	"POST /v1/refunds/{id}/reject":   {code: "refund.not_found", body: `{"note":"no"}`},
	"GET /v1/receipts/{entry_id}":    {code: "ledger.entry_not_found"},

	"GET /wallet/v1/disputes/{id}":                   {code: "dispute.not_found"},
	"GET /wallet/v1/disputes/{id}/files/{file_id}":   {code: "dispute.not_found"},
	"POST /wallet/v1/disputes/{id}/files":            {code: "dispute.not_found", body: `{"content":"JVBERi0="}`},
	"POST /wallet/v1/disputes/{id}/withdraw":         {code: "dispute.not_found"},
	"POST /wallet/v1/payments/{id}/disputes":         {code: "payment.not_found", body: `{"kind":"other","complaint":"late"}`},
	"GET /v1/disputes/{id}":                          {code: "dispute.not_found"},
	"GET /v1/disputes/{id}/files/{file_id}":          {code: "dispute.not_found"},
	"POST /v1/disputes/{id}/files":                   {code: "dispute.not_found", body: `{"content":"JVBERi0="}`},
	"POST /v1/disputes/{id}/accept":                  {code: "dispute.not_found", body: `{}`},
	"POST /v1/disputes/{id}/contest":                 {code: "dispute.not_found", body: `{"answer":"no"}`},
	"GET /merchant/v1/disputes/{id}":                 {code: "dispute.not_found"},
	"GET /merchant/v1/disputes/{id}/files/{file_id}": {code: "dispute.not_found"},
	"POST /merchant/v1/disputes/{id}/files":          {code: "dispute.not_found", body: `{"content":"JVBERi0="}`, wholeOnly: true},
	"POST /merchant/v1/disputes/{id}/accept":         {code: "dispute.not_found", body: `{}`, wholeOnly: true},
	"POST /merchant/v1/disputes/{id}/contest":        {code: "dispute.not_found", body: `{"answer":"no"}`, wholeOnly: true},
	"GET /ops/v1/disputes/{id}":                      {shared: true},
	"GET /ops/v1/disputes/{id}/files/{file_id}":      {shared: true},
	"POST /ops/v1/disputes/{id}/decide":              {shared: true},

	"POST /wallet/v1/payments/{id}/refunds": {code: "payment.not_found", body: `{"reason":"late"}`},
	"GET /wallet/v1/payments/{id}/refunds":  {code: "payment.not_found"},
	"POST /wallet/v1/payments/{id}/release": {code: "payment.not_found", body: `{}`},
	"POST /v1/payments/{id}/app_requests": {
		code: "payment.not_found", body: `{"app":"com.example.shop","return_url":"shop://paid"}`,
	},
	"POST /v1/payments/{id}/instruction":      {code: "payment.not_found"},
	"POST /v1/instructions/verify":            {open: "whoever holds a half may have it checked"},
	"GET /ops/v1/payments/{id}/instruction":   {shared: true},
	"POST /wallet/v1/app_requests/{id}/back":  {code: "app_request.not_found"},
	"POST /wallet/v1/refunds/{id}/withdraw":   {code: "refund.not_found"},
	"POST /merchant/v1/payments/{id}/refunds": {code: "payment.not_found", body: `{"amount":1}`, wholeOnly: true},
	"POST /merchant/v1/refunds/{id}/approve":  {code: "refund.not_found", body: `{}`, wholeOnly: true},
	"POST /merchant/v1/refunds/{id}/reject":   {code: "refund.not_found", body: `{"note":"no"}`, wholeOnly: true},
	"POST /ops/v1/refunds/{id}/approve":       {shared: true},
	"POST /ops/v1/refunds/{id}/reject":        {shared: true},
	"GET /ops/v1/merchants/{id}/refund_rules": {shared: true},
	"GET /ops/v1/take_downs":                  {shared: true},
	"POST /ops/v1/take_downs/{subject}/lift":  {shared: true, body: `{"reason":"a mistake"}`},
	"PUT /ops/v1/merchants/{id}/refund_limit": {shared: true},

	"POST /v1/payments": {
		code: "party.store_not_found",
		body: `{"amount":1,"currency":"CNY","store_id":"STORE"}`,
	},

	"POST /v1/qr_codes":                   {code: "party.store_not_found", body: `{"store_id":"STORE"}`},
	"GET /v1/qr_codes":                    {open: "another's store has no codes of one's own"},
	"GET /v1/qr_codes/{id}":               {code: "qr.not_found"},
	"POST /v1/qr_codes/{id}/disable":      {code: "qr.not_found"},
	"GET /v1/qr_codes/{id}/image":         {code: "qr.not_found"},
	"GET /v1/payments/{id}/qr_code":       {code: "payment.not_found"},
	"GET /v1/payments/{id}/qr_code/image": {code: "payment.not_found"},
	"POST /v1/checkouts": {
		code: "party.store_not_found",
		body: `{"amount":1,"currency":"CNY","store_id":"STORE"}`,
	},
	"GET /v1/checkouts/{id}": {code: "payment.not_found"},
	"POST /v1/payment_links": {
		code: "party.store_not_found",
		body: `{"amount":1,"store_id":"STORE"}`,
	},
	"GET /v1/payment_links/{id}":             {code: "payment_link.not_found"},
	"POST /v1/payment_links/{id}/disable":    {code: "payment_link.not_found"},
	"POST /wallet/v1/qr_codes/{id}/disable":  {code: "qr.not_found"},
	"GET /wallet/v1/qr_codes/{id}/image":     {code: "qr.not_found"},
	"POST /wallet/v1/qr_codes/{id}/pay":      {open: "whoever scans a code may pay it"},
	"POST /wallet/v1/qr_codes/{id}/transfer": {open: "whoever scans a code may send money by it"},
	"GET /wallet/v1/payment_ways":            {code: "payment.not_found"},

	"DELETE /wallet/v1/devices/{id}":     {code: "auth.device_not_found"},
	"GET /wallet/v1/receipts/{entry_id}": {code: "ledger.entry_not_found"},
	"POST /wallet/v1/top_ups": {
		code: "bank_account.not_found",
		body: `{"amount":1,"currency":"CNY","bank_account_id":"BANK","pin":"` + pin + `"}`,
	},
	"POST /wallet/v1/withdrawals": {
		code: "bank_account.not_found",
		body: `{"amount":1,"currency":"CNY","bank_account_id":"BANK","pin":"` + pin + `"}`,
	},
	"GET /wallet/v1/top_ups/{id}":           {code: "top_up.not_found"},
	"GET /wallet/v1/withdrawals/{id}":       {code: "payout.not_found"},
	"GET /wallet/v1/payments/{id}":          {code: "payment.not_found"},
	"POST /wallet/v1/payments/{id}/confirm": {code: "payment.not_found", body: `{"pin":"` + pin + `"}`},
	"POST /wallet/v1/login":                 {open: "a device of another makes a new one of one's own"},
	"POST /wallet/v1/transfers": {
		open: "a payee is anybody; codes and challenges of others are refused by TestPasskeyConfirm of auth",
	},
	"POST /wallet/v1/passkeys": {
		open: "a challenge of another is refused as none: TestPasskeyConfirm of auth",
	},
	"PUT /wallet/v1/passkeys/{id}":    {code: "auth.passkey_not_found", body: `{"name":"mine"}`},
	"DELETE /wallet/v1/passkeys/{id}": {code: "auth.passkey_not_found"},
	"POST /wallet/v1/confirmations":   {code: "payment.not_found", body: `{"act":"payment","payment_id":"PAYMENT"}`},

	"GET /wallet/v1/cards/{id}":                  {code: "card.not_found"},
	"DELETE /wallet/v1/cards/{id}":               {code: "card.not_found"},
	"POST /wallet/v1/cards/{id}/confirm":         {code: "card.not_found", body: `{"code":"123456"}`},
	"PUT /wallet/v1/cards/{id}/default":          {code: "card.not_found"},
	"GET /wallet/v1/cards/{id}/agreement":        {code: "card.agreement_not_found"},
	"PUT /wallet/v1/cards/{id}/agreement":        {code: "card.agreement_not_found", body: `{"state":"suspended"}`},
	"DELETE /wallet/v1/cards/{id}/agreement":     {code: "card.agreement_not_found"},
	"POST /wallet/v1/cards/{id}/agreement/check": {code: "card.agreement_not_found"},

	"POST /wallet/v1/identity/checks/{channel}/answer": {open: "a channel's name; the check is the caller's own"},

	"DELETE /merchant/v1/application/documents/{id}": {code: "onboarding.document_not_found"},
	"PUT /merchant/v1/users/{id}": {
		code:      "party.user_not_found",
		body:      `{"role":"viewer"}`,
		wholeOnly: true,
	},
	"POST /merchant/v1/users/{id}/totp_reset": {code: "party.user_not_found", wholeOnly: true},
	"POST /merchant/v1/users": {
		code:      "party.store_not_found",
		body:      `{"email":"z@z.example","name":"Z","role":"viewer","store_id":"STORE"}`,
		wholeOnly: true,
	},
	"GET /merchant/v1/stores/{id}":       {code: "party.store_not_found"},
	"PUT /merchant/v1/stores/{id}/state": {code: "party.store_not_found", body: `{"state":"closed"}`},
	"DELETE /merchant/v1/keys/{key}":     {code: "auth.key_not_found", wholeOnly: true},
	"GET /merchant/v1/payments/{id}":     {code: "payment.not_found"},
	"GET /merchant/v1/payments":          {code: "party.store_not_found"},

	"GET /ops/v1/accounts/{account}":                        {shared: true},
	"GET /ops/v1/accounts/{account}/statement":              {shared: true},
	"GET /ops/v1/receipts/{entry_id}":                       {shared: true},
	"GET /ops/v1/payments/{id}":                             {shared: true},
	"POST /ops/v1/payments/{id}/refunds":                    {shared: true},
	"GET /ops/v1/attempts/{id}":                             {shared: true},
	"PUT /ops/v1/merchants/{id}/state":                      {shared: true},
	"PUT /ops/v1/merchants/{id}/terms":                      {shared: true},
	"GET /ops/v1/merchants/{id}/keys":                       {shared: true},
	"GET /ops/v1/merchants/{id}/users":                      {shared: true},
	"POST /ops/v1/merchants/{id}/users/{user}/totp_reset":   {shared: true},
	"POST /ops/v1/merchants/{id}/keys":                      {shared: true},
	"DELETE /ops/v1/merchants/{id}/keys/{key}":              {shared: true},
	"POST /ops/v1/staff/{id}/totp_reset":                    {shared: true},
	"GET /ops/v1/customers/{id}":                            {shared: true},
	"PUT /ops/v1/customers/{id}/state":                      {shared: true},
	"POST /ops/v1/customers/{id}/exports":                   {shared: true},
	"POST /ops/v1/customers/{id}/erasure":                   {shared: true},
	"GET /ops/v1/customers/{id}/erasure":                    {shared: true},
	"POST /ops/v1/users/{id}/exports":                       {shared: true},
	"POST /ops/v1/users/{id}/erasure":                       {shared: true},
	"GET /ops/v1/users/{id}/erasure":                        {shared: true},
	"POST /ops/v1/applications/{id}/exports":                {shared: true},
	"POST /ops/v1/applications/{id}/erasure":                {shared: true},
	"GET /ops/v1/applications/{id}/erasure":                 {shared: true},
	"GET /ops/v1/identity/reviews/{id}":                     {shared: true},
	"POST /ops/v1/identity/reviews/{id}/approve":            {shared: true},
	"POST /ops/v1/identity/reviews/{id}/refuse":             {shared: true},
	"POST /ops/v1/identity/customers/{id}/reverify":         {shared: true},
	"GET /ops/v1/identity/images/{id}":                      {shared: true},
	"POST /ops/v1/jobs/{id}/retry":                          {shared: true},
	"GET /ops/v1/limits/{rule}/history":                     {shared: true},
	"POST /ops/v1/limits/{rule}/changes":                    {shared: true},
	"POST /ops/v1/keys/{purpose}/rotations":                 {shared: true},
	"POST /ops/v1/keys/{purpose}/versions/{version}/retire": {shared: true},
	"GET /ops/v1/proposals/{id}":                            {shared: true},
	"POST /ops/v1/proposals/{id}/approve":                   {shared: true},
	"POST /ops/v1/proposals/{id}/refuse":                    {shared: true},
	"POST /ops/v1/proposals/{id}/withdraw":                  {shared: true},
	"PUT /ops/v1/staff/{id}/role":                           {shared: true},
	"PUT /ops/v1/staff/{id}/person":                         {shared: true},
	"PUT /ops/v1/staff/{id}/state":                          {shared: true},
	"GET /ops/v1/applications/{id}":                         {shared: true},
	"GET /ops/v1/applications/{id}/documents/{document_id}": {shared: true},
	"POST /ops/v1/applications/{id}/review":                 {shared: true},
	"POST /ops/v1/blocks/{id}/lift":                         {shared: true},
}

// namesObjects reports whether a route of the document takes an object's id.
func namesObjects(w *world, route api.Route) bool {
	if strings.Contains(route.Path, "{") {
		return true
	}
	item := w.Server.OpenAPI().Paths[route.Path]
	if item == nil {
		return false // a page of our own
	}
	operation := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[route.Method]
	for _, parameter := range operation.Parameters {
		if strings.HasSuffix(parameter.Name, "_id") {
			return true
		}
	}
	if operation.RequestBody == nil {
		return false
	}
	schema := operation.RequestBody.Content["application/json"].Schema
	if schema.Ref != "" {
		schema = w.Server.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	for name := range schema.Properties {
		if strings.HasSuffix(name, "_id") {
			return true
		}
	}
	return false
}

// property is everything that one customer, merchant, store, applicant and the operator have.
type property struct {
	paths map[string]string // values of parameters, by the path up to them
	body  *strings.Replacer
	store id.Store
	// ids are what nobody else's lists may show.
	ids []string
}

// TestHorizontal tries, on every route that names an object, everybody who may call it and owns another one: the object is
// not there for them. It tries everybody of the same house whose role does not let them: staff on real objects,
// and the merchant's own users. Who calls without a token gets 401, and nothing is ever written. Last it looks for
// the owner's objects in all that the others can list. Routes are those of the server, so a new one is tried as soon
// as it is there.
func TestHorizontal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		owner, stranger := w.person(t, 50_000), w.person(t, 0)
		shop, rival := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{})
		own := w.property(t, owner, shop)
		elsewhere, err := w.Parties.CreateStore(t.Context(), party.NewStore{Merchant: shop.id, Name: "South"})
		must(t, err)
		applicant := w.applicant(t)
		strangers := map[api.Actor]map[string]string{ //nolint:exhaustive // who owns objects
			api.ActorCustomer:  {"another customer": stranger.token},
			api.ActorMerchant:  {"another merchant": rival.token},
			api.ActorApplicant: {"another applicant": applicant.Token},
			api.ActorUser: {
				"another merchant's owner": w.user(t, rival.id, "", party.MerchantOwner).token,
				"another store's operator": w.user(t, shop.id, elsewhere.ID, party.MerchantOperator).token,
			},
		}
		roles := map[api.Actor]map[string]string{api.ActorStaff: {}, api.ActorUser: {}} //nolint:exhaustive // who has roles
		for _, role := range party.Roles() {
			roles[api.ActorStaff][string(role)] = w.staff(t, role)
		}
		for _, role := range party.MerchantRoles() {
			roles[api.ActorUser]["m-"+string(role)] = w.user(t, shop.id, own.storeOf(role), role).token
		}
		w.quiet(t)
		seen := map[string]bool{}
		for _, route := range w.Server.Routes() {
			name := route.Method + " " + route.Path
			want, declared := foreigners[name]
			seen[name] = true
			w.lists(t, route, own, strangers[route.Actor])
			if route.Actor == api.ActorPublic && !declared || !namesObjects(w, route) {
				continue
			}
			if !declared {
				t.Errorf("%s names an object: say in foreigners what others get", name)
				continue
			}
			if want.open == "" {
				w.horizontal(t, route, want, own.call(t, w, route, want), strangers[route.Actor], roles[route.Actor])
			}
		}
		for name := range foreigners {
			if !seen[name] {
				t.Errorf("%s is in foreigners and not in the server", name)
			}
		}
		w.agree(t)
	})
}

// horizontal tries one route.
func (w *world) horizontal(
	t *testing.T, route api.Route, want foreign, call apitest.Request, strangers, roles map[string]string,
) {
	t.Helper()
	name := route.Method + " " + route.Path
	w.refused(t, 401, "auth.token_missing", call)
	for role, token := range roles {
		if strings.Contains(" "+access[name]+" ", " "+role+" ") {
			continue
		}
		call.Token, call.Key = token, w.key()
		if problem := w.refused(t, 403, "auth.permission_missing", call); problem.Code == "" {
			t.Errorf("%s as %s", name, role)
		}
	}
	if want.shared {
		if route.Actor != api.ActorStaff {
			t.Errorf("%s: only staff share objects", name)
		}
		return
	}
	for who, token := range strangers {
		if want.wholeOnly && strings.Contains(who, "store") {
			continue
		}
		t.Log(name, "as", who)
		call.Token, call.Key = token, w.key()
		w.refused(t, 404, want.code, call)
	}
}

// lists reads a list as everybody who may and owns nothing of the owner's.
func (w *world) lists(t *testing.T, route api.Route, own property, strangers map[string]string) {
	t.Helper()
	if route.Method != http.MethodGet || strings.Contains(route.Path, "{") {
		return
	}
	for who, token := range strangers {
		_, answer := w.send(t, apitest.Request{Method: route.Method, Path: route.Path, Token: token})
		for _, object := range own.ids {
			if strings.Contains(string(answer.Body), object) {
				t.Errorf("%s shows %s to %s", route.Path, object, who)
			}
		}
	}
}

// property makes one of everything.
func (w *world) property(t testing.TB, owner person, shop shop) property {
	t.Helper()
	store, err := w.Parties.CreateStore(t.Context(), party.NewStore{Merchant: shop.id, Name: "North"})
	must(t, err)
	var order payment.Payment
	w.ok(t, 201, shop.order(w, 10_000, map[string]any{"store_id": store.ID}), &order)
	w.ok(t, 200, owner.confirm(w, order.ID), nil)
	w.ok(t, 200, get("/v1/payments/"+string(order.ID), shop.token), &order)
	var refund payment.RefundView
	w.ok(t, 201, owner.askRefund(w, order, map[string]any{"reason": "cold", "amount": 1}), &refund)
	dispute, evidence := w.evident(t, owner, order)
	rule, err := w.Payments.NewSplitRule(t.Context(), shop.id, "guide",
		[]payment.SplitPart{{Receiver: w.shop(t, party.NewMerchant{}).id, Bps: 1}})
	must(t, err)
	topUp := w.topUp(t, owner, 700)
	var withdrawal struct {
		ID string `json:"id"`
	}
	w.ok(t, 201, owner.bankMoney(w, "/wallet/v1/withdrawals", 500), &withdrawal)
	w.ok(t, 200, get("/wallet/v1/withdrawals/"+withdrawal.ID+"?wait=25", owner.token), nil)
	card := w.bound(t, owner, w.debit(t, owner, 0))
	passkey := w.passkey(t, owner)
	w.quiet(t)
	w.receipts(t, order.Entry)
	application := w.applicant(t)
	var document struct {
		ID string `json:"id"`
	}
	w.ok(t, 201, w.upload(application.Token, "other", pdf), &document)
	user, admin := w.user(t, shop.id, "", party.MerchantViewer), w.colleague(t, party.RoleAdmin, "")
	block, err := w.Blocks.Block(t.Context(), edge.BlockRequest{
		Subject: "address:203.0.113.9", Reason: "a test", Until: w.Clock.Now().Add(time.Hour), By: admin.id,
	})
	must(t, err)
	var code, personal, link struct {
		ID string `json:"id"`
	}
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/v1/qr_codes", Token: shop.token, Key: w.key(), Body: map[string]any{},
	}, &code)
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/wallet/v1/qr_codes", Token: owner.token, Body: map[string]any{},
	}, &personal)
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/v1/payment_links", Token: shop.token, Key: w.key(), Body: map[string]any{"amount": 100},
	}, &link)
	var handed struct {
		ID      string `json:"id"`
		Request string `json:"request"`
	}
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/v1/payments/" + string(w.created(t, shop, 100).ID) + "/app_requests", Token: shop.token,
		Body: map[string]any{"app": "com.example.shop", "return_url": "shop://paid"},
	}, &handed)
	w.ok(t, 200, apitest.Request{
		Method: "POST", Path: "/wallet/v1/app_requests", Token: owner.token, Body: map[string]any{"request": handed.Request},
	}, nil)
	event, endpoint := w.firstEvent(t, shop), w.silentEndpoint(t, shop)
	signing, _ := w.signingKey(t, shop.id, httpsig.Ed25519)
	proposal, _ := w.propose(t, terms(w, shop.id, admin.token, 77))
	customer, merchant := string(owner.id), string(shop.id)
	account := w.texts(t, "SELECT id FROM accounts WHERE owner = $1 ORDER BY id", customer)[0]
	attempt := w.texts(t, "SELECT id FROM attempts WHERE customer_id = $1 ORDER BY id", customer)[0]
	return property{
		store: store.ID,
		body:  strings.NewReplacer("STORE", string(store.ID), "BANK", string(owner.bankAccount), "PAYMENT", string(order.ID)),
		ids: []string{
			customer,
			string(order.ID),
			string(refund.ID),
			dispute,
			evidence,
			string(topUp.ID),
			withdrawal.ID,
			string(card.ID),
			string(owner.device.ID),
			string(owner.bankAccount),
			string(store.ID),
			string(user.ID),
			string(shop.key),
			document.ID,
			account,
			string(application.Application.ID),
			owner.phone,
			passkey,
			event,
			endpoint,
			string(signing.ID),
			code.ID,
			personal.ID,
			link.ID,
		},
		paths: map[string]string{
			"/v1/events/{id}":                              event,
			"/v1/webhook_endpoints/{id}":                   endpoint,
			"/ops/v1/webhook_endpoints/{id}":               endpoint,
			"/v1/webhook_endpoints/{id}/events/{event_id}": event,

			"/merchant/v1/signing_keys/{id}":             string(signing.ID),
			"/v1/payments/{id}":                          string(order.ID),
			"/v1/checkouts/{id}":                         string(order.ID),
			"/v1/qr_codes/{id}":                          code.ID,
			"/wallet/v1/qr_codes/{id}":                   personal.ID,
			"/v1/payment_links/{id}":                     link.ID,
			"/wallet/v1/payments/{id}":                   string(order.ID),
			"/v1/refunds/{id}":                           string(refund.ID),
			"/v1/disputes/{id}":                          dispute,
			"/wallet/v1/disputes/{id}":                   dispute,
			"/merchant/v1/disputes/{id}":                 dispute,
			"/ops/v1/disputes/{id}":                      dispute,
			"/v1/disputes/{id}/files/{file_id}":          evidence,
			"/wallet/v1/disputes/{id}/files/{file_id}":   evidence,
			"/merchant/v1/disputes/{id}/files/{file_id}": evidence,
			"/ops/v1/disputes/{id}/files/{file_id}":      evidence,
			"/v1/split_rules/{id}":                       string(rule.ID),
			"/wallet/v1/refunds/{id}":                    string(refund.ID),
			"/wallet/v1/app_requests/{id}":               handed.ID,
			"/merchant/v1/refunds/{id}":                  string(refund.ID),
			"/ops/v1/refunds/{id}":                       string(refund.ID),
			"/merchant/v1/payments/{id}":                 string(order.ID),
			"/wallet/v1/top_ups/{id}":                    string(topUp.ID),
			"/wallet/v1/withdrawals/{id}":                withdrawal.ID,
			"/wallet/v1/devices/{id}":                    string(owner.device.ID),
			"/v1/receipts/{entry_id}":                    string(order.Entry),
			"/wallet/v1/receipts/{entry_id}":             string(order.Entry),
			"/wallet/v1/cards/{id}": string(
				card.ID,
			),
			"/wallet/v1/passkeys/{id}":                passkey,
			"/merchant/v1/stores/{id}":                string(store.ID),
			"/merchant/v1/users/{id}":                 string(user.ID),
			"/merchant/v1/keys/{key}":                 string(shop.key),
			"/merchant/v1/application/documents/{id}": document.ID,

			"/ops/v1/accounts/{account}":                        account,
			"/ops/v1/receipts/{entry_id}":                       string(order.Entry),
			"/ops/v1/payments/{id}":                             string(order.ID),
			"/ops/v1/attempts/{id}":                             attempt,
			"/ops/v1/merchants/{id}":                            merchant,
			"/ops/v1/merchants/{id}/keys/{key}":                 string(shop.key),
			"/ops/v1/merchants/{id}/signing_keys/{key}":         string(signing.ID),
			"/ops/v1/merchants/{id}/users/{user}":               string(user.ID),
			"/ops/v1/customers/{id}":                            customer,
			"/ops/v1/identity/reviews/{id}":                     customer,
			"/ops/v1/identity/customers/{id}":                   customer,
			"/ops/v1/identity/images/{id}":                      string(id.New[id.IdentityImage](instant)),
			"/ops/v1/jobs/{id}":                                 string(id.New[id.Job](instant)),
			"/ops/v1/limits/{rule}":                             "cn.day.two_factors",
			"/ops/v1/keys/{purpose}":                            "card.pan",
			"/ops/v1/keys/{purpose}/versions/{version}":         "1",
			"/ops/v1/proposals/{id}":                            string(proposal.ID),
			"/ops/v1/staff/{id}":                                string(admin.id),
			"/ops/v1/applications/{id}":                         string(application.Application.ID),
			"/ops/v1/users/{id}":                                string(user.ID),
			"/ops/v1/applications/{id}/documents/{document_id}": document.ID,
			"/ops/v1/blocks/{id}":                               string(block.ID),
			"/ops/v1/take_downs/{subject}":                      string(order.ID),
		},
	}
}

// call is the request for what is owned.
func (p property) call(t testing.TB, w *world, route api.Route, want foreign) apitest.Request {
	t.Helper()
	call := apitest.Request{Method: route.Method, Key: w.key()}
	pattern := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(route.Path, "/"), "/") {
		pattern += "/" + part
		if strings.HasPrefix(part, "{") {
			if part = p.paths[pattern]; part == "" {
				t.Errorf("%s: property makes no object for %s", route.Path, pattern)
				part = "nothing"
			}
		}
		call.Path += "/" + part
	}
	if want.body != "" {
		call.Body = p.body.Replace(want.body)
	}
	if route.Path == "/merchant/v1/payments" {
		call.Path += "?store_id=" + string(p.store)
	}
	if route.Path == "/wallet/v1/payment_ways" {
		call.Path += "?payment_id=" + p.paths["/v1/payments/{id}"]
	}
	return call
}

// storeOf is the store of a merchant's user of a role: those who may be of one are of the owner's.
func (p property) storeOf(role party.MerchantRole) id.Store {
	if role == party.MerchantOperator || role == party.MerchantViewer {
		return p.store
	}
	return ""
}

// TestRoutesAreDocumented holds that every route says in the OpenAPI document who may call it, with which permission,
// and how often; and that roles, permissions and classes are ones that exist.
func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	staff, users := map[string]bool{api.AnyPermission: true}, map[string]bool{api.AnyPermission: true}
	for _, role := range party.Roles() {
		for _, permission := range auth.Permissions(role) {
			staff[string(permission)] = true
		}
	}
	for _, role := range party.MerchantRoles() {
		for _, permission := range auth.UserPermissions(role) {
			users[string(permission)] = true
		}
	}
	pages := []string{"/openapi.json", "/docs", "/docs/docs.js", "/docs/docs.css", "/metrics"}
	for _, page := range w.Checkouts.Pages() {
		pages = append(pages, page.Path)
	}
	for _, route := range w.Server.Routes() {
		name := route.Method + " " + route.Path
		if _, known := edge.RateOf(route.Class); !known && route.Class != edge.ClassNone {
			t.Errorf("%s has the class %q, which is none", name, route.Class)
		}
		if route.Class == edge.ClassNone && route.Actor != api.ActorPublic {
			t.Errorf("%s is not limited", name)
		}
		if route.Actor == api.ActorStaff && !staff[route.Permission] ||
			route.Actor == api.ActorUser && !users[route.Permission] {
			t.Errorf("%s wants %q, which no role has", name, route.Permission)
		}
		if slices.Contains(pages, route.Path) {
			continue
		}
		item := w.Server.OpenAPI().Paths[route.Path]
		operation := map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
		}[route.Method]
		said := operation.Extensions
		permission, _ := said["x-permission"].(string)
		if said["x-actor"] != string(route.Actor) || said["x-rate-class"] != string(route.Class) ||
			permission != route.Permission {
			t.Errorf("%s is documented as %v", name, said)
		}
	}
}
