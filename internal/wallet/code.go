package wallet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

// A payment code, exactly, so that any language can make it. All of it is decimal digits in ASCII.
//
//	digits  0–1    the prefix 95
//	digits  2–11   the handle of the device
//	digit   12     n: 0 for the first code in a step, 1 for the next, up to 9
//	digits 13–22   the one-time code
//	digit   23     the check digit
//
//	step          = seconds since 1970-01-01T00:00:00Z, divided by 30, rounded down
//	message       = handle (10 bytes of ASCII) ‖ step (8 bytes, big-endian) ‖ n (1 byte, value 0 to 9)
//	mac           = HMAC-SHA-256 (RFC 2104) of message under the device's secret (32 bytes)
//	one-time code = the first 8 bytes of mac as a big-endian unsigned number, modulo 10¹⁰,
//	                with zeros in front to 10 digits
//	check digit   = Luhn (ISO/IEC 7812-1 annex B) over the 23 digits before it
//
// testdata/codes.json has examples.
const (
	codePrefix   = "95"
	codeLength   = 24
	handleLength = 10
	otpLength    = 10
	otpMod       = 10_000_000_000
	nMax         = 9

	handleAt = len(codePrefix)
	nAt      = handleAt + handleLength
	otpAt    = nAt + 1
	checkAt  = otpAt + otpLength

	// StepTime is the length of a step.
	StepTime = 30 * time.Second
	// stepsAround is how many steps before and behind the present one are accepted.
	stepsAround = 1
	// stepsKnown is how far a code that is no longer valid is still told from a wrong one.
	stepsKnown = 20
)

// Code is a payment code taken apart. It is a secret until it is used, and prints as ****.
type Code struct {
	Handle string
	n      int
	otp    [otpLength]byte

	// Of Wallets.Check: the step at which the code is right for device, −1 for none.
	device id.Device
	step   int64
}

// ParseCode reads the 24 digits of a payment code; blanks between them are passed over. It checks
// form and check digit only. Errors: wallet.bad_code.
func ParseCode(s string) (Code, error) {
	const longest = 2 * codeLength
	if len(s) > longest {
		return Code{}, badCode()
	}
	digits := strings.ReplaceAll(s, " ", "")
	if len(digits) != codeLength || strings.Trim(digits, "0123456789") != "" ||
		!strings.HasPrefix(digits, codePrefix) || digits[checkAt] != luhn(digits[:checkAt]) {
		return Code{}, badCode()
	}
	return Code{
		Handle: digits[handleAt:nAt], n: int(digits[nAt] - '0'), otp: [otpLength]byte([]byte(digits[otpAt:checkAt])),
	}, nil
}

func badCode() error {
	return fault.New(fault.Invalid, "wallet.bad_code", "this is not a payment code").WithParam("payment_code").
		WithHint("a payment code has 24 digits and begins with 95; scan it again")
}

// String hides the code.
func (Code) String() string { return "****" }

// GoString hides the code.
func (Code) GoString() string { return "wallet.Code{****}" }

// StepOf returns the step of an instant.
func StepOf(t time.Time) int64 { return t.Unix() / int64(StepTime/time.Second) }

// ComputeCode returns the payment code of a device (its secret and handle) for a step and n from 0 to
// 9, as the phone makes it too.
func ComputeCode(secret [vault.KeySize]byte, handle string, step int64, n int) string {
	digits := codePrefix + handle + strconv.Itoa(n) + string(newMaker(secret, handle).otp(step, n))
	return digits + string(luhn(digits))
}

// maker makes the one-time codes of one device. It is not safe for many goroutines.
type maker struct {
	mac     hash.Hash
	message [handleLength + 8 + 1]byte
	sum     [sha256.Size]byte
	digits  [otpLength]byte
}

func newMaker(secret [vault.KeySize]byte, handle string) *maker {
	m := &maker{mac: hmac.New(sha256.New, secret[:])}
	copy(m.message[:handleLength], handle)
	return m
}

// otp returns the digits of one code; they hold until the next call.
func (m *maker) otp(step int64, n int) []byte {
	const base = 10
	binary.BigEndian.PutUint64(m.message[handleLength:], uint64(step)) //nolint:gosec // no instant before 1970
	m.message[len(m.message)-1] = byte(n)                              //nolint:gosec // 0 to 9
	m.mac.Reset()
	m.mac.Write(m.message[:])
	rest := binary.BigEndian.Uint64(m.mac.Sum(m.sum[:0])) % otpMod
	for i := range m.digits {
		m.digits[otpLength-1-i] = byte('0' + rest%base)
		rest /= base
	}
	return m.digits[:]
}

// luhn returns the check digit of a row of digits: from the right, every other one is doubled, the
// digits of all are added up, and the check digit fills the sum to a multiple of ten.
func luhn(digits string) byte {
	const base = 10
	sum := 0
	for i := range len(digits) {
		value := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			value *= 2
		}
		sum += value/base + value%base
	}
	return byte('0' + (base-sum%base)%base)
}
