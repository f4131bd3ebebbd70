package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strconv"

	"zombiezen.com/go/sqlite"
)

// sqliteConn is the one connection that writes, as database/sql sees it: workers' transactions run on the connection
// of the group writer, in turns. With a connection of their own each of their commits would make the
// group writer throw its page cache away.
type sqliteConn struct{ conn *sqlite.Conn }

// Connect implements driver.Connector.
func (c sqliteConn) Connect(context.Context) (driver.Conn, error) { return c, nil }

// Driver implements driver.Connector.
func (c sqliteConn) Driver() driver.Driver { return c }

// Open implements driver.Driver.
func (c sqliteConn) Open(string) (driver.Conn, error) { return c, nil }

// Close leaves the connection open: database/sql opens and closes as it likes.
func (sqliteConn) Close() error { return nil }

// Prepare implements driver.Conn.
func (c sqliteConn) Prepare(query string) (driver.Stmt, error) {
	stmt, _, err := c.conn.PrepareTransient(query)
	if err != nil {
		return nil, err //nolint:wrapcheck // the driver's own error
	}
	return &sqliteStmt{conn: c.conn, stmt: stmt}, nil
}

// Begin takes the write lock at once.
func (c sqliteConn) Begin() (driver.Tx, error) {
	return sqliteTx(c), runOnce(c.conn, "BEGIN IMMEDIATE")
}

type sqliteTx struct{ conn *sqlite.Conn }

// Commit implements driver.Tx. A transaction that can't be committed is rolled back.
func (t sqliteTx) Commit() error {
	err := runOnce(t.conn, "COMMIT")
	if err != nil && !t.conn.AutocommitEnabled() {
		err = errors.Join(err, runOnce(t.conn, "ROLLBACK"))
	}
	return err
}

// Rollback implements driver.Tx.
func (t sqliteTx) Rollback() error {
	if t.conn.AutocommitEnabled() { // the engine has done it
		return nil
	}
	return runOnce(t.conn, "ROLLBACK")
}

func runOnce(conn *sqlite.Conn, text string) error {
	stmt, _, err := conn.PrepareTransient(text)
	if err != nil {
		return err //nolint:wrapcheck // the driver's own error
	}
	return errors.Join(runOut(stmt), stmt.Finalize())
}

// runOut steps a statement to its end.
func runOut(stmt *sqlite.Stmt) (err error) {
	for more := true; more && err == nil; {
		more, err = stmt.Step()
	}
	return err
}

type sqliteStmt struct {
	conn *sqlite.Conn
	stmt *sqlite.Stmt
}

// Close implements driver.Stmt.
func (s *sqliteStmt) Close() error { return s.stmt.Finalize() } //nolint:wrapcheck // the driver's own error

// NumInput lets the engine count.
func (*sqliteStmt) NumInput() int { return -1 }

// Exec implements driver.Stmt.
func (s *sqliteStmt) Exec(args []driver.Value) (driver.Result, error) {
	if err := s.bind(args); err != nil {
		return nil, err
	}
	if err := errors.Join(runOut(s.stmt), s.stmt.Reset()); err != nil {
		return nil, err
	}
	return driver.RowsAffected(s.conn.Changes()), nil
}

// Query implements driver.Stmt.
func (s *sqliteStmt) Query(args []driver.Value) (driver.Rows, error) {
	if err := s.bind(args); err != nil {
		return nil, err
	}
	return &sqliteRows{s.stmt}, nil
}

// bind sets the parameters: $3 is the third argument, ? the next.
func (s *sqliteStmt) bind(args []driver.Value) error {
	for param := 1; param <= s.stmt.BindParamCount(); param++ {
		number := param
		if name := s.stmt.BindParamName(param); name != "" {
			n, err := strconv.Atoi(name[1:])
			if err != nil {
				return errors.New("a parameter is a number: " + name)
			}
			number = n
		}
		if number > len(args) {
			return errors.New("there are fewer arguments than parameters")
		}
		switch value := args[number-1].(type) {
		case nil:
			s.stmt.BindNull(param)
		case string:
			s.stmt.BindText(param, value)
		case int64:
			s.stmt.BindInt64(param, value)
		case bool:
			s.stmt.BindBool(param, value)
		case []byte:
			s.stmt.BindBytes(param, value)
		default:
			return errors.New("an argument is text, a whole number, a truth value or bytes")
		}
	}
	return nil
}

type sqliteRows struct{ stmt *sqlite.Stmt }

// Columns implements driver.Rows.
func (r *sqliteRows) Columns() []string {
	names := make([]string, r.stmt.ColumnCount())
	for i := range names {
		names[i] = r.stmt.ColumnName(i)
	}
	return names
}

// Close implements driver.Rows.
func (r *sqliteRows) Close() error { return r.stmt.Reset() } //nolint:wrapcheck // the driver's own error

// Next implements driver.Rows.
func (r *sqliteRows) Next(into []driver.Value) error {
	more, err := r.stmt.Step()
	if err != nil {
		return err //nolint:wrapcheck // the driver's own error
	}
	if !more {
		return io.EOF
	}
	for i := range into {
		switch r.stmt.ColumnType(i) {
		case sqlite.TypeInteger:
			into[i] = r.stmt.ColumnInt64(i)
		case sqlite.TypeText:
			into[i] = r.stmt.ColumnText(i)
		case sqlite.TypeBlob:
			into[i] = sqliteCells{r.stmt}.Bytes(i)
		case sqlite.TypeFloat:
			into[i] = r.stmt.ColumnFloat(i)
		case sqlite.TypeNull:
			into[i] = nil
		}
	}
	return nil
}
