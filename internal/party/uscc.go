package party

import (
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
)

// USCC is a unified social credit code of a Chinese company or organisation, GB 32100-2015: authority, class, six
// digits of the area, nine characters of the organisation code, check character. In upper case.
type USCC string

const (
	usccLength    = 18
	usccAlphabet  = "0123456789ABCDEFGHJKLMNPQRTUWXY" // no I, O, S, V, Z
	usccModulus   = 31
	usccGenerator = 3
	usccTypedMax  = 40 // with blanks and hyphens
)

// ParseUSCC reads a code, also in lower case; blanks and hyphens are left out. Whether its check character is right is
// asked with CheckDigitOK: some codes in real use have a wrong one, so that it is a reason to look and not to refuse.
// Errors: party.bad_uscc.
func ParseUSCC(s string) (USCC, error) {
	bad := fault.New(fault.Invalid, "party.bad_uscc",
		"a unified social credit code has 18 characters, digits and letters without I, O, S, V and Z").WithParam("uscc")
	if len(s) > usccTypedMax {
		return "", bad
	}
	code := USCC(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s)))
	if len(code) != usccLength || strings.Trim(string(code), usccAlphabet) != "" ||
		strings.Trim(code.Area(), "0123456789") != "" {
		return "", bad
	}
	return code, nil
}

// Area returns the six digits of the place of registration, GB/T 2260; "" for what is no code.
func (c USCC) Area() string {
	const areaFrom, areaTo = 2, 8
	if len(c) != usccLength {
		return ""
	}
	return string(c[areaFrom:areaTo])
}

// CheckDigitOK reports whether the last character is the one that the others call for, GB 32100-2015 annex A.
func (c USCC) CheckDigitOK() bool {
	if len(c) != usccLength {
		return false
	}
	// The weights of GB 32100-2015, annex A, are the powers of 3 modulo 31.
	sum, weight := 0, 1
	for i := range usccLength - 1 {
		sum += weight * strings.IndexByte(usccAlphabet, c[i])
		weight = weight * usccGenerator % usccModulus
	}
	check := (usccModulus - sum%usccModulus) % usccModulus
	return c[usccLength-1] == usccAlphabet[check]
}
