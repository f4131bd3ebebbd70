package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// rows counts what the books hold, so that a refusal can be seen to have written nothing.
func (b *books) rows(t *testing.T) string {
	t.Helper()
	var rows, sums int64
	err := b.db.Read.QueryRowContext(t.Context(), `SELECT
		(SELECT count(*) FROM transfers) + (SELECT count(*) FROM holds) + (SELECT count(*) FROM accounts) + (SELECT count(*) FROM commit_groups),
		COALESCE((SELECT sum(debits_posted + credits_posted * 3 + debits_pending * 7 + credits_pending * 11 + postings * 13) FROM accounts), 0)`).
		Scan(&rows, &sums)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d rows, sum %d", rows, sums)
}

// refuses runs an act that must be refused with code and write nothing.
func (b *books) refuses(t *testing.T, code string, act func() error) {
	t.Helper()
	before := b.rows(t)
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("refused with %v, want %s", err, code)
	}
	if after := b.rows(t); after != before {
		t.Errorf("%s: wrote something: %s, then %s", code, before, after)
	}
}

func (b *books) clean(t *testing.T) {
	t.Helper()
	report, err := ledger.Verify(t.Context(), b.db, ledger.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Errorf("the books are not clean: %+v", report.Failures)
	}
}

// decide runs fn with the keys of accounts and holds.
func (b *books) decide(ctx context.Context, keys []commit.Key, fn func(tx *commit.Tx) error) error {
	return b.committer.Do(ctx, keys, fn)
}

const (
	clientReserve = "1001:CNY:n00"
	receivable    = "1101:CNY:bank.n00"
	fromCards     = "1101:CNY:card.n00"
	toCards       = "1102:CNY:card.n00"
	inTransit     = "1102:CNY:bank.n00"
	fromOwn       = "1901:CNY:n00"
	fromReserve   = "1902:CNY:n00"
	ann           = "2001:CNY:cus_ann"
	bob           = "2001:CNY:cus_bob"
	annHold       = "2002:CNY:cus_ann"
	shop          = "2101:CNY:mer_shop"
	shopWaits     = "2103:CNY:mer_shop"
	guide         = "2101:CNY:mer_guide"
	shopDebt      = "1401:CNY:mer_shop"
	payables      = "2502:CNY:n00"
	income        = "4001:CNY:n00"
	cost          = "5001:CNY:n00"
)

// TestFlows posts every flow once, one after the other, and compares each line with the entry that an accountant
// expects: debit, credit, amount.
func TestFlows(t *testing.T) {
	t.Parallel()
	flows := ledger.Flows{Stripe: "n00"}
	type line struct {
		reason        ledger.Reason
		debit, credit ledger.AccountID
		minor         int64
	}
	steps := []struct {
		name  string
		lines []ledger.Line
		want  []line
	}{
		{"TopUp", flows.TopUp("cus_ann", "bank", cny(10000), cny(20)), []line{
			{"top_up", receivable, ann, 10000}, {"channel_cost", cost, payables, 20},
		}},
		{"TopUpWithoutCost", flows.TopUp("cus_ann", "bank", cny(500), cny(0)), []line{{"top_up", receivable, ann, 500}}},
		{"Arrival", flows.Arrival("bank", cny(10500)), []line{{"arrival", clientReserve, receivable, 10500}}},
		{"Payment", flows.Payment("cus_ann", "mer_shop", cny(5000), cny(30)), []line{
			{"payment", ann, shop, 5000}, {"fee", shop, fromOwn, 30}, {"fee", fromReserve, income, 30},
		}},
		{"PaymentWithoutFee", flows.Payment("cus_ann", "mer_shop", cny(7), cny(0)), []line{{"payment", ann, shop, 7}}},
		{"PaymentAllFee", flows.Payment("cus_ann", "mer_shop", cny(3), cny(3)), []line{
			{"payment", ann, shop, 3}, {"fee", shop, fromOwn, 3}, {"fee", fromReserve, income, 3},
		}},
		{"Transfer", flows.Transfer("cus_ann", "cus_bob", cny(100)), []line{{"transfer", ann, bob, 100}}},
		{"Withdrawal", flows.Withdrawal("cus_ann", cny(50)), []line{{"withdrawal", ann, annHold, 50}}},
		{
			"WithdrawalSent",
			flows.WithdrawalSent("cus_ann", "bank", cny(50)),
			[]line{{"withdrawal_sent", annHold, inTransit, 50}},
		},
		{"WithdrawalPaid", flows.WithdrawalPaid("bank", cny(30), cny(1)), []line{
			{"withdrawal_paid", inTransit, clientReserve, 30}, {"channel_cost", cost, payables, 1},
		}},
		{"WithdrawalReturned", flows.WithdrawalReturned("cus_ann", "bank", cny(20)), []line{
			{"withdrawal_returned", inTransit, ann, 20},
		}},
		{"Refund", flows.Refund("cus_ann", "mer_shop", cny(3000), cny(18), cny(0)), []line{
			{"fee_return", fromOwn, shop, 18}, {"fee_return", income, fromReserve, 18}, {"refund", shop, ann, 3000},
		}},
		{"RefundPartLent", flows.Refund("cus_ann", "mer_shop", cny(2000), cny(12), cny(400)), []line{
			{"fee_return", fromOwn, shop, 12},
			{"fee_return", income, fromReserve, 12},
			{"refund", shop, ann, 1600},
			{"refund_advance", fromOwn, ann, 400},
			{"refund_advance", shopDebt, fromReserve, 400},
		}},
		{"RefundAllLent", flows.Refund("cus_ann", "mer_shop", cny(7), cny(0), cny(7)), []line{
			{"refund_advance", fromOwn, ann, 7}, {"refund_advance", shopDebt, fromReserve, 7},
		}},
		{"PaymentInCustody", flows.PaymentInCustody("cus_ann", "mer_shop", cny(1000), cny(6)), []line{
			{"payment", ann, shopWaits, 1000}, {"fee", shopWaits, fromOwn, 6}, {"fee", fromReserve, income, 6},
		}},
		{"SplitInCustody", flows.Split("mer_shop", "mer_guide", cny(200), true), []line{{"split", shopWaits, guide, 200}}},
		{"Release", flows.Release("mer_shop", cny(700)), []line{{"release", shopWaits, shop, 700}}},
		{"Split", flows.Split("mer_shop", "mer_guide", cny(50), false), []line{{"split", shop, guide, 50}}},
		{"SplitReturn", flows.SplitReturn("mer_guide", "mer_shop", cny(20)), []line{{"split_return", guide, shop, 20}}},
		{"CardPayment", flows.CardPayment("card", "mer_shop", cny(10000), cny(60), cny(20), false), []line{
			{"payment", fromCards, shop, 10000},
			{"fee", shop, fromOwn, 60},
			{"fee", fromReserve, income, 60},
			{"channel_cost", cost, payables, 20},
		}},
		{"CardPaymentInCustody", flows.CardPayment("card", "mer_shop", cny(1000), cny(6), cny(0), true), []line{
			{"payment", fromCards, shopWaits, 1000}, {"fee", shopWaits, fromOwn, 6}, {"fee", fromReserve, income, 6},
		}},
		{"CardArrival", flows.Arrival("card", cny(11000)), []line{{"arrival", clientReserve, fromCards, 11000}}},
		{"CardRefund", flows.CardRefund("card", "mer_shop", cny(3000), cny(18), cny(400)), []line{
			{"fee_return", fromOwn, shop, 18},
			{"fee_return", income, fromReserve, 18},
			{"refund", shop, toCards, 2600},
			{"refund_advance", fromOwn, toCards, 400},
			{"refund_advance", shopDebt, fromReserve, 400},
		}},
		{"CardRefundPaid", flows.CardRefundPaid("card", cny(1000)), []line{{"refund_paid", toCards, clientReserve, 1000}}},
		{"CardRefundReturned", flows.CardRefundReturned("card", "mer_shop", cny(2000), cny(12), cny(400), cny(100)), []line{
			{"refund_returned", toCards, shop, 1600},
			{"refund_returned", toCards, fromOwn, 400},
			{"refund_returned", fromReserve, shopDebt, 400},
			{"refund_returned", shop, fromOwn, 12},
			{"refund_returned", fromReserve, income, 12},
			{"refund_returned", shop, shopWaits, 100},
		}},
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		for _, step := range steps {
			e := ledger.NewEntry(b.clock.Now(), "sub_"+step.name, step.lines...)
			err := b.decide(t.Context(), b.KeysOf(step.lines), func(tx *commit.Tx) error { return b.Post(tx, e) })
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if got, want := b.linesOf(t, e.ID), fmt.Sprint(step.want); fmt.Sprint(got) != want {
				t.Errorf("%s posted\n%v, want\n%v", step.name, got, want)
			}
		}
		for account, minor := range map[ledger.AccountID]int64{
			clientReserve: 10470 + 11000 - 1000, fromCards: 0, toCards: 0, receivable: 0, inTransit: 0, bob: 100, annHold: 0,
			ann:      10500 - 5000 - 7 - 3 - 100 - 50 + 20 + 3000 + 2000 + 7 - 1000,
			shop:     5000 - 30 + 7 + 3 - 3 + 18 - 3000 + 12 - 1600 + 700 - 50 + 20 + 10000 - 60 + 18 - 2600 + 1600 - 12 - 100,
			shopDebt: 407, income: 39 - 30 + 66 - 18 + 12, cost: 41, payables: 41,
			fromOwn: -39 + 30 + 407 - 66 + 18 - 12, fromReserve: 39 - 30 - 407 + 66 - 18 + 12,
			shopWaits: 94 + 994 + 100, guide: 230,
		} {
			if got := b.balance(t, account); got != minor {
				t.Errorf("%s is %d, want %d", account, got, minor)
			}
		}
		b.clean(t)
	})
}

// linesOf returns the lines of an entry as they stand in the books.
func (b *books) linesOf(t *testing.T, entry id.Entry) []string {
	t.Helper()
	rows, err := b.db.Read.QueryContext(
		t.Context(),
		`SELECT code, debit_account, credit_account, amount_minor FROM transfers
		WHERE id >= $1 AND id < $2 ORDER BY length(id), id`,
		string(entry)+".",
		string(entry)+"/",
	)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var reason, debit, credit string
		var minor int64
		if err := rows.Scan(&reason, &debit, &credit, &minor); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("{%s %s %s %d}", reason, debit, credit, minor))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPostRefusals: what may not be posted is refused whole, also when its first lines were good.
func TestPostRefusals(t *testing.T) {
	t.Parallel()
	flows := ledger.Flows{Stripe: "n00"}
	good := ledger.Line{Reason: "test", Debit: receivable, Credit: ann, Amount: cny(1)}
	with := func(change func(*ledger.Line)) []ledger.Line {
		bad := good
		change(&bad)
		return []ledger.Line{good, bad}
	}
	usd := money.Amount{Minor: 1, Currency: "USD"}
	many := make([]ledger.Line, ledger.LinesMax+1)
	for i := range many {
		many[i] = good
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		if err := b.post(t, flows.TopUp("cus_ann", "bank", cny(100), cny(0))); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			code  string
			lines []ledger.Line
		}{
			"NoLines":       {"ledger.bad_entry", nil},
			"OnlyZeros":     {"ledger.bad_entry", with(func(l *ledger.Line) { l.Amount = cny(0) })[1:]},
			"TooMany":       {"ledger.bad_entry", many},
			"NoReason":      {"ledger.bad_entry", with(func(l *ledger.Line) { l.Reason = "" })},
			"ToItself":      {"ledger.bad_entry", with(func(l *ledger.Line) { l.Credit = l.Debit })},
			"Negative":      {"ledger.bad_entry", with(func(l *ledger.Line) { l.Amount = cny(-1) })},
			"TooLarge":      {"ledger.bad_entry", with(func(l *ledger.Line) { l.Amount = cny(money.MaxMinor + 1) })},
			"OtherCurrency": {"ledger.bad_entry", with(func(l *ledger.Line) { l.Amount = usd })},
			"MixedAccounts": {"ledger.bad_entry", with(func(l *ledger.Line) { l.Credit, l.Amount = "2001:USD:cus_ann", usd })},
			"AcrossBooks":   {"ledger.bad_entry", with(func(l *ledger.Line) { l.Debit = fromReserve })},
			"UnknownCode":   {"ledger.unknown_code", with(func(l *ledger.Line) { l.Credit = "9999:CNY" })},
			"TooLittle":     {"ledger.insufficient_funds", flows.Transfer("cus_ann", "cus_bob", cny(101))},
			"Nothing":       {"ledger.insufficient_funds", flows.Transfer("cus_bob", "cus_ann", cny(1))},
			"FeeBeyond":     {"ledger.insufficient_funds", flows.Payment("cus_ann", "mer_shop", cny(10), cny(11))},
			"SecondLine": {"ledger.insufficient_funds", append(flows.Transfer("cus_ann", "cus_bob", cny(60)),
				flows.Transfer("cus_ann", "cus_eve", cny(60))...)},
			"Overflow":     {"ledger.balance_too_large", flows.TopUp("cus_ann", "bank", cny(money.MaxMinor), cny(0))},
			"OverflowOwn":  {"ledger.balance_too_large", append(flows.TopUp("cus_bob", "bank", cny(1), cny(money.MaxMinor)), flows.TopUp("cus_bob", "bank", cny(1), cny(1))...)},
			"OverflowBack": {"ledger.balance_too_large", flows.WithdrawalReturned("cus_ann", "bank", cny(money.MaxMinor))},
		} {
			t.Logf("case %s", name)
			b.refuses(t, test.code, func() error { return b.post(t, test.lines) })
		}
		// Money may pass through: what counts is where it stands in the end.
		if err := b.post(
			t,
			append(flows.Transfer("cus_ann", "cus_bob", cny(100)), flows.Transfer("cus_bob", "cus_ann", cny(100))...),
		); err != nil {
			t.Error(err)
		}
		if err := b.post(
			t,
			append(flows.Transfer("cus_bob", "cus_ann", cny(5)), flows.Transfer("cus_ann", "cus_bob", cny(5))...),
		); err != nil {
			t.Errorf("covered by a later line: %v", err)
		}
		b.clean(t)
	})
}

// TestAccountStates: a frozen account takes and does not give; a closed one does neither, and is not closed with money.
func TestAccountStates(t *testing.T) {
	t.Parallel()
	flows := ledger.Flows{Stripe: "n00"}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(b.post(t, flows.TopUp("cus_ann", "bank", cny(100), cny(0))))
		must(b.setState(t, ledger.Frozen))
		b.refuses(t, "ledger.account_frozen", func() error { return b.post(t, flows.Transfer("cus_ann", "cus_bob", cny(1))) })
		b.refuses(t, "ledger.account_frozen", func() error { _, err := b.hold(t, cny(1), time.Hour); return err })
		must(b.post(t, flows.TopUp("cus_ann", "bank", cny(1), cny(0))))
		b.refuses(t, "ledger.not_empty", func() error { return b.setState(t, ledger.Closed) })
		must(b.setState(t, ledger.Open))
		must(b.post(t, flows.Transfer("cus_ann", "cus_bob", cny(101))))
		must(b.setState(t, ledger.Closed))
		b.refuses(
			t,
			"ledger.account_closed",
			func() error { return b.post(t, flows.TopUp("cus_ann", "bank", cny(1), cny(0))) },
		)
		b.refuses(t, "ledger.account_closed", func() error { return b.post(t, flows.Transfer("cus_bob", "cus_ann", cny(1))) })
		b.refuses(t, "ledger.account_closed", func() error { return b.post(t, flows.Transfer("cus_ann", "cus_bob", cny(1))) })
		b.clean(t)
	})
}

// hold places a hold of ann's money for the shop.
func (b *books) hold(t *testing.T, amount money.Amount, lasts time.Duration) (id.Hold, error) {
	t.Helper()
	h := ledger.Hold{
		ID: id.New[id.Hold](b.clock.Now()), Debit: ann, Credit: shop, Amount: amount, Subject: "pay_1",
		ExpiresAt: b.clock.Now().Add(lasts),
	}
	return h.ID, b.decide(t.Context(), b.Keys(ann, shop), func(tx *commit.Tx) error { return b.PlaceHold(tx, h) })
}

func (b *books) held(t *testing.T, want ledger.Balance) {
	t.Helper()
	got, err := b.Balance(t.Context(), ann)
	if err != nil || got.Posted != want.Posted || got.Pending != want.Pending || got.Available != want.Available {
		t.Errorf("ann has %+v, want %+v, %v", got, want, err)
	}
}

func (b *books) capture(t *testing.T, hold id.Hold, lines ...ledger.Line) error {
	t.Helper()
	return b.captureSome(t, hold, true, lines)
}

func (b *books) captureSome(t *testing.T, hold id.Hold, last bool, lines []ledger.Line) error {
	t.Helper()
	e := ledger.NewEntry(b.clock.Now(), "pay_1", lines...)
	keys := append(b.KeysOf(lines), b.Keys(ann, shop)...)
	return b.decide(
		t.Context(),
		append(keys, b.HoldKey(hold)),
		func(tx *commit.Tx) error { return b.CaptureHold(tx, hold, e, last) },
	)
}

func (b *books) raise(t *testing.T, hold id.Hold, by money.Amount) error {
	t.Helper()
	return b.decide(
		t.Context(),
		append(b.Keys(ann, shop), b.HoldKey(hold)),
		func(tx *commit.Tx) error { return b.RaiseHold(tx, hold, by) },
	)
}

func (b *books) release(t *testing.T, hold id.Hold) error {
	t.Helper()
	return b.decide(
		t.Context(),
		append(b.Keys(ann, shop), b.HoldKey(hold)),
		func(tx *commit.Tx) error { return b.ReleaseHold(tx, hold) },
	)
}

// TestHolds places, captures, releases and expires; what is held cannot be spent, and each hold ends once.
func TestHolds(t *testing.T) {
	t.Parallel()
	flows := ledger.Flows{Stripe: "n00"}
	pay := func(minor int64) []ledger.Line { return flows.Payment("cus_ann", "mer_shop", cny(minor), cny(0)) }
	ann := func(posted, pending int64) ledger.Balance {
		return ledger.Balance{Posted: cny(posted), Pending: cny(pending), Available: cny(posted - pending)}
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		place := func(minor int64) id.Hold {
			t.Helper()
			hold, err := b.hold(t, cny(minor), time.Hour)
			must(err)
			return hold
		}
		must(b.post(t, flows.TopUp("cus_ann", "bank", cny(100), cny(0))))

		whole := place(60)
		b.held(t, ann(100, 60))
		b.refuses(t, "ledger.insufficient_funds", func() error { _, err := b.hold(t, cny(41), time.Hour); return err })
		b.refuses(
			t,
			"ledger.insufficient_funds",
			func() error { return b.post(t, flows.Transfer("cus_ann", "cus_bob", cny(41))) },
		)
		b.refuses(t, "ledger.hold_exceeded", func() error { return b.capture(t, whole, pay(61)...) })
		b.refuses(
			t,
			"ledger.hold_exceeded",
			func() error { return b.capture(t, whole, flows.Transfer("cus_ann", "cus_bob", cny(10))...) },
		)
		b.refuses(t, "ledger.hold_exceeded", func() error { return b.capture(t, whole) })
		b.refuses(t, "ledger.hold_not_found", func() error { return b.capture(t, id.New[id.Hold](b.clock.Now()), pay(1)...) })
		must(b.capture(t, whole, pay(60)...))
		b.held(t, ann(40, 0))

		part := place(40)
		must(b.capture(t, part, pay(15)...))
		b.held(t, ann(25, 0)) // what was not captured is available again

		released := place(25)
		must(b.release(t, released))
		b.held(t, ann(25, 0))

		expired := place(25)
		b.refuses(
			t,
			"ledger.insufficient_funds",
			func() error { return b.post(t, flows.Transfer("cus_ann", "cus_bob", cny(1))) },
		)
		b.clock.Advance(time.Hour)
		b.refuses(
			t,
			"ledger.hold_ended",
			func() error { return b.capture(t, expired, pay(1)...) },
		) // late, though nobody has ended it
		b.refuses(t, "ledger.hold_ended", func() error { return b.raise(t, expired, cny(1)) })
		b.held(t, ann(25, 25))
		must(b.release(t, expired))
		b.held(t, ann(25, 0))

		grown := place(10)
		must(b.raise(t, grown, cny(5)))
		b.held(t, ann(25, 15))
		b.refuses(t, "ledger.insufficient_funds", func() error { return b.raise(t, grown, cny(11)) })
		b.refuses(t, "money.not_positive", func() error { return b.raise(t, grown, cny(0)) })
		must(b.captureSome(t, grown, false, pay(4)))
		b.held(t, ann(21, 11))
		b.refuses(t, "ledger.hold_exceeded", func() error { return b.captureSome(t, grown, false, pay(12)) })
		must(b.captureSome(t, grown, false, pay(6)))
		b.held(t, ann(15, 5))
		must(b.release(t, grown))
		b.held(t, ann(15, 0))
		all := place(15)
		must(b.captureSome(t, all, false, pay(15))) // nothing is left: it ends by itself
		b.refuses(t, "ledger.hold_ended", func() error { return b.release(t, all) })
		b.held(t, ann(0, 0))

		for name, ended := range map[string]id.Hold{"Captured": whole, "Part": part, "Released": released, "Expired": expired, "Grown": grown} {
			t.Logf("case %s", name)
			b.refuses(t, "ledger.hold_ended", func() error { return b.capture(t, ended, pay(1)...) })
			b.refuses(t, "ledger.hold_ended", func() error { return b.release(t, ended) })
		}
		for code, amount := range map[string]money.Amount{
			"money.not_positive": cny(0), "ledger.bad_entry": cny(-1),
		} {
			b.refuses(t, code, func() error { _, err := b.hold(t, amount, time.Hour); return err })
		}
		b.refuses(t, "ledger.hold_expired", func() error { _, err := b.hold(t, cny(1), 0); return err })
		b.clean(t)
	})
}

// TestHoldRaces ends one hold in many ways at once, and places more holds than there is money.
func TestHoldRaces(t *testing.T) {
	t.Parallel()
	flows := ledger.Flows{Stripe: "n00"}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		b := open(t, db)
		if err := b.post(t, flows.TopUp("cus_ann", "bank", cny(100), cny(0))); err != nil {
			t.Fatal(err)
		}
		together := func(n int, act func(i int) error) (won int) {
			results := make([]error, n)
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() { results[i] = act(i) })
			}
			all.Wait()
			for _, err := range results {
				if err == nil {
					won++
				}
			}
			return won
		}
		holds := make([]id.Hold, 20)
		won := together(len(holds), func(i int) (err error) {
			hold, err := b.hold(t, cny(30), time.Hour)
			if err == nil {
				holds[i] = hold
			}
			return err
		})
		if won != 3 {
			t.Errorf("%d holds of 30 on 100", won)
		}
		for _, hold := range holds {
			if hold == "" {
				continue
			}
			if won := together(10, func(i int) error {
				if i%2 == 0 {
					return b.release(t, hold)
				}
				return b.capture(t, hold, flows.Payment("cus_ann", "mer_shop", cny(30), cny(0))...)
			}); won != 1 {
				t.Errorf("a hold ended %d times", won)
			}
		}
		b.clean(t)
	})
}
