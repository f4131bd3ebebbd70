package sqldb

import (
	"context"
	"database/sql"
)

// Query is Read.QueryContext for a constant text that requests ask for again and again: it is parsed once for each
// connection.
func (db *DB) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := db.statement(ctx, text) //nolint:sqlclosecheck // kept; the database's Close closes it
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRow is Query for one row.
func (db *DB) QueryRow(ctx context.Context, text string, args ...any) *sql.Row {
	stmt, err := db.statement(ctx, text) //nolint:sqlclosecheck // kept; the database's Close closes it
	if err != nil {
		return db.Read.QueryRowContext(ctx, text, args...) // says what is wrong with the text or the connection
	}
	return stmt.QueryRowContext(ctx, args...)
}

// statement returns the prepared form of a text. Close closes them all.
func (db *DB) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := db.prepared.Load(text); ok {
		return stmt.(*sql.Stmt), nil //nolint:forcetypeassert,errcheck // only statements are stored
	}
	stmt, err := db.Read.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if first, there := db.prepared.LoadOrStore(text, stmt); there {
		_ = stmt.Close()              //nolint:sqlclosecheck // another request was first
		return first.(*sql.Stmt), nil //nolint:forcetypeassert,errcheck // only statements are stored
	}
	return stmt, nil
}
