package money

import "github.com/feiqian/feiqian/internal/fault"

// Amount is whole minor units of one currency; negative where a balance is. Its magnitude is at
// most MaxMinor.
//
// It has no MarshalJSON on purpose: API types embed it, and its two members appear in theirs.
type Amount struct {
	Minor    int64    `json:"amount"`
	Currency Currency `json:"currency"`
}

// New returns minor units of c. Errors: money.unknown_currency, money.overflow.
func New(minor int64, c Currency) (Amount, error) {
	if !c.known() {
		return Amount{}, unknownCurrency()
	}
	return bounded(minor, c)
}

// Zero returns nothing of c.
func Zero(c Currency) Amount { return Amount{Currency: c} }

// Add returns a + b. Errors: money.currency_mismatch, money.overflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, mismatch(a.Currency, b.Currency)
	}
	if !a.inBounds() || !b.inBounds() {
		return Amount{}, overflow()
	}
	return bounded(a.Minor+b.Minor, a.Currency)
}

// Sub returns a − b. Errors: money.currency_mismatch, money.overflow.
func (a Amount) Sub(b Amount) (Amount, error) { return a.Add(b.Neg()) }

// Neg returns −a.
func (a Amount) Neg() Amount { return Amount{Minor: -a.Minor, Currency: a.Currency} }

// Cmp returns −1, 0 or 1 as a is less than, equal to or more than b. Errors: money.currency_mismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	switch {
	case a.Currency != b.Currency:
		return 0, mismatch(a.Currency, b.Currency)
	case a.Minor < b.Minor:
		return -1, nil
	case a.Minor > b.Minor:
		return 1, nil
	}
	return 0, nil
}

// IsZero reports whether a is nothing.
func (a Amount) IsZero() bool { return a.Minor == 0 }

// IsPositive reports whether a is more than nothing.
func (a Amount) IsPositive() bool { return a.Minor > 0 }

// IsNegative reports whether a is less than nothing.
func (a Amount) IsNegative() bool { return a.Minor < 0 }

// CheckPositive is the check of every edge: a known currency and 1 to MaxMinor minor units.
// Errors: money.unknown_currency, money.not_positive, money.overflow.
func (a Amount) CheckPositive() error {
	switch {
	case !a.Currency.known():
		return unknownCurrency()
	case a.Minor < 1:
		return fault.New(fault.Invalid, "money.not_positive", "an amount here is at least 1 minor unit").
			WithParam("amount")
	case a.Minor > MaxMinor:
		return overflow()
	}
	return nil
}

// String returns "19.99 CNY".
func (a Amount) String() string { return a.Decimal() + " " + string(a.Currency) }

// inBounds reports whether the magnitude of a is at most MaxMinor; only an amount that was written
// as a literal or read from outside can be beyond.
func (a Amount) inBounds() bool { return a.Minor >= -MaxMinor && a.Minor <= MaxMinor }

// bounded returns minor units of c if they are within the limit.
func bounded(minor int64, c Currency) (Amount, error) {
	a := Amount{Minor: minor, Currency: c}
	if !a.inBounds() {
		return Amount{}, overflow()
	}
	return a, nil
}
