package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
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
		again:     func(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_BUSY },
		duplicate: func(err error) bool {
			code := sqliteCode(err)
			return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
		},
		writer: newSQLiteWriter,
	}
}

func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

func openSQLite(source string) (read, write *sql.DB, err error) {
	file := strings.TrimPrefix(source, "sqlite:")
	if dir := filepath.Dir(file); dir != "." {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, fmt.Errorf("make the folder of the database: %w", err)
		}
	}
	pragmas := []string{
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(ON)",
		"cache_size(-65536)", "temp_store(MEMORY)", "wal_autocheckpoint(8192)",
	}
	open := func(extra ...string) (*sql.DB, error) {
		query := url.Values{"_pragma": append(pragmas, extra...), "_txlock": {"immediate"}}
		return sql.Open("sqlite", "file:"+file+"?"+query.Encode())
	}
	if write, err = open(); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", file, err)
	}
	if read, err = open("query_only(ON)", "cache_size(-16384)"); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	write.SetMaxOpenConns(2) // one for the group writer, one for workers; they take turns
	read.SetMaxOpenConns(max(4, runtime.NumCPU()))
	read.SetMaxIdleConns(max(4, runtime.NumCPU()))
	return read, write, nil
}

// sqliteWriter runs groups on one connection with prepared statements.
type sqliteWriter struct {
	db    *DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	open  bool // a transaction is open and we hold the turn
}

func newSQLiteWriter(ctx context.Context, db *DB) (Writer, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the writer: %w", err)
	}
	return &sqliteWriter{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

func (w *sqliteWriter) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := w.stmts[text]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	w.stmts[text] = stmt
	return stmt, nil
}

func (w *sqliteWriter) exec(ctx context.Context, text string, args ...any) error {
	stmt, err := w.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next group; Close closes it
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// Lock begins the transaction: there is one writer, so to begin is to lock. The driver watches a context that can end
// with a goroutine for each statement; a group is short and is not broken off, so it gets one that can't.
func (w *sqliteWriter) Lock(ctx context.Context, reads []Read) error {
	ctx = context.WithoutCancel(ctx)
	w.db.turn.Lock()
	w.open = true
	if err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return w.classify(err)
	}
	for i := range reads {
		if err := w.read(ctx, &reads[i]); err != nil {
			return w.classify(err)
		}
	}
	return nil
}

func (w *sqliteWriter) read(ctx context.Context, r *Read) error {
	text := selectText(r.Table, r.Column, "IN (SELECT value FROM json_each($1))")
	stmt, err := w.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next group; Close closes it
	if err != nil {
		return err
	}
	keys, err := json.Marshal(r.Keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.Table.Name, err)
	}
	rows, err := stmt.QueryContext(ctx, string(keys))
	if err != nil {
		return fmt.Errorf("read %s: %w", r.Table.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := r.Row(rows.Scan); err != nil {
			return fmt.Errorf("read %s: %w", r.Table.Name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", r.Table.Name, err)
	}
	return nil
}

// Commit writes row by row with prepared statements, then commits.
func (w *sqliteWriter) Commit(ctx context.Context, writes []Write) error {
	ctx = context.WithoutCancel(ctx)
	for i := range writes {
		if err := w.write(ctx, &writes[i]); err != nil {
			return w.classify(fmt.Errorf("write %s: %w", writes[i].Table.Name, err))
		}
	}
	if err := w.exec(ctx, "COMMIT"); err != nil {
		return errors.Join(ErrUnknown, err)
	}
	w.release()
	return nil
}

func (w *sqliteWriter) write(ctx context.Context, wr *Write) error {
	text := wr.Table.text("insert", insertText)
	if wr.Update {
		text = wr.Table.text("update", updateText)
	}
	stmt, err := w.prepare(ctx, text) //nolint:sqlclosecheck // kept for the next group; Close closes it
	if err != nil {
		return err
	}
	args := make([]any, 0, len(wr.Values))
	for row := range wr.Rows {
		args = args[:0]
		for c, column := range wr.Table.Columns {
			if wr.Update && c > 0 && !column.Mutable {
				continue
			}
			args = append(args, cell(column.Kind, wr.Values[c], row))
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func cell(kind Kind, values any, row int) any {
	switch column := values.(type) {
	case []string:
		if kind == NullText && column[row] == "" {
			return nil
		}
		return column[row]
	case []int64:
		return column[row]
	case []bool:
		return column[row]
	case [][]byte:
		return column[row]
	}
	return nil
}

func (w *sqliteWriter) classify(err error) error {
	if w.db.dialect.again(err) || w.db.dialect.duplicate(err) {
		return errors.Join(ErrAgain, err)
	}
	return err
}

func (w *sqliteWriter) release() {
	if w.open {
		w.open = false
		w.db.turn.Unlock()
	}
}

// Rollback ends the transaction if one is open.
func (w *sqliteWriter) Rollback(ctx context.Context) {
	if w.open {
		_ = w.exec(context.WithoutCancel(ctx), "ROLLBACK")
		w.release()
	}
}

// Settle looks for the group's row: the writer is alone, so what is not there never will be.
func (w *sqliteWriter) Settle(ctx context.Context, group string) (bool, error) {
	w.Rollback(ctx)
	var n int
	err := w.conn.QueryRowContext(ctx, "SELECT count(*) FROM commit_groups WHERE id = $1", group).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("settle group %s: %w", group, err)
	}
	return n == 1, nil
}

// Close gives the connection back.
func (w *sqliteWriter) Close() {
	w.Rollback(context.Background()) //nolint:forbidigo // closing takes no context, like io.Closer
	for _, stmt := range w.stmts {
		_ = stmt.Close()
	}
	_ = w.conn.Close()
}
