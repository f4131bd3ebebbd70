package ledger

import (
	"context"
	"maps"
	"math/big"
	"slices"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// holds adds up the open holds of every account.
func (v *verification) holds(ctx context.Context) error {
	rows, err := v.q.QueryContext(
		ctx,
		`SELECT debit_account, credit_account, CAST(sum(amount_minor - captured_minor) AS BIGINT)
		FROM holds WHERE state = 'held' GROUP BY debit_account, credit_account`,
	)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var debit, credit AccountID
		var sum int64
		if err := rows.Scan(&debit, &credit, &sum); err != nil {
			return err
		}
		v.chainOf(debit).pendingDebits += sum
		v.chainOf(credit).pendingCredits += sum
	}
	return rows.Err()
}

// accountRows compares every account's row with its postings and holds, then the sums of all.
func (v *verification) accountRows(ctx context.Context) error {
	for after := ""; ; {
		page, err := v.readAccounts(ctx, after)
		if err != nil {
			return err
		}
		for i := range page {
			v.accountRow(&page[i])
		}
		if len(page) < verifyPage {
			break
		}
		after = string(page[len(page)-1].ID)
	}
	for _, name := range slices.Sorted(maps.Keys(v.accounts)) {
		v.fail("account", string(name), "it has postings or holds, and no row")
	}
	for _, currency := range slices.Sorted(maps.Keys(v.totals)) {
		v.total(v.totals[currency])
	}
	return nil
}

func (v *verification) readAccounts(ctx context.Context, after string) ([]AccountRow, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, code, currency, owner, protected, credit_line,
			debits_posted, credits_posted, debits_pending, credits_pending, postings, path, last_posted_at
		FROM accounts WHERE id > $1 ORDER BY id LIMIT $2`, after, verifyPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []AccountRow
	for rows.Next() {
		var a AccountRow
		var lastPostedAt int64
		err := rows.Scan(&a.ID, &a.Code, &a.Currency, &a.Owner, &a.Protected, &a.CreditLine,
			&a.DebitsPosted, &a.CreditsPosted, &a.DebitsPending, &a.CreditsPending, &a.Postings, &a.path, &lastPostedAt)
		if err != nil {
			return nil, err
		}
		a.LastPostedAt = clock.FromMicros(lastPostedAt)
		out = append(out, a)
	}
	return out, rows.Err()
}

// accountRow checks one row; a chain that has met its row is forgotten.
func (v *verification) accountRow(a *AccountRow) {
	v.report.Accounts++
	name := string(a.ID)
	line, known := v.chart[a.Code]
	if !known || a.ID.Code() != a.Code || a.ID.Currency() != a.Currency || a.ID.Owner() != a.Owner {
		v.fail("account", name, "code, currency or owner are not those of its id, or the chart lacks the code")
	}
	if a.Protected != line.Protected {
		v.fail("account", name, "protected is %v, the chart says %v", a.Protected, line.Protected)
	}
	c := v.accounts[a.ID]
	if c == nil {
		c = &chain{}
	}
	delete(v.accounts, a.ID)
	if len(c.waiting) > 0 {
		v.breakChain(a.ID, c)
	}
	v.compareSums(a, c)
	if line.Protected && a.Available(line.Side) < 0 {
		v.fail("floor", name, "available is %d: below its floor", a.Available(line.Side))
	}
	v.addTotal(a, line)
}

func (v *verification) compareSums(a *AccountRow, c *chain) {
	for _, sum := range []struct {
		check, name string
		row, want   int64
	}{
		{"sums", "debits_posted", a.DebitsPosted, c.debits},
		{"sums", "credits_posted", a.CreditsPosted, c.credits},
		{"pending", "debits_pending", a.DebitsPending, c.pendingDebits},
		{"pending", "credits_pending", a.CreditsPending, c.pendingCredits},
	} {
		if sum.row != sum.want {
			from := "its postings"
			if sum.check == "pending" {
				from = "its open holds"
			}
			v.fail(sum.check, string(a.ID), "%s is %d, %s sum up to %d", sum.name, sum.row, from, sum.want)
		}
	}
	if c.broken {
		return
	}
	if a.Postings != c.n {
		v.fail("chain", string(a.ID), "it counts %d postings, there are %d", a.Postings, c.n)
	}
	if a.path != c.path {
		v.fail("chain", string(a.ID), "its path does not lead to its newest postings")
	}
	if !a.LastPostedAt.Equal(c.at) {
		v.fail("chain", string(a.ID), "it was last posted to at %v, its newest posting is of %v", a.LastPostedAt, c.at)
	}
}

func (v *verification) addTotal(a *AccountRow, line ChartLine) {
	t := v.totals[a.Currency]
	if t == nil {
		t = &Total{
			Currency: a.Currency, DebitsPosted: new(big.Int), CreditsPosted: new(big.Int),
			ClientAssets: new(big.Int), ClientClaims: new(big.Int), Mirror: new(big.Int),
		}
		v.totals[a.Currency] = t
		v.books[a.Currency] = map[Book]*big.Int{Clients: new(big.Int), Own: new(big.Int)}
	}
	t.Accounts++
	debits, credits := big.NewInt(a.DebitsPosted), big.NewInt(a.CreditsPosted)
	t.DebitsPosted.Add(t.DebitsPosted, debits)
	t.CreditsPosted.Add(t.CreditsPosted, credits)
	net := debits.Sub(debits, credits) // debit side positive
	if book := v.books[a.Currency][line.Book]; book != nil {
		book.Add(book, net)
	}
	if a.Code == DueFromOwnFunds || a.Code == DueFromReserve {
		t.Mirror.Add(t.Mirror, net)
	}
	switch {
	case line.Book == Clients && line.Side == Debit:
		t.ClientAssets.Add(t.ClientAssets, net)
	case line.Book == Clients:
		t.ClientClaims.Sub(t.ClientClaims, net)
	}
}

// total checks the sums of one currency and puts them in the report.
func (v *verification) total(t *Total) {
	subject := string(t.Currency)
	if net := v.books[t.Currency][Own]; net.Sign() != 0 {
		v.fail("book", subject, "own book: debits less credits are %v, not zero", net)
	}
	if t.ClientAssets.Cmp(t.ClientClaims) != 0 {
		v.fail("book", subject, "clients' book: assets are %v, claims are %v", t.ClientAssets, t.ClientClaims)
	}
	if t.Mirror.Sign() != 0 {
		v.fail("mirror", subject, "accounts 1901 and 1902 sum up to %v, not to zero", t.Mirror)
	}
	if _, err := money.ParseCurrency(subject); err != nil {
		v.fail("currency", subject, "this currency is not known here")
	}
	v.report.Totals = append(v.report.Totals, *t)
}
