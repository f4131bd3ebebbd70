package money

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// PartsMax is the largest number of parts that one amount is divided into.
const PartsMax = 100_000

// BasisPoints is a rate in hundredths of a percent: 60 is 0.6 %.
type BasisPoints int64

// Of returns the rate's share of a, rounded half up (away from zero where negative).
// Errors: money.overflow.
func (bps BasisPoints) Of(a Amount) (Amount, error) { return a.Share(int64(bps), 10_000) }

// Share returns a × part ÷ whole, rounded half up (away from zero where negative). The product is
// exact, 128 bits wide. Errors: money.bad_weights (whole is not positive), money.overflow.
func (a Amount) Share(part, whole int64) (Amount, error) {
	if whole <= 0 {
		return Amount{}, badWeights("a share is of a positive whole")
	}
	if !a.inBounds() {
		return Amount{}, overflow()
	}
	divisor := wide{lo: magnitude(whole)}
	share, rest, ok := multiply(magnitude(a.Minor), magnitude(part)).divide(divisor)
	if !ok || share > MaxMinor {
		return Amount{}, overflow()
	}
	if rest.cmp(divisor.sub(rest)) >= 0 {
		share++
	}
	return signed(share, (a.Minor < 0) != (part < 0), a.Currency)
}

// Allocate divides a by weights with the largest-remainder method: the parts add up to a, each is
// within one minor unit of its exact share, and between equal remainders the earlier part gets the
// odd unit. Errors: money.bad_weights (none, more than PartsMax, a negative one, or all zero),
// money.overflow.
func (a Amount) Allocate(weights []int64) ([]Amount, error) {
	whole, err := sum(weights)
	if err != nil {
		return nil, err
	}
	if !a.inBounds() {
		return nil, overflow()
	}
	left := magnitude(a.Minor)
	shares, rests, order := make([]uint64, len(weights)), make([]wide, len(weights)), make([]int, len(weights))
	for i, weight := range weights {
		// A weight is at most the whole, so a share is at most the amount and fits.
		shares[i], rests[i], _ = multiply(magnitude(a.Minor), magnitude(weight)).divide(whole)
		left -= shares[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return rests[j].cmp(rests[i]) })
	for _, i := range order[:left] {
		shares[i]++
	}
	parts := make([]Amount, len(weights))
	for i, share := range shares {
		if parts[i], err = signed(share, a.Minor < 0, a.Currency); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// Split divides a into n parts that differ by at most one minor unit and add up to a; the earlier
// parts get the odd units. Errors: money.bad_weights (n is not within 1 to PartsMax), money.overflow.
func (a Amount) Split(n int) ([]Amount, error) {
	if n < 1 || n > PartsMax {
		return nil, badWeights("an amount is divided into 1 to %d parts", PartsMax)
	}
	return a.Allocate(slices.Repeat([]int64{1}, n))
}

// sum adds weights; 128 bits hold any slice of them.
func sum(weights []int64) (wide, error) {
	if len(weights) > PartsMax {
		return wide{}, badWeights("an amount is divided into 1 to %d parts", PartsMax)
	}
	var whole wide
	for _, weight := range weights {
		if weight < 0 {
			return wide{}, badWeights("a weight is not negative")
		}
		whole = whole.add(wide{lo: magnitude(weight)})
	}
	if whole == (wide{}) {
		return wide{}, badWeights("at least one weight is above zero")
	}
	return whole, nil
}

// signed returns an amount from its magnitude and sign. Errors: money.overflow.
func signed(magnitude uint64, negative bool, c Currency) (Amount, error) {
	if magnitude > MaxMinor {
		return Amount{}, overflow()
	}
	a := Amount{Minor: int64(magnitude), Currency: c}
	if negative {
		return a.Neg(), nil
	}
	return a, nil
}

func badWeights(format string, args ...any) error {
	return fault.Newf(fault.Invalid, "money.bad_weights", format, args...)
}
