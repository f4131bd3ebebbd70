package qr

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/url"
	"strings"

	"github.com/feiqian/feiqian/internal/emvqr"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
)

// What stands in a code.
const (
	// GlobalID names our template in EMVCo codes.
	GlobalID = "org.feiqian"
	// Path is in front of the token in an address.
	Path = "/q/"

	codeMark    = "c" // of a receive code, then 26 random characters
	paymentMark = "p" // of a payment: the 26 characters of its id, then its key
	keyLength   = 22  // characters of base64url: 132 bits
	tokenMax    = 64
)

func newToken() string { return codeMark + strings.ToLower(rand.Text()) }

// PaymentKey is the client secret of a payment: who has it may see the payment's page and pay.
func (c *Codes) PaymentKey(name id.Payment) string {
	return c.Vault.MAC("checkout", string(name))[:keyLength]
}

// CheckPaymentKey reports whether key is the payment's, in constant time.
func (c *Codes) CheckPaymentKey(name id.Payment, key string) bool {
	return subtle.ConstantTimeCompare([]byte(c.PaymentKey(name)), []byte(key)) == 1
}

func (c *Codes) paymentToken(name id.Payment) string {
	return paymentMark + string(name)[len(name)-id.Length:] + c.PaymentKey(name)
}

// Named is what a token leads to: a payment, or a receive code.
type Named struct {
	Payment id.Payment
	Code    *Code
}

// Resolve reads a token. Errors: qr.not_found.
func (c *Codes) Resolve(ctx context.Context, token string) (Named, error) {
	if len(token) > tokenMax {
		return Named{}, notFound()
	}
	if rest, ok := strings.CutPrefix(token, paymentMark); ok {
		if len(rest) != id.Length+keyLength {
			return Named{}, notFound()
		}
		name, err := id.Parse[id.Payment](id.Payment("").Prefix() + "_" + rest[:id.Length])
		if err != nil || !c.CheckPaymentKey(name, rest[id.Length:]) {
			return Named{}, notFound()
		}
		return Named{Payment: name}, nil
	}
	code, err := c.byToken(ctx, token)
	if err != nil {
		return Named{}, err
	}
	return Named{Code: &code}, nil
}

// tokenOf finds the token in the address of a code of ours; "" where it is none.
func (c *Codes) tokenOf(data string) string {
	address, err := url.Parse(data)
	if err != nil || c.Origin == "" || address.Scheme+"://"+address.Host != c.Origin {
		return ""
	}
	token, found := strings.CutPrefix(address.Path, Path)
	if !found {
		return ""
	}
	return token
}

// Presented is a payment as a code to show.
type Presented struct {
	URL string `json:"url" doc:"What the picture says: an address that any camera opens."`
	EMV string `json:"emv,omitempty" doc:"The same as an EMVCo merchant-presented code."`
}

// OfPayment returns the dynamic code of a payment. Errors: qr.no_origin.
func (c *Codes) OfPayment(ctx context.Context, p payment.Payment) (Presented, error) {
	if err := c.ready(); err != nil {
		return Presented{}, err
	}
	merchant, err := c.Parties.Merchant(ctx, p.Merchant)
	if err != nil {
		return Presented{}, err
	}
	token := c.paymentToken(p.ID)
	shop := c.shop(token, p.Amount, merchant.Name)
	shop.Initiation, shop.Reference = emvqr.Dynamic, p.Reference
	return Presented{URL: c.Origin + Path + token, EMV: emv(shop)}, nil
}

// shop is what an EMVCo code of ours says.
func (c *Codes) shop(token string, amount money.Amount, name string) emvqr.Shop {
	shop := emvqr.Shop{
		Initiation: emvqr.Static, GlobalID: GlobalID, Token: token, Currency: amount.Currency.Numeric(), Country: c.Country,
		Name: name,
	}
	if amount.IsPositive() {
		shop.Amount = amount.Decimal()
	}
	return shop
}

// emv returns the EMVCo form; "" for what has none, such as a currency without a number or an amount of 14 characters.
func emv(shop emvqr.Shop) string {
	text, err := emvqr.New(shop)
	if err != nil {
		return ""
	}
	return text
}

// show gives a code the texts that are drawn.
func (c *Codes) show(ctx context.Context, code Code) (Code, error) {
	if err := c.ready(); err != nil {
		return code, err
	}
	code.URL = c.Origin + Path + code.token
	if code.Kind == Person {
		return code, nil // EMVCo's codes are merchants'
	}
	merchant, err := c.Parties.Merchant(ctx, code.Merchant)
	if err != nil {
		return code, err
	}
	shop := c.shop(code.token, code.amount(), merchant.Name)
	if code.Store != "" {
		store, err := c.Parties.StoreOf(ctx, code.Merchant, code.Store)
		if err != nil {
			return code, err
		}
		shop.Store = store.Name
	}
	code.EMV = emv(shop)
	return code, nil
}

func (c *Code) amount() money.Amount { return money.Amount{Minor: c.Minor, Currency: c.Currency} }

// RequireOrigin says whether pages can be made. Errors: qr.no_origin.
func (c *Codes) RequireOrigin() error { return c.ready() }

// noSuch turns a fault of another package about what a token names into ours.
func noSuch(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return notFound()
	}
	return err
}
