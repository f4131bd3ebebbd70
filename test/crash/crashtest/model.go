package crashtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// posting is a line of a statement as the model knows it: what it is about, why, and how the balance moves.
type posting struct {
	subject, reason string
	minor           int64
}

// books is the model: for each owner, how often each posting must be on the statement.
type books map[string]map[posting]int

func (b books) post(owner string, p posting) {
	if p.minor == 0 {
		return
	}
	if b[owner] == nil {
		b[owner] = map[posting]int{}
	}
	b[owner][p]++
}

// Check waits until nothing is open, then compares all that people were told with all that the platform
// and the bank have. Nobody is at work meanwhile and the instances are ready.
func (town *Town) Check() {
	t := town.t
	t.Helper()
	town.awaitSettled()
	final := town.bankMoneyDone()
	town.checkReplays()
	model := town.model(final)
	town.checkStatements(model)
	town.checkReferences()
	town.checkEvents()
	town.checkBank(final)
	counts := map[string]int{}
	repeated := 0
	for _, a := range town.acts {
		counts[a.kind]++
		if !a.done() {
			counts[a.kind+" refused"]++
		}
		if a.sends > 1 {
			repeated++
		}
	}
	t.Logf("%d acts, %d of them sent more than once: %v", len(town.acts), repeated, counts)
	for _, kind := range []string{transfer, codePayment, order, confirm, refund, topUp, withdrawal} {
		if counts[kind] == counts[kind+" refused"] {
			t.Errorf("no %s was done: the test shows nothing about it", kind)
		}
	}
}

// awaitSettled waits until no attempt is open and all money has arrived. What still waits for an old
// process's lease, or for the grace of a lost order, is helped by the clock.
func (town *Town) awaitSettled() {
	const natural, step = 5 * time.Second, 65 * time.Second
	town.t.Helper()
	type attempt struct{ ID, State, Problem string }
	helped := time.Now()
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var open struct {
			Data []attempt `json:"data"`
		}
		town.must(call{Method: http.MethodGet, Path: "/ops/v1/attempts", Token: town.staff}, &open)
		open.Data = slices.DeleteFunc(open.Data, func(a attempt) bool { // a contradiction of the bank waits for a person
			return a.State == stateSucceeded || a.State == stateDeclined || a.State == "not_booked"
		})
		balances := town.trial()
		if len(open.Data) == 0 && balances["1101"] == 0 && balances["1102"] == 0 {
			break
		}
		if time.Since(begun) > patience {
			town.t.Fatalf("still open after %s: %v, balances %v", patience, open.Data, balances)
		}
		if time.Since(helped) > natural {
			helped = time.Now()
			town.Advance(step)
		}
	}
	var dead struct {
		Data []struct {
			ID        string `json:"id"`
			LastError string `json:"last_error"`
		} `json:"data"`
	}
	town.must(call{Method: http.MethodGet, Path: "/ops/v1/jobs/dead", Token: town.staff}, &dead)
	if len(dead.Data) > 0 {
		town.t.Errorf("dead jobs: %v", dead.Data)
	}
}

// trial returns the balances of the trial balance by code.
func (town *Town) trial() map[string]int64 {
	town.t.Helper()
	var trial struct {
		Lines []struct {
			Code    string `json:"code"`
			Balance int64  `json:"balance"`
		} `json:"lines"`
		Proofs []struct {
			OK bool `json:"ok"`
		} `json:"proofs"`
	}
	town.must(call{Method: http.MethodGet, Path: "/ops/v1/trial_balance", Token: town.staff}, &trial)
	for _, proof := range trial.Proofs {
		if !proof.OK {
			town.t.Errorf("the trial balance does not hold: %+v", trial)
		}
	}
	balances := map[string]int64{}
	for _, line := range trial.Lines {
		balances[line.Code] += line.Balance
	}
	return balances
}

// bankMoneyDone returns the final states of top-ups and withdrawals by id.
func (town *Town) bankMoneyDone() map[string]string {
	town.t.Helper()
	final := map[string]string{}
	for _, a := range town.acts {
		if !a.done() || (a.kind != topUp && a.kind != withdrawal) {
			continue
		}
		var now result
		town.must(call{Method: http.MethodGet, Path: a.call.Path + "/" + a.result.ID, Token: a.payer.token}, &now)
		if now.State == statePending || now.ID != a.result.ID || now.Amount != a.amount {
			town.t.Errorf("%s %s of %d is at the end %+v", a.kind, a.result.ID, a.amount, now)
		}
		final[a.result.ID] = now.State
	}
	return final
}

// checkReplays sends every act that was done once more: the answer is the first one, word for word.
func (town *Town) checkReplays() {
	var (
		wg    sync.WaitGroup
		queue = make(chan *act)
	)
	for worker := range 8 {
		random := rand.New(rand.NewPCG(town.Seed, uint64(1000+worker)))
		wg.Go(func() {
			for a := range queue {
				again := act{kind: a.kind, call: a.call}
				base := town.bases[random.IntN(len(town.bases))]
				var err error
				if again.reply, err = send(town.t.Context(), town.client, base, a.call); err != nil {
					town.t.Errorf("%s %s again: %v", a.kind, a.call.Key, err)
				} else if again.reply.Status != a.reply.Status || !bytes.Equal(again.reply.Body, a.reply.Body) || !again.reply.Replayed {
					town.t.Errorf("%s %s: first %d %s, again %d (replayed: %v) %s", a.kind, a.call.Key,
						a.reply.Status, a.reply.Body, again.reply.Status, again.reply.Replayed, again.reply.Body)
				}
			}
		})
	}
	for _, a := range town.acts {
		if a.done() {
			queue <- a
		}
	}
	close(queue)
	wg.Wait()
}

// model is what the books must say, from the answers alone.
func (town *Town) model(final map[string]string) books {
	town.t.Helper()
	model, feeBack := books{}, map[string]int64{}
	for _, a := range town.acts {
		if !a.done() {
			continue
		}
		r := a.result
		switch a.kind {
		case transfer:
			model.post(a.payer.id, posting{r.ID, "transfer", -a.amount})
			model.post(a.payee.id, posting{r.ID, "transfer", a.amount})
		case codePayment, confirm:
			if r.State != stateSucceeded {
				continue
			}
			const bps = 10_000
			fee := (a.amount*a.merchant.feeBps + bps/2) / bps
			model.post(a.payer.id, posting{r.ID, "payment", -a.amount})
			model.post(a.merchant.id, posting{r.ID, "payment", a.amount})
			model.post(a.merchant.id, posting{r.ID, "fee", -fee})
			if a.kind == codePayment && r.Fee.Amount != fee {
				town.t.Errorf("payment %s of %d has the fee %d, want %d", r.ID, a.amount, r.Fee.Amount, fee)
			}
			feeBack[r.ID] += 0
		case refund:
			model.post(a.payer.id, posting{r.ID, "refund", a.amount})
			model.post(a.merchant.id, posting{r.ID, "refund", -a.amount})
			model.post(a.merchant.id, posting{r.ID, "fee_return", r.FeeReturned.Amount})
		case topUp:
			if final[r.ID] == stateSucceeded {
				model.post(a.payer.id, posting{r.ID, "top_up", a.amount})
			}
		case withdrawal:
			model.post(a.payer.id, posting{r.ID, "withdrawal", -a.amount})
			if final[r.ID] == stateDeclined {
				model.post(a.payer.id, posting{r.ID, "withdrawal_returned", a.amount})
			}
		}
	}
	return model
}

// checkStatements compares every statement and balance with the model, both ways.
func (town *Town) checkStatements(model books) {
	town.t.Helper()
	for _, p := range town.people {
		town.checkStatement("/wallet/v1", p.token, model[p.id])
	}
	for _, m := range town.merchants {
		town.checkStatement("/v1", m.key, model[m.id])
	}
}

func (town *Town) checkStatement(door, token string, want map[posting]int) {
	town.t.Helper()
	var sum int64
	left := map[posting]int{}
	for p, n := range want {
		left[p] = n
		sum += p.minor * int64(n)
	}
	type line struct {
		N               int64
		Subject, Reason string
		Side            string
		Amount          flat
		Balance         flat
	}
	at := sum // the balance, read backwards
	for _, l := range pages[line](town, door+"/statement?limit=100", token) {
		p := posting{l.Subject, l.Reason, l.Amount.Amount}
		if l.Side == "debit" {
			p.minor = -p.minor
		}
		if left[p]--; left[p] < 0 {
			town.t.Errorf("%s: posting %d is on the statement once too often: %+v", door, l.N, p)
		}
		if l.Balance.Amount != at {
			town.t.Errorf("%s: balance after posting %d (%+v) is %d, want %d", door, l.N, p, l.Balance.Amount, at)
			return
		}
		at -= p.minor
	}
	for p, n := range left {
		if n > 0 {
			town.t.Errorf("%s: %d times missing on the statement: %+v", door, n, p)
		}
	}
	var balance struct {
		Posted, Available flat
	}
	town.must(call{Method: http.MethodGet, Path: door + "/balance", Token: token}, &balance)
	if balance.Posted.Amount != sum || balance.Available.Amount != sum {
		town.t.Errorf("%s: balance %+v, the answers say %d", door, balance, sum)
	}
}

// pages reads a list to its end.
func pages[T any](town *Town, path, token string) []T {
	town.t.Helper()
	var all []T
	for cursor := ""; ; {
		var page struct {
			Data       []T    `json:"data"`
			HasMore    bool   `json:"has_more"`
			NextCursor string `json:"next_cursor"`
		}
		at := path
		if cursor != "" {
			at += "&cursor=" + url.QueryEscape(cursor)
		}
		town.must(call{Method: http.MethodGet, Path: at, Token: token}, &page)
		all = append(all, page.Data...)
		if !page.HasMore {
			return all
		}
		cursor = page.NextCursor
	}
}

// checkReferences counts payments and refunds by the merchants' references: one where the act was done,
// none where it was refused.
func (town *Town) checkReferences() {
	town.t.Helper()
	found := map[string][]result{}
	for _, m := range town.merchants {
		for _, p := range pages[result](town, "/v1/payments?limit=100", m.key) {
			found[p.Reference] = append(found[p.Reference], p)
			if p.Refunded.Amount == 0 {
				continue
			}
			for _, r := range pages[result](town, "/v1/payments/"+p.ID+"/refunds?", m.key) {
				found[r.Reference] = append(found[r.Reference], r)
			}
		}
	}
	for _, a := range town.acts {
		if a.reference == "" {
			continue
		}
		rows := found[a.reference]
		delete(found, a.reference)
		switch {
		case !a.done() && len(rows) > 0:
			town.t.Errorf("%s %s was refused and is there: %v", a.kind, a.reference, rows)
		case a.done() && (len(rows) != 1 || rows[0].ID != a.result.ID || rows[0].Amount != a.amount):
			town.t.Errorf("%s %s was answered with %s and is there so: %v", a.kind, a.reference, a.result.ID, rows)
		}
	}
	for reference, rows := range found {
		town.t.Errorf("nobody was told of %s: %v", reference, rows)
	}
}

// checkEvents wants one event for each payment that succeeded and for each refund.
func (town *Town) checkEvents() {
	town.t.Helper()
	type event struct{ Kind, Subject string }
	counts := map[event]int{}
	for _, m := range town.merchants {
		for _, e := range pages[event](town, "/v1/events?limit=100", m.key) {
			counts[e]++
		}
	}
	for _, a := range town.acts {
		var kind string
		switch {
		case !a.done():
			continue
		case a.kind == refund:
			kind = "refund.succeeded"
		case a.kind == confirm, a.kind == codePayment:
			kind = "payment." + a.result.State
		case a.kind == order:
			kind = "payment.created"
		default:
			continue
		}
		if n := counts[event{kind, a.result.ID}]; n != 1 {
			town.t.Errorf("%s %s has %d events %s", a.kind, a.result.ID, n, kind)
		}
	}
}

// Metric returns the value of a counter of the first instance.
func (town *Town) Metric(name string) float64 {
	town.t.Helper()
	r, err := send(town.t.Context(), town.client, town.bases[0], call{Method: http.MethodGet, Path: "/metrics"})
	if err != nil {
		town.t.Fatal(err)
	}
	for line := range strings.Lines(string(r.Body)) {
		var value float64
		if n, _ := fmt.Sscanf(line, name+" %g", &value); n == 1 {
			return value
		}
	}
	town.t.Fatalf("there is no metric %s", name)
	return 0
}
