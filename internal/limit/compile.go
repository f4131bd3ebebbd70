package limit

import (
	"math"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// unlimited is the figure of a rule that has none.
const unlimited = math.MaxInt64

// compiled is a rule ready to be asked in a decision: whole numbers and sets of bits.
type compiled struct {
	*Rule
	classes uint8  // a bit for each class
	cells   uint32 // a bit for each cell
	preset  int64
	changes []figure // of the staff, the latest to begin last
}

// figure is an amount that staff set, in force from an instant on.
type figure struct {
	from  time.Time
	minor int64
}

// compile joins a preset with the changes of the staff, the oldest first.
func compile(p *Preset, changes []Change) []compiled {
	rules := make([]compiled, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		cells, _ := cellsOf(r.Methods, r.Factors) // a preset that was read has no other names
		rules[i] = compiled{Rule: r, cells: cells, preset: unlimited}
		if r.Minor != nil {
			rules[i].preset = *r.Minor
		}
		for _, class := range r.Classes {
			rules[i].classes |= 1 << class
		}
		for _, change := range changes {
			if change.Rule == r.ID {
				rules[i].changes = append(rules[i].changes, figure{from: change.EffectiveAt, minor: change.minor})
			}
		}
		slices.SortStableFunc(rules[i].changes, func(a, b figure) int { return a.from.Compare(b.from) })
	}
	return rules
}

// figure returns what is in force at an instant: the staff's latest figure, and never more than the preset's.
func (r *compiled) figure(now time.Time) int64 {
	minor := r.preset
	for i := range r.changes {
		if r.changes[i].from.After(now) {
			break
		}
		minor = min(r.changes[i].minor, r.preset)
	}
	return minor
}

// figures returns how the rule stands at an instant.
func (r *compiled) figures(now time.Time) Figures {
	out := Figures{Coming: []Coming{}}
	if minor := r.figure(now); minor != unlimited {
		out.InForce = &minor
	}
	for _, change := range r.changes {
		if !change.from.After(now) {
			continue
		}
		coming := Coming{EffectiveAt: change.from}
		if change.minor != unlimited {
			coming.Minor = &change.minor
		}
		out.Coming = append(out.Coming, coming)
	}
	return out
}

// concerns reports whether the rule is in force on a day for a class and currency.
func (r *compiled) concerns(class int64, currency money.Currency, today clock.Date) bool {
	return class >= 0 && class <= ClassMax && r.classes&(1<<class) != 0 &&
		(r.Currency == "" || r.Currency == currency) &&
		r.EffectiveOn <= today && (r.EndsOn == "" || today < r.EndsOn)
}

// used returns what counts toward the rule so far.
func (r *compiled) used(c *counters) int64 {
	if of := c.period(r.Period); of != nil {
		return of.of(r.cells)
	}
	return 0
}

// question is one act as the loop over the rules sees it.
type question struct {
	class    int64
	cell     int
	minor    int64
	currency money.Currency
	today    clock.Date
	now      time.Time
}

// tightest returns the number of the rule that the act would pass and that leaves least, and what it leaves; −1 when no
// rule is passed.
func tightest(rules []compiled, c *counters, q question) (rule int, left int64) {
	rule = -1
	for i := range rules {
		r := &rules[i]
		if r.cells&(1<<q.cell) == 0 || !r.concerns(q.class, q.currency, q.today) {
			continue
		}
		remains := max(r.figure(q.now)-r.used(c), 0)
		if q.minor > remains && (rule < 0 || remains < left) {
			rule, left = i, remains
		}
	}
	return rule, left
}
