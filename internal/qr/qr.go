// Package qr makes, reads and pays receive codes: codes of merchants and stores that payers scan, of payments that
// wait, and of persons.
//
// Every code of ours is an address, ORIGIN/q/TOKEN, that any camera opens; the same token stands in the EMVCo form of
// the code, in a template under GlobalID, for readers of such codes. The token leads to a row (a receive code) or names
// a payment together with a MAC, so that nobody finds a payment by counting.
//
// A printed code is static: what is paid by it counts as level D of the QR limits. A person's standing code is for
// friends and not for a business: how often it is paid on a day is capped (PersonalDayMax). With an amount a person's
// code works once, within PersonalLife.
//
// The tour: qr.go has the types, create.go makes codes, scan.go says what a scanned text is, pay.go pays, token.go is
// what stands in a code, image.go draws, store.go has all SQL.
package qr

import (
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// Kind says whose code it is.
type Kind string

const (
	// Store codes are of a merchant, or of one of its stores.
	Store Kind = "store"
	// Person codes are of a person.
	Person Kind = "person"
)

// State says whether a code can be paid.
type State string

const (
	// Active codes wait for payers.
	Active State = "active"
	// Disabled codes were taken back by their owner. Final.
	Disabled State = "disabled"
	// Used codes of a person were for one payment, which was made. Final.
	Used State = "used"
)

// Limits of codes.
const (
	// PersonalDayMax is how many payments a day a person takes by standing codes (PBOC Yinfa 2021 No. 259: not for
	// evident business; the figure is ours).
	PersonalDayMax = 20
	// PersonalLife is how long a person's code with an amount can be paid.
	PersonalLife = 10 * time.Minute
)

// Code is a receive code.
type Code struct {
	ID       id.QRCode   `json:"id"`
	Kind     Kind        `json:"kind" enum:"store,person"`
	Merchant id.Merchant `json:"merchant_id,omitempty"`
	Store    id.Store    `json:"store_id,omitempty"`
	// Minor is 0 where the payer says how much.
	Minor       int64          `json:"amount,omitzero" doc:"Minor units; left out where the payer says how much."`
	Currency    money.Currency `json:"currency"`
	Description string         `json:"description,omitempty"`
	payment.Sharing
	State     State                  `json:"state" enum:"active,disabled,used"`
	TakenDown payment.TakeDownReason `json:"taken_down,omitempty" enum:"fraud,forbidden_goods,impersonation,legal_order,other" doc:"Why the operator has taken it down: nobody can pay by it until that is lifted."`
	ExpiresAt time.Time              `json:"expires_at,omitzero" doc:"Of a person's code with an amount."`
	CreatedAt time.Time              `json:"created_at"`
	URL       string                 `json:"url" doc:"What the picture says: an address that any camera opens."`
	EMV       string                 `json:"emv,omitempty" doc:"The same as an EMVCo merchant-presented code."`

	token    string
	customer id.Customer
}

// standing reports whether a code is printed or kept: paid many times.
func (c *Code) standing() bool { return c.ExpiresAt.IsZero() }

// receipts counts what a person was paid by standing codes on a day.
type receipts struct {
	ID       string
	On       string
	Payments int64
}

// Parts are what Codes is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Vault     *vault.Vault
	Outbox    *outbox.Outbox
	Keys      *idempotency.Keys
	Parties   *party.Parties
	Payments  *payment.Payments
	// Origin is where this instance is seen from outside, https://pay.example; "" makes no codes.
	Origin string
	// Country is the code of ISO 3166-1 that codes name.
	Country    string
	Zone       *time.Location
	Currencies []money.Currency
}

// Codes runs the acts of this package.
type Codes struct {
	Parts
	codes    *commit.Table[Code]
	receipts *commit.Table[receipts]
}

// New returns Codes on its parts, and registers its tables.
func New(parts Parts) *Codes {
	return &Codes{Parts: parts, codes: codesTable(parts.Committer), receipts: receiptsTable(parts.Committer)}
}

// ready refuses an instance that does not know its own address.
func (c *Codes) ready() error {
	if c.Origin == "" {
		return fault.New(fault.Conflict, "qr.no_origin", "this instance does not know its address").
			WithHint("the operator sets web_origins, the first of which codes and pages lead to")
	}
	return nil
}

func notFound() *fault.Fault {
	return fault.New(fault.NotFound, "qr.not_found", "there is no such code")
}

// Payable refuses what can't be paid any more. Errors: payment.taken_down, qr.disabled, qr.used, qr.expired.
func (c *Code) Payable(now time.Time) error {
	switch {
	case c.TakenDown != "":
		return payment.TakenDown()
	case c.State == Disabled:
		return fault.New(fault.Conflict, "qr.disabled", "the owner has taken this code back").
			WithHint("ask for a new code")
	case c.State == Used:
		return fault.New(fault.Conflict, "qr.used", "this code was paid already").WithHint("ask for a new code")
	case !c.standing() && !c.ExpiresAt.After(now):
		return fault.New(fault.Conflict, "qr.expired", "this code is over").WithHint("ask for a new code")
	}
	return nil
}

// Owner returns the id of whom a code pays.
func (c *Code) Owner() string {
	if c.Kind == Person {
		return string(c.customer)
	}
	return string(c.Merchant)
}
