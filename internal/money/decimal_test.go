package money_test

import (
	"math"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/money"
)

func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		minor   int64
		c       money.Currency
		decimal string
	}{
		{1999, "CNY", "19.99"},
		{5, "CNY", "0.05"},
		{-5, "CNY", "-0.05"},
		{0, "CNY", "0.00"},
		{500, "JPY", "500"},
		{0, "JPY", "0"},
		{1, "KWD", "0.001"},
		{12345, "CLF", "1.2345"},
		{2_100_000_000_000_000, "BTC", "21000000.00000000"},
		{money.MaxMinor, "ETH", "9007199.254740991"},
		{-money.MaxMinor, "CNY", "-90071992547409.91"},
	} {
		a := money.Amount{Minor: test.minor, Currency: test.c}
		if got := a.Decimal(); got != test.decimal {
			t.Errorf("Decimal = %q, want %q", got, test.decimal)
		}
		if got, want := a.String(), test.decimal+" "+string(test.c); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
		if back, err := money.ParseDecimal(test.decimal, test.c); err != nil || back != a {
			t.Errorf("ParseDecimal(%q) = %v, %v", test.decimal, back, err)
		}
	}
	if got := cny(math.MinInt64).Decimal(); got != "-92233720368547758.08" {
		t.Errorf("Decimal of the least int64 = %q", got)
	}
}

func TestParseDecimal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		c    money.Currency
		want any // an amount or a code
	}{
		{"19.9", "CNY", cny(1990)},
		{"19", "CNY", cny(1900)},
		{"-19", "CNY", cny(-1900)},
		{"-0", "CNY", cny(0)},
		{"007.50", "CNY", cny(750)},
		{strings.Repeat("0", 40) + "1", "JPY", jpy(1)},
		{"9007199254740991", "JPY", jpy(money.MaxMinor)},
		{"9007199254740992", "JPY", "money.overflow"},
		{"90071992547410", "CNY", "money.overflow"},
		{strings.Repeat("9", 400), "CNY", "money.overflow"},
		{"1", "XXX", "money.unknown_currency"},
		{"1.999", "CNY", "money.bad_decimal"},
		{"1.0", "JPY", "money.bad_decimal"},
		{"", "CNY", "money.bad_decimal"},
		{"-", "CNY", "money.bad_decimal"},
		{".", "CNY", "money.bad_decimal"},
		{"1.", "CNY", "money.bad_decimal"},
		{".5", "CNY", "money.bad_decimal"},
		{"+1", "CNY", "money.bad_decimal"},
		{"--1", "CNY", "money.bad_decimal"},
		{"1e2", "CNY", "money.bad_decimal"},
		{"1,000", "CNY", "money.bad_decimal"},
		{"1_000", "CNY", "money.bad_decimal"},
		{" 1", "CNY", "money.bad_decimal"},
		{"1 ", "CNY", "money.bad_decimal"},
		{"1.-5", "CNY", "money.bad_decimal"},
		{"1.2.3", "CNY", "money.bad_decimal"},
		{"0x10", "CNY", "money.bad_decimal"},
		{"１２", "CNY", "money.bad_decimal"},
		{"NaN", "CNY", "money.bad_decimal"},
	} {
		got, err := money.ParseDecimal(test.text, test.c)
		check(t, "ParseDecimal "+test.text, got, err, test.want)
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"19.99", "-0.05", "9007199254740991", "1e2", "１", "0000.1"} {
		for _, c := range []string{"CNY", "JPY", "ETH"} {
			f.Add(seed, c)
		}
	}
	f.Fuzz(func(t *testing.T, text, code string) {
		a, err := money.ParseDecimal(text, money.Currency(code))
		if err != nil {
			if a != (money.Amount{}) {
				t.Fatalf("ParseDecimal(%q, %q) = %v beside an error", text, code, a)
			}
			return
		}
		if a.Minor > money.MaxMinor || a.Minor < -money.MaxMinor {
			t.Fatalf("ParseDecimal(%q, %q) = %d, beyond the limit", text, code, a.Minor)
		}
		if back, err := money.ParseDecimal(a.Decimal(), a.Currency); err != nil || back != a {
			t.Fatalf("%q became %q, then %v, %v", text, a.Decimal(), back, err)
		}
	})
}
