package payment

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// RefundState says where a refund stands.
type RefundState string

const (
	// RefundInReview waits for the merchant's or the operator's word; nothing has moved.
	RefundInReview RefundState = "in_review"
	// RefundProcessing is on its way to a card, whose issuer acts next, then the sweeper.
	RefundProcessing RefundState = "processing"
	// RefundSucceeded has given the money back. Final.
	RefundSucceeded RefundState = "succeeded"
	// RefundDeclined was refused by the card's issuer; the merchant has the money again. Final.
	RefundDeclined RefundState = "declined"
	// RefundRejected was not given, for the reason in the note. Final.
	RefundRejected RefundState = "rejected"
	// RefundWithdrawn was called off by who asked for it. Final.
	RefundWithdrawn RefundState = "withdrawn"
)

// RefundStates returns all states, in the order of a refund's life.
func RefundStates() []RefundState {
	return []RefundState{
		RefundInReview, RefundProcessing, RefundSucceeded, RefundDeclined, RefundRejected, RefundWithdrawn,
	}
}

// nextOfRefund is the one table of moves. From "", a refund is in review, on its way or done in the commit that writes
// it.
func nextOfRefund(s RefundState) []RefundState {
	switch s {
	case "":
		return []RefundState{RefundInReview, RefundProcessing, RefundSucceeded}
	case RefundInReview:
		return []RefundState{RefundProcessing, RefundSucceeded, RefundRejected, RefundWithdrawn}
	case RefundProcessing:
		return []RefundState{RefundSucceeded, RefundDeclined}
	case RefundSucceeded, RefundDeclined, RefundRejected, RefundWithdrawn:
	}
	return nil
}

// Final reports whether the state never changes again.
func (s RefundState) Final() bool { return len(nextOfRefund(s)) == 0 }

// Move returns the new state. Errors: refund.already_decided.
func (s RefundState) Move(to RefundState) (RefundState, error) {
	if slices.Contains(nextOfRefund(s), to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "refund.already_decided", "the refund is %s already", s)
}
