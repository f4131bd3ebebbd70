// Package payment moves money between wallets and merchants: payments that the payer confirms or whose
// code the merchant scans, refunds, transfers from person to person, and top-ups from a bank.
//
// Every act is one decision of the group committer: idempotency key, guards, entry, row and event are one
// commit. The tour: payment.go and state.go have the types and moves; create.go, code.go, confirm.go, void.go,
// refund.go, transfer.go, top_up.go an act each; limit.go asks package limit; store.go all SQL.
package payment

import (
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
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
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/wallet"
)

// Flow says how the payer agrees.
type Flow string

const (
	// ByConfirmation means that the payer confirms with the PIN.
	ByConfirmation Flow = "confirm"
	// ByCode means that the merchant scans the payer's payment code.
	ByCode Flow = "code"
)

// Decline codes of payments from the balance.
const (
	DeclineInsufficientFunds = "insufficient_funds"
	DeclineAccountFrozen     = "account_frozen"
)

// Payment is one wish of a merchant to be paid one amount, as the merchant sees it.
type Payment struct {
	ID        id.Payment  `json:"id"`
	Merchant  id.Merchant `json:"merchant_id"`
	Reference string      `json:"reference,omitempty" doc:"the merchant's own number, unique for the merchant"`
	money.Amount
	State       State        `json:"state" enum:"created,succeeded,declined,expired,voided"`
	DeclineCode string       `json:"decline_code,omitempty"`
	Flow        Flow         `json:"flow" enum:"confirm,code"`
	Description string       `json:"description,omitempty"`
	Fee         money.Amount `json:"fee"`
	Refunded    money.Amount `json:"refunded"`
	FeeReturned money.Amount `json:"fee_returned"`
	Customer    id.Customer  `json:"customer_id,omitempty"`
	Entry       id.Entry     `json:"entry_id,omitempty"`
	ExpiresAt   time.Time    `json:"expires_at"`
	CreatedAt   time.Time    `json:"created_at"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`

	referenceKey string
	device       id.Device
}

// PayerView is a payment as the payer sees it: without what is between merchant and operator.
type PayerView struct {
	ID           id.Payment  `json:"id"`
	Merchant     id.Merchant `json:"merchant_id"`
	MerchantName string      `json:"merchant_name,omitempty"`
	money.Amount
	State       State        `json:"state" enum:"created,succeeded,declined,expired,voided"`
	DeclineCode string       `json:"decline_code,omitempty"`
	Description string       `json:"description,omitempty"`
	Refunded    money.Amount `json:"refunded"`
	Entry       id.Entry     `json:"entry_id,omitempty"`
	ExpiresAt   time.Time    `json:"expires_at"`
	CreatedAt   time.Time    `json:"created_at"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`
}

// ForPayer returns the payer's view.
func (p *Payment) ForPayer(merchantName string) PayerView {
	return PayerView{
		ID:           p.ID,
		Merchant:     p.Merchant,
		MerchantName: merchantName,
		Amount:       p.Amount,
		State:        p.State,
		DeclineCode:  p.DeclineCode,
		Description:  p.Description,
		Refunded:     p.Refunded,
		Entry:        p.Entry,
		ExpiresAt:    p.ExpiresAt,
		CreatedAt:    p.CreatedAt,
		CompletedAt:  p.CompletedAt,
	}
}

// Parts are what Payments is made of. Stripe is the node's part of the operator's accounts;
// Currencies are the ones in which this instance keeps wallets.
type Parts struct {
	Committer    *commit.Committer
	DB           *sqldb.DB
	Clock        *clock.Clock
	Ledger       *ledger.Ledger
	Outbox       *outbox.Outbox
	Keys         *idempotency.Keys
	Parties      *party.Parties
	Limits       *limit.Limits
	Auth         *auth.Auth
	Wallets      *wallet.Wallets
	Attempts     *attempt.Attempts
	BankAccounts *attempt.BankAccounts
	Currencies   []money.Currency
	Stripe       string
}

// Payments runs the acts of this package.
type Payments struct {
	Parts
	flows     ledger.Flows
	payments  *commit.Table[Payment]
	refunds   *commit.Table[Refund]
	transfers *commit.Table[Transfer]
	topUps    *commit.Table[TopUp]
}

// New returns Payments on its parts, and registers its tables.
func New(parts Parts) *Payments {
	p := &Payments{
		Parts: parts, flows: ledger.Flows{Stripe: parts.Stripe},
		payments: paymentsTable(parts.Committer), refunds: refundsTable(parts.Committer),
		transfers: transfersTable(parts.Committer), topUps: topUpsTable(parts.Committer),
	}
	parts.Attempts.Register(channel.KindPayIn, attempt.Handler{Settle: p.settleTopUp})
	return p
}

// checkAmount refuses amounts that are not positive or not in a currency of this instance.
func (p *Payments) checkAmount(amount money.Amount) error {
	return CheckAmount(amount, p.Currencies)
}

// CheckAmount refuses amounts that are not positive or not in one of currencies. Errors:
// money.not_positive, money.overflow, money.unknown_currency, payment.currency_not_supported.
func CheckAmount(amount money.Amount, currencies []money.Currency) error {
	if err := amount.CheckPositive(); err != nil {
		return fault.From(err).WithParam("amount")
	}
	if slices.Contains(currencies, amount.Currency) {
		return nil
	}
	return fault.New(fault.Invalid, "payment.currency_not_supported", "this instance keeps no wallets in this currency").
		WithParam("currency")
}
