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
	// Succeeded payments are paid; the merchant may refund. Final.
	Succeeded State = "succeeded"
	// Declined payments were refused for a reason in decline_code. Final.
	Declined State = "declined"
	// Expired payments were not confirmed in time. Final.
	Expired State = "expired"
	// Voided payments were called off by the merchant before they were paid. Final.
	Voided State = "voided"
)

// States returns all states, in the order of a payment's life.
func States() []State { return []State{Created, Succeeded, Declined, Expired, Voided} }

// next is the one table of moves; a payment by code is created and decided in one commit.
func next(s State) []State {
	if s == Created {
		return []State{Succeeded, Declined, Expired, Voided}
	}
	return nil
}

// Final reports whether the state never changes again.
func (s State) Final() bool { return len(next(s)) == 0 }

// Move returns the new state. Errors: payment.already_succeeded and so on for every final state.
func (s State) Move(to State) (State, error) {
	if slices.Contains(next(s), to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "payment.already_"+string(s), "the payment is %s already", s)
}
