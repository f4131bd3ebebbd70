package wallet_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
)

type fixture struct {
	*wallet.Wallets
	auth      *auth.Auth
	parties   *party.Parties
	committer *commit.Committer
	ledger    *ledger.Ledger
	db        *sqldb.DB
	clock     *clock.Clock
	device    auth.Device
}

// nodes starts n nodes on a database, with one vault and one clock, and a customer with a device.
func nodes(tb testing.TB, db *sqldb.DB, n int) []*fixture {
	tb.Helper()
	v, err := vault.Create(filepath.Join(tb.TempDir(), "vault.key"))
	if err != nil {
		tb.Fatal(err)
	}
	clk := &clock.Clock{}
	all := make([]*fixture, n)
	for i := range all {
		c := commit.New(db, clk, commit.Options{})
		p := party.New(c, db, clk)
		a := auth.New(auth.Parts{Committer: c, DB: db, Clock: clk, Vault: v, Parties: p})
		l := ledger.New(c, db, time.UTC)
		w := wallet.New(wallet.Parts{
			Committer: c, Clock: clk, Vault: v, Auth: a, Parties: p, Ledger: l, Currencies: []money.Currency{"CNY", "USD"},
		})
		all[i] = &fixture{Wallets: w, auth: a, parties: p, committer: c, ledger: l, db: db, clock: clk}
		if err := c.Start(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(c.Close)
	}
	customer, err := all[0].parties.RegisterCustomer(tb.Context(), party.Registration{Phone: "13800000001", Name: "张三"})
	if err != nil {
		tb.Fatal(err)
	}
	in, err := all[0].auth.StartSession(tb.Context(), customer.ID, auth.DeviceRequest{Name: "Phone"})
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range all {
		f.device = in.Device
	}
	f := all[0]
	// In the middle of a step, so that a test that takes a moment stays in it.
	f.clock.Advance(time.Duration(45-f.clock.Now().Unix()%30) * time.Second)
	return all
}

// code computes a code as the phone does, steps away from now.
func (f *fixture) code(steps int64, n int) string {
	return wallet.ComputeCode(f.Secret(f.device.ID), f.device.Handle, wallet.StepOf(f.clock.Now())+steps, n)
}

// use is a use case that takes a code, as a payment does.
func (f *fixture) use(tb testing.TB, text string) error {
	tb.Helper()
	code, err := wallet.ParseCode(text)
	if err != nil {
		return err
	}
	device, customer, err := f.Resolve(tb.Context(), code.Handle)
	if err != nil {
		return err
	}
	return f.committer.Do(tb.Context(), []commit.Key{f.CodeKey(code.Handle)}, func(tx *commit.Tx) error {
		used, err := f.UseCode(tx, code)
		if err == nil && (used.ID != device || used.Customer != customer) {
			return fmt.Errorf("used %v, resolved %s of %s", used, device, customer)
		}
		return err
	})
}

// written returns the device's mark and the number of commits.
func (f *fixture) written(t *testing.T) [3]int64 {
	t.Helper()
	var n [3]int64
	err := f.db.Read.QueryRowContext(t.Context(),
		"SELECT code_step, code_n, (SELECT count(*) FROM commit_groups) FROM devices WHERE id = $1", string(f.device.ID)).
		Scan(&n[0], &n[1], &n[2])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// refused checks that a code is refused with a fault, and that nothing is written.
func (f *fixture) refused(t *testing.T, code, text string) {
	t.Helper()
	before := f.written(t)
	if err := f.use(t, text); fault.CodeOf(err) != code || fault.KindOf(err) != fault.Invalid {
		t.Errorf("err = %v, want %s", err, code)
	}
	if after := f.written(t); after != before {
		t.Errorf("%s wrote: %v, before %v", code, after, before)
	}
}

func (f *fixture) mustUse(t *testing.T, text string) {
	t.Helper()
	if err := f.use(t, text); err != nil {
		t.Errorf("use: %v", err)
	}
}

func TestUseCode(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		for _, steps := range []int64{-2, 2, -20, 20} {
			f.refused(t, "wallet.code_expired", f.code(steps, 0))
		}
		for _, steps := range []int64{-21, 21, 1000} {
			f.refused(t, "wallet.code_invalid", f.code(steps, 0))
		}
		f.mustUse(t, f.code(-1, 3))
		f.refused(t, "wallet.code_used", f.code(-1, 3))
		f.refused(t, "wallet.code_used", f.code(-1, 2)) // an older one that was never shown
		f.mustUse(t, f.code(-1, 4))
		f.mustUse(t, f.code(1, 0)) // the phone's clock is ahead
		f.refused(t, "wallet.code_used", f.code(0, 9))
		f.refused(t, "wallet.code_used", f.code(1, 0))
		f.mustUse(t, f.code(1, 9))
		used := f.code(1, 9)
		f.clock.Advance(3 * wallet.StepTime)
		f.refused(t, "wallet.code_expired", used)
		f.mustUse(t, f.code(0, 0))
		stranger := wallet.ComputeCode([32]byte{1}, f.device.Handle, wallet.StepOf(f.clock.Now()), 0)
		f.refused(t, "wallet.code_invalid", stranger)
		f.refused(t, "wallet.code_invalid", wallet.ComputeCode([32]byte{1}, "9999999999", 1, 0)) // no such handle
		f.refused(t, "wallet.bad_code", "28763443825664394")
	})
}

// TestDeclineBurns: a decision that declines commits, and so burns its code; one that refuses does not.
func TestDeclineBurns(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		text := f.code(0, 0)
		code, err := wallet.ParseCode(text)
		if err != nil {
			t.Fatal(err)
		}
		refusal := errors.New("refused for another reason")
		before := f.written(t)
		err = f.committer.Do(t.Context(), []commit.Key{f.CodeKey(code.Handle)}, func(tx *commit.Tx) error {
			if _, err := f.UseCode(tx, code); err != nil {
				return err
			}
			return refusal
		})
		if !errors.Is(err, refusal) || f.written(t) != before {
			t.Errorf("err %v, wrote %v, before %v", err, f.written(t), before)
		}
		f.mustUse(t, text)
		f.refused(t, "wallet.code_used", text)
	})
}

func TestRevokedDevice(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		f.mustUse(t, f.code(0, 0))
		if err := f.auth.RevokeDevice(t.Context(), f.device.Customer, f.device.ID); err != nil {
			t.Fatal(err)
		}
		f.refused(t, "wallet.code_invalid", f.code(0, 1))
		if _, _, err := f.NextCode(t.Context(), f.device.ID); fault.CodeOf(err) != "wallet.device_revoked" {
			t.Errorf("next code: %v", err)
		}
		if _, _, err := f.NextCode(t.Context(), "dev_none"); fault.CodeOf(err) != "auth.device_not_found" {
			t.Errorf("next code of no device: %v", err)
		}
	})
}

// TestOneCodeAtOnce uses each code many times at once on two nodes: one use wins.
func TestOneCodeAtOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		all := nodes(t, db, 2)
		for n := range 5 {
			text := all[0].code(0, n)
			codes := make(chan string, 20)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() { codes <- fault.CodeOf(all[i%2].use(t, text)) })
			}
			wg.Wait()
			close(codes)
			seen := map[string]int{}
			for code := range codes {
				seen[code]++
			}
			if seen[""] != 1 || seen["wallet.code_used"] != 19 {
				t.Errorf("n %d: answers %v", n, seen)
			}
		}
	})
}

// TestNextCode pays again and again with codes asked for online, as fast as they come.
func TestNextCode(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		seen := map[string]bool{}
		for i := range 20 {
			code, until, err := f.NextCode(t.Context(), f.device.ID)
			if err != nil {
				t.Fatalf("code %d: %v", i, err)
			}
			again, _, err := f.NextCode(t.Context(), f.device.ID)
			if err != nil || again != code || seen[code] {
				t.Errorf("code %d: %v, same %v, seen %v", i, err, again == code, seen[code])
			}
			if left := until.Sub(f.clock.Now()); left <= wallet.StepTime || left > 3*wallet.StepTime {
				t.Errorf("code %d holds for %v", i, left)
			}
			seen[code] = true
			f.mustUse(t, code)
		}
		_, _, err := f.NextCode(t.Context(), f.device.ID)
		wait := fault.From(err).RetryAfter
		if fault.CodeOf(err) != "wallet.code_wait" || wait <= 0 || wait > wallet.StepTime {
			t.Fatalf("err %v, RetryAfter %v", err, wait)
		}
		f.clock.Advance(wait)
		code, _, err := f.NextCode(t.Context(), f.device.ID)
		if err != nil {
			t.Fatal(err)
		}
		f.mustUse(t, code)
	})
}

// TestNextCodeHolds: a code is good until the instant it was promised, and then out of date.
func TestNextCodeHolds(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		for _, late := range []bool{false, true} {
			code, until, err := f.NextCode(t.Context(), f.device.ID)
			if err != nil {
				t.Fatal(err)
			}
			left := until.Sub(f.clock.Now())
			if late {
				f.clock.Advance(left)
				f.refused(t, "wallet.code_expired", code)
				continue
			}
			f.clock.Advance(left - 20*time.Second)
			f.mustUse(t, code)
			f.clock.Advance(5 * wallet.StepTime)
		}
	})
}

func TestResolve(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		for range 2 { // from the database, from memory
			device, customer, err := f.Resolve(t.Context(), f.device.Handle)
			if err != nil || device != f.device.ID || customer != f.device.Customer {
				t.Errorf("%s, %s, %v", device, customer, err)
			}
		}
		if _, _, err := f.Resolve(t.Context(), "9999999999"); fault.CodeOf(err) != "wallet.code_invalid" {
			t.Errorf("err = %v", err)
		}
	})
}

// TestHistories plays random uses against a model that knows the last code used.
func TestHistories(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := nodes(t, db, 1)[0]
		var lastStep, lastN int64
		rapid.Check(t, func(rt *rapid.T) {
			steps, n := rapid.Int64Range(-4, 4).Draw(rt, "steps"), rapid.Int64Range(0, 9).Draw(rt, "n")
			f.clock.Advance(time.Duration(rapid.IntRange(0, 1).Draw(rt, "later")) * wallet.StepTime)
			step := wallet.StepOf(f.clock.Now()) + steps
			want := ""
			switch {
			case steps < -1 || steps > 1:
				want = "wallet.code_expired"
			case step < lastStep || step == lastStep && n <= lastN:
				want = "wallet.code_used"
			default:
				lastStep, lastN = step, n
			}
			if err := f.use(t, f.code(steps, int(n))); fault.CodeOf(err) != want {
				rt.Fatalf("%+d steps, n %d: %v, want %q", steps, n, err, want)
			}
		})
	})
}

// TestGuesses tries a hundred thousand random codes for a device that exists: none may be right.
func TestGuesses(t *testing.T) {
	t.Parallel()
	f := nodes(t, sqldbtest.Open(t, "sqlite"), 1)[0]
	const guesses, batch = 100_000, 1000
	right := map[string]bool{}
	for _, steps := range []int64{-1, 0, 1} {
		for n := range 10 {
			right[f.code(steps, n)] = true
		}
	}
	before := f.written(t)
	for range guesses / batch {
		err := f.committer.Do(t.Context(), []commit.Key{f.CodeKey(f.device.Handle)}, func(tx *commit.Tx) error {
			for range batch {
				text := wallet.ComputeCode([32]byte([]byte(vault.Token("")[:32])), f.device.Handle, 0, 0)
				code, err := wallet.ParseCode(text)
				if err != nil {
					return err
				}
				if _, err := f.UseCode(tx, code); !right[text] && fault.CodeOf(err) == "" {
					return fmt.Errorf("%s is right", text)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if after := f.written(t); after != before {
		t.Errorf("wrote %v, before %v", after, before)
	}
}

func BenchmarkUseCode(b *testing.B) {
	f := nodes(b, sqldbtest.Open(b, "sqlite"), 1)[0]
	code, err := wallet.ParseCode(f.code(0, 1))
	if err != nil {
		b.Fatal(err)
	}
	var customer id.Customer
	err = f.committer.Do(b.Context(), []commit.Key{f.CodeKey(code.Handle)}, func(tx *commit.Tx) error {
		for b.Loop() {
			used, err := f.UseCode(tx, code)
			if err != nil && fault.CodeOf(err) != "wallet.code_used" {
				return err
			}
			customer = used.Customer
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	_ = customer
}
