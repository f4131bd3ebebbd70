// Package crash_test kills the real binary at random moments and checks that nothing that was answered is lost, and
// nothing done twice.
package crash_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for the connection that ends the others

	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/test/crash/crashtest"
)

const (
	kills       = 30
	lostWriters = 60
	verifyEvery = 10
	actorPause  = 60 * time.Millisecond
)

// TestCrash builds the binary once for all its parts.
func TestCrash(t *testing.T) {
	t.Parallel()
	binary := crashtest.Build(t)
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run("Kill/"+engine, func(t *testing.T) {
			t.Parallel()
			killed(t, crashtest.NewInstance(t, binary, sqldbtest.URL(t, engine), t.TempDir()), kills)
		})
	}
	t.Run("LostWriter", func(t *testing.T) {
		t.Parallel()
		lostWriter(t, binary)
	})
}

// killed lets a town work while its platform, with the bank inside, is killed n times: while it works, and
// while it starts.
func killed(t *testing.T, instance *crashtest.Instance, n int) {
	t.Helper()
	seed := crashtest.SeedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	instance.Start()
	instance.Ready()
	town := crashtest.NewTown(t, seed, instance)
	stop := town.Load(actorPause)
	defer stop()
	for done := 0; done < n; done++ {
		time.Sleep(100*time.Millisecond + upTo(random, 700*time.Millisecond))
		instance.Kill()
		if done%verifyEvery == 0 {
			instance.Verify() // what a crash leaves is whole before anybody repairs it
		}
		instance.Start()
		if random.IntN(4) == 0 && done+1 < n {
			done++
			time.Sleep(upTo(random, 400*time.Millisecond))
			instance.Kill()
			instance.Start()
		}
		instance.Ready()
	}
	stop()
	town.Check()
	instance.Stop()
	instance.Verify()
}

// lostWriter ends the writer's connection again and again: some commits are then neither known to be there nor
// not to be, and must be settled before anybody is answered.
func lostWriter(t *testing.T, binary string) {
	t.Helper()
	database := sqldbtest.URL(t, "postgres")
	seed := crashtest.SeedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	instance := crashtest.NewInstance(t, binary, database, t.TempDir())
	instance.Start()
	instance.Ready()
	town := crashtest.NewTown(t, seed, instance)
	stop := town.Load(actorPause / 4)
	defer stop()
	admin, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	admin.SetMaxOpenConns(1)
	ended, tries := 0, 0
	for ended < lostWriters || (town.Metric("feiqian_commit_unknown_total") == 0 && tries < 100*lostWriters) {
		tries++
		time.Sleep(upTo(random, 60*time.Millisecond))
		ended += end(t.Context(), t, admin)
	}
	stop()
	unknown := town.Metric("feiqian_commit_unknown_total")
	t.Logf("%d writers ended, %g commits of unknown outcome settled", ended, unknown)
	if unknown == 0 {
		t.Error("no commit was lost: the test shows nothing")
	}
	town.Check()
	instance.Stop()
	instance.Verify()
}

// end ends the writer's connection and reports how many there were.
func end(ctx context.Context, t *testing.T, admin *sql.DB) int {
	t.Helper()
	var n int
	err := admin.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = 'feiqian-writer' AND datname = current_database()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// upTo draws a time below most.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}
