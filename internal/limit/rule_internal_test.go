package limit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

func preset(t testing.TB, jurisdiction string) *Preset {
	t.Helper()
	p, err := ReadPreset(jurisdiction)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func shanghai(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestEveryBoundary asks each rule of each preset one minor unit below, at and above what it leaves, for every class,
// method and strength there is, after nothing and after something was used.
func TestEveryBoundary(t *testing.T) {
	t.Parallel()
	const today = "2026-11-22"
	asked := 0
	for _, name := range Jurisdictions() {
		for _, r := range compile(preset(t, name), nil) {
			figure := r.figure(time.Time{})
			for class := range int64(ClassMax + 1) {
				for cell := range cellCount {
					concerned := r.Minor != nil && slices.Contains(r.Classes, class) && r.cells&(1<<cell) != 0
					for _, before := range []int64{0, 1, figure / 2, figure - 1, figure} {
						if figure == unlimited || before < 0 {
							before = 7
						}
						row := counters{On: today}
						if r.Period != Transaction {
							row.period(r.Period).add(cell, before)
						} else {
							before = 0
						}
						for _, minor := range []int64{figure - before - 1, figure - before, figure - before + 1} {
							if minor < 1 || minor > money.MaxMinor {
								minor = money.MaxMinor
							}
							q := question{class: class, cell: cell, minor: minor, currency: cmp(r.Currency), today: today}
							rule, left := tightest([]compiled{r}, &row, q)
							refused := concerned && before+minor > figure
							if (rule == 0) != refused || refused && left != max(figure-before, 0) {
								t.Fatalf("%s: class %d, cell %d, %d after %d: rule %d, left %d", r.ID, class, cell, minor, before, rule, left)
							}
							asked++
						}
					}
				}
			}
		}
	}
	t.Logf("%d questions", asked)
}

func cmp(c money.Currency) money.Currency {
	if c == "" {
		return "CNY"
	}
	return c
}

// TestFiguresOfTheLaw holds the presets against the sources: what each kind of payer may pay at once and in all.
func TestFiguresOfTheLaw(t *testing.T) {
	t.Parallel()
	two, one, signed := Factors{
		Knowledge:  true,
		Possession: true,
	}, Factors{
		Possession: true,
	}, Factors{
		Knowledge: true,
		Signature: true,
	}
	for _, test := range []struct {
		name, preset string
		class        int64
		method       Method
		factors      Factors
		most         int64 // in a day, with nothing paid before
		rule         string
	}{
		{"UnverifiedTransfer", "cn", 0, Transfer, two, 0, "cn.unverified"},
		{"UnverifiedCode", "cn", 0, PaymentCode, signed, 0, "cn.unverified"},
		{"UnverifiedWithdrawal", "cn", 0, Withdrawal, Factors{}, money.MaxMinor, ""},
		{"UnverifiedTopUp", "cn", 0, TopUp, Factors{}, money.MaxMinor, ""},
		{"ClassI", "cn", 1, Transfer, two, 1_000_00, "cn.class1.lifetime"},
		{"ClassISigned", "cn", 1, Payment, signed, 1_000_00, "cn.class1.lifetime"},
		{"ClassIWithdrawal", "cn", 1, Withdrawal, Factors{}, 1_000_00, "cn.class1.lifetime"},
		{"ClassII", "cn", 2, Transfer, two, 5_000_00, "cn.day.two_factors"},
		{"ClassIIWeak", "cn", 2, Transfer, Factors{Knowledge: true}, 1_000_00, "cn.day.one_factor"},
		{"ClassIISigned", "cn", 2, Payment, signed, 100_000_00, "cn.class2.year"},
		{"ClassIIWithdrawal", "cn", 2, Withdrawal, Factors{}, money.MaxMinor, ""},
		{"ClassIII", "cn", 3, Payment, two, 5_000_00, "cn.day.two_factors"},
		{"ClassIIISigned", "cn", 3, Payment, signed, 200_000_00, "cn.class3.year"},
		{"ClassIIICode", "cn", 3, PaymentCode, one, 1_000_00, "cn.day.one_factor"},
		{"ClassIIICodeB", "cn", 3, PaymentCode, two, 5_000_00, "cn.day.two_factors"},
		{"ClassIIIStatic", "cn", 3, StaticCode, two, 500_00, "cn.qr.d"},
		{"ClassIIIStaticSigned", "cn", 3, StaticCode, signed, 500_00, "cn.qr.d"},
		{"UnverifiedEU", "eu", 0, Transfer, two, 0, "eu.unverified"},
		{"RemoteEU", "eu", 1, Payment, Factors{Knowledge: true}, 30_00, "eu.remote.transaction"},
		{"ContactlessEU", "eu", 1, PaymentCode, one, 50_00, "eu.contactless.transaction"},
		{"StrongEU", "eu", 1, Payment, two, money.MaxMinor, ""},
		{"Plain", "plain", 0, Transfer, Factors{}, money.MaxMinor, ""},
	} {
		rules := compile(preset(t, test.preset), nil)
		cell, err := cellOf(test.method, test.factors.Strength())
		if err != nil {
			t.Fatal(err)
		}
		q := question{class: test.class, cell: cell, currency: "CNY", today: "2026-11-22"}
		if test.preset == "eu" {
			q.currency = "EUR"
		}
		row := counters{On: q.today}
		if q.minor = test.most; q.minor > 0 {
			if rule, left := tightest(rules, &row, q); rule >= 0 {
				t.Errorf("%s: %d is refused by %s, left %d", test.name, q.minor, rules[rule].ID, left)
			}
		}
		if test.most == money.MaxMinor {
			continue
		}
		q.minor = test.most + 1
		rule, left := tightest(rules, &row, q)
		if rule < 0 || rules[rule].ID != test.rule || left != test.most {
			t.Errorf("%s: %d is refused by rule %d, left %d; want %s", test.name, q.minor, rule, left, test.rule)
		}
	}
}

func TestStrength(t *testing.T) {
	t.Parallel()
	for bits := range 16 {
		f := Factors{Knowledge: bits&1 > 0, Possession: bits&2 > 0, Inherence: bits&4 > 0, Signature: bits&8 > 0}
		kinds := bits&1 + bits>>2&1
		if f.Possession || f.Signature {
			kinds++
		}
		want := OneFactor
		if kinds >= 2 {
			want = TwoFactors
			if f.Signature {
				want = Signed
			}
		}
		if got := f.Strength(); got != want {
			t.Errorf("%+v is %s, want %s", f, got, want)
		}
	}
}

// TestRoll: days and years begin at midnight of the zone, also around a leap day, and never go back.
func TestRoll(t *testing.T) {
	t.Parallel()
	zone := shanghai(t)
	for _, test := range []struct {
		name, from, to string
		day, year      bool // begins anew
	}{
		{"SameInstant", "2026-11-22T04:00:00Z", "2026-11-22T04:00:00Z", false, false},
		{"LastMicrosecond", "2026-11-22T04:00:00Z", "2026-11-22T15:59:59.999999Z", false, false},
		{"Midnight", "2026-11-22T15:59:59.999999Z", "2026-11-22T16:00:00Z", true, false},
		{"MidnightOfUTC", "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", false, false},
		{"NewYear", "2026-12-31T15:59:59.999999Z", "2026-12-31T16:00:00Z", true, true},
		{"NewYearOfUTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", false, false},
		{"IntoLeapDay", "2028-02-28T15:59:59Z", "2028-02-28T16:00:00Z", true, false},
		{"OutOfLeapDay", "2028-02-29T15:59:59Z", "2028-02-29T16:00:00Z", true, false},
		{"YearsLater", "2026-11-22T04:00:00Z", "2031-11-22T04:00:00Z", true, true},
		{"ClockBackADay", "2026-11-22T16:00:00Z", "2026-11-22T15:59:59Z", false, false},
		{"ClockBackAYear", "2026-12-31T16:00:00Z", "2026-12-31T15:59:59Z", false, false},
	} {
		row := counters{}
		row.roll(clock.DateOf(instant(t, test.from), zone))
		row.add(0, 100)
		on := row.On
		row.roll(clock.DateOf(instant(t, test.to), zone))
		if (row.Day[0] == 0) != test.day || (row.Year[0] == 0) != test.year || row.Lifetime[0] != 100 || row.Since[0] != 100 {
			t.Errorf("%s: %+v", test.name, row)
		}
		if row.On < on {
			t.Errorf("%s: the day went back from %s to %s", test.name, on, row.On)
		}
	}
}

func TestResetsAt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		zone   string
		period Period
		on     clock.Date
		want   string
	}{
		{"Asia/Shanghai", Day, "2026-11-22", "2026-11-22T16:00:00Z"},
		{"Asia/Shanghai", Day, "2028-02-28", "2028-02-28T16:00:00Z"},
		{"Asia/Shanghai", Day, "2026-12-31", "2026-12-31T16:00:00Z"},
		{"Asia/Shanghai", Year, "2026-11-22", "2026-12-31T16:00:00Z"},
		{"Asia/Shanghai", Year, "2028-02-29", "2028-12-31T16:00:00Z"},
		{"UTC", Year, "2026-11-22", "2027-01-01T00:00:00Z"},
		{"Europe/Berlin", Day, "2026-03-28", "2026-03-28T23:00:00Z"}, // the day before a short one
		{"Europe/Berlin", Day, "2026-03-29", "2026-03-29T22:00:00Z"}, // 23 hours
		{"Europe/Berlin", Day, "2026-10-25", "2026-10-25T23:00:00Z"}, // 25 hours
		{"UTC", Lifetime, "2026-11-22", ""},
		{"UTC", Transaction, "2026-11-22", ""},
		{"UTC", SinceTwoFactors, "2026-11-22", ""},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		got := (&Limits{zone: zone}).resetsAt(test.period, test.on)
		if test.want == "" && !got.IsZero() || test.want != "" && !got.Equal(instant(t, test.want)) {
			t.Errorf("%s of %s in %s resets at %s, want %s", test.period, test.on, test.zone, got, test.want)
		}
	}
}

// TestFigureOfStaff: the change that began last is in force, and none goes beyond the preset.
func TestFigureOfStaff(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC) }
	rules := compile(preset(t, "cn"), []Change{
		{Rule: "cn.class2.year", EffectiveAt: at(1), minor: 500},
		{Rule: "cn.day.two_factors", EffectiveAt: at(6), minor: 100},
		{Rule: "cn.day.two_factors", EffectiveAt: at(2), minor: 300},
		{Rule: "cn.day.two_factors", EffectiveAt: at(8), minor: unlimited},
		{Rule: "cn.day.two_factors", EffectiveAt: at(9), minor: 500_001}, // from before the preset was lowered
		{Rule: "cn.day.two_factors", EffectiveAt: at(10), minor: 7},
		{Rule: "cn.day.two_factors", EffectiveAt: at(10), minor: 8},
		{Rule: "cn.day.signed", EffectiveAt: at(3), minor: 900},
	})
	i := slices.IndexFunc(rules, func(r compiled) bool { return r.ID == "cn.day.two_factors" })
	for _, test := range []struct {
		at   time.Time
		want int64
	}{
		{at(0), 500_000},
		{at(2).Add(-time.Microsecond), 500_000},
		{at(2), 300},
		{at(6).Add(-time.Microsecond), 300},
		{at(6), 100},
		{at(8), 500_000},
		{at(9), 500_000},
		{at(10), 8},
		{at(23), 8},
	} {
		if got := rules[i].figure(test.at); got != test.want {
			t.Errorf("at %s: %d, want %d", test.at, got, test.want)
		}
	}
	j := slices.IndexFunc(rules, func(r compiled) bool { return r.ID == "cn.day.signed" })
	if before, after := rules[j].figure(at(2)), rules[j].figure(at(3)); before != unlimited || after != 900 {
		t.Errorf("a rule without a figure: %d, then %d", before, after)
	}
}

// TestDates: a rule holds from its day on until the day on which it ends.
func TestDates(t *testing.T) {
	t.Parallel()
	r := compile(&Preset{Rules: []Rule{{EffectiveOn: "2026-07-01", EndsOn: "2027-01-01", Classes: []int64{2}}}}, nil)[0]
	for day, want := range map[clock.Date]bool{
		"2026-06-30": false, "2026-07-01": true, "2026-12-31": true, "2027-01-01": false,
	} {
		if got := r.concerns(2, "CNY", day); got != want {
			t.Errorf("%s: %v", day, got)
		}
	}
	if r.concerns(1, "CNY", "2026-07-01") || r.concerns(4, "CNY", "2026-07-01") || r.concerns(-1, "CNY", "2026-07-01") {
		t.Error("the rule concerns another class")
	}
}

//nolint:paralleltest // AllocsPerRun counts what others allocate, too
func TestCheckAllocatesNothing(t *testing.T) {
	rules := compile(preset(t, "cn"), nil)
	row := counters{On: "2026-11-22"}
	q := question{class: 3, cell: 4, minor: 100, currency: "CNY", today: "2026-11-22", now: time.Unix(0, 0)}
	if n := testing.AllocsPerRun(100, func() { tightest(rules, &row, q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSumsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s, back sums
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			s.add(rapid.IntRange(0, cellCount-1).Draw(t, "cell"), rapid.Int64Range(0, money.MaxMinor).Draw(t, "minor"))
		}
		back.decode(s.encode())
		if back != s {
			t.Fatalf("%v became %v by %q", s, back, s.encode())
		}
	})
	var s sums
	s.add(4, 1200)
	s.add(2, 5)
	if got := s.encode(); got != "transfer.signed=5 payment.two_factors=1200" {
		t.Errorf("%q", got)
	}
	for range 1000 {
		s.add(0, money.MaxMinor)
	}
	if s[0] != sumMax || s.of(1<<cellCount-1) < sumMax {
		t.Errorf("a sum ran over: %d", s[0])
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for _, name := range Jurisdictions() {
		p := preset(t, name)
		if p.Jurisdiction != name || len(p.Rules) == 0 || p.Title.Chinese == "" || p.Title.English == "" {
			t.Errorf("%s: %+v", name, p)
		}
		if name == "plain" {
			continue
		}
		if err := CheckCurrencies(*p, []money.Currency{"JPY"}); err == nil {
			t.Errorf("%s takes wallets in JPY and caps nothing", name)
		}
	}
	if err := CheckCurrencies(*preset(t, "plain"), []money.Currency{"JPY"}); err != nil {
		t.Error(err)
	}
	if _, err := ReadPreset("us"); err == nil {
		t.Error("there is no preset us")
	}
}

func TestParsePresetRefuses(t *testing.T) {
	t.Parallel()
	const good = `jurisdiction = "x"
[[rule]]
id = "x.a"
kind = "class"
period = "day"
amount_minor = 5
currency = "CNY"
source = "s"
effective_on = "2026-01-01"
title = {zh = "一", en = "one"}
lifts = {zh = "二", en = "two"}
`
	if _, err := parsePreset(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"Unknown":   {"kind", "sort"},
		"Kind":      {`"class"`, `"klass"`},
		"Period":    {`"day"`, `"week"`},
		"Negative":  {"= 5", "= -1"},
		"TooLarge":  {"= 5", "= 9007199254740992"},
		"NoMoney":   {`currency = "CNY"`, ""},
		"Currency":  {`"CNY"`, `"RMB"`},
		"Date":      {"2026-01-01", "2026-02-30"},
		"NoSource":  {`"s"`, `""`},
		"NoChinese": {"一", ""},
		"OtherID":   {"x.a", "y.a"},
		"Class":     {"[[rule]]", "[[rule]]\nclasses = [4]"},
		"Method":    {"[[rule]]", "[[rule]]\nmethods = [\"card\"]"},
		"Factors":   {"[[rule]]", "[[rule]]\nfactors = [\"three\"]"},
		"EndsOn":    {"[[rule]]", "[[rule]]\nends_on = \"soon\""},
	} {
		if _, err := parsePreset(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if _, err := parsePreset(good + good[strings.Index(good, "[[rule]]"):]); err == nil {
		t.Error("two rules of one id are not refused")
	}
}
