package api_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/vault"
)

// colleague is a person of the staff with a session. Each is another human unless person says otherwise.
type colleague struct {
	id    id.Staff
	token string
}

func (w *world) colleague(t testing.TB, role party.Role, person string) colleague {
	t.Helper()
	email := fmt.Sprintf("%s-%d@example.com", role, w.next())
	made, err := w.Auth.CreateStaff(t.Context(), auth.NewStaff{
		Email: email, Name: "Colleague", Role: role, Person: person, Password: password,
	})
	must(t, err)
	return colleague{id: made.ID, token: w.signInStaff(t, email)}
}

func ops(method, path, token string, body any) apitest.Request {
	return apitest.Request{Method: method, Path: "/ops/v1" + path, Token: token, Body: body}
}

func verdict(name id.Proposal, what, token string) apitest.Request {
	return ops("POST", "/proposals/"+string(name)+"/"+what, token, map[string]any{"remark": "looked at it"})
}

// propose sends an act that must wait, and returns its proposal.
func (w *world) propose(t testing.TB, call apitest.Request) (approval.Proposal, string) {
	t.Helper()
	var acted api.Acted
	w.ok(t, 202, call, &acted)
	if acted.Proposal == nil || acted.Proposal.State != approval.Open {
		t.Fatalf("no proposal: %+v", acted)
	}
	return *acted.Proposal, acted.Secret
}

// alone takes every kind out of the list: one person is enough for anything.
func alone(c *config.Config) { c.FourEyes = "" }

// done sends an act for which one person is enough, and reads what came of it.
func (w *world) done(t testing.TB, status int, call apitest.Request, into any) {
	t.Helper()
	var acted api.Acted
	w.ok(t, status, call, &acted)
	must(t, json.Unmarshal(acted.Result, into))
}

func terms(w *world, shop id.Merchant, token string, bps int) apitest.Request {
	return ops("PUT", "/merchants/"+string(shop)+"/terms", token, map[string]any{
		"fee_bps": bps, "fee_fixed_minor": 0, "advance_minor": 0, "reason": fmt.Sprintf("contract %d", w.next()),
	})
}

func (w *world) feeBps(t testing.TB, shop id.Merchant) int64 {
	t.Helper()
	return w.count(t, "SELECT fee_bps FROM merchants WHERE id = $1", string(shop))
}

// TestEveryWriteIsRecorded sends a good request to every route with which staff change something: each leaves exactly one
// record. A route that is missing here fails, so that whoever adds one thinks of the trail.
func TestEveryWriteIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		admin, other := w.colleague(t, party.RoleAdmin, ""), w.colleague(t, party.RoleAdmin, "")
		finance, officer := w.colleague(t, party.RoleFinance, ""), w.colleague(t, party.RoleCompliance, "")
		s, p, gone := w.shop(t, party.NewMerchant{}), w.person(t, 10_000), w.person(t, 0)
		paid := w.paid(t, s, p, 1_000)
		suspect := w.created(t, s, 1_000)
		_, err := w.Payments.TakeDown(t.Context(), payment.TakeDownOrder{
			Subject: string(suspect.ID), Kind: "payment", Merchant: s.id, Reason: payment.BecauseOther, Note: "a test",
		})
		must(t, err)
		risk, image := w.colleague(t, party.RoleRisk, ""), w.reviewed(t)
		waits, refused := w.inReview(t), w.inReview(t)
		_, err = w.Vault.Rotate(t.Context(), "card.pan", nil)
		must(t, err)
		w.Clock.Advance(vault.RetireAfter)
		for _, state := range []string{"frozen", "closed"} {
			w.ok(t, 204, ops("PUT", "/customers/"+string(gone.id)+"/state", admin.token, map[string]any{"state": state}), nil)
		}
		deadJob := id.New[id.Job](instant)
		must(t, w.DB.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(
				t.Context(),
				`INSERT INTO jobs (id, kind, subject, payload, state, run_at, attempts, leased_by,
				last_error, created_at) VALUES ($1, 'none', '', '', 'dead', 0, 0, '', '', 0)`,
				string(deadJob),
			)
			return err
		}))
		open := func() string {
			proposal, _ := w.propose(t, terms(w, s.id, other.token, int(w.next()%1000)+1))
			return string(proposal.ID)
		}
		merchant, customer, colleague := string(s.id), string(p.id), string(w.colleague(t, party.RoleSupport, "").id)
		why := func(more map[string]any) map[string]any { more["reason"] = "a test"; return more }
		applicant := w.applicant(t)
		w.ready(t, applicant.Token)
		_, err = w.Payments.SetOperatorAbove(t.Context(), s.id, 1)
		must(t, err)
		asked := func(minor int64) string {
			var view payment.RefundView
			ask := p.askRefund(w, w.paid(t, s, p, 1_000), map[string]any{"reason": "cold", "amount": minor + 1})
			w.ok(t, 201, ask, &view)
			return string(view.ID)
		}
		abandoned := w.applicant(t)
		owner, member, left := w.user(t, s.id, "", party.MerchantOwner), w.user(t, s.id, "", party.MerchantViewer),
			w.user(t, s.id, "", party.MerchantViewer)
		_, err = w.Parties.ChangeUser(t.Context(), party.UserChange{
			Merchant: s.id, By: owner.ID, User: left.ID, State: party.StateClosed,
		})
		must(t, err)
		until := w.Clock.Now().Add(time.Hour)
		block, err := w.Blocks.Block(t.Context(), edge.BlockRequest{
			Subject: "address:203.0.113.9", Reason: "a test", Until: until, By: admin.id,
		})
		must(t, err)
		signer := w.shop(t, party.NewMerchant{})
		ended, _ := w.signingKey(t, signer.id, httpsig.Ed25519)
		w.signingKey(t, signer.id, httpsig.ECDSAP256)
		disputed := w.contested(t, s, p, w.paid(t, s, p, 1_000))
		seen, evidence := w.evident(t, p, w.paid(t, s, p, 1_000))
		calls := map[string]apitest.Request{
			"POST /ops/v1/disputes/{id}/decide": {
				Path: "/disputes/" + string(disputed) + "/decide", Token: finance.token, Key: w.key(),
				Body: why(map[string]any{"refund": 1}),
			},
			"GET /ops/v1/disputes/{id}/files/{file_id}": {
				Path: "/disputes/" + seen + "/files/" + evidence, Token: finance.token,
			},
			"POST /ops/v1/logout":    {Token: w.staff(t, party.RoleAdmin)},
			"POST /ops/v1/merchants": {Body: map[string]any{"name": "New", "fee_bps": 1}},
			"PUT /ops/v1/merchants/{id}/state": {
				Path: "/merchants/" + merchant + "/state",
				Body: why(map[string]any{"state": "frozen"}),
			},
			"PUT /ops/v1/merchants/{id}/terms": {
				Path: "/merchants/" + merchant + "/terms",
				Body: why(map[string]any{"fee_bps": 7, "fee_fixed_minor": 0, "advance_minor": 0}),
			},
			"POST /ops/v1/merchants/{id}/keys": {
				Path: "/merchants/" + merchant + "/keys",
				Body: map[string]any{"name": "till"},
			},
			"POST /ops/v1/merchants/{id}/users/{user}/totp_reset": {
				Path: "/merchants/" + merchant + "/users/" + string(owner.ID) + "/totp_reset", Body: why(map[string]any{}),
			},
			"POST /ops/v1/merchants/{id}/signing_keys/{key}/revoke": {
				Path: "/merchants/" + string(signer.id) + "/signing_keys/" + string(ended.ID) + "/revoke",
			},
			"PUT /ops/v1/merchants/{id}/signature_rule": {
				Path: "/merchants/" + string(signer.id) + "/signature_rule", Body: map[string]any{"required": true},
			},
			"DELETE /ops/v1/merchants/{id}/keys/{key}": {Path: "/merchants/" + merchant + "/keys/" + string(s.key)},
			"PUT /ops/v1/customers/{id}/state": {
				Path: "/customers/" + customer + "/state",
				Body: map[string]any{"state": "frozen"},
			},
			"POST /ops/v1/jobs/{id}/retry":        {Path: "/jobs/" + string(deadJob) + "/retry"},
			"POST /ops/v1/sandbox/clock":          {Body: map[string]any{"seconds": 1}},
			"POST /ops/v1/audit/exports":          {Body: map[string]any{"format": "csv"}},
			"POST /ops/v1/proposals/{id}/approve": {Path: "/proposals/" + open() + "/approve", Body: map[string]any{}},
			"POST /ops/v1/proposals/{id}/refuse": {
				Path: "/proposals/" + open() + "/refuse",
				Body: map[string]any{"remark": "no"},
			},
			"POST /ops/v1/proposals/{id}/withdraw": {
				Path:  "/proposals/" + open() + "/withdraw",
				Token: other.token,
				Body:  map[string]any{},
			},
			"POST /ops/v1/entries": {Token: finance.token, Key: w.key(), Body: why(map[string]any{"lines": []any{map[string]any{
				"debit": "1201:CNY", "credit": "2301:CNY", "amount": map[string]any{"amount": 5, "currency": "CNY"},
			}}})},
			"POST /ops/v1/payments/{id}/refunds": {
				Path:  "/payments/" + string(paid.ID) + "/refunds",
				Token: finance.token,
				Key:   w.key(),
				Body:  why(map[string]any{"amount": 1}),
			},
			"POST /ops/v1/refunds/{id}/approve": {
				Path: "/refunds/" + asked(1) + "/approve", Token: finance.token, Key: w.key(), Body: map[string]any{},
			},
			"POST /ops/v1/refunds/{id}/reject": {
				Path: "/refunds/" + asked(1) + "/reject", Token: finance.token, Key: w.key(), Body: map[string]any{"note": "no"},
			},
			"POST /ops/v1/take_downs": {
				Token: risk.token,
				Body:  map[string]any{"subject": string(paid.ID), "reason": "fraud", "note": "a test"},
			},
			"POST /ops/v1/take_downs/{subject}/lift": {
				Path: "/take_downs/" + string(suspect.ID) + "/lift", Token: risk.token, Body: why(map[string]any{}),
			},
			"PUT /ops/v1/merchants/{id}/refund_limit": {
				Path: "/merchants/" + string(s.id) + "/refund_limit", Body: map[string]any{"operator_above": 7},
			},
			"POST /ops/v1/staff": {
				Body: why(map[string]any{"email": "new@example.com", "name": "New", "role": "risk", "person": "p-77"}),
			},
			"PUT /ops/v1/staff/{id}/role": {
				Path: "/staff/" + colleague + "/role",
				Body: why(map[string]any{"role": "risk"}),
			},
			"POST /ops/v1/staff/{id}/totp_reset": {Path: "/staff/" + colleague + "/totp_reset", Body: why(map[string]any{})},
			"PUT /ops/v1/staff/{id}/person": {
				Path: "/staff/" + colleague + "/person",
				Body: why(map[string]any{"person": "p-78"}),
			},
			"PUT /ops/v1/staff/{id}/state": {
				Path: "/staff/" + colleague + "/state",
				Body: why(map[string]any{"state": "frozen"}),
			},
			"POST /ops/v1/limits/{rule}/changes": {
				Path: "/limits/cn.day.two_factors/changes", Token: risk.token, Body: why(map[string]any{"amount_minor": 1}),
			},
			"POST /ops/v1/identity/reviews/{id}/approve": {
				Path: "/identity/reviews/" + string(waits.id) + "/approve", Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/identity/reviews/{id}/refuse": {
				Path: "/identity/reviews/" + string(refused.id) + "/refuse", Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/identity/customers/{id}/reverify": {
				Path: "/identity/customers/" + string(
					image.customer,
				) + "/reverify",
				Token: officer.token,
				Body:  why(map[string]any{}),
			},
			"GET /ops/v1/identity/images/{id}": {Path: "/identity/images/" + string(image.id), Token: officer.token},
			"POST /ops/v1/keys/{purpose}/rotations": {
				Path: "/keys/identity.image/rotations", Body: why(map[string]any{}),
			},
			"POST /ops/v1/keys/{purpose}/versions/{version}/retire": {
				Path: "/keys/card.pan/versions/1/retire", Body: why(map[string]any{}),
			},
			"POST /ops/v1/customers/{id}/exports": {
				Path:  "/customers/" + customer + "/exports",
				Token: officer.token,
				Body:  why(map[string]any{}),
			},
			"POST /ops/v1/applications": {Body: w.details()},
			"POST /ops/v1/applications/{id}/review": {
				Path: "/applications/" + string(applicant.Application.ID) + "/review", Token: officer.token,
				Body: why(map[string]any{"state": "approved", "fee_bps": 60}),
			},
			"POST /ops/v1/blocks":           {Body: why(map[string]any{"subject": "address:203.0.113.7", "until": until})},
			"POST /ops/v1/blocks/{id}/lift": {Path: "/blocks/" + string(block.ID) + "/lift", Body: why(map[string]any{})},
			"POST /ops/v1/users/{id}/exports": {
				Path: "/users/" + string(member.ID) + "/exports", Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/users/{id}/erasure": {
				Path: "/users/" + string(left.ID) + "/erasure", Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/applications/{id}/exports": {
				Path:  "/applications/" + string(applicant.Application.ID) + "/exports",
				Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/applications/{id}/erasure": {
				Path:  "/applications/" + string(abandoned.Application.ID) + "/erasure",
				Token: officer.token, Body: why(map[string]any{}),
			},
			"POST /ops/v1/customers/{id}/erasure": {
				Path:  "/customers/" + string(gone.id) + "/erasure",
				Token: officer.token,
				Body:  why(map[string]any{}),
			},
		}
		for _, route := range w.Server.Routes() {
			name := route.Method + " " + route.Path
			call, listed := calls[name]
			if route.Actor != api.ActorStaff || (route.Method == http.MethodGet && !listed) {
				continue
			}
			if !listed {
				t.Errorf("%s is not in the table of this test: say how it is called well, and that it is recorded", name)
				continue
			}
			call.Method, call.Path = route.Method, "/ops/v1"+call.Path
			if call.Path == "/ops/v1" {
				call.Path = route.Path
			}
			if call.Token == "" {
				call.Token = admin.token
			}
			_, answer := w.send(t, call)
			if answer.Status >= 300 {
				t.Errorf("%s: %d %s", name, answer.Status, answer.Body)
				continue
			}
			request := answer.Header.Get("Request-Id")
			if n := w.count(t, "SELECT count(*) FROM audit_records WHERE request_id = $1", request); n != 1 {
				t.Errorf(
					"%s left %d records: %v",
					name,
					n,
					w.texts(t, "SELECT kind FROM audit_records WHERE request_id = $1", request),
				)
			}
			if kind := w.texts(t, "SELECT kind FROM audit_records WHERE request_id = $1", request); len(kind) == 1 &&
				strings.HasPrefix(kind[0], "request.") {
				t.Errorf("%s is recorded by the door only, as %s", name, kind[0])
			}
		}
		w.trailHolds(t)
		for _, column := range []string{"before_json", "after_json", "reason"} {
			for _, secret := range []string{password, s.token, "$argon2id", pin} {
				if n := w.count(t, "SELECT count(*) FROM audit_records WHERE "+column+" LIKE $1", "%"+secret+"%"); n != 0 {
					t.Errorf("%s of %d records holds a secret", column, n)
				}
			}
		}
	})
}

// trailHolds chains what waits and verifies the trail.
func (w *world) trailHolds(t testing.TB) {
	t.Helper()
	must(t, w.Trail.Flush(t.Context()))
	must(t, w.Chain.Seal(t.Context()))
	report, err := audit.Verify(t.Context(), w.DB, audit.VerifyOptions{TrustedKeys: []string{w.Chain.Key()}})
	must(t, err)
	if !report.OK() || report.Records == 0 {
		t.Errorf("the audit trail: %+v", report)
	}
}

// TestFourEyes takes a proposal through all that may become of it.
func TestFourEyes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		maker, checker := w.colleague(t, party.RoleAdmin, ""), w.colleague(t, party.RoleAdmin, "")
		twin := w.colleague(t, party.RoleAdmin, "human-7")
		twinned := w.colleague(t, party.RoleAdmin, " HUMAN-7 ")
		finance := w.colleague(t, party.RoleFinance, "")
		s := w.shop(t, party.NewMerchant{FeeBps: 60})

		proposal, _ := w.propose(t, terms(w, s.id, maker.token, 80))
		if w.feeBps(t, s.id) != 60 || !strings.Contains(string(proposal.Before), `"fee_bps":60`) ||
			!strings.Contains(string(proposal.After), `"fee_bps":80`) {
			t.Errorf("%+v", proposal)
		}
		w.refused(t, 403, "approval.same_person", verdict(proposal.ID, "approve", maker.token))
		w.refused(t, 403, "approval.same_person", verdict(proposal.ID, "refuse", maker.token))
		w.refused(t, 403, "approval.not_allowed", verdict(proposal.ID, "approve", finance.token))
		w.refused(
			t,
			403,
			"auth.permission_missing",
			verdict(proposal.ID, "approve", w.colleague(t, party.RoleAuditor, "").token),
		)
		w.refused(t, 403, "approval.not_yours", verdict(proposal.ID, "withdraw", checker.token))
		var acted api.Acted
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), &acted)
		if w.feeBps(t, s.id) != 80 || acted.Proposal.State != approval.Executed || acted.Proposal.Checker != checker.id {
			t.Errorf("%+v", acted.Proposal)
		}
		for _, what := range []string{"approve", "refuse"} {
			w.refused(t, 409, "approval.not_open", verdict(proposal.ID, what, checker.token))
		}
		w.refused(t, 409, "approval.not_open", verdict(proposal.ID, "withdraw", maker.token))

		// A second account of the same human is no second person.
		proposal, _ = w.propose(t, terms(w, s.id, twin.token, 90))
		w.refused(t, 403, "approval.same_person", verdict(proposal.ID, "approve", twinned.token))
		w.ok(t, 200, verdict(proposal.ID, "withdraw", twin.token), nil)
		w.refused(t, 409, "approval.not_open", verdict(proposal.ID, "approve", checker.token))

		// Nobody decides their own rights, also through another account.
		role := ops(
			"PUT",
			"/staff/"+string(twin.id)+"/role",
			maker.token,
			map[string]any{"role": "finance", "reason": "moves"},
		)
		proposal, _ = w.propose(t, role)
		w.refused(t, 403, "approval.about_yourself", verdict(proposal.ID, "approve", twin.token))
		w.refused(t, 403, "approval.about_yourself", verdict(proposal.ID, "approve", twinned.token))
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), nil)

		// Stale: what was seen is not what stands.
		first, _ := w.propose(t, terms(w, s.id, maker.token, 91))
		second, _ := w.propose(t, terms(w, s.id, maker.token, 92))
		w.ok(t, 200, verdict(second.ID, "approve", checker.token), nil)
		w.refused(t, 409, "approval.stale", verdict(first.ID, "approve", checker.token))
		var view api.ProposalView
		w.ok(t, 200, get("/ops/v1/proposals/"+string(first.ID), checker.token), &view)
		if !view.Stale || !strings.Contains(string(view.NowBefore), `"fee_bps":92`) {
			t.Errorf("the fresh difference: %+v", view)
		}
		w.refused(t, 409, "approval.no_change", terms(w, s.id, maker.token, 92))

		// Whoever proposed may not do so any more.
		barred := w.colleague(t, party.RoleAdmin, "")
		proposal, _ = w.propose(t, terms(w, s.id, barred.token, 93))
		must(t, w.Parties.SetStaffState(t.Context(), barred.id, party.StateFrozen, "left"))
		w.refused(t, 409, "approval.maker_barred", verdict(proposal.ID, "approve", checker.token))
		w.ok(t, 200, verdict(proposal.ID, "refuse", checker.token), nil)
		var page api.Page[approval.Proposal]
		w.ok(t, 200, get("/ops/v1/proposals?open=true&mine=true", maker.token), &page)
		if len(page.Data) != 1 || page.Data[0].ID != first.ID {
			t.Errorf("the queue: %+v", page.Data)
		}

		// Expired.
		w.Clock.Advance(approval.Lasts)
		fresh := w.colleague(t, party.RoleAdmin, "") // sessions are over too
		w.refused(t, 409, "approval.expired", verdict(first.ID, "approve", fresh.token))
		w.ok(t, 200, get("/ops/v1/proposals/"+string(first.ID), fresh.token), &view)
		if view.State != approval.Expired || w.feeBps(t, s.id) != 92 {
			t.Errorf("%+v", view)
		}
		w.trailHolds(t)
	})
}

// TestApproveTogether approves, refuses and withdraws at once: one of them counts, and what is approved is done once.
func TestApproveTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		maker := w.colleague(t, party.RoleFinance, "")
		checkers := []colleague{
			w.colleague(t, party.RoleFinance, ""),
			w.colleague(t, party.RoleFinance, ""),
			w.colleague(t, party.RoleFinance, ""),
		}
		for range 4 {
			before := w.balances(t)
			entry := ops("POST", "/entries", maker.token, map[string]any{
				"reason": "suspense", "lines": []any{map[string]any{
					"debit": "1201:CNY", "credit": "2301:CNY", "amount": map[string]any{"amount": 5, "currency": "CNY"},
				}},
			})
			entry.Key = w.key()
			proposal, _ := w.propose(t, entry)
			calls := []apitest.Request{
				verdict(proposal.ID, "withdraw", maker.token),
				verdict(proposal.ID, "refuse", checkers[0].token),
			}
			for i := range 9 {
				calls = append(calls, verdict(proposal.ID, "approve", checkers[i%3].token))
			}
			answers := make([]apitest.Answer, len(calls))
			var wg sync.WaitGroup
			for i, call := range calls {
				wg.Go(func() { _, answers[i] = w.send(t, call) })
			}
			wg.Wait()
			good, approved := 0, false
			for i, answer := range answers {
				switch {
				case answer.Status == 200:
					good++
					approved = i >= 2
				case answer.Status != 409:
					t.Errorf("%d %s", answer.Status, answer.Body)
				}
			}
			if moved := len(before.moved(w.balances(t))); good != 1 || (moved > 0) != approved {
				t.Errorf("%d were answered well; approved %v, %d accounts moved", good, approved, moved)
			}
			posted := w.count(t, "SELECT count(*) FROM transfers WHERE subject = $1", string(proposal.ID))
			if want := map[bool]int64{true: 1}[approved]; posted != want {
				t.Errorf("posted %d times, want %d", posted, want)
			}
		}
		w.trailHolds(t)
	})
}

// TestStaffRefund gives small amounts back alone and larger ones by two people, also in parts.
func TestStaffRefund(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		maker, checker := w.colleague(t, party.RoleSupport, ""), w.colleague(t, party.RoleFinance, "")
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 100_000)
		paid := w.paid(t, s, p, 50_000)
		refund := func(amount int64) apitest.Request {
			call := ops(
				"POST",
				"/payments/"+string(paid.ID)+"/refunds",
				maker.token,
				map[string]any{"amount": amount, "reason": "broken"},
			)
			call.Key = w.key()
			return call
		}
		refunded := func() int64 {
			return w.count(t, "SELECT refunded_minor FROM payments WHERE id = $1", string(paid.ID))
		}
		bare := refund(600)
		bare.Key = ""
		w.refused(t, 400, "request.idempotency_key_missing", bare)
		small, large := refund(600), refund(600)
		before := w.snapshot(t)
		w.ok(t, 201, w.dryOf(small), nil)
		before.same(t, w.snapshot(t), "a dry run")
		answers := w.together(t, 8, func(int) apitest.Request { return small })
		for _, answer := range answers {
			if answer.Status != 201 || string(answer.Body) != string(answers[0].Body) {
				t.Errorf("one key, at once: %d %s", answer.Status, answer.Body)
			}
		}
		if refunded() != 600 {
			t.Errorf("%d refunded", refunded())
		}
		proposal, _ := w.propose(t, large) // with the first one above 1,000
		again, _ := w.propose(t, large)
		if again.ID != proposal.ID || w.count(t, "SELECT count(*) FROM proposals") != 1 {
			t.Errorf("a repeat proposes again: %s, %s", again.ID, proposal.ID)
		}
		other := large
		other.Body = map[string]any{"amount": 601, "reason": "broken"}
		w.refused(t, 422, "idempotency.key_reused", other)
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), nil)
		w.ok(t, 202, large, nil) // what the key stands for is done, and is told once more
		if answer := w.ok(t, 201, small, nil); answer.Header.Get(replayedHeader) == "" || refunded() != 1_200 {
			t.Errorf("%d refunded", refunded())
		}
		w.refused(t, 409, "refund.exceeds_payment", refund(50_000))
		w.agree(t)
		w.trailHolds(t)
	}, func(c *config.Config) { c.RefundAloneMax = 1_000 })
}

// TestNewColleague: neither maker nor checker knows the first password.
func TestNewColleague(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		maker, checker := w.colleague(t, party.RoleAdmin, ""), w.colleague(t, party.RoleAdmin, "")
		proposal, first := w.propose(t, ops("POST", "/staff", maker.token, map[string]any{
			"email": "carol@example.com", "name": "Carol", "role": "risk", "person": "p-9", "reason": "joins",
		}))
		var acted api.Acted
		w.ok(t, 200, verdict(proposal.ID, "approve", checker.token), &acted)
		signIn := func(secret string) apitest.Request {
			return ops("POST", "/login", "", map[string]any{"email": "carol@example.com", "password": secret})
		}
		for _, half := range []string{first, acted.Secret, first + first} {
			if answer := w.call(t, signIn(half)); answer.Status != 401 {
				t.Errorf("half a password: %d", answer.Status)
			}
		}
		w.call(t, signIn(first+"-"+acted.Secret)).Problem(t, 403, "auth.totp_enrolment_required")
		var enrolment auth.Enrolment
		w.ok(t, 201, ops("POST", "/totp", "", map[string]any{
			"email": "carol@example.com", "password": first + "-" + acted.Secret,
		}), &enrolment)
		code, err := auth.TOTPCode(enrolment.Secret, w.Clock.Now())
		must(t, err)
		w.ok(t, 201, ops("POST", "/login", "", map[string]any{
			"email": "carol@example.com", "password": first + "-" + acted.Secret, "totp": code,
		}), nil)
		for _, table := range []string{"proposals", "audit_records"} {
			for _, column := range []string{"before_json", "after_json", "reason"} {
				if n := w.count(t, "SELECT count(*) FROM "+table+" WHERE "+column+" LIKE $1", "%"+acted.Secret+"%"); n > 0 {
					t.Errorf("%s.%s holds a half", table, column)
				}
			}
		}
	})
}

// TestSecurityEvents: refusals that bear on security are found in the trail, with who and from where.
func TestSecurityEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, admin := w.person(t, 0), w.staff(t, party.RoleAdmin)
		support := w.colleague(t, party.RoleSupport, "")
		w.call(t, terms(w, "mer_01kanq4j3qf8yt0v5d7r2m9xce", support.token, 1))
		w.call(t, get("/v1/payments", "sk_sandbox_"+strings.Repeat("a", 52)))
		for range 5 {
			w.call(t, apitest.Request{
				Method: "POST", Path: "/wallet/v1/login", Body: map[string]any{"phone": p.phone, "password": "wrong horse"},
			})
		}
		must(t, w.Trail.Flush(t.Context()))
		for kind, want := range map[string][2]string{
			"access.refused": {string(support.id), string(support.id)}, "key.invalid": {"", ""},
			"sign_in.failed": {"", string(p.id)}, "sign_in.locked": {"", string(p.id)},
		} {
			var page api.Page[audit.Record]
			w.ok(t, 200, get("/ops/v1/audit?kind="+kind+"&address=127.0.0.1", admin), &page)
			if len(page.Data) == 0 || page.Data[0].Actor != want[0] || page.Data[0].Subject != want[1] {
				t.Errorf("%s: %+v", kind, page.Data)
			}
		}
		w.refused(t, 400, "audit.bad_cursor", get("/ops/v1/audit?cursor="+api.Cursor("1.x").String(), admin))
		w.trailHolds(t)
	})
}
