package money_test

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/text/currency"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// leaves reports whether err is an Invalid fault of code.
func leaves(err error, code string) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Kind == fault.Invalid && f.Code == code
}

func TestExponent(t *testing.T) {
	t.Parallel()
	for code, want := range map[money.Currency]int{
		"CNY": 2, "USD": 2, "JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3,
		"IQD": 3, "TND": 3, "LYD": 3, "CLF": 4, "UYW": 4, "BTC": 8, "ETH": 9, "USDC": 6, "USDT": 6,
	} {
		if _, err := money.ParseCurrency(string(code)); err != nil || code.Exponent() != want {
			t.Errorf("%s: exponent %d, %v; want %d", code, code.Exponent(), err, want)
		}
	}
}

// TestCurrencies compares the table with golang.org/x/text/currency, which follows CLDR. CLDR
// rounds some currencies as people use them; there ISO 4217 list one rules, and the test says so.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	cldrRoundsMore := []money.Currency{
		"AFN", "ALL", "AMD", "COP", "GYD", "IDR", "IQD", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "MNT", "MUR", "PKR",
		"RSD", "SOS", "SYP", "TZS", "UZS", "YER",
	}
	all := money.Currencies()
	if !slices.IsSorted(all) {
		t.Error("Currencies is not sorted")
	}
	seen, compared := map[string]money.Currency{}, 0
	for _, c := range all {
		if c.IsDigital() {
			if c.Numeric() != "" {
				t.Errorf("%s: a digital asset has no numeric code", c)
			}
			continue
		}
		if other, twice := seen[c.Numeric()]; twice || len(c.Numeric()) != 3 {
			t.Errorf("%s: numeric code %q, also of %q", c, c.Numeric(), other)
		}
		seen[c.Numeric()] = c
		unit, err := currency.ParseISO(string(c))
		if err != nil {
			continue // younger than the CLDR in x/text
		}
		compared++
		if scale, _ := currency.Standard.Rounding(unit); (scale != c.Exponent()) != slices.Contains(cldrRoundsMore, c) {
			t.Errorf("%s: exponent %d, x/text says %d", c, c.Exponent(), scale)
		}
	}
	if compared < 150 {
		t.Errorf("compared %d currencies, want nearly all of %d", compared, len(all))
	}
}

func TestParseCurrency(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "cny", "CNY ", "XXX", "XTS", "XAU", "XDR", "ABC", "156", "人民币"} {
		if c, err := money.ParseCurrency(s); c != "" || !leaves(err, "money.unknown_currency") {
			t.Errorf("ParseCurrency(%q) = %q, %v", s, c, err)
		}
	}
	if c := money.Currency("XXX"); c.IsDigital() || c.Exponent() != 0 || c.Numeric() != "" {
		t.Error("an unknown currency has no properties")
	}
	if money.Currency("CNY").Numeric() != "156" || !money.Currency("BTC").IsDigital() {
		t.Error("CNY is 156; BTC is digital")
	}
}

func FuzzParseCurrency(f *testing.F) {
	f.Add("CNY")
	f.Add("cny")
	f.Add("XXX")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := money.ParseCurrency(s)
		if known := slices.Contains(money.Currencies(), money.Currency(s)); known != (err == nil) {
			t.Fatalf("ParseCurrency(%q) = %q, %v", s, c, err)
		}
		if err == nil && string(c) != s {
			t.Fatalf("ParseCurrency(%q) = %q", s, c)
		}
	})
}
