package money

import (
	"cmp"
	"math/bits"
)

// wide is an unsigned integer of 128 bits: the exact product of two of 64.
type wide struct{ hi, lo uint64 }

// magnitude returns |n|, also for the least int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) //nolint:gosec // two's complement: the wrapped negation is the magnitude
	}
	return uint64(n)
}

func multiply(a, b uint64) wide {
	hi, lo := bits.Mul64(a, b)
	return wide{hi, lo}
}

// add returns w + v, modulo 2¹²⁸.
func (w wide) add(v wide) wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, _ := bits.Add64(w.hi, v.hi, carry)
	return wide{hi, lo}
}

// sub returns w − v, modulo 2¹²⁸.
func (w wide) sub(v wide) wide {
	lo, borrow := bits.Sub64(w.lo, v.lo, 0)
	hi, _ := bits.Sub64(w.hi, v.hi, borrow)
	return wide{hi, lo}
}

func (w wide) cmp(v wide) int {
	return cmp.Or(cmp.Compare(w.hi, v.hi), cmp.Compare(w.lo, v.lo))
}

// divide returns quotient and remainder of w by a divisor above zero. It is not ok when the quotient needs
// more than 64 bits.
func (w wide) divide(divisor wide) (uint64, wide, bool) {
	if divisor.hi == 0 {
		if w.hi >= divisor.lo {
			return 0, wide{}, false
		}
		quotient, rest := bits.Div64(w.hi, w.lo, divisor.lo)
		return quotient, wide{lo: rest}, true
	}
	// Divide by the divisor's 64 leading bits, which gives the quotient or one too many (Hacker's
	// Delight, 2nd edition, §9–5); go one below and correct upwards.
	shift := bits.LeadingZeros64(divisor.hi)
	leading := divisor.hi<<shift | divisor.lo>>(64-shift)
	quotient, _ := bits.Div64(w.hi>>1, w.hi<<63|w.lo>>1, leading)
	quotient >>= 63 - shift
	if quotient > 0 {
		quotient--
	}
	product := multiply(divisor.lo, quotient)
	product.hi += divisor.hi * quotient
	rest := w.sub(product)
	if rest.cmp(divisor) >= 0 {
		quotient++
		rest = rest.sub(divisor)
	}
	return quotient, rest, true
}
