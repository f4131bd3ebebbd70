package limit

import (
	"context"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Today is what a payer paid on the present day, in minor units, by how it was confirmed: what the question which
// factors the next payment needs looks at. OneFactor holds what cards paid, the others what the balance paid only.
// Withdrawals and top-ups are in none of it.
type Today struct {
	OneFactor  int64
	TwoFactors int64
	Signed     int64
	// Capped says that the jurisdiction caps a day by factors; elsewhere each payment is looked at by itself.
	Capped bool
}

// Today returns what the decision sees; it declared Keys, and counts nothing.
func (a *Ask) Today(tx *commit.Tx) (Today, error) {
	row, err := a.limits.counters(tx, a.counters, a.act)
	row.roll(clock.DateOf(tx.Now(), a.limits.zone))
	return a.limits.today(&row), err
}

// Today returns what a customer paid today in a currency. Errors: database faults.
func (l *Limits) Today(ctx context.Context, customer id.Customer, currency money.Currency) (Today, error) {
	row, err := l.readCounters(ctx, customer, currency)
	row.roll(clock.DateOf(l.clock.Now(), l.zone))
	return l.today(&row), err
}

func (l *Limits) today(c *counters) Today {
	var by [strengthCount]int64
	for cell := range methodNumber(string(Withdrawal)) * strengthCount { // the methods before it pay
		by[cell%strengthCount] += c.Day[cell]
	}
	for method := methodNumber(string(CardPayment)); method < methodCount; method++ {
		by[0] += c.Day[method*strengthCount] // the last ones: what cards paid with one factor
	}
	return Today{OneFactor: by[0], TwoFactors: by[1], Signed: by[2], Capped: l.capped}
}
