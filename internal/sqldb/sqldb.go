// Package sqldb opens the databases, keeps their dialects in one table, and moves the schema forward.
// It is the only package that knows a driver.
//
// Three ways in: Read for ordinary queries, Write for small transactions of workers, and a Writer,
// the bulk path of the group committer. On SQLite all writes of the process queue up for the one
// writer; on PostgreSQL they run side by side.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/feiqian/feiqian/internal/fault"
)

// DB is one database: SQLite in a file, or PostgreSQL (or an engine that speaks its protocol) by URL.
type DB struct {
	// Read runs ordinary queries; on SQLite its connections can't write.
	Read *sql.DB

	dialect *dialect
	source  string
	write   *sql.DB
	direct  *sqlite.Conn // SQLite: the one connection that writes, under write too
	turn    sync.Mutex   // SQLite: whose turn it is to write

	checkpointer *checkpointer // SQLite

	prepared sync.Map // statements of Query, by text
}

// Open opens the database named by source, `sqlite:PATH` or `postgres://…`, and migrates it.
//
// Errors: database.bad_url, database.unreachable, database.migration.
func Open(ctx context.Context, source string) (*DB, error) {
	db, err := Connect(ctx, source)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Connect opens the database without migrating it.
func Connect(ctx context.Context, source string) (*DB, error) {
	var d *dialect
	switch {
	case strings.HasPrefix(source, "sqlite:"):
		d = sqliteDialect()
	case strings.HasPrefix(source, "postgres://"), strings.HasPrefix(source, "postgresql://"):
		d = postgresDialect()
	default:
		return nil, fault.New(fault.Invalid, "database.bad_url", "the database URL is not understood").
			WithHint("write sqlite:PATH or postgres://user:password@host:port/name")
	}
	db := &DB{dialect: d, source: source}
	if err := d.open(source, db); err != nil {
		return nil, err
	}
	if err := db.write.PingContext(ctx); err != nil {
		db.Close()
		return nil, fault.New(fault.Unavailable, "database.unreachable", "the database can't be reached").
			WithHint("check that it runs and that its URL is right").WithCause(err)
	}
	return db, nil
}

// Engine returns "sqlite" or "postgres".
func (db *DB) Engine() string { return db.dialect.name }

// Close closes all connections.
func (db *DB) Close() {
	_, _ = db.Read.Close(), db.write.Close()
	if db.checkpointer != nil {
		_ = db.checkpointer.Close()
	}
	if db.direct != nil {
		db.turn.Lock() // whoever writes ends first
		defer db.turn.Unlock()
		_ = db.direct.Close()
	}
}

// SkipLocked returns the words that make a worker's SELECT pass over rows another worker holds; they
// are empty where one writer makes them needless.
func (db *DB) SkipLocked() string { return db.dialect.skipLocked }

// Horizon returns an instant before which no group commits any more: what a reader sees of groups that are older is
// complete. It is far in the future where this is the only writer, whose groups commit in the order of their instants.
func (db *DB) Horizon(ctx context.Context) (time.Time, error) { return db.dialect.horizon(ctx, db) }

// noHorizon is later than any group.
func noHorizon() time.Time { return time.Unix(1<<40, 0) }

const writeTriesMax = 8

// Write runs fn in a transaction of its own, again from the start when the engine asks for it. It is
// for workers' small acts; what moves money goes through the group committer.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	for try := 1; ; try++ {
		err := db.writeOnce(ctx, fn)
		if err == nil || !db.dialect.again(err) || try == writeTriesMax {
			return db.Fault(err)
		}
		select {
		case <-ctx.Done():
			return db.Fault(err)
		case <-time.After(time.Duration(try*try) * time.Millisecond):
		}
	}
}

func (db *DB) writeOnce(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if db.dialect.oneWriter {
		db.turn.Lock()
		defer db.turn.Unlock()
		// A transaction whose context ends is rolled back in the background, when it may be another's turn.
		ctx = context.WithoutCancel(ctx)
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Fault turns a database error into a fault, by its code and never by its text; other errors and
// faults pass as they are.
func (db *DB) Fault(err error) error {
	var known *fault.Fault
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, "not_found", "there is no such thing").WithCause(err)
	case db.dialect.again(err):
		return fault.New(fault.Unavailable, "database.contention", "the database is busy").
			WithRetryAfter(time.Second).WithCause(err)
	case db.dialect.duplicate(err):
		return fault.New(fault.Conflict, "database.duplicate", "this exists already").WithCause(err)
	case errors.Is(err, ErrAgain): // the connection was lost, time and again; nothing was written
		return fault.New(fault.Unavailable, "database.unreachable", "the database can't be reached").
			WithRetryAfter(time.Second).WithCause(err)
	}
	return err
}

// Duplicate reports whether err says that a unique key was there already.
func (db *DB) Duplicate(err error) bool { return db.dialect.duplicate(err) }

// NewWriter opens the bulk write path. The caller closes it.
func (db *DB) NewWriter(ctx context.Context) (Writer, error) {
	return db.dialect.writer(ctx, db)
}
