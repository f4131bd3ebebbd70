// Package sqldbtest gives tests real databases: a fresh SQLite file, and a fresh database on the
// PostgreSQL that FEIQIAN_TEST_POSTGRES_URL names.
package sqldbtest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Each runs test on every engine, each time on a fresh, migrated database. Without a PostgreSQL its part is skipped,
// except under CI, where it fails.
func Each(t *testing.T, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, Open(t, engine))
		})
	}
}

// Open returns a fresh, migrated database on engine ("sqlite" or "postgres"), gone after the test.
func Open(t testing.TB, engine string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), URL(t, engine))
	if err != nil {
		t.Fatalf("open %s: %v", engine, err)
	}
	t.Cleanup(db.Close)
	return db
}

// URL returns the URL of a fresh, empty database on engine, gone after the test.
func URL(t testing.TB, engine string) string {
	t.Helper()
	if engine == "sqlite" {
		return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	}
	base := os.Getenv("FEIQIAN_TEST_POSTGRES_URL")
	if base == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("FEIQIAN_TEST_POSTGRES_URL is not set: run the tests with `make test`")
		}
		t.Skip("no PostgreSQL: run the tests with `make test`, or set FEIQIAN_TEST_POSTGRES_URL")
	}
	name := "test_" + strings.TrimPrefix(string(id.New[id.Group](time.Now())), "grp_")
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		if err != nil {
			t.Errorf("drop database: %v", err)
		}
		_ = admin.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("FEIQIAN_TEST_POSTGRES_URL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}
