package payment

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// DisputeState says where a dispute stands.
type DisputeState string

const (
	// DisputeOpen waits for the merchant's answer, until AnswerBy.
	DisputeOpen DisputeState = "open"
	// DisputeInReview waits for the operator's staff: the merchant contests it, or said nothing in time.
	DisputeInReview DisputeState = "in_review"
	// DisputeAccepted was accepted by the merchant, who gave the amount back. Final.
	DisputeAccepted DisputeState = "accepted"
	// DisputeUpheld was decided for the payer, in whole or in part. Final.
	DisputeUpheld DisputeState = "upheld"
	// DisputeRejected was decided for the merchant. Final.
	DisputeRejected DisputeState = "rejected"
	// DisputeWithdrawn was called off by the payer. Final.
	DisputeWithdrawn DisputeState = "withdrawn"
)

// DisputeStates returns all states, in the order of a dispute's life.
func DisputeStates() []DisputeState {
	return []DisputeState{
		DisputeOpen, DisputeInReview, DisputeAccepted, DisputeUpheld, DisputeRejected, DisputeWithdrawn,
	}
}

// nextOfDispute is the one table of moves.
func nextOfDispute(s DisputeState) []DisputeState {
	switch s {
	case DisputeOpen:
		return []DisputeState{DisputeInReview, DisputeAccepted, DisputeWithdrawn}
	case DisputeInReview:
		return []DisputeState{DisputeAccepted, DisputeUpheld, DisputeRejected, DisputeWithdrawn}
	case DisputeAccepted, DisputeUpheld, DisputeRejected, DisputeWithdrawn:
	}
	return nil
}

// Final reports whether the state never changes again.
func (s DisputeState) Final() bool { return len(nextOfDispute(s)) == 0 }

// Move returns the new state. Errors: dispute.wrong_state.
func (s DisputeState) Move(to DisputeState) (DisputeState, error) {
	if slices.Contains(nextOfDispute(s), to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "dispute.wrong_state", "the dispute is %s", s)
}
