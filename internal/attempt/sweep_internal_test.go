package attempt

import (
	"testing"
	"time"
)

// TestQueryWait: half a second, doubled up to five minutes, for any number of queries.
func TestQueryWait(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]time.Duration{
		0: 500 * time.Millisecond, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 11: 5 * time.Minute,
		1_000_000: 5 * time.Minute,
	} {
		if got := queryWait(n); got != want {
			t.Errorf("query %d waits %s, want %s", n, got, want)
		}
	}
}
