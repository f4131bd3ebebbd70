package wallet_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// post posts lines in a decision of their own.
func (f *fixture) post(t *testing.T, lines ...ledger.Line) error {
	t.Helper()
	entry := ledger.NewEntry(f.clock.Now(), "test", lines...)
	return f.committer.Do(
		t.Context(),
		f.ledger.KeysOf(lines),
		func(tx *commit.Tx) error { return f.ledger.Post(tx, entry) },
	)
}

func (f *fixture) fund(t *testing.T, customer id.Customer, amount money.Amount) {
	t.Helper()
	lines := ledger.Flows{Stripe: "n00"}.TopUp(string(customer), "bank", amount, money.Zero(amount.Currency))
	if err := f.post(t, lines...); err != nil {
		t.Fatal(err)
	}
}

// states returns, from one snapshot, the states of a customer and of the customer's accounts, and what they have spent.
func (f *fixture) states(t *testing.T, customer id.Customer) (states string, spent int64) {
	t.Helper()
	rows, err := f.db.Read.QueryContext(t.Context(), `SELECT c.state, COALESCE(a.id, ''), COALESCE(a.state, ''),
		COALESCE(a.debits_posted, 0) FROM customers c
		LEFT JOIN accounts a ON a.owner = c.id AND a.code = '2001' WHERE c.id = $1 ORDER BY a.id`, string(customer))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var person, account, state string
		var debits int64
		if err := rows.Scan(&person, &account, &state, &debits); err != nil {
			t.Fatal(err)
		}
		if states == "" {
			states = person
		}
		if account != "" {
			states += fmt.Sprintf(" %s %s", account[len("2001:"):len("2001:CNY")], state)
		}
		spent += debits
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return states, spent
}

func (f *fixture) commits(t *testing.T) (n int64) {
	t.Helper()
	if err := f.db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM commit_groups").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSetState(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		customer := f.device.Customer
		set := func(to party.State, want string) {
			t.Helper()
			if err := f.SetState(t.Context(), customer, to); err != nil {
				t.Errorf("%s: %v", to, err)
			}
			if got, _ := f.states(t, customer); got != want {
				t.Errorf("%s: %s, want %s", to, got, want)
			}
		}
		refused := func(name id.Customer, to party.State, code string) {
			t.Helper()
			before, _ := f.states(t, customer)
			commits := f.commits(t)
			if err := f.SetState(t.Context(), name, to); fault.CodeOf(err) != code {
				t.Errorf("%s: %v, want %s", to, err, code)
			}
			if after, _ := f.states(t, customer); after != before || f.commits(t) != commits {
				t.Errorf("%s was refused and wrote: %s, before %s", to, after, before)
			}
		}
		refused(customer, "gone", "party.bad_state")
		refused("cus_none", party.StateFrozen, "party.customer_not_found")
		set(party.StateFrozen, "frozen CNY frozen USD frozen") // accounts that nobody has posted to
		set(party.StateFrozen, "frozen CNY frozen USD frozen")
		f.fund(t, customer, money.Amount{Minor: 7, Currency: "USD"}) // money may come
		refused(customer, party.StateClosed, "ledger.not_empty")     // not half of it either: the CNY account is empty
		set(party.StateActive, "active CNY open USD open")
		refused(customer, party.StateClosed, "party.not_frozen")
		// An account that differs is put right.
		differs := ledger.AccountID("2001:CNY:" + string(customer))
		err := f.committer.Do(t.Context(), f.ledger.Keys(differs), func(tx *commit.Tx) error {
			return f.ledger.SetState(tx, differs, ledger.Frozen)
		})
		if err != nil {
			t.Fatal(err)
		}
		set(party.StateActive, "active CNY open USD open")
		back := ledger.Line{
			Reason: "test", Debit: ledger.AccountID("2001:USD:" + string(customer)), Credit: "1101:USD:bank.n00",
			Amount: money.Amount{Minor: 7, Currency: "USD"},
		}
		if err := f.post(t, back); err != nil {
			t.Fatal(err)
		}
		set(party.StateFrozen, "frozen CNY frozen USD frozen")
		set(party.StateClosed, "closed CNY closed USD closed")
		set(party.StateClosed, "closed CNY closed USD closed")
		refused(customer, party.StateActive, "party.state_conflict")
		refused(customer, party.StateFrozen, "party.state_conflict")
	})
}

// TestSetStateRace freezes and thaws on one node while the customer spends on two: nothing is spent once a freeze is
// answered, and nobody ever sees customer and accounts in different states.
func TestSetStateRace(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		all := nodes(t, db, 2)
		f, customer := all[0], all[0].device.Customer
		f.fund(t, customer, money.Amount{Minor: 1_000_000, Currency: "CNY"})
		if err := f.SetState(t.Context(), customer, party.StateActive); err != nil { // both accounts are there
			t.Fatal(err)
		}
		spend := ledger.Flows{Stripe: "n00"}.Transfer(string(customer), "cus_payee", money.Amount{Minor: 1, Currency: "CNY"})
		var wg sync.WaitGroup
		done := make(chan struct{})
		again := func(act func()) {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						act()
					}
				}
			})
		}
		var mu sync.Mutex
		var taken int64
		for i := range 8 {
			again(func() {
				err := all[i%2].post(t, spend...)
				switch fault.CodeOf(err) {
				case "":
					mu.Lock()
					taken++
					mu.Unlock()
				case "ledger.account_frozen":
				default:
					t.Errorf("spend: %v", err)
				}
			})
		}
		again(func() {
			if got, _ := f.states(t, customer); got != "active CNY open USD open" && got != "frozen CNY frozen USD frozen" {
				t.Errorf("seen %s", got)
			}
		})
		for range 25 {
			if err := f.SetState(t.Context(), customer, party.StateFrozen); err != nil {
				t.Error(err)
			}
			_, atOnce := f.states(t, customer)
			if err := f.post(t, spend...); fault.CodeOf(err) != "ledger.account_frozen" {
				t.Errorf("spent after a freeze: %v", err)
			}
			if _, later := f.states(t, customer); later != atOnce {
				t.Errorf("%d was spent after a freeze", later-atOnce)
			}
			if err := f.SetState(t.Context(), customer, party.StateActive); err != nil {
				t.Error(err)
			}
		}
		close(done)
		wg.Wait()
		if _, spent := f.states(t, customer); spent != taken || spent == 0 {
			t.Errorf("%d spent, %d answered", spent, taken)
		}
	})
}
