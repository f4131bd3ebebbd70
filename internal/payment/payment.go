// Package payment moves money between wallets and merchants: payments that the payer confirms or whose
// code the merchant scans, refunds, transfers from person to person, and top-ups from a bank.
//
// Every act is one decision of the group committer: idempotency key, guards, entry, row and event are one
// commit. The tour: payment.go and state.go have the types and moves; create.go, code.go, confirm.go, void.go,
// authorize.go, capture.go, refund.go, transfer.go, top_up.go an act each; charge.go what a payer's word does; card.go,
// card_settle.go and refund_card.go what goes to and from bank cards;
// limit.go asks package limit; store.go all SQL.
package payment

import (
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
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
	"github.com/feiqian/feiqian/internal/vault"
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

// CaptureMode says when the payer's word becomes the merchant's money.
type CaptureMode string

const (
	// Automatic payments are the merchant's at once.
	Automatic CaptureMode = "automatic"
	// Manual payments set the payer's money aside until the merchant captures it.
	Manual CaptureMode = "manual"
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
	Store     id.Store    `json:"store_id,omitempty" doc:"the merchant's store where it is made"`
	Reference string      `json:"reference,omitempty" doc:"the merchant's own number, unique for the merchant"`
	money.Amount
	State       State             `json:"state" enum:"created,processing,authorized,succeeded,declined,expired,voided"`
	DeclineCode string            `json:"decline_code,omitempty" doc:"why it was declined; while it waits, why the last card was"`
	Method      Method            `json:"method,omitempty" enum:"balance,card" doc:"what pays or has paid"`
	Card        *PaidCard         `json:"card,omitempty" doc:"the card, with method card"`
	Flow        Flow              `json:"flow" enum:"confirm,code"`
	CaptureMode CaptureMode       `json:"capture" enum:"automatic,manual"`
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty" doc:"the merchant's own words; the payer does not see them"`
	Captured    money.Amount      `json:"captured" doc:"what is the merchant's, refunds not taken off"`
	Fee         money.Amount      `json:"fee"`
	Refunded    money.Amount      `json:"refunded"`
	FeeReturned money.Amount      `json:"fee_returned"`
	Customer    id.Customer       `json:"customer_id,omitempty"`
	Entry       id.Entry          `json:"entry_id,omitempty"`
	ExpiresAt   time.Time         `json:"expires_at"`
	CreatedAt   time.Time         `json:"created_at"`
	CompletedAt time.Time         `json:"completed_at,omitzero"`
	// Authorization is set for payments with manual capture.
	Authorization *Authorization `json:"authorization,omitempty"`
	// Funds says where what is captured goes; Custody what of it waits now.
	Funds   Funds    `json:"funds,omitempty" enum:"split,held,escrow" doc:"where the money goes, if not to you at once"`
	Custody *Custody `json:"custody,omitempty"`

	referenceKey string
	device       id.Device
	attempt      id.Attempt // of Card
}

// PayerView is a payment as the payer sees it: without what is between merchant and operator.
type PayerView struct {
	ID           id.Payment  `json:"id"`
	Merchant     id.Merchant `json:"merchant_id"`
	MerchantName string      `json:"merchant_name,omitempty"`
	money.Amount
	State       State        `json:"state" enum:"created,processing,authorized,succeeded,declined,expired,voided"`
	DeclineCode string       `json:"decline_code,omitempty" doc:"why it was declined; while it waits, why the last card was"`
	Method      Method       `json:"method,omitempty" enum:"balance,card"`
	CardID      id.Card      `json:"card_id,omitempty"`
	Card        *PaidCard    `json:"card,omitempty"`
	Description string       `json:"description,omitempty"`
	CaptureMode CaptureMode  `json:"capture" enum:"automatic,manual"`
	Captured    money.Amount `json:"captured"`
	Refunded    money.Amount `json:"refunded"`
	Entry       id.Entry     `json:"entry_id,omitempty"`
	ExpiresAt   time.Time    `json:"expires_at"`
	CreatedAt   time.Time    `json:"created_at"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`
	// Authorization says how much the merchant may take at most, and until when.
	Authorization *Authorization `json:"authorization,omitempty"`
	Funds         Funds          `json:"funds,omitempty" enum:"split,held,escrow"`
	// Custody says that money waits; in escrow until the payer has the goods.
	Custody *PayerCustody `json:"custody,omitempty"`
	// Tries are the payer's own, where the payment is read.
	Tries []Try `json:"attempts,omitempty" doc:"your tries to pay it by card, oldest first"`
}

// Attempt returns the order on a channel that pays or has paid; "" where none takes part.
func (p *Payment) Attempt() id.Attempt { return p.attempt }

// ForPayer returns the payer's view.
func (p *Payment) ForPayer(merchantName string) PayerView {
	view := PayerView{
		ID:           p.ID,
		Merchant:     p.Merchant,
		MerchantName: merchantName,
		Amount:       p.Amount,
		State:        p.State,
		DeclineCode:  p.DeclineCode,
		Description:  p.Description,
		CaptureMode:  p.CaptureMode,
		Captured:     p.Captured,
		Refunded:     p.Refunded,
		Entry:        p.Entry,
		ExpiresAt:    p.ExpiresAt,
		CreatedAt:    p.CreatedAt,
		CompletedAt:  p.CompletedAt,

		Authorization: p.Authorization,
		Funds:         p.Funds,
		Custody:       p.Custody.forPayer(),

		Method: p.Method, Card: p.Card,
	}
	if p.Card != nil {
		view.CardID = p.Card.id
	}
	return view
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
	Trail        *audit.Trail
	BankAccounts *attempt.BankAccounts
	Cards        *card.Cards
	Currencies   []money.Currency
	Stripe       string
	Vault        *vault.Vault // seals evidence
}

// Payments runs the acts of this package.
type Payments struct {
	Parts
	flows     ledger.Flows
	payments  *commit.Table[Payment]
	refunds   *commit.Table[Refund]
	transfers *commit.Table[Transfer]
	topUps    *commit.Table[TopUp]

	authorizations *commit.Table[Authorization]
	captures       *commit.Table[Capture]
	refundRules    *commit.Table[RefundRules]
	custodies      *commit.Table[Custody]
	splits         *commit.Table[Split]
	splitRules     *commit.Table[SplitRule]
	takeDowns      *commit.Table[StaffTakeDown]
	disputes       *commit.Table[Dispute]
	disputeFiles   *commit.Table[DisputeFile]
}

// New returns Payments on its parts, and registers its tables.
func New(parts Parts) *Payments {
	p := &Payments{
		Parts: parts, flows: ledger.Flows{Stripe: parts.Stripe},
		payments: paymentsTable(parts.Committer), refunds: refundsTable(parts.Committer),
		transfers: transfersTable(parts.Committer), topUps: topUpsTable(parts.Committer),
		authorizations: authorizationsTable(parts.Committer), captures: capturesTable(parts.Committer),
		refundRules: refundRulesTable(parts.Committer), custodies: custodiesTable(parts.Committer),
		splits: splitsTable(parts.Committer), splitRules: splitRulesTable(parts.Committer),
		takeDowns: takeDownsTable(parts.Committer),
		disputes:  disputesTable(parts.Committer), disputeFiles: disputeFilesTable(parts.Committer),
	}
	parts.Attempts.Register(channel.KindPayIn, attempt.Handler{Settle: p.settlePayIn})
	parts.Attempts.Register(channel.KindRefund, attempt.Handler{Settle: p.settleRefund})
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
