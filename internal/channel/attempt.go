package channel

import (
	"github.com/feiqian/feiqian/internal/fault"
)

// AttemptState is where one try of an order on one channel stands.
type AttemptState string

const (
	// AttemptCreated means written, and not sent as far as we know. We act: send.
	AttemptCreated AttemptState = "created"
	// AttemptSent means on its way, no answer yet. The channel acts; after its time-out, we: query.
	AttemptSent AttemptState = "sent"
	// AttemptUnknown means that no trustworthy answer came. We act: query.
	AttemptUnknown AttemptState = "unknown"
	// AttemptPending means that the channel has the order. The channel acts; we query when it takes
	// long.
	AttemptPending AttemptState = "pending"
	// AttemptSucceeded means that the money has moved. Final, nobody acts.
	AttemptSucceeded AttemptState = "succeeded"
	// AttemptDeclined means that the channel refused and no money has moved. Final, nobody acts.
	AttemptDeclined AttemptState = "declined"
	// AttemptNotBooked means that the channel never got the order, known from a query after the
	// grace. Final, nobody acts; a new try is a new attempt.
	AttemptNotBooked AttemptState = "not_booked"
)

// AttemptStates returns all states, in the order of an attempt's life.
func AttemptStates() []AttemptState {
	return []AttemptState{
		AttemptCreated, AttemptSent, AttemptUnknown, AttemptPending,
		AttemptSucceeded, AttemptDeclined, AttemptNotBooked,
	}
}

// Final reports whether the state never changes again.
func (s AttemptState) Final() bool {
	return s == AttemptSucceeded || s == AttemptDeclined || s == AttemptNotBooked
}

// Send returns the state when the order is about to be sent, for the first time or again with the
// same reference.
//
// Errors: channel.contradiction when the state is final, since nothing may be sent any more;
// channel.unknown_state.
func (s AttemptState) Send() (AttemptState, error) {
	switch s {
	case AttemptCreated, AttemptSent:
		return AttemptSent, nil
	case AttemptUnknown, AttemptPending:
		return s, nil
	case AttemptSucceeded, AttemptDeclined, AttemptNotBooked:
		return s, fault.Newf(fault.Conflict, CodeContradiction, "an attempt that is %s is not sent again", s)
	}
	return s, unknownState(s)
}

// Next returns the state after the channel's answer, the answer to a query or a notice. The same
// outcome again changes nothing, and an older one (pending after succeeded) neither. A final state never
// changes. Hand in OutcomeNotFound only when Capabilities.NotFoundTrusted says so; before that it is
// OutcomeUnknown.
//
// Errors: channel.contradiction when the outcome cannot be true together with what we know: the
// state is returned as it was, and a person has to look. channel.unknown_state.
func (s AttemptState) Next(outcome Outcome) (AttemptState, error) {
	row, ok := next(s)
	if !ok {
		return s, unknownState(s)
	}
	state, ok := row.after(outcome)
	if !ok {
		return s, fault.Newf(fault.Internal, CodeUnknownState, "%q is not an outcome", string(outcome))
	}
	if state == contradiction {
		return s, fault.Newf(fault.Conflict, CodeContradiction,
			"the channel answered %s for an attempt that is %s", outcome, s).
			WithHint("compare the channel's statement with the attempt, then correct by a new entry")
	}
	return state, nil
}

// contradiction in the table stands for an outcome that cannot be true.
const contradiction = "contradiction"

// moves is a row of the table: the state after each outcome.
type moves struct{ unknown, pending, succeeded, declined, notFound AttemptState }

// next is the one table of moves.
//
// Created and not found stays created: the order was never sent, and still may be. Declined and not
// found agree that no money moved, and so do not booked and declined. Not booked and pending do not:
// the order is alive at the channel.
func next(s AttemptState) (moves, bool) {
	const (
		pending, succeeded, declined = AttemptPending, AttemptSucceeded, AttemptDeclined
		unknown, notBooked, created  = AttemptUnknown, AttemptNotBooked, AttemptCreated
	)
	switch s { //     after:  unknown    pending        succeeded      declined       not found
	case AttemptCreated:
		return moves{unknown, pending, succeeded, declined, created}, true
	case AttemptSent:
		return moves{unknown, pending, succeeded, declined, notBooked}, true
	case AttemptUnknown:
		return moves{unknown, pending, succeeded, declined, notBooked}, true
	case AttemptPending:
		return moves{pending, pending, succeeded, declined, contradiction}, true
	case AttemptSucceeded:
		return moves{succeeded, succeeded, succeeded, contradiction, contradiction}, true
	case AttemptDeclined:
		return moves{declined, declined, contradiction, declined, declined}, true
	case AttemptNotBooked:
		return moves{notBooked, contradiction, contradiction, notBooked, notBooked}, true
	}
	return moves{}, false
}

// after picks the column of outcome.
func (m moves) after(outcome Outcome) (AttemptState, bool) {
	switch outcome {
	case OutcomeUnknown:
		return m.unknown, true
	case OutcomePending:
		return m.pending, true
	case OutcomeSucceeded:
		return m.succeeded, true
	case OutcomeDeclined:
		return m.declined, true
	case OutcomeNotFound:
		return m.notFound, true
	}
	return "", false
}

func unknownState(s AttemptState) error {
	return fault.Newf(fault.Internal, CodeUnknownState, "%q is not a state of an attempt", string(s))
}
