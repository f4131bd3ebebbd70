package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/feiqian/feiqian/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The lock that one node holds while it moves the schema: a row with a lease, so that it serves every engine that
// speaks PostgreSQL's protocol, which advisory locks do not. Who waits looks again every lockRetry, for at most
// lockWait; when its holder dies, the lock is free after lockLease.
const (
	lockLease = 15 * time.Second
	lockBeat  = 3 * time.Second
	lockRetry = 100 * time.Millisecond
	lockWait  = 5 * time.Minute
)

// Migrate moves the schema forward to the newest version. Migrations only move forward, and old code runs
// on the new schema. Of several nodes that start at once, one migrates and the others wait for it. Errors:
// database.migration.
func (db *DB) Migrate(ctx context.Context) error {
	if applied, newest, err := db.SchemaVersion(ctx); err == nil && applied >= newest {
		return nil // nothing to lock for
	}
	on, done, err := db.dialect.migrator(db)
	if err != nil {
		return err
	}
	defer done()
	provider, err := db.provider(on)
	if err != nil {
		return err
	}
	if db.dialect.oneWriter {
		db.turn.Lock()
		defer db.turn.Unlock()
	}
	if _, err := provider.Up(ctx); err != nil {
		return fault.New(fault.Internal, "database.migration", "the database schema could not be moved forward").
			WithHint("restore the backup or fix the cause, then start again: what was done stays, the rest goes on").
			WithCause(err)
	}
	return nil
}

// SchemaVersion returns the newest applied migration, 0 in an empty database, and the newest there is. It
// changes nothing.
func (db *DB) SchemaVersion(ctx context.Context) (applied, newest int64, err error) {
	provider, err := db.provider(db.Read)
	if err != nil {
		return 0, 0, err
	}
	sources := provider.ListSources()
	newest = sources[len(sources)-1].Version
	var tables int
	if err := db.Read.QueryRowContext(ctx, versionTables()[db.dialect.name]).Scan(&tables); err != nil {
		return 0, newest, fmt.Errorf("look for the schema's version: %w", err)
	}
	if tables == 0 {
		return 0, newest, nil
	}
	err = db.Read.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+goose.DefaultTablename).Scan(&applied)
	if err != nil {
		return 0, newest, fmt.Errorf("read the schema's version: %w", err)
	}
	return applied, newest, nil
}

// versionTables are the queries, by engine, that count the tables in which goose notes its versions: one or none.
func versionTables() map[string]string {
	return map[string]string{
		"sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + goose.DefaultTablename + "'",
		"postgres": "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '" +
			goose.DefaultTablename + "'",
	}
}

// RequireSchema refuses a database whose schema is older than this program, for commands that must not move it.
// Errors: database.not_migrated.
func (db *DB) RequireSchema(ctx context.Context) error {
	applied, newest, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if applied >= newest {
		return nil
	}
	message := fmt.Sprintf("the database's schema is at version %d, and this program needs %d", applied, newest)
	if applied == 0 {
		message = "the database is empty: it was never migrated"
	}
	return fault.New(fault.Conflict, "database.not_migrated", message).
		WithHint("run `feiqian migrate` with the same --database first, or name the server's database if this is another one")
}

func (db *DB) provider(on *sql.DB) (*goose.Provider, error) {
	texts, err := db.dialect.migrationTexts()
	if err != nil {
		return nil, err
	}
	var options []goose.ProviderOption
	if !db.dialect.oneWriter {
		locker, err := newLocker()
		if err != nil {
			return nil, fmt.Errorf("lock migrations: %w", err)
		}
		options = append(options, goose.WithLocker(locker))
	}
	provider, err := goose.NewProvider(database.Dialect(db.dialect.goose), on, texts, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}

func newLocker() (lock.Locker, error) {
	return lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(lockLease),
		lock.WithTableHeartbeatInterval(lockBeat),
		lock.WithTableLockTimeout(lockRetry, uint64(lockWait/lockRetry)),
		lock.WithTableUnlockTimeout(lockRetry, uint64(lockLease/lockRetry)),
		lock.WithTableLogger(slog.Default()),
		// A lock that another holds is no error of the database; one that the database refuses stays refused.
		lock.WithTableRetryPolicy(func(err error) bool { return postgresCode(err) == "" || postgresAgain(err) }),
	)
}

// migrationTexts returns the migrations with the dialect's words put in. A file named
// NAME.<engine>.sql is for that engine only.
func (d *dialect) migrationTexts() (fs.FS, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	words := strings.NewReplacer(d.words...)
	out := fstest.MapFS{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".sql")
		if stem, engine, special := strings.Cut(base, "."); special {
			if engine != d.name {
				continue
			}
			base = stem
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		out[base+".sql"] = &fstest.MapFile{Data: []byte(words.Replace(string(text)))}
	}
	return out, nil
}
