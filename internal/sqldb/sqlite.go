package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	direct "zombiezen.com/go/sqlite"
)

// sqliteDialect is the embedded default: WAL, synchronous FULL (a commit is on the disk before it
// is answered), one writer.
func sqliteDialect() *dialect {
	return &dialect{
		name:      "sqlite",
		goose:     "sqlite3",
		words:     []string{"ID PRIMARY KEY", "TEXT NOT NULL PRIMARY KEY", ") CLUSTERED;", ") WITHOUT ROWID;"},
		oneWriter: true,
		open:      openSQLite,
		again:     func(err error) bool { return sqliteCode(err)&primaryCode == sqlite3.SQLITE_BUSY },
		duplicate: func(err error) bool {
			code := sqliteCode(err)
			return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
		},
		writer:   newSQLiteWriter,
		migrator: sqliteMigrator,
		horizon:  func(context.Context, *DB) (time.Time, error) { return noHorizon(), nil },
	}
}

// sqliteCode returns the extended result code of either driver.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return int(direct.ErrCode(err))
}

// primaryCode masks an extended result code to its family.
const primaryCode = 0xff

const sqliteBusyTimeout = 10 * time.Second

// sqlitePragmas are set on the connection that writes.
func sqlitePragmas() []string {
	return []string{
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-65536)", "temp_store(MEMORY)",
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointForce),
	}
}

func sqliteFile(source string) string { return strings.TrimPrefix(source, "sqlite:") }

func openSQLite(source string, db *DB) error {
	file := sqliteFile(source)
	if dir := filepath.Dir(file); dir != "." {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the folder of the database: %w", err)
		}
	}
	conn, err := direct.OpenConn(file, direct.OpenReadWrite|direct.OpenCreate)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	conn.SetBusyTimeout(sqliteBusyTimeout)
	for _, pragma := range sqlitePragmas() {
		if err := runOnce(conn, "PRAGMA "+pragma); err != nil {
			return errors.Join(fmt.Errorf("open %s: %w", file, err), conn.Close())
		}
	}
	query := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds()),
		"query_only(ON)", "cache_size(-16384)", "temp_store(MEMORY)",
	}}
	read, err := sql.Open("sqlite", "file:"+file+"?"+query.Encode())
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", file, err), conn.Close())
	}
	if db.checkpointer, err = startCheckpointer(file, &db.turn); err != nil {
		return errors.Join(err, read.Close(), conn.Close())
	}
	read.SetMaxOpenConns(max(4, runtime.NumCPU()))
	read.SetMaxIdleConns(max(4, runtime.NumCPU()))
	db.direct, db.Read, db.write = conn, read, sql.OpenDB(sqliteConn{conn})
	db.write.SetMaxOpenConns(1)
	return nil
}

// sqliteMigrator opens a connection of a driver that reads times, which goose asks for.
func sqliteMigrator(db *DB) (*sql.DB, func(), error) {
	busy := fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds())
	query := url.Values{"_pragma": append(sqlitePragmas(), busy), "_txlock": {"immediate"}}
	on, err := sql.Open("sqlite", "file:"+sqliteFile(db.source)+"?"+query.Encode())
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", sqliteFile(db.source), err)
	}
	on.SetMaxOpenConns(1)
	return on, func() { _ = on.Close() }, nil
}
