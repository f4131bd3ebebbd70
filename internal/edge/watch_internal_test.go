package edge

import (
	"log/slog"
	"testing"

	"github.com/feiqian/feiqian/internal/clock"
)

// TestLoginNotKept: what was typed as a login may be a password; it is not held in memory as it is.
func TestLoginNotKept(t *testing.T) {
	t.Parallel()
	const typed = "hunter2 hunting"
	watch := NewWatch(Rules(), nil, &clock.Clock{}, slog.New(slog.DiscardHandler))
	watch.Saw(Sighting{Sign: SignBadLogin, Login: typed})
	counted := false
	for i, rule := range watch.rules {
		if rule.By != ByLogin || rule.Sign != SignBadLogin {
			continue
		}
		counted = true
		if _, kept := watch.seen[i].Get(typed); kept {
			t.Errorf("%s keeps the login", rule.Name)
		}
	}
	if !counted {
		t.Error("no rule counts logins")
	}
}
