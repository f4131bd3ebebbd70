package vault

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
)

const (
	panMin     = 13 // digits; ISO/IEC 7812-1 allows up to 19
	panMax     = 19
	panTextMax = 40 // characters as typed
	maskStart  = 6  // most that may be shown, with the last four (PCI DSS 4.0 §3.4.1)
	maskEnd    = 4
	binMax     = 8 // digits of an issuer's number, ISO/IEC 7812-1:2017
)

// PAN is a card number. It prints, logs and encodes masked; only Reveal gives the digits.
type PAN struct{ reveal func() string } // a function, which every verb of fmt prints as an address

// ParsePAN reads a card number as people type it: 13 to 19 digits, blanks and hyphens between them. The check digit is
// not looked at: not every issuer's numbers have one. Errors: card.bad_number.
func ParsePAN(s string) (PAN, error) {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(s)
	if len(s) > panTextMax || len(digits) < panMin || len(digits) > panMax || strings.Trim(digits, "0123456789") != "" {
		return PAN{}, fault.Newf(fault.Invalid, "card.bad_number", "a card number has %d to %d digits", panMin, panMax).
			WithParam("number")
	}
	return PAN{func() string { return digits }}, nil
}

// Reveal returns the digits, "" of the zero PAN.
func (p PAN) Reveal() string {
	if p.reveal == nil {
		return ""
	}
	return p.reveal()
}

// BIN returns the first eight digits, which name the issuer and not the card.
func (p PAN) BIN() string { return p.Reveal()[:min(binMax, len(p.Reveal()))] }

// Last4 returns the last four digits.
func (p PAN) Last4() string { return p.Reveal()[max(0, len(p.Reveal())-maskEnd):] }

// Masked returns the first six and the last four digits with stars between: 622202*********1234.
func (p PAN) Masked() string {
	digits := p.Reveal()
	if len(digits) < panMin {
		return ""
	}
	return digits[:maskStart] + strings.Repeat("*", len(digits)-maskStart-maskEnd) + digits[len(digits)-maskEnd:]
}

// Luhn reports whether the last digit is the check digit (ISO/IEC 7812-1 annex B).
func (p PAN) Luhn() bool { return p.reveal != nil && luhnSum(p.Reveal())%10 == 0 }

func luhnSum(digits string) int {
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum
}

// String returns the masked form.
func (p PAN) String() string { return p.Masked() }

// Format writes the masked form for every verb.
func (p PAN) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.Masked())) }

// LogValue returns the masked form.
func (p PAN) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// MarshalText returns the masked form.
func (p PAN) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }
