package limit

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Remaining is a rule as it stands for one payer now.
type Remaining struct {
	Rule     string         `json:"rule" example:"cn.day.two_factors"`
	Kind     string         `json:"kind" enum:"class,factors,qr,operator"`
	Level    string         `json:"level,omitempty" doc:"Risk level of a QR payment, A to D."`
	Period   Period         `json:"period" enum:"transaction,day,year,lifetime,since_two_factors"`
	Currency money.Currency `json:"currency"`
	Methods  []Method       `json:"methods" doc:"What counts toward it."`
	Factors  []Strength     `json:"factors" doc:"With which proofs it counts."`
	Limit    *int64         `json:"limit_minor,omitempty" doc:"Left out where there is no figure."`
	Used     int64          `json:"used_minor"`
	Left     *int64         `json:"left_minor,omitempty" doc:"Left out where there is no figure."`
	ResetsAt time.Time      `json:"resets_at,omitzero" doc:"Left out where it does not end by itself."`
	Source   string         `json:"source"`
	Title    Text           `json:"title"`
	Lifts    Text           `json:"lifts" doc:"What would lift it."`
}

// Standing is everything that caps one payer now.
type Standing struct {
	Jurisdiction string      `json:"jurisdiction"`
	Class        int64       `json:"account_class"`
	Limits       []Remaining `json:"limits"`
}

// Of returns every rule that concerns a customer now, with what is left. Errors: party.customer_not_found.
func (l *Limits) Of(ctx context.Context, customer id.Customer) (Standing, error) {
	rules, err := l.rules(ctx)
	if err != nil {
		return Standing{}, err
	}
	out := Standing{Jurisdiction: l.preset.Jurisdiction, Limits: []Remaining{}}
	if out.Class, err = l.readClass(ctx, customer); err != nil {
		return Standing{}, err
	}
	now := l.clock.Now()
	today := clock.DateOf(now, l.zone)
	for _, currency := range l.currencies {
		row, err := l.readCounters(ctx, customer, currency)
		if err != nil {
			return Standing{}, err
		}
		row.roll(today)
		for i := range rules {
			if rules[i].concerns(out.Class, currency, today) {
				out.Limits = append(out.Limits, l.remaining(&rules[i], &row, currency, now))
			}
		}
	}
	return out, nil
}

func (l *Limits) remaining(r *compiled, row *counters, currency money.Currency, now time.Time) Remaining {
	shown := Remaining{
		Rule: r.ID, Kind: r.Kind, Level: r.Level, Period: r.Period, Currency: currency, Methods: r.Methods,
		Factors: r.Factors, Used: r.used(row), ResetsAt: l.resetsAt(r.Period, row.On), Source: r.Source,
		Title: r.Title, Lifts: r.Lifts,
	}
	if figure := r.figure(now); figure != unlimited {
		left := max(figure-shown.Used, 0)
		shown.Limit, shown.Left = &figure, &left
	}
	return shown
}

func (l *Limits) readClass(ctx context.Context, customer id.Customer) (class int64, err error) {
	err = l.db.QueryRow(ctx, "SELECT account_class FROM customers WHERE id = $1", string(customer)).Scan(&class)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fault.New(fault.NotFound, "party.customer_not_found", "there is no such customer")
	}
	return class, fault.Wrap(err, "read the class of "+string(customer))
}

func (l *Limits) readCounters(ctx context.Context, customer id.Customer, currency money.Currency) (counters, error) {
	var (
		row                        = counters{ID: countersID(customer, currency)}
		day, year, lifetime, since string
	)
	err := l.db.QueryRow(ctx, `SELECT counted_on, day_sums, year_sums, lifetime_sums, since_two_factors_sums
		FROM limit_counters WHERE id = $1`, row.ID).Scan(&row.On, &day, &year, &lifetime, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return row, nil
	}
	row.Day.decode(day)
	row.Year.decode(year)
	row.Lifetime.decode(lifetime)
	row.Since.decode(since)
	return row, fault.Wrap(err, "read the counters of "+string(customer))
}

// InForce is a rule as staff see it.
type InForce struct {
	Rule

	Now *int64 `json:"in_force_minor,omitempty" doc:"The figure that holds now; left out where there is none."`
	// Coming are changes that have not begun.
	Coming []Change `json:"coming"`
}

// List returns all rules with the figures that hold now.
func (l *Limits) List(ctx context.Context) ([]InForce, error) {
	known, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	now := l.clock.Now()
	out := make([]InForce, len(known.rules))
	for i := range known.rules {
		r := &known.rules[i]
		out[i] = InForce{Rule: *r.Rule, Coming: []Change{}}
		if figure := r.figure(now); figure != unlimited {
			out[i].Now = &figure
		}
		for _, change := range known.changes {
			if change.Rule == r.ID && change.EffectiveAt.After(now) {
				out[i].Coming = append(out[i].Coming, change)
			}
		}
	}
	return out, nil
}
