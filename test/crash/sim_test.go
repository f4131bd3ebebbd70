//go:build sim

package crash_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/test/crash/crashtest"
)

const simKills = 300

// TestSimCrash is TestCrash for a quarter of an hour.
func TestSimCrash(t *testing.T) {
	t.Parallel()
	binary := crashtest.Build(t)
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			killed(t, crashtest.NewInstance(t, binary, sqldbtest.URL(t, engine), t.TempDir()), simKills)
		})
	}
}
