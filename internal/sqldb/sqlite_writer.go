package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
)

// sqliteWriter runs groups past database/sql: a group is thousands of small steps, and each costs a third without
// boxed values and copied rows. It blocks no longer than a group takes, so it is not told of contexts that end.
type sqliteWriter struct {
	db    *DB
	conn  *sqlite.Conn
	stmts map[string]*sqlite.Stmt
	open  bool // a transaction is open and we hold the turn
}

func newSQLiteWriter(_ context.Context, db *DB) (Writer, error) {
	return &sqliteWriter{db: db, conn: db.direct, stmts: map[string]*sqlite.Stmt{}}, nil
}

func (w *sqliteWriter) prepare(text string) (*sqlite.Stmt, error) {
	if stmt, ok := w.stmts[text]; ok {
		return stmt, nil
	}
	// $1 is a name here, numbered as it appears; ?1 is a number.
	stmt, err := w.conn.Prepare(strings.ReplaceAll(text, "$", "?"))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	w.stmts[text] = stmt
	return stmt, nil
}

// exec runs a statement to its end.
func (w *sqliteWriter) exec(text string) error {
	stmt, err := w.prepare(text)
	if err != nil {
		return err
	}
	return errors.Join(runOut(stmt), stmt.Reset())
}

// Lock begins the transaction: there is one writer, so to begin is to lock.
func (w *sqliteWriter) Lock(_ context.Context, reads []Read) error {
	w.db.turn.Lock()
	w.open = true
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return w.classify(err)
	}
	for i := range reads {
		if err := w.read(&reads[i]); err != nil {
			return w.classify(fmt.Errorf("read %s: %w", reads[i].Table.Name, err))
		}
	}
	return nil
}

func oneRowText(t *Table, column int) string { return selectText(t, column, "= $1") }

func (w *sqliteWriter) read(r *Read) error {
	stmt, err := w.prepare(r.Table.text(statement{selects, r.Column}, oneRowText))
	if err != nil {
		return err
	}
	for _, key := range r.Keys {
		stmt.BindText(1, key)
		found, err := stmt.Step()
		if err == nil && found {
			r.Row(sqliteCells{stmt})
		}
		if err := errors.Join(err, stmt.Reset()); err != nil {
			return err
		}
	}
	return nil
}

// sqliteCells reads the row on which a statement stands.
type sqliteCells struct{ stmt *sqlite.Stmt }

func (c sqliteCells) Text(column int) string { return c.stmt.ColumnText(column) }
func (c sqliteCells) Int(column int) int64   { return c.stmt.ColumnInt64(column) }
func (c sqliteCells) Bool(column int) bool   { return c.stmt.ColumnInt64(column) != 0 }

func (c sqliteCells) Bytes(column int) []byte {
	value := make([]byte, c.stmt.ColumnLen(column))
	c.stmt.ColumnBytes(column, value)
	return value
}

// Commit writes row by row with prepared statements, then commits.
func (w *sqliteWriter) Commit(_ context.Context, writes []Write) error {
	for i := range writes {
		if err := w.write(&writes[i]); err != nil {
			return w.classify(fmt.Errorf("write %s: %w", writes[i].Table.Name, err))
		}
	}
	if err := w.exec("COMMIT"); err != nil {
		return errors.Join(ErrUnknown, err)
	}
	w.release()
	return nil
}

func (w *sqliteWriter) write(wr *Write) error {
	text := wr.Table.text(statement{verb: inserts}, insertText)
	if wr.Update {
		text = wr.Table.text(statement{verb: updates}, updateText)
	}
	stmt, err := w.prepare(text)
	if err != nil {
		return err
	}
	for row := range wr.Rows {
		param := 0
		for c, column := range wr.Table.Columns {
			if wr.Update && c > 0 && !column.Mutable {
				continue
			}
			param++
			bind(stmt, param, column.Kind, wr.Values[c], row)
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
		if err := stmt.Reset(); err != nil {
			return err
		}
	}
	return nil
}

func bind(stmt *sqlite.Stmt, param int, kind Kind, values any, row int) {
	switch column := values.(type) {
	case []string:
		if kind == NullText && column[row] == "" {
			stmt.BindNull(param)
			return
		}
		stmt.BindText(param, column[row])
	case []int64:
		stmt.BindInt64(param, column[row])
	case []bool:
		stmt.BindBool(param, column[row])
	case [][]byte:
		if column[row] == nil {
			stmt.BindNull(param)
			return
		}
		stmt.BindBytes(param, column[row])
	}
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
func (w *sqliteWriter) Rollback(context.Context) {
	if !w.open {
		return
	}
	if !w.conn.AutocommitEnabled() {
		_ = w.exec("ROLLBACK")
	}
	w.release()
}

// Settle looks for the group's row: the writer is alone, so what is not there never will be.
func (w *sqliteWriter) Settle(ctx context.Context, group string) (bool, error) {
	w.Rollback(ctx)
	stmt, err := w.prepare("SELECT 1 FROM commit_groups WHERE id = $1")
	if err != nil {
		return false, err
	}
	stmt.BindText(1, group)
	found, err := stmt.Step()
	if err := errors.Join(err, stmt.Reset()); err != nil {
		return false, fmt.Errorf("settle group %s: %w", group, err)
	}
	return found, nil
}

// Close ends the open transaction; the connection is the database's.
func (w *sqliteWriter) Close() {
	w.Rollback(context.Background()) //nolint:forbidigo // closing takes no context, like io.Closer
}
