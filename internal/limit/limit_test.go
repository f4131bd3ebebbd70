package limit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// node is one process with the limits on a database.
type node struct {
	*limit.Limits
	parties   *party.Parties
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
}

// noon is a zone in which it is noon now, so that no test runs over midnight.
func noon() *time.Location {
	now := time.Now().UTC()
	return time.FixedZone("noon", 12*3600-(now.Hour()*3600+now.Minute()*60+now.Second()))
}

func start(t *testing.T, db *sqldb.DB, jurisdiction string) *node {
	t.Helper()
	n := &node{clock: &clock.Clock{}, db: db}
	n.committer = commit.New(db, n.clock, commit.Options{})
	n.parties = party.New(n.committer, db, n.clock)
	var err error
	n.Limits, err = limit.New(limit.Parts{
		Committer: n.committer, DB: db, Clock: n.clock, Zone: noon(), Jurisdiction: jurisdiction,
		Currencies: []money.Currency{"CNY"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.committer.Close)
	return n
}

func (n *node) customer(t *testing.T, class party.Class) id.Customer {
	t.Helper()
	phone := fmt.Sprintf("+86138%08d", rand.IntN(100_000_000))
	c, err := n.parties.RegisterCustomer(t.Context(), party.Registration{Phone: phone, Name: "Payer", PasswordHash: "x"})
	if err == nil {
		err = n.parties.ChangeClass(t.Context(), c.ID, class)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

func (n *node) act(customer id.Customer, minor int64) limit.Act {
	return limit.Act{
		Customer: customer, Amount: money.Amount{Minor: minor, Currency: "CNY"}, Method: limit.Transfer,
		Factors: limit.Factors{Knowledge: true, Possession: true},
	}
}

// pay does the act in one decision, as a payment does.
func (n *node) pay(ctx context.Context, act limit.Act) error {
	ask, err := n.Ask(ctx, act)
	if err != nil {
		return err
	}
	return n.committer.Do(ctx, ask.Keys(), func(tx *commit.Tx) error {
		counted, err := ask.Check(tx)
		if err != nil {
			return err
		}
		counted.Put(tx)
		return nil
	})
}

// used returns what counts toward a rule.
func (n *node) used(t *testing.T, customer id.Customer, rule string) int64 {
	t.Helper()
	standing, err := n.Of(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(standing.Limits, func(r limit.Remaining) bool { return r.Rule == rule })
	if i < 0 {
		t.Fatalf("rule %s does not concern class %d", rule, standing.Class)
	}
	return standing.Limits[i].Used
}

// written describes everything that the package can write.
func (n *node) written(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	rows, err := n.db.Read.QueryContext(t.Context(), `SELECT id, counted_on, day_sums, year_sums, lifetime_sums,
		since_two_factors_sums FROM limit_counters ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var cells [6]string
		if err := rows.Scan(&cells[0], &cells[1], &cells[2], &cells[3], &cells[4], &cells[5]); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, cells)
	}
	var changes, groups int64
	err = n.db.Read.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM limit_changes), (SELECT count(*) FROM commit_groups)").
		Scan(&changes, &groups)
	if err != nil || rows.Err() != nil {
		t.Fatal(err, rows.Err())
	}
	fmt.Fprintln(&out, changes, groups)
	return out.String()
}

// refused checks that act fails with code and writes nothing.
func (n *node) refused(t *testing.T, code string, act func() error) {
	t.Helper()
	_ = n.refusal(t, code, act)
}

// refusal is refused, and returns the fault.
func (n *node) refusal(t *testing.T, code string, act func() error) *fault.Fault {
	t.Helper()
	before := n.written(t)
	err := act()
	if fault.CodeOf(err) != code {
		t.Fatalf("err = %v, want %s", err, code)
	}
	if after := n.written(t); after != before {
		t.Errorf("%s wrote: %s, before %s", code, after, before)
	}
	return fault.From(err)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "cn")
		for class, most := range map[party.Class]int64{1: 1_000_00, 2: 5_000_00, 3: 5_000_00} {
			payer := n.customer(t, class)
			if err := n.pay(t.Context(), n.act(payer, most-1)); err != nil {
				t.Fatal(err)
			}
			f := n.refusal(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 2)) })
			refusal, ok := f.Details.(limit.Refusal)
			if !ok || refusal.Left.Minor != 1 || refusal.Limit.Minor != most || f.Kind != fault.Conflict ||
				f.Hint != refusal.Lifts.English || !strings.Contains(f.Message, "0.01 CNY") || refusal.Lifts.Chinese == "" {
				t.Errorf("class %d: %v, %+v", class, f, f.Details)
			}
			if err := n.pay(t.Context(), n.act(payer, 1)); err != nil {
				t.Errorf("class %d: the last fen: %v", class, err)
			}
			n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 1)) })
		}
		payer := n.customer(t, 0)
		f := n.refusal(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 1)) })
		if refusal, ok := f.Details.(limit.Refusal); !ok || refusal.Rule != "cn.unverified" {
			t.Errorf("%+v", f.Details)
		}
		n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act("cus_01kanq4j3qf8yt0v5d7r2m9xce", 1)) })
		// The class counts from the decision on, up and down.
		if err := n.parties.ChangeClass(t.Context(), payer, 2); err != nil {
			t.Fatal(err)
		}
		if err := n.pay(t.Context(), n.act(payer, 1_000_01)); err != nil {
			t.Error(err)
		}
		if err := n.parties.ChangeClass(t.Context(), payer, 1); err != nil {
			t.Fatal(err)
		}
		n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 1)) })
	})
}

// TestRace: 200 payments at once against what a day leaves, on one node and on two.
func TestRace(t *testing.T) {
	t.Parallel()
	race := func(t *testing.T, payer id.Customer, nodes ...*node) {
		t.Helper()
		var (
			paid    atomic.Int64
			waiting sync.WaitGroup
			begin   = make(chan struct{})
		)
		for i := range 200 {
			waiting.Go(func() {
				minor := int64(37_13 + i%7) // no sum of them is the limit
				n := nodes[i%len(nodes)]
				<-begin
				switch err := n.pay(t.Context(), n.act(payer, minor)); {
				case err == nil:
					paid.Add(minor)
				case fault.CodeOf(err) != "limit.exceeded":
					t.Errorf("%v", err)
				}
			})
		}
		close(begin)
		waiting.Wait()
		got := paid.Load()
		if got > 5_000_00 || got < 5_000_00-37_20 {
			t.Errorf("%d were paid", got)
		}
		n := nodes[0]
		if used := n.used(t, payer, "cn.day.two_factors"); used != got {
			t.Errorf("%d were paid and %d counted", got, used)
		}
		rest := 5_000_00 - got
		n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, rest+1)) })
		if rest > 0 {
			if err := n.pay(t.Context(), n.act(payer, rest)); err != nil {
				t.Error(err)
			}
		}
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "cn")
		race(t, n.customer(t, 3), n)
	})
	t.Run("two nodes", func(t *testing.T) {
		t.Parallel()
		url := sqldbtest.URL(t, "postgres")
		var nodes []*node
		for range 2 {
			db, err := sqldb.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(db.Close)
			nodes = append(nodes, start(t, db, "cn"))
		}
		for range 3 {
			race(t, nodes[0].customer(t, 3), nodes...)
		}
	})
}

// TestTighten: this node asks the new figure at once, another one within two seconds, and what is paid
// meanwhile is within the one or the other.
func TestTighten(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n, other := start(t, db, "cn"), (*node)(nil)
		other = n
		if strings.HasSuffix(t.Name(), "postgres") {
			other = start(t, db, "cn")
		}
		payer := n.customer(t, 3)
		var (
			waiting sync.WaitGroup
			stop    atomic.Bool
			paid    atomic.Int64
		)
		for range 4 {
			waiting.Go(func() {
				for !stop.Load() {
					switch err := other.pay(t.Context(), other.act(payer, 3)); {
					case err == nil:
						paid.Add(3)
					case fault.CodeOf(err) != "limit.exceeded":
						t.Errorf("%v", err)
						return
					}
				}
			})
		}
		figure := int64(1)
		change, err := n.Change(t.Context(), limit.NewChange{
			Rule: "cn.day.two_factors", Minor: &figure, Staff: "stf_x", Reason: " fraud wave ",
		})
		if err != nil || change.Reason != "fraud wave" || change.EffectiveAt != change.CreatedAt {
			t.Fatalf("%+v %v", change, err)
		}
		n.stopped(t, payer)
		time.Sleep(2100 * time.Millisecond)
		then := paid.Load()
		time.Sleep(100 * time.Millisecond)
		if now := paid.Load(); now != then {
			t.Errorf("%d were paid two seconds after the change, %d after that", then, now)
		}
		stop.Store(true)
		waiting.Wait()
		if used := n.used(t, payer, "cn.day.two_factors"); used != paid.Load() {
			t.Errorf("%d counted, %d paid", used, paid.Load())
		}
		// Back to the preset's figure.
		if _, err := n.Change(
			t.Context(),
			limit.NewChange{Rule: "cn.day.two_factors", Staff: "stf_x", Reason: "over"},
		); err != nil {
			t.Fatal(err)
		}
		if err := n.pay(t.Context(), n.act(payer, 3)); err != nil {
			t.Error(err)
		}
		history, err := n.History(t.Context(), "cn.day.two_factors")
		if err != nil || len(history) != 2 || history[0].Minor != nil || *history[1].Minor != 1 ||
			history[1].Staff != "stf_x" {
			t.Errorf("%+v %v", history, err)
		}
	})
}

// stopped checks that a payment is refused, while others pay.
func (n *node) stopped(t *testing.T, payer id.Customer) {
	t.Helper()
	if err := n.pay(t.Context(), n.act(payer, 3)); fault.CodeOf(err) != "limit.exceeded" {
		t.Errorf("the node that changed the figure: %v", err)
	}
}

func TestChangeRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "cn")
		minor := func(m int64) *int64 { return &m }
		good := limit.NewChange{Rule: "cn.day.two_factors", Minor: minor(100), Staff: "stf_x", Reason: "why"}
		for name, test := range map[string]struct {
			change func(*limit.NewChange)
			code   string
		}{
			"NoRule":     {func(c *limit.NewChange) { c.Rule = "cn.day.three_factors" }, "limit.rule_not_found"},
			"OtherRule":  {func(c *limit.NewChange) { c.Rule = "eu.unverified" }, "limit.rule_not_found"},
			"Negative":   {func(c *limit.NewChange) { c.Minor = minor(-1) }, "limit.bad_amount"},
			"Looser":     {func(c *limit.NewChange) { c.Minor = minor(5_000_01) }, "limit.loosens"},
			"FromNought": {func(c *limit.NewChange) { c.Rule, c.Minor = "cn.unverified", minor(1) }, "limit.loosens"},
			"Past":       {func(c *limit.NewChange) { c.EffectiveAt = n.clock.Now().Add(-time.Second) }, "limit.bad_effective_at"},
			"Far":        {func(c *limit.NewChange) { c.EffectiveAt = n.clock.Now().AddDate(2, 0, 0) }, "limit.bad_effective_at"},
			"NoReason":   {func(c *limit.NewChange) { c.Reason = "  " }, "limit.bad_reason"},
			"LongReason": {func(c *limit.NewChange) { c.Reason = strings.Repeat("长", 201) }, "limit.bad_reason"},
			"Control":    {func(c *limit.NewChange) { c.Reason = "a\nb" }, "limit.bad_reason"},
		} {
			change := good
			test.change(&change)
			n.refused(t, test.code, func() error { _, err := n.Change(t.Context(), change); return err })
			if t.Failed() {
				t.Fatal(name)
			}
		}
		good.EffectiveAt = n.clock.Now().Add(time.Hour)
		if _, err := n.Change(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		payer := n.customer(t, 3)
		if err := n.pay(t.Context(), n.act(payer, 100)); err != nil {
			t.Errorf("a change of the future: %v", err)
		}
		listed := func() limit.InForce {
			rules, err := n.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return rules[slices.IndexFunc(rules, func(r limit.InForce) bool { return r.ID == good.Rule })]
		}
		if r := listed(); *r.Now != 5_000_00 || len(r.Coming) != 1 {
			t.Errorf("%+v", r)
		}
		n.clock.Advance(time.Hour)
		if r := listed(); *r.Now != 100 || len(r.Coming) != 0 {
			t.Errorf("an hour later: %+v", r)
		}
		n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 1)) })
		n.refused(t, "limit.rule_not_found", func() error { _, err := n.History(t.Context(), "x"); return err })
	})
}

// TestOf shows a payer what is left, from day to day and from year to year.
func TestOf(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "cn")
		payer := n.customer(t, 2)
		if err := n.pay(t.Context(), n.act(payer, 300_01)); err != nil {
			t.Fatal(err)
		}
		standing, err := n.Of(t.Context(), payer)
		if err != nil || standing.Class != 2 || standing.Jurisdiction != "cn" {
			t.Fatalf("%+v %v", standing, err)
		}
		left := map[string]string{}
		for _, r := range standing.Limits {
			left[r.Rule] = "none"
			if r.Left != nil {
				left[r.Rule] = fmt.Sprint(r.Used, " ", *r.Left)
			}
			if r.Title.Chinese == "" || r.Lifts.English == "" || r.Source == "" ||
				r.ResetsAt.IsZero() == (r.Period == limit.Day || r.Period == limit.Year) {
				t.Errorf("%+v", r)
			}
		}
		want := map[string]string{
			"cn.class2.year":     "30001 9969999",
			"cn.day.signed":      "none",
			"cn.day.two_factors": "30001 469999",
			"cn.day.one_factor":  "0 100000",
			"cn.qr.a":            "none",
			"cn.qr.b":            "0 500000",
			"cn.qr.c":            "0 100000",
			"cn.qr.d":            "0 50000",
			"cn.card.day":        "none",
		}
		if fmt.Sprint(left) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", left, want)
		}
		n.clock.Advance(24 * time.Hour)
		if day, year := n.used(
			t,
			payer,
			"cn.day.two_factors",
		), n.used(
			t,
			payer,
			"cn.class2.year",
		); day != 0 ||
			year != 300_01 && n.clock.Now().In(noon()).YearDay() > 1 {
			t.Errorf("tomorrow %d of the day and %d of the year", day, year)
		}
		if err := n.pay(t.Context(), n.act(payer, 5_000_00)); err != nil {
			t.Errorf("tomorrow: %v", err)
		}
		n.clock.Advance(366 * 24 * time.Hour)
		if year := n.used(t, payer, "cn.class2.year"); year != 0 {
			t.Errorf("next year %d of the year", year)
		}
		if _, err := n.Of(t.Context(), "cus_x"); fault.CodeOf(err) != "party.customer_not_found" {
			t.Error(err)
		}
	})
}

// TestBack gives a withdrawal back that the bank refused.
func TestBack(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "cn")
		payer := n.customer(t, 1)
		act := n.act(payer, 1_000_00)
		act.Method, act.Factors = limit.Withdrawal, limit.Factors{}
		back := func() {
			t.Helper()
			err := n.committer.Do(t.Context(), n.BackKeys(act), func(tx *commit.Tx) error {
				return n.Back(tx, limit.Done{Act: act, At: tx.Now()})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		back() // nothing was counted, and nothing is below nothing
		if err := n.pay(t.Context(), act); err != nil {
			t.Fatal(err)
		}
		n.refused(t, "limit.exceeded", func() error { return n.pay(t.Context(), n.act(payer, 1)) })
		back()
		if used := n.used(t, payer, "cn.class1.lifetime"); used != 0 {
			t.Errorf("%d used", used)
		}
		if err := n.pay(t.Context(), n.act(payer, 1_000_00)); err != nil {
			t.Error(err)
		}
	})
}

// TestSinceTwoFactors: two factors start the sum of what was paid with one anew (Regulation (EU) 2018/389 art. 16).
func TestSinceTwoFactors(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db, "plain")
		payer := n.customer(t, 0)
		act := n.act(payer, 30)
		for i, factors := range []limit.Factors{{Knowledge: true}, {Knowledge: true}, {Knowledge: true, Inherence: true}, {Knowledge: true}} {
			act.Factors = factors
			if err := n.pay(t.Context(), act); err != nil {
				t.Fatal(err)
			}
			var text string
			if err := db.Read.QueryRowContext(t.Context(), "SELECT since_two_factors_sums FROM limit_counters").
				Scan(&text); err != nil {
				t.Fatal(err)
			}
			if want := []string{"transfer.one_factor=30", "transfer.one_factor=60", "", "transfer.one_factor=30"}[i]; text != want {
				t.Errorf("after payment %d: %q, want %q", i+1, text, want)
			}
		}
	})
}

func TestNewRefusesCurrency(t *testing.T) {
	t.Parallel()
	if _, err := limit.New(limit.Parts{Jurisdiction: "eu", Currencies: []money.Currency{"CNY"}}); err == nil ||
		!strings.Contains(err.Error(), "plain") {
		t.Errorf("%v", err)
	}
}
