package payment

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State says where a payment stands.
type State string

const (
	// Created payments wait for the payer's confirmation.
	Created State = "created"
	// Processing payments have the payer's word for a card; its issuer acts next, then the sweeper. Nobody else can.
	Processing State = "processing"
	// Authorized payments have the payer's word and money set aside; the merchant captures or voids them.
	Authorized State = "authorized"
	// Succeeded payments are paid; the merchant may refund. Final.
	Succeeded State = "succeeded"
	// Declined payments were refused for a reason in decline_code. Final.
	Declined State = "declined"
	// Expired payments were not confirmed or captured in time. Final.
	Expired State = "expired"
	// Voided payments were called off by the merchant before anything was paid. Final.
	Voided State = "voided"
)

// States returns all states, in the order of a payment's life.
func States() []State {
	return []State{Created, Processing, Authorized, Succeeded, Declined, Expired, Voided}
}

// next is the one table of moves; a payment by code is created and decided in one commit. An authorized payment of
// which a part was captured ends as succeeded, also where the rest is voided or expires. Where a card's issuer
// declines, the payment waits for its payer again; with no time left it is declined.
func next(s State) []State {
	switch s {
	case Created:
		return []State{Processing, Authorized, Succeeded, Declined, Expired, Voided}
	case Processing:
		return []State{Created, Succeeded, Declined}
	case Authorized:
		return []State{Succeeded, Expired, Voided}
	case Succeeded, Declined, Expired, Voided, TopUpPending:
	}
	return nil
}

// Final reports whether the state never changes again.
func (s State) Final() bool { return len(next(s)) == 0 }

// Move returns the new state. Errors: payment.already_succeeded and so on for every state that forbids it.
func (s State) Move(to State) (State, error) {
	if slices.Contains(next(s), to) {
		return to, nil
	}
	refusal := fault.Newf(fault.Conflict, "payment.already_"+string(s), "the payment is %s already", s)
	if s == Processing {
		refusal = refusal.WithHint("the card's bank decides: wait for its word")
	}
	return s, refusal
}
