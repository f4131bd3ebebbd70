package party_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

type fixture struct {
	*party.Parties
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
}

// moveCustomer is a decision that changes a customer's state and nothing else.
func (f *fixture) moveCustomer(ctx context.Context, name id.Customer, to party.State) error {
	return f.committer.Do(ctx, []commit.Key{f.CustomerKey(name)}, func(tx *commit.Tx) error {
		return f.MoveCustomer(ctx, tx, name, to)
	})
}

func start(t *testing.T, db *sqldb.DB) *fixture {
	t.Helper()
	clk := &clock.Clock{}
	c := commit.New(db, clk, commit.Options{})
	f := &fixture{Parties: party.New(c, db, clk), committer: c, db: db, clock: clk}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return f
}

// written counts the rows of all tables that a party can change, and the commits.
func (f *fixture) written(t *testing.T) [4]int64 {
	t.Helper()
	var n [4]int64
	err := f.db.Read.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM customers),
		(SELECT count(*) FROM merchants), (SELECT count(*) FROM staff), (SELECT count(*) FROM commit_groups)`).
		Scan(&n[0], &n[1], &n[2], &n[3])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// refused checks that act fails with code and writes nothing.
func (f *fixture) refused(t *testing.T, code string, act func() error) {
	t.Helper()
	before := f.written(t)
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %s", err, code)
	}
	if after := f.written(t); after != before {
		t.Errorf("%s wrote: %v, before %v", code, after, before)
	}
}

func TestRegisterCustomer(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.RegisterCustomer(t.Context(),
			party.Registration{Phone: "138 0000 0001", Name: " 张三 ", PasswordHash: "h"})
		if err != nil {
			t.Fatal(err)
		}
		if made.Phone != "+8613800000001" || made.Name != "张三" || made.State != party.StateActive || made.CreatedAt.IsZero() {
			t.Errorf("made %+v", made)
		}
		for _, phone := range []string{"13800000001", "+86 138-0000-0001"} {
			found, err := f.CustomerByPhone(t.Context(), phone)
			if err != nil || found != made {
				t.Errorf("%s: %#v, %v, want %#v", phone, found, err, made)
			}
		}
		if found, err := f.Customer(t.Context(), made.ID); err != nil || found != made {
			t.Errorf("by id: %#v, %v", found, err)
		}
		for code, r := range map[string]party.Registration{
			"party.phone_taken": {Phone: "+8613800000001", Name: "李四"},
			"party.bad_phone":   {Phone: "12", Name: "李四"},
			"party.bad_name":    {Phone: "13800000002", Name: " "},
		} {
			f.refused(t, code, func() error { _, err := f.RegisterCustomer(t.Context(), r); return err })
		}
		f.refused(t, "party.customer_not_found", func() error { _, err := f.Customer(t.Context(), "cus_none"); return err })
	})
}

// TestRegisterAtOnce registers one phone number many times at once, on two nodes: one wins.
func TestRegisterAtOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		nodes := []*fixture{start(t, db), start(t, db)}
		var won, taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				_, err := nodes[i%2].RegisterCustomer(t.Context(), party.Registration{Phone: "13800000001", Name: "张三"})
				switch fault.CodeOf(err) {
				case "":
					won.Add(1)
				case "party.phone_taken":
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || taken.Load() != 59 {
			t.Errorf("%d won, %d taken", won.Load(), taken.Load())
		}
	})
}

func TestCustomerState(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.RegisterCustomer(t.Context(), party.Registration{Phone: "13800000001", Name: "张三"})
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []party.State{"frozen", "frozen", "active", "frozen", "closed"} {
			before, err := f.PayeeByID(t.Context(), made.ID) // and remembers it
			if err != nil {
				t.Fatal(err)
			}
			if err := f.moveCustomer(t.Context(), made.ID, state); err != nil {
				t.Fatal(err)
			}
			if payee, err := f.PayeeByID(t.Context(), made.ID); err != nil || payee.State != state {
				t.Errorf("as a payee %s, %v, want %s after %s", payee.State, err, state, before.State)
			}
			active := f.committer.Do(t.Context(), []commit.Key{f.CustomerKey(made.ID)}, func(tx *commit.Tx) error {
				return f.RequireActive(tx, made.ID)
			})
			if want := map[bool]string{true: "", false: "party.customer_not_active"}[state == "active"]; fault.CodeOf(
				active,
			) != want {
				t.Errorf("who is %s may act: %v", state, active)
			}
			if found, err := f.Customer(t.Context(), made.ID); err != nil || found.State != state {
				t.Errorf("state %s, %v, want %s", found.State, err, state)
			}
		}
		set := func(name id.Customer, state party.State) func() error {
			return func() error { return f.moveCustomer(t.Context(), name, state) }
		}
		f.refused(t, "party.state_conflict", set(made.ID, "active"))
		f.refused(t, "party.bad_state", set(made.ID, "gone"))
		f.refused(t, "party.customer_not_found", set("cus_none", "active"))
	})
}

func TestMerchants(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		var made []party.Merchant
		for i := range 7 {
			m, err := f.CreateMerchant(t.Context(),
				party.NewMerchant{Name: fmt.Sprintf("Shop %d", i), FeeBps: 60, FeeFixedMinor: 1})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, m)
			f.clock.Advance(1e6)
		}
		if found, err := f.Merchant(t.Context(), made[3].ID); err != nil || found != made[3] {
			t.Errorf("%+v, %v, want %+v", found, err, made[3])
		}
		var cursor string
		var listed []party.Merchant
		for range 3 {
			page, err := f.ListMerchants(t.Context(), party.Page{Limit: 3, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			listed, cursor = append(listed, page.Merchants...), page.Next
		}
		if cursor != "" || len(listed) != 7 || listed[0] != made[6] || listed[6] != made[0] {
			t.Errorf("listed %v, cursor %q", listed, cursor)
		}
		for code, act := range map[string]func() error{
			"party.bad_fee": func() error {
				_, err := f.CreateMerchant(t.Context(), party.NewMerchant{Name: "x", FeeBps: 10_001})
				return err
			},
			"party.bad_advance": func() error {
				_, err := f.CreateMerchant(t.Context(), party.NewMerchant{Name: "x", AdvanceMinor: -1})
				return err
			},
			"party.bad_name": func() error {
				_, err := f.CreateMerchant(t.Context(), party.NewMerchant{Name: "a\x00b"})
				return err
			},
			"party.bad_cursor": func() error {
				_, err := f.ListMerchants(t.Context(), party.Page{Cursor: "bWVyXzE"})
				return err
			},
			"party.bad_limit": func() error {
				_, err := f.ListMerchants(t.Context(), party.Page{Limit: 101})
				return err
			},
			"party.merchant_not_found": func() error { _, err := f.Merchant(t.Context(), "mer_none"); return err },
		} {
			f.refused(t, code, act)
		}
	})
}

// TestMerchantStale freezes a merchant on one node: that node knows at once, the other within two seconds.
func TestMerchantStale(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		here, there := start(t, db), start(t, db)
		made, err := here.CreateMerchant(t.Context(), party.NewMerchant{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		state := func(f *fixture) party.State {
			m, err := f.Merchant(t.Context(), made.ID)
			if err != nil {
				t.Error(err)
			}
			return m.State
		}
		if state(here) != "active" || state(there) != "active" {
			t.Error("not active")
		}
		if err := here.SetMerchantState(t.Context(), made.ID, "frozen", "complaints"); err != nil {
			t.Fatal(err)
		}
		if got := state(here); got != "frozen" {
			t.Errorf("here: %s", got)
		}
		there.clock.Advance(2e9)
		if got := state(there); got != "frozen" {
			t.Errorf("there: %s", got)
		}
	})
}

func TestStaff(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.CreateStaff(t.Context(), party.NewStaff{Email: "Ann@Example.com", Name: "Ann", Role: "finance"})
		if err != nil {
			t.Fatal(err)
		}
		if found, err := f.StaffByEmail(t.Context(), "ann@EXAMPLE.com"); err != nil || found != made {
			t.Errorf("%#v, %v, want %#v", found, err, made)
		}
		for code, n := range map[string]party.NewStaff{
			"party.email_taken": {Email: "ann@example.com", Name: "Ann", Role: "admin"},
			"party.bad_email":   {Email: "Ann <ann@example.com>", Name: "Ann", Role: "admin"},
			"party.bad_role":    {Email: "bob@example.com", Name: "Bob", Role: "root"},
			"party.bad_name":    {Email: "bob@example.com", Role: "admin"},
		} {
			f.refused(t, code, func() error { _, err := f.CreateStaff(t.Context(), n); return err })
		}
		f.refused(t, "party.staff_not_found", func() error { _, err := f.Staff(t.Context(), "stf_none"); return err })
		if err := f.SetStaffState(t.Context(), made.ID, "closed", "left"); err != nil {
			t.Fatal(err)
		}
		if found, err := f.Staff(t.Context(), made.ID); err != nil || found.State != "closed" {
			t.Errorf("%#v, %v", found, err)
		}
	})
}

func TestMerchantState(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		made, err := f.CreateMerchant(t.Context(), party.NewMerchant{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			state  party.State
			reason string
			writes int64
		}{
			{"frozen", " complaints ", 1},
			{"frozen", "complaints", 0},
			{"frozen", "more complaints", 1},
			{"active", "all settled", 1},
			{"active", "all settled", 0},
			{"closed", "gone", 1},
		} {
			before := f.written(t)
			if err := f.SetMerchantState(t.Context(), made.ID, test.state, test.reason); err != nil {
				t.Fatal(err)
			}
			found, err := f.Merchant(t.Context(), made.ID)
			if err != nil || found.State != test.state || found.StateReason != strings.TrimSpace(test.reason) {
				t.Errorf("%+v, %v, want %+v", found, err, test)
			}
			if commits := f.written(t)[3] - before[3]; commits != test.writes {
				t.Errorf("%s %q wrote %d times, want %d", test.state, test.reason, commits, test.writes)
			}
		}
		set := func(name id.Merchant, state party.State, reason string) func() error {
			return func() error { return f.SetMerchantState(t.Context(), name, state, reason) }
		}
		f.refused(t, "party.state_conflict", set(made.ID, "active", "back"))
		f.refused(t, "party.bad_state", set(made.ID, "gone", "x"))
		f.refused(t, "party.merchant_not_found", set("mer_none", "frozen", "x"))
		for _, reason := range []string{"", " ", strings.Repeat("x", 201), "a\nb", "\xff"} {
			f.refused(t, "party.bad_reason", set(made.ID, "frozen", reason))
		}
	})
}
