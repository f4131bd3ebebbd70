package identity_test

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/identity"
)

// TestStates goes through every pair of states.
func TestStates(t *testing.T) {
	t.Parallel()
	may := map[identity.State]string{
		"none": " open review ", "open": " open review expired ", "review": " open refused ", "refused": " review ",
		"expired": " open review ",
	}
	pairs(t, may, func(from, to identity.State) error { _, err := from.Next(to); return err }, "identity.state_conflict")
	checks := map[identity.CheckState]string{
		"none": " waiting none ", "waiting": " unknown asked passed failed none ",
		"unknown": " unknown asked passed failed none ", "asked": " waiting none ", "passed": " waiting none ",
		"failed": " waiting none ",
	}
	pairs(t, checks, func(from, to identity.CheckState) error { _, err := from.Next(to); return err },
		"identity.check_conflict")
}

func pairs[S ~string](t *testing.T, may map[S]string, next func(from, to S) error, code string) {
	t.Helper()
	for from, list := range may {
		for to := range may {
			err := next(from, to)
			if strings.Contains(list, " "+string(to)+" ") != (err == nil) || (err != nil && fault.CodeOf(err) != code) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
}
