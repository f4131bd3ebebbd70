package feiqian

import (
	"errors"
	"strings"
)

const (
	codePrefix = "95"
	codeLength = 24
)

// ErrNotPaymentCode says that what was scanned cannot be a payment code: scan again.
var ErrNotPaymentCode = errors.New("feiqian: this is not a payment code")

// ParsePaymentCode returns the payment code that a till scanned or somebody typed, without spaces. It looks at
// form and check digit only, so that a wrong bar code costs no call. Errors: ErrNotPaymentCode.
func ParsePaymentCode(scanned string) (string, error) {
	code := strings.Join(strings.Fields(scanned), "")
	if len(code) != codeLength || !strings.HasPrefix(code, codePrefix) || !luhn(code) {
		return "", ErrNotPaymentCode
	}
	return code, nil
}

// luhn checks the last digit, ISO/IEC 7812-1 annex B.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		digit := int(digits[len(digits)-1-i]) - '0'
		if digit < 0 || digit > 9 {
			return false
		}
		if i%2 == 1 {
			digit *= 2
		}
		sum += digit/10 + digit%10 //nolint:mnd // decimal digits
	}
	return sum%10 == 0 //nolint:mnd // decimal digits
}
