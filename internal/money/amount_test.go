package money_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/feiqian/feiqian/internal/money"
)

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

func jpy(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "JPY"} }

func TestNew(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		minor int64
		c     money.Currency
		code  string
	}{
		{"Cent", 1, "CNY", ""},
		{"Negative", -1, "CNY", ""},
		{"Most", money.MaxMinor, "BTC", ""},
		{"Least", -money.MaxMinor, "BTC", ""},
		{"ErrAbove", money.MaxMinor + 1, "CNY", "money.overflow"},
		{"ErrBelow", -money.MaxMinor - 1, "CNY", "money.overflow"},
		{"ErrLeastInt64", math.MinInt64, "CNY", "money.overflow"},
		{"ErrUnknownCurrency", 1, "XXX", "money.unknown_currency"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, err := money.New(test.minor, test.c)
			if test.code != "" {
				if !leaves(err, test.code) || a != (money.Amount{}) {
					t.Fatalf("New = %v, %v; want %s", a, err, test.code)
				}
				return
			}
			if err != nil || a != (money.Amount{Minor: test.minor, Currency: test.c}) {
				t.Fatalf("New = %v, %v", a, err)
			}
		})
	}
}

func TestAddSub(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		a, b     money.Amount
		add, sub any // an amount or a code
	}{
		{"Plain", cny(1999), cny(1), cny(2000), cny(1998)},
		{"Negative", cny(5), cny(-7), cny(-2), cny(12)},
		{"Edge", cny(money.MaxMinor), cny(0), cny(money.MaxMinor), cny(money.MaxMinor)},
		{"ErrOverflowAdd", cny(money.MaxMinor), cny(1), "money.overflow", cny(money.MaxMinor - 1)},
		{"ErrOverflowSub", cny(-money.MaxMinor), cny(1), cny(1 - money.MaxMinor), "money.overflow"},
		{"ErrMismatch", cny(1), jpy(1), "money.currency_mismatch", "money.currency_mismatch"},
		{"ErrWrap", cny(math.MaxInt64), cny(math.MaxInt64), "money.overflow", "money.overflow"},
		{"ErrLeastInt64", cny(0), cny(math.MinInt64), "money.overflow", "money.overflow"},
		{"ErrBackInside", cny(money.MaxMinor + 1), cny(-1), "money.overflow", "money.overflow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sum, err := test.a.Add(test.b)
			check(t, "Add", sum, err, test.add)
			difference, err := test.a.Sub(test.b)
			check(t, "Sub", difference, err, test.sub)
		})
	}
}

// check fails unless the result is want: an amount, or the code of an error and no amount.
func check(t *testing.T, what string, got money.Amount, err error, want any) {
	t.Helper()
	if code, ok := want.(string); ok {
		if !leaves(err, code) || got != (money.Amount{}) {
			t.Errorf("%s = %v, %v; want %s", what, got, err, code)
		}
	} else if err != nil || got != want {
		t.Errorf("%s = %v, %v; want %v", what, got, err, want)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b int64
		want int
	}{{1, 2, -1}, {2, 2, 0}, {3, 2, 1}, {-3, 2, -1}} {
		if got, err := cny(test.a).Cmp(cny(test.b)); err != nil || got != test.want {
			t.Errorf("Cmp(%d, %d) = %d, %v", test.a, test.b, got, err)
		}
	}
	if _, err := cny(1).Cmp(jpy(1)); !leaves(err, "money.currency_mismatch") {
		t.Errorf("Cmp of two currencies: %v", err)
	}
	if zero := money.Zero("CNY"); !zero.IsZero() || zero.IsPositive() || zero.IsNegative() || zero != cny(0) {
		t.Error("zero is neither positive nor negative")
	}
	if !cny(1).IsPositive() || !cny(-1).IsNegative() || cny(1).Neg() != cny(-1) {
		t.Error("signs")
	}
}

func TestCheckPositive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a    money.Amount
		code string
	}{
		{cny(1), ""},
		{cny(money.MaxMinor), ""},
		{cny(0), "money.not_positive"},
		{cny(-1), "money.not_positive"},
		{cny(money.MaxMinor + 1), "money.overflow"},
		{money.Amount{Minor: 1, Currency: "xyz"}, "money.unknown_currency"},
		{money.Amount{Minor: 1}, "money.unknown_currency"},
	} {
		if err := test.a.CheckPositive(); (test.code == "") != (err == nil) || (err != nil && !leaves(err, test.code)) {
			t.Errorf("CheckPositive(%v) = %v, want %q", test.a, err, test.code)
		}
	}
}

// TestEmbedded holds the promise that API types may embed an amount.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	type payment struct {
		ID string `json:"id"`
		money.Amount
	}
	text, err := json.Marshal(payment{"pay_1", cny(1999)})
	if want := `{"id":"pay_1","amount":1999,"currency":"CNY"}`; err != nil || string(text) != want {
		t.Errorf("Marshal = %s, %v; want %s", text, err, want)
	}
	var back payment
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(back, payment{"pay_1", cny(1999)}) {
		t.Errorf("Unmarshal = %v, %v", back, err)
	}
}
