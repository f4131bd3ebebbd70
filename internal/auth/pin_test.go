package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// enter is a use case that needs a PIN, as a payment does.
func (f *fixture) enter(t *testing.T, customer id.Customer, digits string) error {
	t.Helper()
	mac, err := f.PINMAC(customer, digits)
	if err != nil {
		return err
	}
	return f.committer.Do(t.Context(), []commit.Key{f.PINKey(customer)}, func(tx *commit.Tx) error {
		return f.RequirePIN(tx, customer, mac)
	})
}

func (f *fixture) entering(t *testing.T, customer id.Customer, digits string) func() error {
	t.Helper()
	return func() error { return f.enter(t, customer, digits) }
}

// withPIN returns a customer with the PIN 135246.
func (f *fixture) withPIN(t *testing.T) id.Customer {
	t.Helper()
	customer := f.register(t)
	err := f.SetPIN(t.Context(), auth.PINChange{Customer: customer.ID, Password: password, NewPIN: "135246"})
	if err != nil {
		t.Fatal(err)
	}
	return customer.ID
}

func (f *fixture) pinFailures(t *testing.T, customer id.Customer) int64 {
	t.Helper()
	var n int64
	err := f.db.Read.QueryRowContext(t.Context(), "SELECT failures FROM pins WHERE id = $1", string(customer)).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRequirePIN(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.withPIN(t)
		f.refused(t, "", f.entering(t, customer, "135246")) // right, and nothing is written
		for _, left := range []string{"4", "3", "2", "1"} {
			f.counted(t, "auth.pin_wrong", f.entering(t, customer, "246135"))
			if n := f.pinFailures(t, customer); "0123456789"[5-n:6-n] != left {
				t.Errorf("%d failures, want %s left", n, left)
			}
		}
		f.counted(t, "", f.entering(t, customer, "135246"))
		if n := f.pinFailures(t, customer); n != 0 {
			t.Errorf("%d failures after the right one", n)
		}
		err := f.enter(t, customer, "246135")
		if fault.KindOf(err) != fault.Forbidden || !strings.Contains(err.Error(), "4 tries left") {
			t.Errorf("err = %v", err)
		}
		f.refused(t, "auth.bad_pin", f.entering(t, customer, "24613"))
		f.refused(t, "auth.bad_pin", f.entering(t, customer, "24613５"))
		f.refused(t, "auth.pin_not_set", f.entering(t, "cus_none", "135246"))
	})
}

func TestPINLocks(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.withPIN(t)
		for round, lock := range []time.Duration{15 * time.Minute, time.Hour, time.Hour} {
			for range 4 {
				f.counted(t, "auth.pin_wrong", f.entering(t, customer, "246135"))
			}
			f.counted(t, "auth.pin_locked", f.entering(t, customer, "246135"))
			f.refused(t, "auth.pin_locked", f.entering(t, customer, "135246")) // even the right one
			f.refused(t, "auth.pin_locked", f.entering(t, customer, "246135")) // and none is counted
			f.refused(t, "auth.pin_locked", func() error {
				return f.SetPIN(t.Context(), auth.PINChange{Customer: customer, Password: password, NewPIN: "975310"})
			})
			f.clock.Advance(lock - time.Minute)
			err := f.enter(t, customer, "135246")
			after := fault.From(err).RetryAfter
			if fault.KindOf(err) != fault.Limited || after <= 0 || after > time.Minute {
				t.Errorf("round %d: %v, RetryAfter %v", round, err, after)
			}
			f.clock.Advance(time.Minute)
		}
		f.counted(t, "", f.entering(t, customer, "135246"))
		f.counted(t, "auth.pin_wrong", f.entering(t, customer, "246135"))
	})
}

// TestWrongPINsAtOnce sends 100 wrong PINs at once over two nodes: five are counted, no more and no
// less, and the rest meet the lock.
func TestWrongPINsAtOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		nodes := []*fixture{start(t, db), start(t, db)}
		customer := nodes[0].withPIN(t)
		codes := make(chan string, 100)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { codes <- fault.CodeOf(nodes[i%2].enter(t, customer, "246135")) })
		}
		wg.Wait()
		close(codes)
		seen := map[string]int{}
		for code := range codes {
			seen[code]++
		}
		if seen["auth.pin_wrong"] != 4 || seen["auth.pin_locked"] != 96 {
			t.Errorf("answers %v", seen)
		}
		if n := nodes[0].pinFailures(t, customer); n != 5 {
			t.Errorf("%d failures, want 5", n)
		}
	})
}

func TestSetPIN(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t).ID
		if has, err := f.HasPIN(t.Context(), customer); has || err != nil {
			t.Errorf("has a PIN: %v, %v", has, err)
		}
		set := func(change auth.PINChange) func() error {
			change.Customer = customer
			return func() error { return f.SetPIN(t.Context(), change) }
		}
		f.refused(t, "auth.pin_not_set", set(auth.PINChange{OldPIN: "135246", NewPIN: "975310"}))
		f.refused(t, "auth.proof_required", set(auth.PINChange{NewPIN: "975310"}))
		f.refused(t, "auth.bad_pin", set(auth.PINChange{Password: password, NewPIN: "97531"}))
		for _, weak := range []string{
			"000000", "999999", "123456", "654321", "456789", "567890", "890123", "210987", "000001",
		} {
			f.refused(t, "auth.weak_pin", set(auth.PINChange{Password: password, NewPIN: weak}))
		}
		f.counted(t, "auth.bad_credentials", set(auth.PINChange{Password: "wrong horse", NewPIN: "975310"}))
		for _, change := range []auth.PINChange{
			{Password: password, NewPIN: "112233"},
			{OldPIN: "112233", NewPIN: "975310"},
			{Password: password, NewPIN: "135246"},
		} {
			if err := set(change)(); err != nil {
				t.Fatal(err)
			}
			if err := f.enter(t, customer, change.NewPIN); err != nil {
				t.Errorf("the new PIN: %v", err)
			}
		}
		f.counted(t, "auth.pin_wrong", set(auth.PINChange{OldPIN: "975310", NewPIN: "112233"}))
		if err := f.enter(t, customer, "135246"); err != nil {
			t.Errorf("after a refused change: %v", err)
		}
		if has, err := f.HasPIN(t.Context(), customer); !has || err != nil {
			t.Errorf("has a PIN: %v, %v", has, err)
		}
	})
}

func TestPINInParallel(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		if err := f.SetPIN(
			t.Context(),
			auth.PINChange{Customer: customer.ID, Password: password, NewPIN: safePIN},
		); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				_, err := f.confirm(t, auth.Confirmation{
					Customer: customer.ID, Proof: auth.Proof{PIN: fmt.Sprintf("1112%02d", i)},
					Intent: auth.Intent{Act: auth.ActTopUp, Amount: money.Amount{Minor: 1, Currency: "CNY"}},
				})
				mu.Lock()
				got[fault.CodeOf(err)]++
				mu.Unlock()
			})
		}
		all.Wait()
		if got["auth.pin_wrong"] != 4 || got["auth.pin_locked"] != 96 {
			t.Errorf("%v", got)
		}
	})
}
