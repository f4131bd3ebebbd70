package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

type books struct {
	*ledger.Ledger
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
}

func open(t *testing.T, db *sqldb.DB) *books {
	t.Helper()
	b := &books{db: db, clock: &clock.Clock{}}
	b.committer = commit.New(db, b.clock, commit.Options{})
	b.Ledger = ledger.New(b.committer, db, time.UTC)
	if err := b.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.committer.Close)
	return b
}

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

func (b *books) post(t *testing.T, lines []ledger.Line) error {
	t.Helper()
	e := ledger.NewEntry(b.clock.Now(), "test", lines...)
	return b.committer.Do(t.Context(), b.KeysOf(lines), func(tx *commit.Tx) error { return b.Post(tx, e) })
}

// setState opens, freezes or closes ann's account.
func (b *books) setState(t testing.TB, state ledger.AccountState) error {
	t.Helper()
	return b.committer.Do(t.Context(), b.Keys(ann), func(tx *commit.Tx) error { return b.SetState(tx, ann, state) })
}

func (b *books) balance(t *testing.T, account ledger.AccountID) int64 {
	t.Helper()
	balance, err := b.Balance(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return balance.Posted.Minor
}

// TestStatement walks, seeks and pages over histories of every small length.
func TestStatement(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		flows := ledger.Flows{Stripe: "n00"}
		account := ledger.Account(ledger.UserBalance, "CNY", "cus_a")
		var instants []time.Time
		for n := int64(1); n <= 70; n++ {
			if err := b.post(t, flows.TopUp("cus_a", "bank", cny(n), cny(0))); err != nil {
				t.Fatal(err)
			}
			postings, more, err := b.Statement(t.Context(), ledger.StatementQuery{Account: account, Limit: 500})
			if err != nil || more || int64(len(postings)) != n {
				t.Fatalf("n %d: %d postings, more %v, %v", n, len(postings), more, err)
			}
			instants = append(instants, postings[0].PostedAt)
			b.clock.Advance(time.Second)
			for back, p := range postings {
				want := n - int64(back)
				if p.N != want || p.Amount.Minor != want || p.Balance.Minor != want*(want+1)/2 {
					t.Fatalf("n %d, back %d: %+v", n, back, p)
				}
			}
		}
		for i, at := range instants {
			n := int64(i + 1)
			got, err := b.BalanceAt(t.Context(), account, at)
			if err != nil || got.Minor != n*(n+1)/2 {
				t.Errorf("balance at posting %d: %v %v", n, got, err)
			}
			page, more, err := b.Statement(t.Context(), ledger.StatementQuery{Account: account, Before: n + 1, Limit: 3})
			if err != nil || page[0].N != n || more != (n > 3) {
				t.Errorf("page before %d: %+v %v %v", n+1, page, more, err)
			}
			ranged, _, err := b.Statement(
				t.Context(),
				ledger.StatementQuery{Account: account, From: at, To: at.Add(time.Microsecond)},
			)
			if err != nil || len(ranged) != 1 || ranged[0].N != n {
				t.Errorf("range at %d: %+v %v", n, ranged, err)
			}
		}
		none, err := b.BalanceAt(t.Context(), account, instants[0].Add(-time.Microsecond))
		if err != nil || none.Minor != 0 {
			t.Errorf("before the first: %v %v", none, err)
		}
	})
}

func BenchmarkPost(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			db := sqldbtest.Open(b, engine)
			clk := &clock.Clock{}
			c := commit.New(db, clk, commit.Options{})
			l := ledger.New(c, db, time.UTC)
			if err := c.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			flows := ledger.Flows{Stripe: "n00"}
			b.SetParallelism(128)
			b.ReportAllocs()
			var n int
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				n++
				i := n * 1000
				for pb.Next() {
					i++
					lines := flows.TopUp(fmt.Sprintf("cus_%d", i%3000), "bank", cny(5), cny(0))
					e := ledger.NewEntry(clk.Now(), "bench", lines...)
					err := c.Do(b.Context(), l.KeysOf(lines), func(tx *commit.Tx) error { return l.Post(tx, e) })
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
