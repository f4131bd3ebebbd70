package identity

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State is where a customer's real-name verification stands.
type State string

const (
	// StateNone has shown no document; the customer acts next.
	StateNone State = "none"
	// StateOpen has a document; the customer acts next and starts checks, as many as the wanted class needs.
	StateOpen State = "open"
	// StateReview waits for staff: approve or refuse.
	StateReview State = "review"
	// StateRefused was refused by staff; the customer may show another document, which staff will see.
	StateRefused State = "refused"
	// StateExpired has a document that is over; the customer shows a valid one.
	StateExpired State = "expired"
)

// moves is the one table of moves of a verification.
func moves() map[State][]State {
	return map[State][]State{
		StateNone:    {StateOpen, StateReview},
		StateOpen:    {StateOpen, StateReview, StateExpired},
		StateReview:  {StateOpen, StateRefused},
		StateRefused: {StateReview},
		StateExpired: {StateOpen, StateReview},
	}
}

// CheckState is where the check of one channel stands.
type CheckState string

const (
	// CheckNone was never started, or no longer counts; the customer acts next.
	CheckNone CheckState = "none"
	// CheckWaiting is on its way to the channel; the job acts next.
	CheckWaiting CheckState = "waiting"
	// CheckUnknown has no answer that can be trusted; the job asks again.
	CheckUnknown CheckState = "unknown"
	// CheckAsked waits for the customer's word to the channel.
	CheckAsked CheckState = "asked"
	// CheckPassed counts for the class until it is over.
	CheckPassed CheckState = "passed"
	// CheckFailed has a definite no; the customer may start again.
	CheckFailed CheckState = "failed"
)

// checkMoves is the one table of moves of a check. Nothing but a channel's word leads to passed.
func checkMoves() map[CheckState][]CheckState {
	said := []CheckState{CheckUnknown, CheckAsked, CheckPassed, CheckFailed, CheckNone}
	return map[CheckState][]CheckState{
		CheckNone:    {CheckWaiting, CheckNone},
		CheckWaiting: said,
		CheckUnknown: said,
		CheckAsked:   {CheckWaiting, CheckNone},
		CheckPassed:  {CheckWaiting, CheckNone},
		CheckFailed:  {CheckWaiting, CheckNone},
	}
}

// Next checks a move. Errors: identity.state_conflict.
func (s State) Next(to State) (State, error) {
	if slices.Contains(moves()[s], to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "identity.state_conflict", "a verification that is %s can't become %s", s, to)
}

// Next checks a move. Errors: identity.check_conflict.
func (s CheckState) Next(to CheckState) (CheckState, error) {
	if slices.Contains(checkMoves()[s], to) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "identity.check_conflict", "a check that is %s can't become %s", s, to)
}

// under reports whether a check waits for a channel's word.
func (s CheckState) under() bool { return s == CheckWaiting || s == CheckUnknown }

// Reasons of reviews, failed checks and events: stable words for programs.
const (
	ReasonDuplicate     = "duplicate_document" // another customer has shown this document
	ReasonRefusedBefore = "refused_before"     // staff refused this customer before
	ReasonOtherDocument = "other_document"     // a verified customer shows another document
	ReasonStaff         = "requested_by_staff" // staff ask for verification again
	ReasonMismatch      = "mismatch"           // the channel says that something differs
	ReasonNotFound      = "not_found"          // the channel knows nobody of that document
	ReasonWrongAnswer   = "wrong_answer"       // the person's word to the channel was wrong
	ReasonStaffRefused  = "refused_by_staff"
)
