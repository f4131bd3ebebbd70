package money_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/feiqian/feiqian/internal/money"
)

func TestAllocate(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	for _, test := range []struct {
		name    string
		minor   int64
		weights []int64
		want    []int64
		code    string
	}{
		{"Thirds", 100, []int64{1, 1, 1}, []int64{34, 33, 33}, ""},
		{"LargestRemainder", 10, []int64{15, 70, 15}, []int64{2, 7, 1}, ""},
		{"RemainderDecides", 101, []int64{30, 70}, []int64{30, 71}, ""},
		{"One", 7, []int64{5}, []int64{7}, ""},
		{"ZeroWeight", 7, []int64{0, 5, 0}, []int64{0, 7, 0}, ""},
		{"ZeroAmount", 0, []int64{1, 2}, []int64{0, 0}, ""},
		{"Negative", -100, []int64{1, 1, 1}, []int64{-34, -33, -33}, ""},
		{"WidestWeights", 10, []int64{most, most, most, most}, []int64{3, 3, 2, 2}, ""},
		{"WideSum", money.MaxMinor, []int64{most, most, 1}, []int64{money.MaxMinor/2 + 1, money.MaxMinor / 2, 0}, ""},
		{"ErrNone", 1, nil, nil, "money.bad_weights"},
		{"ErrAllZero", 1, []int64{0, 0}, nil, "money.bad_weights"},
		{"ErrNegative", 1, []int64{2, -1}, nil, "money.bad_weights"},
		{"ErrTooMany", 1, make([]int64, money.PartsMax+1), nil, "money.bad_weights"},
		{"ErrOverflow", money.MaxMinor + 1, []int64{1}, nil, "money.overflow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parts, err := cny(test.minor).Allocate(test.weights)
			if test.code != "" {
				if !leaves(err, test.code) || parts != nil {
					t.Fatalf("Allocate = %v, %v; want %s", parts, err, test.code)
				}
				return
			}
			want := []money.Amount{}
			for _, minor := range test.want {
				want = append(want, cny(minor))
			}
			if diff := cmp.Diff(want, parts); err != nil || diff != "" {
				t.Fatalf("Allocate: %v\n%s", err, diff)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	parts, err := cny(100).Split(3)
	if diff := cmp.Diff([]money.Amount{cny(34), cny(33), cny(33)}, parts); err != nil || diff != "" {
		t.Errorf("Split: %v\n%s", err, diff)
	}
	for _, n := range []int{0, -1, money.PartsMax + 1, math.MaxInt, math.MinInt} {
		if parts, err := cny(100).Split(n); !leaves(err, "money.bad_weights") || parts != nil {
			t.Errorf("Split(%d) = %v, %v", n, parts, err)
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		minor       int64
		part, whole int64
		want        any // minor units or a code
	}{
		{"Third", 100, 1, 3, 33},
		{"HalfUp", 25, 1, 10, 3},
		{"HalfAwayFromZero", -25, 1, 10, -3},
		{"NegativePart", 25, -1, 10, -3},
		{"BothNegative", -25, -1, 10, 3},
		{"BelowHalf", 24, 1, 10, 2},
		{"OddWhole", 1, 1, 2, 1},
		{"Nothing", 100, 0, 3, 0},
		{"All", money.MaxMinor, math.MaxInt64, math.MaxInt64, money.MaxMinor},
		{"WideProduct", money.MaxMinor, math.MaxInt64 - 1, math.MaxInt64, money.MaxMinor},
		{"LeastPart", 1, math.MinInt64, math.MaxInt64, -1},
		{"ErrOverflow", money.MaxMinor, 2, 1, "money.overflow"},
		{"ErrOverflow128", money.MaxMinor, math.MaxInt64, 1, "money.overflow"},
		{"ErrOverflowOnRounding", money.MaxMinor, 2*money.MaxMinor + 1, 2 * money.MaxMinor, "money.overflow"},
		{"ErrAmount", math.MinInt64, 1, math.MaxInt64, "money.overflow"},
		{"ErrZeroWhole", 1, 1, 0, "money.bad_weights"},
		{"ErrNegativeWhole", 1, 1, -1, "money.bad_weights"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := cny(test.minor).Share(test.part, test.whole)
			if minor, ok := test.want.(int); ok {
				test.want = cny(int64(minor))
			}
			check(t, "Share", got, err, test.want)
		})
	}
}

func TestBasisPoints(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bps         money.BasisPoints
		minor, want int64
	}{{60, 1999, 12}, {38, 10_000, 38}, {50, 100, 1}, {49, 100, 0}, {10_000, 7, 7}, {0, 7, 0}, {60, -1999, -12}} {
		if got, err := test.bps.Of(cny(test.minor)); err != nil || got != cny(test.want) {
			t.Errorf("%d of %d = %v, %v; want %d", test.bps, test.minor, got, err, test.want)
		}
	}
	if _, err := money.BasisPoints(10_001).Of(cny(money.MaxMinor)); !leaves(err, "money.overflow") {
		t.Errorf("more than all: %v", err)
	}
}

// bigShare is Share said with math/big, as a second opinion: half away from zero.
func bigShare(minor, part, whole int64) *big.Int {
	twice := new(big.Int).Mul(big.NewInt(minor), big.NewInt(part))
	negative := twice.Sign() < 0
	twice.Abs(twice).Lsh(twice, 1).Add(twice, big.NewInt(whole))
	twice.Quo(twice, new(big.Int).Lsh(big.NewInt(whole), 1))
	if negative {
		twice.Neg(twice)
	}
	return twice
}
