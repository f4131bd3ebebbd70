package party

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State is where a customer, a merchant or a person of the staff stands.
type State string

// The states of parties.
const (
	// StateActive may act.
	StateActive State = "active"
	// StateFrozen may look and may not act, until staff decide.
	StateFrozen State = "frozen"
	// StateClosed has left and can't sign in; final.
	StateClosed State = "closed"
)

// stateOf is a state as an audit record shows it.
type stateOf struct {
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// next is the table of moves: from a state to those that may follow it.
func next() map[State][]State {
	return map[State][]State{
		StateActive: {StateFrozen, StateClosed},
		StateFrozen: {StateActive, StateClosed},
		StateClosed: {},
	}
}

// move checks one move; a move to the same state is no move and is allowed. Errors: party.bad_state
// (no such state), party.state_conflict.
func move(from, to State) error {
	if _, known := next()[to]; !known {
		return fault.New(fault.Invalid, "party.bad_state", "a state is active, frozen or closed").WithParam("state")
	}
	if from == to {
		return nil
	}
	if slices.Contains(next()[from], to) {
		return nil
	}
	return fault.Newf(fault.Conflict, "party.state_conflict", "what is %s can't become %s", from, to).WithParam("state")
}
