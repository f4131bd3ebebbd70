package commit

import (
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Table is a typed table of the database. The first column is its key; columns marked Unique may
// serve as keys too.
type Table[R any] struct {
	spec    sqldb.Table
	columns []Column[R]
	unique  []int // indexes of the columns that serve as keys, the first column in front
	index   int   // place in the lock order
}

// Column says how one column of a table is stored in R.
type Column[R any] struct {
	spec   sqldb.Column
	unique bool
	text   func(*R) *string
	number func(*R) *int64
	flag   func(*R) *bool
	bytes  func(*R) *[]byte
	moment func(*R) *time.Time
	encode func(*R) string
	decode func(*R, string)
}

// Text is a column of characters.
func Text[R any](name string, at func(*R) *string) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Text}, text: at}
}

// Optional is a column of characters that stores "" as NULL.
func Optional[R any](name string, at func(*R) *string) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.NullText}, text: at}
}

// Int is a column of whole numbers.
func Int[R any](name string, at func(*R) *int64) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Int}, number: at}
}

// Bool is a column of truth values.
func Bool[R any](name string, at func(*R) *bool) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Bool}, flag: at}
}

// Bytes is a column of raw bytes.
func Bytes[R any](name string, at func(*R) *[]byte) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Bytes}, bytes: at}
}

// Instant is a column of instants, stored as microseconds since 1970 UTC; the zero time is 0.
func Instant[R any](name string, at func(*R) *time.Time) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Int}, moment: at}
}

// Coded is a column of characters that encode writes and decode reads: for a value that is worked on in another form.
func Coded[R any](name string, encode func(*R) string, decode func(*R, string)) Column[R] {
	return Column[R]{spec: sqldb.Column{Name: name, Kind: sqldb.Text}, encode: encode, decode: decode}
}

// Mutable lets an update write the column.
func (c Column[R]) Mutable() Column[R] { c.spec.Mutable = true; return c }

// Unique lets the column serve as a key; its values must be unique in the database.
func (c Column[R]) Unique() Column[R] { c.unique = true; return c }

// AddTable registers a table with the committer, behind all registered before in the lock order. The
// first column is the key and must be text.
func AddTable[R any](c *Committer, name string, columns ...Column[R]) *Table[R] {
	t := &Table[R]{spec: sqldb.Table{Name: name, Immutable: true}, columns: columns, index: len(c.tables)}
	for i, column := range columns {
		t.spec.Columns = append(t.spec.Columns, column.spec)
		t.spec.Immutable = t.spec.Immutable && !column.spec.Mutable
		if i == 0 || column.unique {
			t.unique = append(t.unique, i)
		}
	}
	c.tables = append(c.tables, t)
	return t
}

// Key names the row whose key is value.
func (t *Table[R]) Key(value string) Key { return Key{table: t.index, value: value} }

// KeyBy names the row whose column (marked Unique) is value.
func (t *Table[R]) KeyBy(column, value string) Key {
	for _, i := range t.unique {
		if t.spec.Columns[i].Name == column {
			return Key{table: t.index, column: i, value: value}
		}
	}
	panic(fmt.Sprintf("commit: %s.%s is not a key", t.spec.Name, column))
}

// Get returns the row of a declared key as this decision sees it.
func (t *Table[R]) Get(tx *Tx, key Key) (R, bool, error) {
	var none R
	if key.table != t.index || !tx.declared(key) {
		return none, false, fault.New(fault.Internal, "commit.undeclared", "a decision read a row it had not declared").
			WithCause(fmt.Errorf("%s.%s = %q", t.spec.Name, t.spec.Columns[key.column].Name, key.value))
	}
	s := t.of(tx).find(key.column, key.value)
	if s == nil || !s.exists {
		return none, false, nil
	}
	return s.row, true, nil
}

// Put inserts the row, or changes it where one with its key is there. Only mutable columns can change.
func (t *Table[R]) Put(tx *Tx, row R) {
	g := t.of(tx)
	tx.touch(g)
	g.put(row)
}

// Append inserts a row of a table whose rows no decision ever reads: an event, a posted transfer.
func (t *Table[R]) Append(tx *Tx, row R) {
	g := t.of(tx)
	tx.touch(g)
	g.appended = append(g.appended, row)
}

// Appended returns how many rows the group has appended to the table so far, those of this decision included: with it
// and the group's id a row can be named by id.Member, in the order of the decisions.
func (t *Table[R]) Appended(tx *Tx) int { return len(t.of(tx).appended) }

func (t *Table[R]) of(tx *Tx) *rows[R] {
	return tx.group.tables[t.index].(*rows[R]) //nolint:forcetypeassert,errcheck // AddTable made it of this type
}

// Spec describes the table for queries by hand and for tests.
func (t *Table[R]) Spec() sqldb.Table { return t.spec }
