package api_test

import (
	"sync"
	"sync/atomic"
	"testing"

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
			calls := []apitest.Request{
				p.transfer(w, rich, 100), rich.transfer(w, p, 50),
				{
					Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: support,
					Body: map[string]any{"state": "closed"},
				},
			}
			answers := make([]apitest.Answer, len(calls))
			var wg sync.WaitGroup
			for i, call := range calls {
				wg.Go(func() { _, answers[i] = w.send(t, call) })
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
