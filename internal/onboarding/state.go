package onboarding

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State is where an application stands.
type State string

// The states of applications, with who acts next.
const (
	// Draft is being written: the applicant.
	Draft State = "draft"
	// Submitted waits for a review: staff.
	Submitted State = "submitted"
	// MoreNeeded lacks what Reason says: the applicant.
	MoreNeeded State = "more_needed"
	// Approved has made a merchant; final.
	Approved State = "approved"
	// Refused is refused for Reason; final. A new application may be made.
	Refused State = "refused"
)

// next is the table of moves: from a state to those that may follow it.
func next() map[State][]State {
	return map[State][]State{
		Draft:      {Submitted},
		Submitted:  {MoreNeeded, Approved, Refused},
		MoreNeeded: {Submitted},
		Approved:   {},
		Refused:    {},
	}
}

// States lists all states.
func States() []State { return []State{Draft, Submitted, MoreNeeded, Approved, Refused} }

// Move checks one move. Errors: onboarding.state_conflict.
func (s State) Move(to State) (State, error) {
	if slices.Contains(next()[s], to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "onboarding.state_conflict", "an application that is %s can't become %s", s, to)
}

// editable refuses changes by the applicant while staff have the application, or when it is over.
func (s State) editable() error {
	if s == Draft || s == MoreNeeded {
		return nil
	}
	return fault.Newf(fault.Conflict, "onboarding.not_editable", "an application that is %s can't be changed", s)
}
