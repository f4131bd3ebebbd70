package money_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/money"
)

// amounts draws amounts within the limit, often at its edges.
func amounts() *rapid.Generator[money.Amount] {
	return rapid.Custom(func(t *rapid.T) money.Amount {
		return money.Amount{
			Minor:    rapid.Int64Range(-money.MaxMinor, money.MaxMinor).Draw(t, "minor"),
			Currency: rapid.SampledFrom(money.Currencies()).Draw(t, "currency"),
		}
	})
}

// weights draws from 1 to 40 weights of any size, at least one above zero.
func weights() *rapid.Generator[[]int64] {
	return rapid.Custom(func(t *rapid.T) []int64 {
		most := rapid.SampledFrom([]int64{3, 10_000, math.MaxInt64}).Draw(t, "most")
		drawn := rapid.SliceOfN(rapid.Int64Range(0, most), 1, 40).Draw(t, "weights")
		drawn[0] = max(drawn[0], 1)
		return drawn
	})
}

// TestAllocateProperties: the parts add up to the whole, and each is its exact share rounded down or up.
func TestAllocateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, by := amounts().Draw(t, "amount"), weights().Draw(t, "by")
		parts, err := a.Allocate(by)
		if err != nil || len(parts) != len(by) {
			t.Fatalf("Allocate: %d parts, %v", len(parts), err)
		}
		whole := new(big.Int)
		for _, weight := range by {
			whole.Add(whole, big.NewInt(weight))
		}
		total := money.Zero(a.Currency)
		for i, part := range parts {
			if total, err = total.Add(part); err != nil {
				t.Fatal(err)
			}
			// |part × whole − amount × weight| < whole
			off := new(big.Int).Mul(big.NewInt(part.Minor), whole)
			off.Sub(off, new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(by[i])))
			if off.CmpAbs(whole) >= 0 {
				t.Fatalf("part %d is %v, more than one minor unit off", i, part)
			}
		}
		if total != a {
			t.Fatalf("the parts add up to %v, not %v", total, a)
		}
	})
}

func TestSplitProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, n := amounts().Draw(t, "amount"), rapid.IntRange(1, 500).Draw(t, "n")
		parts, err := a.Split(n)
		if err != nil {
			t.Fatal(err)
		}
		total, least, most := int64(0), int64(math.MaxInt64), int64(math.MinInt64)
		for _, part := range parts {
			total, least, most = total+part.Minor, min(least, part.Minor), max(most, part.Minor)
		}
		if total != a.Minor || len(parts) != n || most-least > 1 {
			t.Fatalf("%d parts from %d to %d add up to %d", len(parts), least, most, total)
		}
	})
}

// TestAddProperties: Sub undoes Add, and a sum is exact or refused, for any int64.
func TestAddProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := cny(rapid.Int64().Draw(t, "a")), cny(rapid.Int64().Draw(t, "b"))
		if rapid.Bool().Draw(t, "near") {
			a.Minor, b.Minor = a.Minor>>10, b.Minor>>10
		}
		sum, err := a.Add(b)
		exact := new(big.Int).Add(big.NewInt(a.Minor), big.NewInt(b.Minor))
		limit := big.NewInt(money.MaxMinor)
		fits := exact.CmpAbs(limit) <= 0 && big.NewInt(a.Minor).CmpAbs(limit) <= 0 && big.NewInt(b.Minor).CmpAbs(limit) <= 0
		if fits != (err == nil) {
			t.Fatalf("%d + %d = %v, %v", a.Minor, b.Minor, sum, err)
		}
		if err != nil {
			return
		}
		if exact.Cmp(big.NewInt(sum.Minor)) != 0 {
			t.Fatalf("%d + %d = %d", a.Minor, b.Minor, sum.Minor)
		}
		if back, err := sum.Sub(b); err != nil || back != a {
			t.Fatalf("(%v + %v) − %v = %v, %v", a, b, b, back, err)
		}
	})
}

// TestShareProperties: a share is what math/big says, or it is refused.
func TestShareProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(-money.MaxMinor, money.MaxMinor).Draw(t, "minor")
		part, whole := rapid.Int64().Draw(t, "part"), rapid.Int64Range(1, math.MaxInt64).Draw(t, "whole")
		got, err := cny(minor).Share(part, whole)
		want := bigShare(minor, part, whole)
		if fits := want.CmpAbs(big.NewInt(money.MaxMinor)) <= 0; fits != (err == nil) {
			t.Fatalf("Share = %v, %v; want %v", got, err, want)
		}
		if err == nil && want.Cmp(big.NewInt(got.Minor)) != 0 {
			t.Fatalf("Share = %v, want %v", got, want)
		}
	})
}

func TestDecimalProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := amounts().Draw(t, "amount")
		if back, err := money.ParseDecimal(a.Decimal(), a.Currency); err != nil || back != a {
			t.Fatalf("%q came back as %v, %v", a.Decimal(), back, err)
		}
	})
}
