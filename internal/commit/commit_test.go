package commit_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// counter is a row of table idempotency_keys, used here as a plain keyed table.
type counter struct {
	ID    string
	Label string
	Value int64
	Event string
	Body  string
	At    time.Time
}

type fixture struct {
	*commit.Committer
	db       *sqldb.DB
	counters *commit.Table[counter]
}

func start(t *testing.T, db *sqldb.DB, options commit.Options) *fixture {
	t.Helper()
	c := commit.New(db, &clock.Clock{}, options)
	f := &fixture{Committer: c, db: db, counters: commit.AddTable(c, "idempotency_keys",
		commit.Text("id", func(r *counter) *string { return &r.ID }),
		commit.Text("fingerprint", func(r *counter) *string { return &r.Label }),
		commit.Int("status", func(r *counter) *int64 { return &r.Value }).Mutable(),
		commit.Text("event_id", func(r *counter) *string { return &r.Event }),
		commit.Text("body", func(r *counter) *string { return &r.Body }),
		commit.Instant("created_at", func(r *counter) *time.Time { return &r.At }).Mutable(),
	)}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return f
}

// add raises the counter name by n.
func (f *fixture) add(t *testing.T, name string, n int64) error {
	t.Helper()
	key := f.counters.Key(name)
	return f.Do(t.Context(), []commit.Key{key}, func(tx *commit.Tx) error {
		row, _, err := f.counters.Get(tx, key)
		if err != nil {
			return err
		}
		row.ID, row.Value, row.At = name, row.Value+n, tx.Now()
		if row.Value < 0 {
			return fault.New(fault.Conflict, "test.negative", "below zero")
		}
		f.counters.Put(tx, row)
		return nil
	})
}

func (f *fixture) value(t *testing.T, name string) int64 {
	t.Helper()
	var n int64
	err := f.db.Read.QueryRowContext(t.Context(), "SELECT COALESCE(sum(status), 0) FROM idempotency_keys WHERE id = $1", name).
		Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDo(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, commit.Options{})
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				if err := f.add(t, fmt.Sprintf("c%d", i%7), 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var sum int64
		for i := range 7 {
			sum += f.value(t, fmt.Sprintf("c%d", i))
		}
		if sum != 400 {
			t.Errorf("sum = %d, want 400", sum)
		}
	})
}

func TestRefusalLeavesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, commit.Options{})
		if err := f.add(t, "a", 5); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := f.add(t, "a", -6); fault.CodeOf(err) != "test.negative" {
					t.Errorf("err = %v", err)
				}
			})
			wg.Go(func() {
				if err := f.add(t, "b", 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if a, b := f.value(t, "a"), f.value(t, "b"); a != 5 || b != 50 {
			t.Errorf("a, b = %d, %d, want 5, 50", a, b)
		}
	})
}

func TestUndeclaredReadIsRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, commit.Options{})
		err := f.Do(t.Context(), nil, func(tx *commit.Tx) error {
			_, _, err := f.counters.Get(tx, f.counters.Key("x"))
			return err
		})
		if fault.CodeOf(err) != "commit.undeclared" {
			t.Errorf("err = %v", err)
		}
	})
}

func TestPanicHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, commit.Options{})
		err := f.Do(t.Context(), nil, func(*commit.Tx) error { panic("boom") })
		if fault.KindOf(err) != fault.Internal {
			t.Errorf("err = %v", err)
		}
		if err := f.add(t, "after", 1); err != nil || f.value(t, "after") != 1 {
			t.Errorf("after: %v", err)
		}
	})
}

// TestConflictWithAnotherWriter lets two committers on one database raise the same counters.
func TestConflictWithAnotherWriter(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		one, two := start(t, db, commit.Options{}), start(t, db, commit.Options{})
		var wg sync.WaitGroup
		for i := range 300 {
			f := one
			if i%2 == 0 {
				f = two
			}
			wg.Go(func() {
				if err := f.add(t, fmt.Sprintf("k%d", i%20), 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range 20 {
			if got := one.value(t, fmt.Sprintf("k%d", i)); got != 15 {
				t.Errorf("k%d = %d, want 15", i, got)
			}
		}
	})
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, commit.Options{QueueMax: 1, GroupMax: 1})
		hold, entered := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = f.Do(t.Context(), nil, func(*commit.Tx) error {
				once.Do(func() { close(entered) })
				<-hold
				return nil
			})
		})
		<-entered
		wg.Go(func() { _ = f.Do(t.Context(), nil, func(*commit.Tx) error { return nil }) })
		full := errors.New("none")
		for full != nil && fault.CodeOf(full) != "commit.queue_full" {
			full = f.Do(cancelled(t), nil, func(*commit.Tx) error { return nil })
		}
		if fault.From(full).RetryAfter <= 0 {
			t.Errorf("no RetryAfter: %v", full)
		}
		close(hold)
		wg.Wait()
	})
}
