package card

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/vault"
)

// Issuer is the port to the issuers of cards, or to a scheme that speaks for them. The card's id is our reference: a
// second call under it does nothing twice.
//
// Errors of all methods mean that nobody knows what the issuer did: card.issuer_no_answer (Timeout or Unavailable),
// card.issuer_bad_answer (Unavailable). What the issuer refuses is a result.
type Issuer interface {
	// Start checks the four elements and sends a code to the phone. It binds nothing yet.
	Start(ctx context.Context, request StartRequest) (Answer, error)
	// Confirm hands on the code that the customer typed.
	Confirm(ctx context.Context, card id.Card, code string) (Answer, error)
	// Query tells where a binding stands.
	Query(ctx context.Context, card id.Card) (Answer, error)
	// Cancel ends a binding and its agreement; also one that was never finished.
	Cancel(ctx context.Context, card id.Card) (Answer, error)
}

// StartRequest is the four elements. It is handed on and not kept.
type StartRequest struct {
	Card       id.Card
	PAN        vault.PAN
	HolderName string
	Document   string
	Phone      string // E.164
	ExpiresOn  string // YYYY-MM, credit cards only
}

// Outcome is what an issuer says. The zero value is not known.
type Outcome string

// The outcomes.
const (
	// OutcomeWaiting means that a code was sent and none was right yet.
	OutcomeWaiting Outcome = "awaiting_code"
	// OutcomeSigned means that the card is bound and the agreement signed.
	OutcomeSigned Outcome = "signed"
	// OutcomeWrongCode means that the code was wrong and another may be tried.
	OutcomeWrongCode Outcome = "wrong_code"
	// OutcomeDeclined means that the issuer refused for good.
	OutcomeDeclined Outcome = "declined"
	// OutcomeCancelled means that the binding is over.
	OutcomeCancelled Outcome = "cancelled"
	// OutcomeNotFound means that the issuer knows of no such binding.
	OutcomeNotFound Outcome = "not_found"
)

// Answer is an issuer's word. A signed one has token, agreement number, limits and currency.
type Answer struct {
	Outcome     Outcome
	DeclineCode DeclineCode
	Token       string
	Number      string // of the agreement
	// TransactionMax and DayMax are the issuer's own limits.
	TransactionMax, DayMax money.Amount
	SignedAt               time.Time
}

// DeclineCode says why an issuer refused.
type DeclineCode string

// The reasons.
const (
	DeclineMismatch     DeclineCode = "elements_mismatch" // name, document, number and phone do not belong together
	DeclineExpiredCard  DeclineCode = "card_expired"
	DeclineBlocked      DeclineCode = "card_blocked"
	DeclineNotAllowed   DeclineCode = "not_allowed" // the issuer does not sign agreements for this card
	DeclineTooManyTries DeclineCode = "too_many_codes"
	DeclineOther        DeclineCode = "declined"
)

// Decline returns a code of an issuer as one of ours.
func Decline(code string) DeclineCode {
	switch known := DeclineCode(code); known {
	case DeclineMismatch, DeclineExpiredCard, DeclineBlocked, DeclineNotAllowed, DeclineTooManyTries, DeclineOther:
		return known
	}
	return DeclineOther
}
