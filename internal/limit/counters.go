package limit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// A cell is one pair of method and strength, by number; a rule is about a set of cells.
const (
	methodCount   = 8
	strengthCount = 3
	cellCount     = methodCount * strengthCount
)

// sumMax bounds a sum, so that all cells of a period add up in an int64.
const sumMax = 1 << 58

// sums are what was paid, in minor units, by cell.
type sums [cellCount]int64

// counters is what one customer paid in one currency. The day and year are those of On.
type counters struct {
	ID       string
	On       clock.Date
	Day      sums
	Year     sums
	Lifetime sums
	// Since is what was paid with one factor since the last payment with two.
	Since sums
}

func countersID(customer id.Customer, currency money.Currency) string {
	return string(customer) + "/" + string(currency)
}

func countersTable(c *commit.Committer) *commit.Table[counters] {
	column := func(name string, at func(*counters) *sums) commit.Column[counters] {
		return commit.Coded(name,
			func(r *counters) string { return at(r).encode() },
			func(r *counters, s string) { at(r).decode(s) }).Mutable()
	}
	return commit.AddTable(c, "limit_counters",
		commit.Text("id", func(r *counters) *string { return &r.ID }),
		commit.Text("counted_on", func(r *counters) *string { return (*string)(&r.On) }).Mutable(),
		column("day_sums", func(r *counters) *sums { return &r.Day }),
		column("year_sums", func(r *counters) *sums { return &r.Year }),
		column("lifetime_sums", func(r *counters) *sums { return &r.Lifetime }),
		column("since_two_factors_sums", func(r *counters) *sums { return &r.Since }),
	)
}

// cellOf returns the number of a pair. Errors: an unknown method or strength, which is a mistake of ours.
func cellOf(m Method, s Strength) (int, error) {
	method, strength := methodNumber(string(m)), strengthNumber(string(s))
	if method < 0 || strength < 0 {
		return 0, fmt.Errorf("limit: no cell for %q with %q", m, s)
	}
	return method*strengthCount + strength, nil
}

// cellsOf returns the set of all pairs.
func cellsOf(methods []Method, strengths []Strength) (uint32, error) {
	var set uint32
	for _, m := range methods {
		for _, s := range strengths {
			cell, err := cellOf(m, s)
			if err != nil {
				return 0, err
			}
			set |= 1 << cell
		}
	}
	return set, nil
}

func methodNames() [methodCount]string {
	return [...]string{
		string(Transfer), string(Payment), string(PaymentCode), string(StaticCode), string(Withdrawal), string(TopUp),
		string(CardPayment), string(CardStaticCode),
	}
}

func strengthNames() [strengthCount]string {
	return [...]string{string(OneFactor), string(TwoFactors), string(Signed)}
}

func methodNumber(name string) int {
	names := methodNames()
	return slices.Index(names[:], name)
}

func strengthNumber(name string) int {
	names := strengthNames()
	return slices.Index(names[:], name)
}

// of returns the sum of a set of cells.
func (s *sums) of(set uint32) int64 {
	var sum int64
	for cell := range s {
		if set&(1<<cell) != 0 {
			sum += s[cell]
		}
	}
	return sum
}

// add adds to a cell; what is given back never goes below nothing.
func (s *sums) add(cell int, minor int64) { s[cell] = min(max(s[cell]+minor, 0), sumMax) }

// encode writes "payment.two_factors=1200 transfer.signed=5"; cells without anything are left out.
func (s *sums) encode() string {
	var b []byte
	for cell, minor := range s {
		if minor == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, methodNames()[cell/strengthCount]...)
		b = append(append(b, '.'), strengthNames()[cell%strengthCount]...)
		b = strconv.AppendInt(append(b, '='), minor, 10)
	}
	return string(b)
}

// decode reads what encode wrote.
func (s *sums) decode(text string) {
	for len(text) > 0 {
		var one string
		one, text, _ = strings.Cut(text, " ")
		name, number, _ := strings.Cut(one, "=")
		method, strength, _ := strings.Cut(name, ".")
		m, n := methodNumber(method), strengthNumber(strength)
		minor, err := strconv.ParseInt(number, 10, 64)
		if m >= 0 && n >= 0 && err == nil {
			s[m*strengthCount+n] = minor
		}
	}
}

// roll begins a new day or year. A clock that goes back, or another node's that is behind, does not: the day of
// the row never goes back, so that nothing is counted in a day that was left.
func (c *counters) roll(today clock.Date) {
	if today <= c.On {
		return
	}
	if yearOf(today) != yearOf(c.On) {
		c.Year = sums{}
	}
	c.Day, c.On = sums{}, today
}

func yearOf(d clock.Date) string {
	year, _, _ := strings.Cut(string(d), "-")
	return year
}

// add counts an act that is done on the row's day.
func (c *counters) add(cell int, minor int64) {
	c.Day.add(cell, minor)
	c.Year.add(cell, minor)
	c.Lifetime.add(cell, minor)
	switch method := cell / strengthCount; {
	case method >= methodNumber(string(Withdrawal)): // own accounts, and what a card pays: not of the balance
	case cell%strengthCount > 0:
		c.Since = sums{}
	default:
		c.Since.add(cell, minor)
	}
}

// back takes back an act that was counted on a day and was not done after all.
func (c *counters) back(cell int, minor int64, on clock.Date) {
	if on == c.On {
		c.Day.add(cell, -minor)
	}
	if yearOf(on) == yearOf(c.On) {
		c.Year.add(cell, -minor)
	}
	c.Lifetime.add(cell, -minor)
}

// period returns the sums that a rule's period is about.
func (c *counters) period(p Period) *sums {
	switch p {
	case Day:
		return &c.Day
	case Year:
		return &c.Year
	case Lifetime:
		return &c.Lifetime
	case SinceTwoFactors:
		return &c.Since
	case Transaction:
	}
	return nil
}
