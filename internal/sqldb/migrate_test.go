package sqldb_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// openAtOnce opens one database on several nodes at once and fails unless all succeed and each migration was done once.
func openAtOnce(t *testing.T, url string) {
	t.Helper()
	const nodes = 8
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range nodes {
		wg.Go(func() {
			<-begin
			db, err := sqldb.Open(t.Context(), url)
			if err != nil {
				t.Errorf("a node does not start: %v", err)
				return
			}
			defer db.Close()
			if err := db.RequireSchema(t.Context()); err != nil {
				t.Errorf("a node starts on an old schema: %v", err)
			}
		})
	}
	close(begin)
	wg.Wait()
	db, err := sqldb.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := count(t, db, twiceNoted); n != 0 {
		t.Errorf("%d migrations were done twice", n)
	}
	if n := count(t, db, "SELECT count(*) FROM goose_lock WHERE locked"); n != 0 {
		t.Error("the lock is still held")
	}
}

// TestMigrateAtOnce: of several nodes that start on an empty database, one migrates and the others wait.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		openAtOnce(t, sqldbtest.URL(t, "postgres"))
	}
}

// TestMigrateAfterDeath: a lock whose holder died is taken over when its lease is over.
func TestMigrateAfterDeath(t *testing.T) {
	t.Parallel()
	url := sqldbtest.URL(t, "postgres")
	db, err := sqldb.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	begun := time.Now()
	for _, text := range []string{
		"CREATE TABLE goose_lock (lock_id bigint NOT NULL PRIMARY KEY, locked boolean NOT NULL DEFAULT false, " +
			"locked_at timestamptz NULL, locked_by text NULL, lease_expires_at timestamptz NULL, updated_at timestamptz NULL)",
		"INSERT INTO goose_lock VALUES (4097083626, true, now(), 'dead', now() + interval '1 second', now())",
	} {
		if err := exec(t, db, text); err != nil {
			t.Fatal(err)
		}
	}
	openAtOnce(t, url)
	if held := time.Since(begun); held < 900*time.Millisecond {
		t.Errorf("a lock that was held for a second was taken after %s", held)
	}
}

// TestRequireSchema: to ask for the version of a database changes nothing in it.
func TestRequireSchema(t *testing.T) {
	t.Parallel()
	for engine, tables := range map[string]string{
		"sqlite":   "SELECT count(*) FROM sqlite_master",
		"postgres": "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			db, err := sqldb.Connect(t.Context(), sqldbtest.URL(t, engine))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.RequireSchema(t.Context())
			if fault.CodeOf(err) != "database.not_migrated" || !strings.Contains(fault.From(err).Hint, "feiqian migrate") {
				t.Errorf("an empty database: %v", err)
			}
			if n := count(t, db, tables); n != 0 {
				t.Errorf("%d tables were made", n)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.RequireSchema(t.Context()); err != nil {
				t.Error(err)
			}
			if err := exec(t, db, "DELETE FROM goose_db_version WHERE version_id > 1"); err != nil {
				t.Fatal(err)
			}
			if err := db.RequireSchema(t.Context()); fault.CodeOf(err) != "database.not_migrated" {
				t.Errorf("an old schema: %v", err)
			}
			if err := exec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
				t.Fatal(err)
			}
			if err := db.RequireSchema(t.Context()); err != nil {
				t.Errorf("a newer schema: %v", err)
			}
		})
	}
}
