// Package checkout is the hosted page on which a payer pays, and the payment links that lead to it.
//
// A page belongs to a payment. Its address has the payment's id and its client secret (qr.Codes.PaymentKey): whoever
// has both may see merchant, amount and state, and pay; nothing else of merchant or payer is ever on it. The page
// signs the payer in and confirms through the wallet's own API, so there is one way to pay and one set of rules.
//
// What the browser comes back with decides nothing: page and API read the payment's state.
//
// The tour: checkout.go has the types, create.go makes a payment with its page, link.go payment links, method.go the
// list of ways to pay, address.go checks addresses, origin.go says which sites may show
// the page within theirs, store.go has most SQL. The pages: page.go, event.go, landing.go,
// with page.html, page.css and page.js.
package checkout

import (
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Checkout is a payment's page, as its merchant sees it.
type Checkout struct {
	ID        id.Payment     `json:"id" doc:"The payment's."`
	Link      id.PaymentLink `json:"payment_link_id,omitempty" doc:"The payment link that made it."`
	ReturnURL string         `json:"return_url,omitempty"`
	CancelURL string         `json:"cancel_url,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	// URL holds the client secret: it is shown to the merchant who made it, and is in no event.
	URL     string          `json:"url" doc:"Send the payer here. Whoever has it can see and pay the payment: keep it out of logs."`
	Payment payment.Payment `json:"payment"`
	// TakenDown is told where the page is read.
	TakenDown payment.TakeDownReason `json:"taken_down,omitempty" enum:"fraud,forbidden_goods,impersonation,legal_order,other" doc:"Why the operator has taken it down: nobody can pay it until that is lifted."`

	givenBack bool
}

// LinkState says whether a payment link makes payments.
type LinkState string

const (
	// LinkActive links make payments until they expire or are used up.
	LinkActive LinkState = "active"
	// LinkDisabled links were taken back by their merchant. Final.
	LinkDisabled LinkState = "disabled"
)

// Link is a payment link: an address that makes a payment for each payer who begins one.
type Link struct {
	ID          id.PaymentLink `json:"id"`
	Merchant    id.Merchant    `json:"merchant_id"`
	Store       id.Store       `json:"store_id,omitempty"`
	Minor       int64          `json:"amount,omitzero" doc:"Minor units; left out where the payer says how much."`
	Currency    money.Currency `json:"currency"`
	Description string         `json:"description,omitempty"`
	payment.Sharing
	ReturnURL string                 `json:"return_url,omitempty"`
	CancelURL string                 `json:"cancel_url,omitempty"`
	UsesMax   int64                  `json:"uses_max,omitzero" doc:"Most payments; left out for any number."`
	Uses      int64                  `json:"uses" doc:"Payments made by it that are paid or can still be."`
	State     LinkState              `json:"state" enum:"active,disabled"`
	TakenDown payment.TakeDownReason `json:"taken_down,omitempty" enum:"fraud,forbidden_goods,impersonation,legal_order,other" doc:"Why the operator has taken it down: nobody can pay by it until that is lifted."`
	ExpiresAt time.Time              `json:"expires_at,omitzero"`
	CreatedAt time.Time              `json:"created_at"`
	URL       string                 `json:"url" doc:"Give it to payers."`

	token string
}

// Parts are what Checkouts is made of. Live wants https of the merchants' addresses.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Outbox    *outbox.Outbox
	Keys      *idempotency.Keys
	Parties   *party.Parties
	Auth      *auth.Auth
	Ledger    *ledger.Ledger
	Limits    *limit.Limits
	Cards     *card.Cards
	Payments  *payment.Payments
	Codes     *qr.Codes
	Live      bool
	// Trail takes the records of what merchants and staff change.
	Trail *audit.Trail
}

// Checkouts runs the acts and serves the pages of this package.
type Checkouts struct {
	Parts
	checkouts *commit.Table[Checkout]
	links     *commit.Table[Link]
	origins   *commit.Table[Origins]
	streams   chan struct{} // one place for each open stream of events
	stopping  chan struct{} // closed when the process ends
}

// New returns Checkouts on its parts, and registers its tables.
func New(parts Parts) *Checkouts {
	return &Checkouts{
		Parts: parts, checkouts: checkoutsTable(parts.Committer), links: linksTable(parts.Committer),
		origins: originsTable(parts.Committer),
		streams: make(chan struct{}, streamsMax), stopping: make(chan struct{}),
	}
}

// Stop ends the open streams, once; polling goes on.
func (c *Checkouts) Stop() { close(c.stopping) }

const (
	statusOK      = 200 // RFC 9110 §15.3.1
	statusCreated = 201 // RFC 9110 §15.3.2
)

func notFound() *fault.Fault {
	return fault.New(fault.NotFound, "checkout.not_found", "there is no such page")
}

func linkNotFound() *fault.Fault {
	return fault.New(fault.NotFound, "payment_link.not_found", "there is no such payment link")
}

// PageURL is the address of a payment's page.
func (c *Checkouts) PageURL(name id.Payment) string {
	return c.Codes.Origin + "/pay/" + string(name) + "?key=" + c.Codes.PaymentKey(name)
}
