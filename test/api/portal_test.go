package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// user is a person of a merchant with a session.
type user struct {
	party.MerchantUser
	token string
}

// user makes a person of a merchant and signs in.
func (w *world) user(t testing.TB, merchant id.Merchant, store id.Store, role party.MerchantRole) user {
	t.Helper()
	made, token, err := w.Auth.Invite(t.Context(), party.NewMerchantUser{
		Merchant: merchant, Store: store, Email: fmt.Sprintf("u%d@shop.example", w.next()), Name: "User of Test", Role: role,
	})
	must(t, err)
	must(t, w.Auth.AcceptInvitation(t.Context(), token, password))
	request := auth.StaffSignInRequest{Email: made.Email, Password: password}
	if role == party.MerchantOwner || role == party.MerchantFinance {
		enrolment, err := w.Auth.BeginUserTOTP(t.Context(), request)
		must(t, err)
		request.TOTP, err = auth.TOTPCode(enrolment.Secret, w.Clock.Now())
		must(t, err)
	}
	in, err := w.Auth.SignInUser(t.Context(), request)
	must(t, err)
	return user{MerchantUser: made, token: in.Token}
}

func (w *world) details() map[string]any {
	return map[string]any{
		"company": "Jasmine Tea Co., Ltd.", "uscc": "91110000ABCDEFGH1T", "category": "5812",
		"email":                fmt.Sprintf("owner%d@jasmine.example", w.next()),
		"legal_representative": map[string]any{"name": "Zhang San", "document_number": "11010519491231002X"},
		"beneficial_owners": []any{
			map[string]any{"name": "Zhang San", "document_number": "11010519491231002X", "share_bps": 6000},
		},
		"contact_name": "Li Si", "contact_phone": "+8613812345678",
		"settlement_account": map[string]any{
			"number": "6222020200112233445", "holder_name": "Jasmine Tea Co., Ltd.", "bank": "Bank of Test",
		},
	}
}

// applicant makes an application.
func (w *world) applicant(t testing.TB) api.NewApplication {
	t.Helper()
	var made api.NewApplication
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/ops/v1/applications", Token: w.staff(t, party.RoleAdmin), Body: w.details(),
	}, &made)
	return made
}

func (w *world) upload(token, kind string, content []byte) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/merchant/v1/application/documents", Token: token,
		Body: map[string]any{"kind": kind, "content": base64.StdEncoding.EncodeToString(content)},
	}
}

var pdf = []byte("%PDF-1.7\nsecret of the licence")

// ready uploads what is required and submits.
func (w *world) ready(t testing.TB, token string) {
	t.Helper()
	for _, kind := range onboarding.Required() {
		w.ok(t, 201, w.upload(token, string(kind), pdf), nil)
	}
	w.ok(t, 200, w.submit(token), nil)
}

func (w *world) submit(token string) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/merchant/v1/application/submit", Token: token}
}

func (w *world) review(token string, name id.Application, body map[string]any) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/ops/v1/applications/" + string(name) + "/review", Token: token, Body: body,
	}
}

// TestOnboarding goes from nothing to a merchant who is paid.
func TestOnboarding(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		officer := w.staff(t, party.RoleCompliance)
		var made api.NewApplication
		details := w.details()
		w.ok(t, 201, apitest.Request{Method: "POST", Path: "/merchant/v1/applications", Body: details}, &made)
		token, name := made.Token, made.Application.ID
		if made.Application.State != onboarding.Draft || !made.Application.USCCValid {
			t.Errorf("applied: %+v", made.Application)
		}
		answer := w.ok(t, 200, get("/merchant/v1/application", token), nil)
		for _, secret := range []string{"11010519491231002X", "6222020200112233445", "13812345678", "Zhang San"} {
			if strings.Contains(string(answer.Body), secret) {
				t.Errorf("the applicant's view shows %s", secret)
			}
			for _, table := range []string{"merchant_applications", "events"} {
				for _, text := range w.texts(t, "SELECT CAST("+map[string]string{
					"merchant_applications": "documents", "events": "items",
				}[table]+" AS TEXT) FROM "+table) {
					if strings.Contains(text, secret) {
						t.Errorf("%s holds %s in clear", table, secret)
					}
				}
			}
		}
		if n := w.count(
			t,
			"SELECT count(*) FROM merchant_applications WHERE company LIKE '%Zhang%' OR email LIKE '%110105%'",
		); n != 0 {
			t.Error("personal data in clear")
		}

		// What can't be submitted, uploaded or decided yet.
		w.refused(t, 409, "onboarding.document_missing", w.submit(token))
		w.refused(t, 409, "onboarding.not_approved", apitest.Request{
			Method: "POST",
			Path:   "/merchant/v1/application/owner_password",
			Token:  token,
			Body:   map[string]any{"password": password},
		})
		approve := map[string]any{"state": "approved", "reason": "all proved", "fee_bps": 60}
		w.refused(t, 409, "onboarding.state_conflict", w.review(officer, name, approve))
		w.refused(t, 403, "auth.permission_missing", w.review(w.staff(t, party.RoleAdmin), name, approve))
		for _, content := range []string{"GIF89a", "<html>", "PK\x03\x04", " %PDF-1.7"} {
			w.refused(t, 400, "onboarding.bad_document", w.upload(token, "other", []byte(content)))
		}
		w.refused(t, 400, "request.bad_field", w.upload(token, "selfie", pdf))
		bad := w.upload(token, "other", nil)
		bad.Body = map[string]any{"kind": "other", "content": "not base64!"}
		w.refused(t, 400, "onboarding.bad_document", bad)
		big := w.upload(token, "other", append([]byte("%PDF-"), make([]byte, onboarding.DocumentMaxBytes)...))
		if _, answer := w.send(t, big); answer.Status != 400 && answer.Status != 413 {
			t.Errorf("a document of more than 4 MiB: %d", answer.Status)
		}

		// Documents come, one goes again, its content with it.
		var extra onboarding.Document
		w.ok(t, 201, w.upload(token, "other", append([]byte("\x89PNG\r\n\x1a\n"), 1, 2, 3)), &extra)
		w.ok(t, 204, apitest.Request{
			Method: "DELETE", Path: "/merchant/v1/application/documents/" + string(extra.ID), Token: token,
		}, nil)
		if n := w.count(
			t,
			"SELECT count(*) FROM merchant_documents WHERE id = $1 AND length(sealed) > 0",
			string(extra.ID),
		); n != 0 {
			t.Error("a removed document keeps its content")
		}
		w.ready(t, token)
		w.refused(t, 409, "onboarding.not_editable", apitest.Request{
			Method: "PUT", Path: "/merchant/v1/application", Token: token, Body: details,
		})
		w.refused(t, 409, "onboarding.not_editable", w.upload(token, "other", pdf))
		w.refused(t, 409, "onboarding.state_conflict", w.submit(token))

		// More is needed; the applicant corrects and submits again.
		w.refused(t, 400, "party.bad_reason", w.review(officer, name, map[string]any{"state": "more_needed", "reason": "  "}))
		w.ok(
			t,
			200,
			w.review(officer, name, map[string]any{"state": "more_needed", "reason": "the licence is not readable"}),
			nil,
		)
		w.ok(t, 200, apitest.Request{Method: "PUT", Path: "/merchant/v1/application", Token: token, Body: details}, nil)
		if again := w.ok(t, 200, w.submit(token), nil); strings.Contains(string(again.Body), "stf_") {
			t.Error("the applicant sees who of the staff decides")
		}

		// The reviewer sees all, documents too.
		var view api.ApplicationView
		w.ok(t, 200, get("/ops/v1/applications/"+string(name), officer), &view)
		if view.Private.LegalRepresentative.Number != "11010519491231002X" || len(view.Documents) != 3 {
			t.Errorf("the reviewer sees %+v", view)
		}
		var content api.DocumentContent
		w.ok(t, 200, get("/ops/v1/applications/"+string(name)+"/documents/"+string(view.Documents[0].ID), officer), &content)
		if plain, _ := base64.StdEncoding.DecodeString(content.Content); string(plain) != string(pdf) {
			t.Errorf("the document became %q", plain)
		}
		var approved onboarding.Application
		w.ok(t, 200, w.review(officer, name, approve), &approved)
		w.refused(t, 409, "onboarding.state_conflict", w.review(officer, name, approve))

		// The trail has who applied, saw and decided, and nothing personal.
		for kind, want := range map[string]int64{
			"application.created": 1, "application.more_needed": 1, "application.seen": 2, "application.approved": 1,
		} {
			if n := w.count(
				t,
				"SELECT count(*) FROM audit_records WHERE kind = $1 AND subject = $2",
				kind,
				string(name),
			); n != want {
				t.Errorf("%d records %s, want %d", n, kind, want)
			}
		}
		for _, secret := range []string{"11010519491231002X", "6222020200112233445", "Zhang San", "13812345678"} {
			if n := w.count(
				t,
				"SELECT count(*) FROM audit_records WHERE before_json LIKE $1 OR after_json LIKE $1",
				"%"+secret+"%",
			); n != 0 {
				t.Errorf("the trail holds %s", secret)
			}
		}

		// The owner signs in, makes a store and a key, and is paid at the store.
		set := apitest.Request{
			Method: "POST",
			Path:   "/merchant/v1/application/owner_password",
			Token:  token,
			Body:   map[string]any{"password": password},
		}
		w.ok(t, 204, set, nil)
		w.refused(t, 401, "auth.invitation_invalid", set)
		login := map[string]any{"email": details["email"], "password": password}
		w.refused(t, 403, "auth.totp_enrolment_required", post("/merchant/v1/login", "", login))
		var enrolment auth.Enrolment
		w.ok(t, 201, post("/merchant/v1/totp", "", login), &enrolment)
		w.refused(t, 403, "auth.totp_required", post("/merchant/v1/login", "", login))
		digits, err := auth.TOTPCode(enrolment.Secret, w.Clock.Now())
		must(t, err)
		login["totp"] = digits
		var owner api.UserSession
		w.ok(t, 201, post("/merchant/v1/login", "", login), &owner)
		if len(owner.RecoveryCodes) == 0 {
			t.Error("no recovery codes with the owner's app")
		}
		if owner.Merchant != approved.Merchant || owner.Role != party.MerchantOwner {
			t.Errorf("signed in: %+v", owner)
		}
		var store party.Store
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/merchant/v1/stores", Token: owner.Token, Body: map[string]any{"name": "North"},
		}, &store)
		var key api.NewKey
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/merchant/v1/keys", Token: owner.Token, Body: map[string]any{"name": "till"},
		}, &key)
		shop := shop{id: approved.Merchant, token: key.Secret, key: key.ID}
		var paid payment.Payment
		w.ok(t, 201, shop.order(w, 1000, map[string]any{"store_id": store.ID}), &paid)
		w.ok(t, 200, w.person(t, 5000).confirm(w, paid.ID), nil)
		var sales api.Page[payment.Payment]
		w.ok(t, 200, get("/merchant/v1/payments?store_id="+string(store.ID), owner.Token), &sales)
		if len(sales.Data) != 1 || sales.Data[0].Store != store.ID || sales.Data[0].State != payment.Succeeded {
			t.Errorf("sales: %+v", sales.Data)
		}
		// A closed store takes nothing.
		w.ok(t, 204, apitest.Request{
			Method: "PUT", Path: "/merchant/v1/stores/" + string(store.ID) + "/state", Token: owner.Token,
			Body: map[string]any{"state": "closed"},
		}, nil)
		w.refused(t, 403, "party.store_not_active", shop.order(w, 1000, map[string]any{"store_id": store.ID}))
		for kind, subject := range map[string]string{
			"password.changed": string(owner.User), "session.opened": string(owner.User), "store.created": string(store.ID),
			"store.state_set": string(store.ID), "key.created": string(owner.Merchant),
		} {
			if n := w.count(t, "SELECT count(*) FROM audit_records WHERE kind = $1 AND subject = $2", kind, subject); n != 1 {
				t.Errorf("%d records %s of %s", n, kind, subject)
			}
		}
		w.quiet(t)
		w.agree(t)
	})
}

// TestBadApplications refuses what cannot be, and writes nothing.
func TestBadApplications(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		admin, officer := w.staff(t, party.RoleAdmin), w.staff(t, party.RoleCompliance)
		owner := func(number string, share int) map[string]any {
			return map[string]any{"name": "A B", "document_number": number, "share_bps": share}
		}
		for member, test := range map[string]struct {
			value any
			code  string
		}{
			"uscc":               {"91110000ABCDEFGHIT", "party.bad_uscc"},
			"email":              {"no address", "party.bad_email"},
			"category":           {"58x2", "request.bad_field"},
			"company":            {"a\u202eb", "party.bad_name"},
			"contact_phone":      {"12345", "party.bad_phone"},
			"settlement_account": {map[string]any{"number": "62 22 0000", "holder_name": "x", "bank": "y"}, "onboarding.bad_details"},
			"beneficial_owners":  {[]any{owner("1234", 6000), owner("5678", 6000)}, "onboarding.bad_details"},
			"legal_representative": {
				map[string]any{"name": "x", "document_number": "<script>"}, "onboarding.bad_details",
			},
		} {
			body := w.details()
			body[member] = test.value
			w.refused(t, 400, test.code, apitest.Request{Method: "POST", Path: "/ops/v1/applications", Token: admin, Body: body})
		}
		wrong := w.details() // its check character is X
		wrong["legal_representative"] = map[string]any{"name": "Zhang San", "document_number": "110105194912310021"}
		w.refused(t, 400, "onboarding.bad_details",
			apitest.Request{Method: "POST", Path: "/ops/v1/applications", Token: admin, Body: wrong})
		twice := w.details()
		twice["beneficial_owners"] = []any{owner("abcd1", 3000), owner("ABCD1", 3000)}
		w.refused(
			t,
			400,
			"onboarding.bad_details",
			apitest.Request{Method: "POST", Path: "/ops/v1/applications", Token: admin, Body: twice},
		)
		small := w.details()
		small["beneficial_owners"] = []any{owner("1234", 2499)}
		w.refused(
			t,
			400,
			"request.bad_field",
			apitest.Request{Method: "POST", Path: "/ops/v1/applications", Token: admin, Body: small},
		)

		// A wrong check character is a warning for the reviewer and no refusal: some real codes have one.
		warned := w.details()
		warned["uscc"] = "91110000ABCDEFGH1U"
		var made api.NewApplication
		w.ok(t, 201, apitest.Request{Method: "POST", Path: "/ops/v1/applications", Token: admin, Body: warned}, &made)
		if made.Application.USCCValid {
			t.Error("a wrong check character is not seen")
		}
		// Two applications with one address: the second approval is refused, and nothing of it is written.
		first, second := w.applicant(t), w.applicant(t)
		same := w.details()
		for _, a := range []api.NewApplication{first, second} {
			w.ok(t, 200, apitest.Request{Method: "PUT", Path: "/merchant/v1/application", Token: a.Token, Body: same}, nil)
			w.ready(t, a.Token)
		}
		approve := map[string]any{"state": "approved", "reason": "proved"}
		w.ok(t, 200, w.review(officer, first.Application.ID, approve), nil)
		w.refused(t, 409, "party.email_taken", w.review(officer, second.Application.ID, approve))
		w.ok(t, 200, w.review(officer, second.Application.ID, map[string]any{"state": "refused", "reason": "twice"}), nil)
		w.refused(t, 409, "onboarding.state_conflict", w.submit(second.Token))
	})
}

// TestOwners keeps a merchant from being left without an owner.
func TestOwners(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		a, b := w.user(t, s.id, "", party.MerchantOwner), w.user(t, s.id, "", party.MerchantOwner)
		change := func(by user, of user, body map[string]any) apitest.Request {
			return apitest.Request{
				Method: "PUT", Path: "/merchant/v1/users/" + string(of.ID), Token: by.token, Body: body,
			}
		}
		w.refused(t, 403, "party.self_change", change(a, a, map[string]any{"role": "viewer"}))
		w.refused(t, 400, "request.missing_field", change(a, b, map[string]any{}))
		var wg sync.WaitGroup
		for _, pair := range [][2]user{{a, b}, {b, a}} {
			wg.Go(func() {
				if _, answer := w.send(t, change(pair[0], pair[1], map[string]any{"role": "viewer"})); answer.Status != 200 &&
					answer.Status != http.StatusForbidden {
					t.Errorf("%d %s", answer.Status, answer.Body)
				}
			})
		}
		wg.Wait()
		if n := w.count(
			t,
			"SELECT count(*) FROM merchant_users WHERE merchant_id = $1 AND role = 'owner'",
			string(s.id),
		); n != 1 {
			t.Errorf("%d owners are left", n)
		}
		// A suspended user is out within two seconds, on this node at once.
		c, d := w.user(t, s.id, "", party.MerchantOwner), w.user(t, s.id, "", party.MerchantViewer)
		w.ok(t, 200, change(c, d, map[string]any{"state": "frozen"}), nil)
		w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", d.token))
		w.refused(t, 409, "party.email_taken", apitest.Request{
			Method: "POST", Path: "/merchant/v1/users", Token: c.token,
			Body: map[string]any{"email": d.Email, "name": "X", "role": "viewer"},
		})
		w.refused(t, 400, "party.bad_role", apitest.Request{
			Method: "POST",
			Path:   "/merchant/v1/users",
			Token:  c.token,
			Body: map[string]any{
				"email":    "x@y.example",
				"name":     "X",
				"role":     "owner",
				"store_id": "sto_01kanq4j3qf8yt0v5d7r2m9xce",
			},
		})
	})
}

// TestUserApps: roles that reach money sign in with an app, others may; a lost one is taken away by an owner, or by two
// people of the staff, and with it go all sessions.
func TestUserApps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, rival := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{})
		owner, stranger := w.user(t, s.id, "", party.MerchantOwner), w.user(t, rival.id, "", party.MerchantOwner)
		viewer, cashier := w.user(t, s.id, "", party.MerchantViewer), w.user(t, s.id, "", party.MerchantFinance)
		login := func(of user, digits string) apitest.Request {
			w.Clock.Advance(30 * time.Second) // sign-ins have a rate, and each step of an app is good once
			body := map[string]any{"email": of.Email, "password": password}
			if digits != "" {
				body["totp"] = digits
			}
			return post("/merchant/v1/login", "", body)
		}
		enrol := func(of user) (digits func() string) {
			var enrolment auth.Enrolment
			w.ok(t, 201, post("/merchant/v1/totp", "", map[string]any{"email": of.Email, "password": password}), &enrolment)
			return func() string {
				w.Clock.Advance(30 * time.Second)
				code, err := auth.TOTPCode(enrolment.Secret, w.Clock.Now())
				must(t, err)
				return code
			}
		}

		// Optional: a fresh app binds nobody until its first code; then it is asked for.
		w.ok(t, 201, login(viewer, ""), nil)
		app := enrol(viewer)
		w.ok(t, 201, login(viewer, ""), nil)
		var session api.UserSession
		w.ok(t, 201, login(viewer, app()), &session)
		if len(session.RecoveryCodes) != 8 {
			t.Errorf("%d recovery codes", len(session.RecoveryCodes))
		}
		w.refused(t, 403, "auth.totp_required", login(viewer, ""))
		w.call(t, login(viewer, "000000")).Problem(t, 403, "auth.totp_wrong")
		w.refused(t, 409, "auth.totp_set", post("/merchant/v1/totp", "", map[string]any{
			"email": viewer.Email, "password": password,
		}))
		w.ok(t, 201, login(viewer, session.RecoveryCodes[0]), nil)
		w.refused(t, 403, "auth.totp_required", login(cashier, ""))

		// An owner takes a lost app away, not one's own, and nobody of another merchant does.
		lost := func(of user, by string) apitest.Request {
			return apitest.Request{
				Method: "POST", Path: "/merchant/v1/users/" + string(of.ID) + "/totp_reset", Token: by,
			}
		}
		w.refused(t, 403, "auth.permission_missing", lost(viewer, cashier.token))
		w.refused(t, 404, "party.user_not_found", lost(viewer, stranger.token))
		w.refused(t, 403, "party.self_change", lost(owner, owner.token))
		w.ok(t, 200, get("/merchant/v1/me", session.Token), nil)
		w.ok(t, 204, lost(viewer, owner.token), nil)
		w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", session.Token))
		w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", viewer.token))
		w.refused(t, 409, "auth.totp_not_set", lost(viewer, owner.token))
		w.ok(t, 201, login(viewer, ""), &session)

		// The owner's own app: two people of the staff.
		maker, checker := w.colleague(t, party.RoleAdmin, ""), w.colleague(t, party.RoleAdmin, "")
		path := "/merchants/" + string(s.id) + "/users/"
		why := map[string]any{"reason": "the phone is gone"}
		w.refused(t, 404, "party.user_not_found", ops("POST", path+string(stranger.ID)+"/totp_reset", maker.token, why))
		var users api.Page[party.MerchantUser]
		w.ok(t, 200, get("/ops/v1/merchants/"+string(s.id)+"/users", maker.token), &users)
		if len(users.Data) != 3 {
			t.Errorf("%d users", len(users.Data))
		}
		proposal, _ := w.propose(t, ops("POST", path+string(owner.ID)+"/totp_reset", maker.token, why))
		w.refused(t, 403, "approval.same_person", verdict(proposal.ID, "approve", maker.token))
		w.ok(t, 200, get("/merchant/v1/me", owner.token), nil)
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), nil)
		w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", owner.token))
		w.refused(t, 403, "auth.totp_enrolment_required", login(owner, ""))
		app = enrol(owner)
		w.ok(t, 201, login(owner, app()), &session)
		owner.token = session.Token

		// Another role ends the sessions, and a role that reaches money wants an app.
		w.ok(t, 201, login(viewer, ""), &session)
		change := func(body map[string]any) apitest.Request {
			return apitest.Request{
				Method: "PUT", Path: "/merchant/v1/users/" + string(viewer.ID), Token: owner.token, Body: body,
			}
		}
		w.ok(t, 200, change(map[string]any{"role": "finance"}), nil)
		w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", session.Token))
		w.refused(t, 403, "auth.totp_enrolment_required", login(viewer, ""))
		w.ok(t, 200, change(map[string]any{"role": "viewer"}), nil)
		w.ok(t, 201, login(viewer, ""), &session)
		for _, state := range []string{"frozen", "active"} { // who comes back comes back with a new session
			w.ok(t, 200, change(map[string]any{"state": state}), nil)
			w.refused(t, 401, "auth.session_invalid", get("/merchant/v1/me", session.Token))
		}
		for kind, subject := range map[string]string{"user.totp_reset": string(viewer.ID), "totp.enrolled": string(owner.ID)} {
			if w.count(t, "SELECT count(*) FROM audit_records WHERE kind = $1 AND subject = $2", kind, subject) == 0 {
				t.Errorf("%s of %s is not recorded", kind, subject)
			}
		}
		w.trailHolds(t)
	})
}
