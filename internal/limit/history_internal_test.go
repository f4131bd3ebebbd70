package limit

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/clock"
)

// model is the same limits by hand: a list of all that was paid, summed up anew for each question.
type model struct {
	paid []paidAct
	day  clock.Date // the latest that was seen: what is paid later does not count before
}

type paidAct struct {
	method   Method
	strength Strength
	minor    int64
	on       clock.Date
	back     bool
}

// sum adds up what counts: from is the first act that does.
func (m *model) sum(counts func(p paidAct) bool) int64 {
	var sum int64
	for _, p := range m.paid {
		if !p.back && counts(p) {
			sum += p.minor
		}
	}
	return sum
}

func (m *model) pays(method Method) bool {
	return method != Withdrawal && method != TopUp && !m.byCard(method)
}

func (m *model) byCard(method Method) bool { return method == CardPayment || method == CardStaticCode }

// allows says by the text of the law whether a payment is allowed in China.
func (m *model) allows(class int64, act paidAct) bool {
	static := m.sum(func(p paidAct) bool {
		return p.on == act.on && (p.method == StaticCode || p.method == CardStaticCode)
	})
	if m.byCard(act.method) {
		return act.method != CardStaticCode || static+act.minor <= 500_00
	}
	if !m.pays(act.method) {
		return class != 1 || act.method == TopUp || m.lifetime()+act.minor <= 1_000_00
	}
	today := func(p paidAct) bool { return m.pays(p.method) && p.on == act.on }
	year := m.sum(func(p paidAct) bool { return m.pays(p.method) && p.on[:4] == act.on[:4] })
	day := m.sum(func(p paidAct) bool { return today(p) && p.strength == act.strength })
	caps := []bool{
		class > 0,
		class != 1 || m.lifetime()+act.minor <= 1_000_00,
		class != 2 || year+act.minor <= 100_000_00,
		class != 3 || year+act.minor <= 200_000_00,
		act.strength != OneFactor || day+act.minor <= 1_000_00,
		act.strength != TwoFactors || day+act.minor <= 5_000_00,
		act.method != StaticCode || static+act.minor <= 500_00,
	}
	for _, ok := range caps {
		if !ok {
			return false
		}
	}
	return true
}

func (m *model) lifetime() int64 {
	return m.sum(func(p paidAct) bool { return p.method != TopUp && !m.byCard(p.method) })
}

// TestHistory pays, takes back, changes class and lets time go on and back at random, and compares with the model.
func TestHistory(t *testing.T) {
	t.Parallel()
	rules := compile(preset(t, "cn"), nil)
	zone := shanghai(t)
	rapid.Check(t, func(t *rapid.T) {
		var (
			m     model
			row   counters
			class = rapid.Int64Range(0, ClassMax).Draw(t, "class")
			now   = time.Date(2027, 12, 30, 12, 0, 0, 0, time.UTC)
		)
		for range rapid.IntRange(1, 60).Draw(t, "acts") {
			now = now.Add(time.Duration(rapid.Int64Range(-3600, 40*3600).Draw(t, "seconds")) * time.Second)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				class = rapid.Int64Range(0, ClassMax).Draw(t, "class")
				continue
			case 1:
				if i := len(m.paid) - 1; i >= 0 && !m.pays(m.paid[i].method) && !m.paid[i].back {
					p := &m.paid[i]
					cell, _ := cellOf(p.method, p.strength)
					row.back(cell, p.minor, p.on)
					p.back = true
				}
				continue
			}
			act := paidAct{
				method:   rapid.SampledFrom(Methods()).Draw(t, "method"),
				strength: rapid.SampledFrom(Strengths()).Draw(t, "strength"),
				minor: rapid.SampledFrom([]int64{1, 99, 500_00, 499_99, 1_000_00, 999_99, 4_000_01, 5_000_00, 60_000_00, 100_000_00}).
					Draw(t, "minor"),
			}
			m.day = max(m.day, clock.DateOf(now, zone))
			act.on = m.day
			row.roll(clock.DateOf(now, zone))
			cell, err := cellOf(act.method, act.strength)
			if err != nil {
				t.Fatal(err)
			}
			rule, _ := tightest(rules, &row, question{
				class: class, cell: cell, minor: act.minor, currency: "CNY", today: clock.DateOf(now, zone), now: now,
			})
			if want := m.allows(class, act); (rule < 0) != want {
				t.Fatalf(
					"%+v of class %d: rule %d, the model says %v; counters %+v, history %+v",
					act,
					class,
					rule,
					want,
					row,
					m.paid,
				)
			}
			if rule < 0 {
				row.add(cell, act.minor)
				m.paid = append(m.paid, act)
			}
			var again sums
			again.decode(row.Year.encode())
			row.Year = again
		}
	})
}
