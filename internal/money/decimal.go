package money

import (
	"strconv"
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
)

// Decimal returns the amount in major units with all decimal places of its currency: "19.99",
// "-0.05", "500" for a currency without minor unit.
func (a Amount) Decimal() string {
	digits, places := strconv.FormatUint(magnitude(a.Minor), 10), a.Currency.Exponent()
	if short := places + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	sign := ""
	if a.Minor < 0 {
		sign = "-"
	}
	if places == 0 {
		return sign + digits
	}
	point := len(digits) - places
	return sign + digits[:point] + "." + digits[point:]
}

// ParseDecimal reads major units of c: an optional "-", digits, and a point with at most as many
// digits as c has decimal places. No plus sign, exponent, spaces or grouping.
// Errors: money.unknown_currency, money.bad_decimal, money.overflow.
func ParseDecimal(s string, c Currency) (Amount, error) {
	if !c.known() {
		return Amount{}, unknownCurrency()
	}
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, fraction, hasPoint := strings.Cut(unsigned, ".")
	places := c.Exponent()
	if !isDigits(whole) || (hasPoint && !isDigits(fraction)) || len(fraction) > places {
		return Amount{}, badDecimal(c)
	}
	var minor uint64
	for _, digit := range []byte(whole + fraction + strings.Repeat("0", places-len(fraction))) {
		minor = minor*10 + uint64(digit-'0')
		if minor > MaxMinor {
			return Amount{}, overflow()
		}
	}
	return signed(minor, negative, c)
}

// isDigits reports whether s is one or more ASCII digits.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func badDecimal(c Currency) error {
	return fault.Newf(fault.Invalid, "money.bad_decimal",
		"an amount of %s is digits with at most %d decimal places", c, c.Exponent()).WithParam("amount")
}
