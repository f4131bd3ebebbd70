package card

import (
	"slices"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
)

// TestMoves walks every pair of states.
func TestMoves(t *testing.T) {
	t.Parallel()
	all := []State{AwaitingCode, Confirming, Bound, Unbinding, Unbound, Declined, Expired}
	allowed := map[State][]State{ //nolint:exhaustive // the others are final
		AwaitingCode: {Confirming, Unbinding, Expired}, Confirming: {Bound, AwaitingCode, Declined, Expired},
		Bound: {Unbinding}, Unbinding: {Unbound},
	}
	for _, from := range all {
		for _, to := range all {
			r := row{State: from, SealedPAN: []byte{1}, PANKey: "key"}
			err := r.move(to)
			if may := slices.Contains(
				allowed[from],
				to,
			); may != (err == nil) || (may && r.State != to) ||
				(!may && r.State != from) {
				t.Errorf("%s to %s: %v, is %s", from, to, err, r.State)
			}
			if err != nil && fault.CodeOf(err) != "card.already_"+string(from) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
		ended := row{State: from, SealedPAN: []byte{1}, PANKey: "key"}
		if err := ended.end(Unbinding, time.Unix(1, 0)); err == nil && (ended.SealedPAN != nil || ended.PANKey != "") {
			t.Errorf("the number of a card that was %s is kept", from)
		} else if err != nil && ended.SealedPAN == nil {
			t.Errorf("the number of a card that is %s is lost", from)
		}
	}
	agreements := []AgreementState{AgreementActive, AgreementSuspended, AgreementCancelled}
	for _, from := range agreements {
		for _, to := range agreements {
			a := Agreement{State: from}
			if err := a.move(to); (err == nil) != (from == to || from != AgreementCancelled) {
				t.Errorf("agreement %s to %s: %v", from, to, err)
			}
		}
	}
}
