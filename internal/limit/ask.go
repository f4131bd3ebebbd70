package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Ask is an act that a decision asks the rules about: prepared before it, so that the decision only counts.
type Ask struct {
	limits   *Limits
	rules    []compiled
	act      Act
	cell     int
	counters commit.Key
	class    commit.Key
}

// Ask prepares a decision on an act. The rules are at most two seconds old. Errors: the rules cannot be read.
func (l *Limits) Ask(ctx context.Context, act Act) (*Ask, error) {
	cell, err := cellOf(act.Method, act.Factors.Strength())
	if err != nil {
		return nil, fault.Wrap(err, "ask for the limits")
	}
	rules, err := l.rules(ctx)
	if err != nil {
		return nil, err
	}
	return &Ask{
		limits: l, rules: rules, act: act, cell: cell,
		counters: l.countersKey(act.Customer, act.Amount.Currency),
		class:    l.classTable.Key(string(act.Customer)),
	}, nil
}

// Keys names the rows that Check reads; the decision declares them.
func (a *Ask) Keys() []commit.Key { return []commit.Key{a.counters, a.class} }

// Counted is what the counters will hold once the act is done; see Put.
type Counted struct {
	table *commit.Table[counters]
	row   counters
}

// Put stores the counters, in the decision that called Check and after what could still refuse.
func (c Counted) Put(tx *commit.Tx) { c.table.Put(tx, c.row) }

// Check refuses an act that a rule forbids, in a decision that declared Keys; it writes nothing. Errors: limit.exceeded
// (Conflict; Details is a Refusal).
func (a *Ask) Check(tx *commit.Tx) (Counted, error) {
	row, err := a.limits.counters(tx, a.counters, a.act)
	if err != nil {
		return Counted{}, err
	}
	holder, _, err := a.limits.classTable.Get(tx, a.class)
	if err != nil {
		return Counted{}, err
	}
	today := clock.DateOf(tx.Now(), a.limits.zone)
	row.roll(today)
	rule, left := tightest(a.rules, &row, question{
		class: holder.class, cell: a.cell, minor: a.act.Amount.Minor, currency: a.act.Amount.Currency,
		today: today, now: tx.Now(),
	})
	if rule >= 0 {
		return Counted{}, a.refuse(&a.rules[rule], left, &row, tx.Now())
	}
	row.add(a.cell, a.act.Amount.Minor)
	return Counted{table: a.limits.counterTable, row: row}, nil
}

// Refusal says which rule stands in the way; a problem shows it as details.
type Refusal struct {
	Rule     string       `json:"rule"`
	Title    Text         `json:"title"`
	Limit    money.Amount `json:"limit"`
	Left     money.Amount `json:"left"`
	ResetsAt time.Time    `json:"resets_at,omitzero"`
	Lifts    Text         `json:"lifts"`
}

func (a *Ask) refuse(r *compiled, left int64, row *counters, now time.Time) error {
	currency := a.act.Amount.Currency
	refusal := Refusal{
		Rule: r.ID, Title: r.Title, Lifts: r.Lifts, ResetsAt: a.limits.resetsAt(r.Period, row.On),
		Limit: money.Amount{Minor: r.figure(now), Currency: currency},
		Left:  money.Amount{Minor: left, Currency: currency},
	}
	return fault.Newf(fault.Conflict, "limit.exceeded", "%s: %s of %s are left (rule %s)",
		r.Title.English, refusal.Left, refusal.Limit, r.ID).
		WithHint(r.Lifts.English).WithDetails(refusal)
}

// counters returns the row of a declared key, or a fresh one.
func (l *Limits) counters(tx *commit.Tx, key commit.Key, act Act) (counters, error) {
	row, found, err := l.counterTable.Get(tx, key)
	if !found {
		row = counters{ID: countersID(act.Customer, act.Amount.Currency)}
	}
	return row, err
}

func (l *Limits) countersKey(customer id.Customer, currency money.Currency) commit.Key {
	return l.counterTable.Key(countersID(customer, currency))
}

// Done is an act that was counted at an instant and may turn out not to have been done.
type Done struct {
	Act

	At time.Time
}

// BackKeys names the rows that Back reads.
func (l *Limits) BackKeys(act Act) []commit.Key {
	return []commit.Key{l.countersKey(act.Customer, act.Amount.Currency)}
}

// Back takes an act out of the counters, in a decision that declared BackKeys: a withdrawal or a top-up that the bank
// refused. The factors must be those with which it was counted.
func (l *Limits) Back(tx *commit.Tx, done Done) error {
	cell, err := cellOf(done.Method, done.Factors.Strength())
	if err != nil {
		return fault.Wrap(err, "give a limit back")
	}
	key := l.countersKey(done.Customer, done.Amount.Currency)
	row, found, err := l.counterTable.Get(tx, key)
	if err != nil || !found {
		return err // counted before there were counters
	}
	row.back(cell, done.Amount.Minor, clock.DateOf(done.At, l.zone))
	l.counterTable.Put(tx, row)
	return nil
}

// resetsAt returns when a period that holds a day ends; the zero time for those that do not end by themselves.
func (l *Limits) resetsAt(p Period, on clock.Date) time.Time {
	var year, month, day int
	if _, err := fmt.Sscanf(string(on), "%d-%d-%d", &year, &month, &day); err != nil {
		return time.Time{}
	}
	switch p {
	case Day:
		return time.Date(year, time.Month(month), day+1, 0, 0, 0, 0, l.zone).UTC()
	case Year:
		return time.Date(year+1, time.January, 1, 0, 0, 0, 0, l.zone).UTC()
	case Transaction, Lifetime, SinceTwoFactors:
	}
	return time.Time{}
}
