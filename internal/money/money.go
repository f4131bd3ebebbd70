// Package money counts: whole minor units (int64) of one currency, never a float.
//
// Read amount.go for what an amount can do, divide.go for shares and splits that keep the sum,
// decimal.go for "19.99", and units.go for the currencies we know. Each operation that could leave
// the limits or mix currencies returns an error; there is no silent overflow.
package money

import (
	"maps"
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// MaxMinor is the largest magnitude of an amount: 2⁵³−1, so that every JSON reader gets it exactly
// (RFC 8259 §6).
const MaxMinor = 1<<53 - 1

// Currency is the code of a currency or digital asset: "CNY", "BTC".
type Currency string

// ParseCurrency reads a code of the allow-list; upper case only. Errors: money.unknown_currency.
func ParseCurrency(s string) (Currency, error) {
	if _, ok := units[Currency(s)]; !ok {
		return "", unknownCurrency()
	}
	return Currency(s), nil
}

// Currencies returns every currency of the allow-list, sorted by code.
func Currencies() []Currency { return slices.Sorted(maps.Keys(units)) }

// Exponent returns the decimal places of the minor unit: 2 for CNY. It is 0 for an unknown currency.
func (c Currency) Exponent() int { return units[c].exponent }

// Numeric returns the ISO 4217 numeric code, "156" for CNY; "" for digital assets.
func (c Currency) Numeric() string { return units[c].numeric }

// IsDigital reports whether c is a digital asset of the allow-list.
func (c Currency) IsDigital() bool {
	u, ok := units[c]
	return ok && u.numeric == ""
}

// known reports whether c is on the allow-list.
func (c Currency) known() bool {
	_, ok := units[c]
	return ok
}

func unknownCurrency() error {
	return fault.New(fault.Invalid, "money.unknown_currency", "this currency is not known here").
		WithParam("currency").WithHint("use an ISO 4217 code in upper case, such as CNY")
}

func overflow() error {
	return fault.Newf(fault.Invalid, "money.overflow", "an amount may not go beyond %d minor units", MaxMinor).
		WithParam("amount")
}

func mismatch(a, b Currency) error {
	return fault.Newf(fault.Invalid, "money.currency_mismatch", "these amounts are of two currencies, %s and %s", a, b).
		WithParam("currency")
}
