package sqldb

import (
	"context"
	"errors"
)

// Kind is the type of a column.
type Kind uint8

// The kinds of columns; each is one Go slice type in a Write.
const (
	Text Kind = iota
	Int
	Bool
	Bytes
	NullText // an empty string is stored as NULL, so that a unique column may be absent
)

// Column describes one column of a table.
type Column struct {
	Name    string
	Kind    Kind
	Mutable bool // an update writes it
}

// Table describes a table for the bulk path. The first column is the key.
type Table struct {
	Name    string
	Columns []Column
	// Immutable rows are read without a lock: they can't change under the reader.
	Immutable bool

	texts map[statement]string
}

// statement names what the bulk path does with a table; column is the one that a select reads by.
type statement struct {
	verb   verb
	column int
}

type verb uint8

const (
	selects verb = iota
	inserts
	updates
)

// text returns the statement of that name, made once for each table. Only the writer's goroutine calls it.
func (t *Table) text(name statement, write func(*Table, int) string) string {
	if text, ok := t.texts[name]; ok {
		return text
	}
	if t.texts == nil {
		t.texts = map[statement]string{}
	}
	t.texts[name] = write(t, name.column)
	return t.texts[name]
}

// Read asks for the rows whose column has one of the keys, locked for writing.
type Read struct {
	Table  *Table
	Column int
	Keys   []string
	// Row is called once for each row found.
	Row func(cells Cells)
}

// Cells is one row that was read, its columns in the table's order. It holds until the next row; what its methods
// return is the caller's.
type Cells interface {
	Text(column int) string
	Int(column int) int64
	Bool(column int) bool
	Bytes(column int) []byte
}

// Write puts rows in or changes them. Values holds a slice for each column of the table, in its
// order: []string, []int64, []bool or [][]byte, all of length Rows.
type Write struct {
	Table  *Table
	Update bool
	Rows   int
	Values []any
}

// Writer is one connection that runs one group at a time: Lock, then Commit or Rollback.
type Writer interface {
	// Lock begins a transaction and reads all that is asked for, in the given order.
	Lock(ctx context.Context, reads []Read) error
	// Commit writes and makes it durable. Errors: ErrAgain, ErrUnknown, or a definite failure.
	Commit(ctx context.Context, writes []Write) error
	// Rollback ends the transaction; it is safe at any time.
	Rollback(ctx context.Context)
	// Settle decides a group whose commit has an unknown outcome: it reports whether the group was
	// committed, and makes sure that it never will be otherwise.
	Settle(ctx context.Context, group string) (bool, error)
	// Close gives the connection back.
	Close()
}

// ErrAgain says that the engine refused the transaction for another's sake and nothing was written.
var ErrAgain = errors.New("the transaction must be run again")

// ErrUnknown says that the connection was lost while a commit was under way.
var ErrUnknown = errors.New("the outcome of the commit is unknown")
