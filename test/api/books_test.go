package api_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

// quiet waits until the instance has nothing under way: no job, no attempt whose end is open, no arrival to come, no
// payment that is to expire.
func (w *world) quiet(t testing.TB) {
	t.Helper()
	eventually(t, "quiet", func() bool {
		// The instance reads the statement every second by itself; reading it twice is no harm.
		for _, party := range []string{"bank", card.Channel} {
			must(t, w.Attempts.Arrive(t.Context(), party, "CNY"))
		}
		return w.count(t, `SELECT (SELECT count(*) FROM jobs)
			+ (SELECT count(*) FROM attempts WHERE state IN ('created', 'sent', 'pending', 'unknown'))
			+ (SELECT count(*) FROM attempts WHERE state = 'succeeded' AND arrived_at = 0)
			+ (SELECT count(*) FROM payments WHERE state = 'created' AND expires_at <= $1)`,
			clock.Micros(w.Clock.Now())) == 0
	})
}

// balances are the balances of accounts on their normal side: of every code, all owners summed up (`1101`), and of
// every owner (`2001:cus_…`), stripes left out.
type balances map[string]int64

func (w *world) balances(t testing.TB) balances {
	t.Helper()
	rows, err := w.DB.Read.QueryContext(t.Context(), "SELECT code, owner, debits_posted - credits_posted FROM accounts")
	must(t, err)
	defer rows.Close()
	sides := make(map[ledger.Code]ledger.Side)
	for _, line := range ledger.Chart() {
		sides[line.Code] = line.Side
	}
	out := balances{}
	for rows.Next() {
		var (
			code    ledger.Code
			owner   string
			balance int64
		)
		must(t, rows.Scan(&code, &owner, &balance))
		if sides[code] == ledger.Credit {
			balance = -balance
		}
		if strings.HasPrefix(owner, "cus_") || strings.HasPrefix(owner, "mer_") {
			out[string(code)+":"+owner] = balance
		} else {
			out[string(code)] += balance
		}
	}
	must(t, rows.Err())
	return out
}

// moved returns what has changed, without zeros.
func (b balances) moved(after balances) balances {
	out := balances{}
	for name := range after {
		if moved := after[name] - b[name]; moved != 0 {
			out[name] = moved
		}
	}
	return out
}

// moves runs an act and fails the test unless exactly these balances have moved, and books and bank agree.
func (w *world) moves(t *testing.T, want balances, act func()) {
	t.Helper()
	before := w.balances(t)
	act()
	w.quiet(t)
	if got := before.moved(w.balances(t)); !maps.Equal(got, want) {
		t.Errorf("moved %v, want %v", got, want)
	}
	w.agree(t)
}

// agree verifies the books and compares them with the bank's and the card issuer's: each holds a part of the reserve.
func (w *world) agree(t testing.TB) {
	t.Helper()
	report, err := ledger.Verify(t.Context(), w.DB, ledger.VerifyOptions{TrustedKeys: []string{w.Log.Key()}})
	must(t, err)
	if !report.OK() {
		t.Errorf("the books are not clean: %+v", report.Failures)
	}
	trial, err := w.Ledger.Trial(t.Context())
	must(t, err)
	var reserve int64
	for _, line := range trial.Lines {
		if line.Code == ledger.ClientReserve {
			reserve += line.Balance
		}
	}
	for _, proof := range trial.Proofs {
		if !proof.OK {
			t.Errorf("the trial balance fails: %+v", proof)
		}
	}
	var held int64
	for _, party := range []*bank.Server{w.bank, w.issuer.Books()} {
		accounts, err := party.Accounts(t.Context())
		must(t, err)
		for _, account := range accounts {
			if account.Number == "reserve-CNY" {
				held += account.Balance.Minor
			}
		}
	}
	if held != reserve {
		t.Errorf("bank and issuer hold %d for us, our books say %d", held, reserve)
	}
}

// post posts lines past the doors, for what has no door yet.
func (w *world) post(t testing.TB, lines ...ledger.Line) {
	t.Helper()
	entry := ledger.NewEntry(w.Clock.Now(), "test", lines...)
	must(
		t,
		w.Committer.Do(t.Context(), w.Ledger.KeysOf(lines), func(tx *commit.Tx) error { return w.Ledger.Post(tx, entry) }),
	)
}
