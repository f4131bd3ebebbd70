package api_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/party"
)

// TestFreezeRace freezes a wallet while it pays: once the freeze is answered nothing leaves any more, and what left was
// answered so.
func TestFreezeRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 10_000), w.person(t, 0)
		support := w.staff(t, party.RoleSupport)
		state := func(state string) apitest.Request {
			return apitest.Request{
				Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: support,
				Body: map[string]any{"state": state},
			}
		}
		var paid atomic.Int64
		var wg sync.WaitGroup
		begun := make(chan struct{}, 160)
		for range 8 {
			wg.Go(func() {
				for range 20 {
					call := p.transfer(w, other, 1)
					begun <- struct{}{}
					_, answer := w.send(t, call)
					switch {
					case answer.Status == 201:
						paid.Add(1)
					case answer.Status == 409 && codeOf(t, answer) == "ledger.account_frozen":
					case answer.Status == 403 && codeOf(t, answer) == "auth.frozen":
					default:
						t.Errorf("a transfer in the race: %d %s", answer.Status, answer.Body)
					}
				}
			})
		}
		for range 40 {
			<-begun
		}
		w.ok(t, 204, state("frozen"), nil)
		frozen := w.balances(t)
		wg.Wait()
		if moved := frozen.moved(w.balances(t)); len(moved) > 0 {
			t.Errorf("moved after the freeze: %v", moved)
		}
		if left := frozen["2001:"+string(p.id)]; left != 10_000-paid.Load() || paid.Load() == 0 {
			t.Errorf("%d left, %d transfers were answered", left, paid.Load())
		}
		w.refused(t, 409, "ledger.not_empty", state("closed"))
		w.agree(t)
	})
}

// TestFrozenMerchant takes no payments, also none that were created before; what is paid can be given back.
func TestFrozenMerchant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, rival, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.shop(t, party.NewMerchant{}), w.person(t, 100_000)
		admin := w.staff(t, party.RoleAdmin)
		set := func(state, reason string) apitest.Request {
			return apitest.Request{
				Method: "PUT", Path: "/ops/v1/merchants/" + string(s.id) + "/state", Token: admin,
				Body: map[string]any{"state": state, "reason": reason},
			}
		}
		listed := func() (string, string) {
			var page api.Page[party.Merchant]
			w.ok(t, 200, get("/ops/v1/merchants?limit=100", admin), &page)
			for _, m := range page.Data {
				if m.ID == s.id {
					return string(m.State), m.StateReason
				}
			}
			return "", ""
		}
		paid, waiting, voided := w.paid(t, s, p, 10_000), w.created(t, s, 1_000), w.created(t, s, 1_000)
		replay := p.confirm(w, w.created(t, s, 500).ID)
		w.ok(t, 200, replay, nil)
		scanned := w.code(t, p)

		for body, code := range map[string]string{
			`{"state":"frozen"}`:                                 "request.missing_field",
			`{"state":"frozen","reason":""}`:                     "request.bad_field",
			`{"state":"frozen","reason":"  "}`:                   "party.bad_reason",
			`{"state":"frozen","reason":"a\u0007b"}`:             "party.bad_reason",
			`{"state":"closed","reason":"x"}`:                    "request.bad_field",
			`{"state":"frozen","reason":"x","until":"tomorrow"}`: "request.unknown_field",
		} {
			call := set("", "")
			call.Body = body
			w.refused(t, 400, code, call)
		}
		unknown := set("frozen", "x")
		unknown.Path = "/ops/v1/merchants/mer_01kanq4j3qf8yt0v5d7r2m9xce/state"
		w.refused(t, 404, "party.merchant_not_found", unknown)
		for _, role := range []party.Role{party.RoleFinance, party.RoleSupport, party.RoleAuditor} {
			call := set("frozen", "x")
			call.Token = w.staff(t, role)
			w.refused(t, 403, "auth.permission_missing", call)
		}

		w.ok(t, 204, set("frozen", "complaints of payers"), nil)
		before := w.snapshot(t)
		w.ok(t, 204, set("frozen", "complaints of payers"), nil)
		before.same(t, w.snapshot(t), "to freeze who is frozen")
		if state, reason := listed(); state != "frozen" || reason != "complaints of payers" {
			t.Errorf("listed %s, %q", state, reason)
		}

		const refusal = "party.merchant_not_active"
		w.refused(t, 403, refusal, p.confirm(w, waiting.ID))
		wrong := p.confirm(w, waiting.ID)
		wrong.Body = map[string]any{"pin": "000001"}
		w.refused(t, 403, refusal, wrong) // nor is the PIN counted
		w.refused(t, 403, refusal, s.order(w, 100, nil))
		w.refused(t, 403, refusal, s.order(w, 100, map[string]any{"payment_code": scanned}))
		dry := p.confirm(w, waiting.ID)
		dry.Path += "?dry_run=true"
		w.refused(t, 403, refusal, dry)

		// What is done stays, can be looked at and given back; the key works; others take payments.
		if answer := w.ok(t, 200, replay, nil); answer.Header.Get(replayedHeader) != "true" {
			t.Errorf("not replayed: %s", answer.Body)
		}
		w.ok(t, 200, get("/v1/balance", s.token), nil)
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 4_000}), nil)
		w.ok(t, 200, s.void(w, voided.ID), nil)
		w.ok(t, 201, rival.order(w, 100, map[string]any{"payment_code": scanned}), nil) // the refused scan has not burnt it

		w.ok(t, 204, set("active", "complaints settled"), nil)
		if state, reason := listed(); state != "active" || reason != "complaints settled" {
			t.Errorf("listed %s, %q", state, reason)
		}
		w.ok(t, 200, p.confirm(w, waiting.ID), nil)
		w.paid(t, s, p, 1_000)
		w.agree(t)
	})
}

// TestCloseRace closes wallets while their last money leaves and other money comes: a closed wallet is empty, and a
// wallet that was not closed is as it was.
func TestCloseRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		rich := w.person(t, 10_000)
		support := w.staff(t, party.RoleSupport)
		for range 6 {
			p := w.person(t, 0)
			w.ok(t, 201, rich.transfer(w, p, 100), nil)
			state := func(to string) apitest.Request {
				return apitest.Request{
					Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: support,
					Body: map[string]any{"state": to},
				}
			}
			calls := []apitest.Request{p.transfer(w, rich, 100), rich.transfer(w, p, 50), state("closed")}
			answers := make([]apitest.Answer, len(calls))
			var wg sync.WaitGroup
			for i, call := range calls {
				wg.Go(func() {
					if i == len(calls)-1 {
						w.ok(t, 204, state("frozen"), nil)
					}
					_, answers[i] = w.send(t, call)
				})
			}
			wg.Wait()
			closed := w.count(t, "SELECT count(*) FROM customers WHERE id = $1 AND state = 'closed'", string(p.id))
			accounts := w.count(t, "SELECT count(*) FROM accounts WHERE owner = $1 AND state = 'closed'", string(p.id))
			if closed != accounts || (closed == 1) != (answers[2].Status == 204) {
				t.Errorf("customer closed %d, account closed %d, answer %s", closed, accounts, answers[2].Body)
			}
			if closed == 0 && codeOf(t, answers[2]) != "ledger.not_empty" {
				t.Errorf("not closed: %s", answers[2].Body)
			}
			if left := w.balances(t)["2001:"+string(p.id)]; closed == 1 && left != 0 {
				t.Errorf("a closed wallet has %d", left)
			}
		}
		w.agree(t)
	})
}
