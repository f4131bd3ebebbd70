package payout_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/payout"
)

// TestMove tries every pair of states.
func TestMove(t *testing.T) {
	t.Parallel()
	for _, from := range payout.States() {
		for _, to := range payout.States() {
			got, err := from.Move(to)
			if from == payout.Pending && to != payout.Pending {
				if got != to || err != nil {
					t.Errorf("%s to %s: %s, %v", from, to, got, err)
				}
			} else if got != from || fault.CodeOf(err) != "payout.already_"+string(from) {
				t.Errorf("%s to %s: %s, %v", from, to, got, err)
			}
		}
	}
}
