package commit_test

import (
	"context"
	"testing"
)

// cancelled returns a context that has ended, so that a queued call takes itself back at once.
func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
