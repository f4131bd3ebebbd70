package channel

import (
	"fmt"
	"log/slog"

	"github.com/feiqian/feiqian/internal/money"
)

// BindRequest names a customer's account at a bank. It holds personal data: it is never stored, and
// prints and logs itself masked.
type BindRequest struct {
	Number     string
	HolderName string
}

// String returns the masked number and no name.
func (r BindRequest) String() string { return "account " + MaskNumber(r.Number) }

// GoString returns String, so that %#v keeps the secret too.
func (r BindRequest) GoString() string { return r.String() }

// Format writes String for every verb.
func (r BindRequest) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// LogValue returns String.
func (r BindRequest) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Binding is what we keep of a customer's account: Token is the bank's stand-in for the number and
// good for orders from us only; MaskedNumber and BankName are for screens.
type Binding struct {
	Token        string
	MaskedNumber string
	BankName     string
	Currency     money.Currency
}

// maskedTail is how many digits of an account number a screen may show.
const maskedTail = 4

// MaskNumber returns the last four characters of an account number behind stars; a number too short
// to hide anything gives stars only.
func MaskNumber(number string) string {
	const stars = "****"
	if len(number) < 2*maskedTail {
		return stars
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return stars
		}
	}
	return stars + number[len(number)-maskedTail:]
}
