package card

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State is where a binding stands.
type State string

// The states of a card.
const (
	// AwaitingCode waits for the customer, who has a code from the issuer.
	AwaitingCode State = "awaiting_code"
	// Confirming waits for the issuer, who has the code; the sweeper asks until it knows.
	Confirming State = "confirming"
	// Bound may be used.
	Bound State = "bound"
	// Unbinding may not be used any more; a job tells the issuer.
	Unbinding State = "unbinding"
	// Unbound is over, and the issuer knows; final.
	Unbound State = "unbound"
	// Declined was refused by the issuer; final.
	Declined State = "declined"
	// Expired had no right code in time; final.
	Expired State = "expired"
)

// next is the table of moves: from a state to those that may follow it.
func next() map[State][]State {
	return map[State][]State{
		AwaitingCode: {Confirming, Unbinding, Expired},
		Confirming:   {Bound, AwaitingCode, Declined, Expired},
		Bound:        {Unbinding},
		Unbinding:    {Unbound},
		Unbound:      {},
		Declined:     {},
		Expired:      {},
	}
}

// move changes the state. Errors: card.already_… (Conflict), which names where the card stands.
func (r *row) move(to State) error {
	if !slices.Contains(next()[r.State], to) {
		return fault.Newf(fault.Conflict, "card.already_"+string(r.State), "the card is %s", r.State)
	}
	r.State = to
	return nil
}

// holds reports whether a card in this state counts as the customer's: its number is kept.
func (s State) holds() bool { return s == AwaitingCode || s == Confirming || s == Bound }

// AgreementState is where a quick pay agreement stands.
type AgreementState string

// The states of an agreement.
const (
	// AgreementActive lets the card be debited within the limits.
	AgreementActive AgreementState = "active"
	// AgreementSuspended was stopped by the customer, who may resume it.
	AgreementSuspended AgreementState = "suspended"
	// AgreementCancelled is over; final. The card stays bound and can be bound anew for another agreement.
	AgreementCancelled AgreementState = "cancelled"
)

func nextAgreement() map[AgreementState][]AgreementState {
	return map[AgreementState][]AgreementState{
		AgreementActive:    {AgreementSuspended, AgreementCancelled},
		AgreementSuspended: {AgreementActive, AgreementCancelled},
		AgreementCancelled: {},
	}
}

// move changes the state; to the same one is no move and is allowed. Errors: card.agreement_cancelled.
func (a *Agreement) move(to AgreementState) error {
	if a.State == to {
		return nil
	}
	if !slices.Contains(nextAgreement()[a.State], to) {
		return fault.Newf(fault.Conflict, "card.agreement_"+string(a.State), "the agreement is %s", a.State).
			WithHint("unbind the card and bind it again for a new agreement")
	}
	a.State = to
	return nil
}
