package commit

import (
	"slices"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// tableKind is a Table without its row type.
type tableKind interface{ newGroup(g *group) groupTable }

// groupTable is a table's rows within one group, without their type.
type groupTable interface {
	want(column int, value string)
	reads(into []sqldb.Read) []sqldb.Read
	writes(into []sqldb.Write) []sqldb.Write
	keep()
	undo()
}

// rows holds what a group read of a table and what its decisions did to it.
type rows[R any] struct {
	table    *Table[R]
	indexes  []index[R] // one for each key column
	dirty    []*slot[R] // in the order of their first change
	appended []R

	// Of the decision that runs: how to take it back.
	changes []change[R]
	kept    int // appended rows of earlier decisions
}

type index[R any] struct {
	column int
	slots  map[string]*slot[R]
}

// slot is one row as the group sees it: stored says that the database has it, exists that the
// decisions see it.
type slot[R any] struct {
	row    R
	stored bool
	exists bool
	dirty  bool
}

type change[R any] struct {
	slot  *slot[R]
	old   slot[R]
	added []added[R] // index entries that the change made
}

type added[R any] struct {
	index  int
	value  string
	before *slot[R] // what the entry held
}

func (t *Table[R]) newGroup(*group) groupTable {
	g := &rows[R]{table: t, indexes: make([]index[R], len(t.unique))}
	for i, column := range t.unique {
		g.indexes[i].column = column
	}
	return g
}

func (g *rows[R]) indexOf(column int) *index[R] {
	for i := range g.indexes {
		if g.indexes[i].column == column {
			return &g.indexes[i]
		}
	}
	return &g.indexes[0]
}

func (g *rows[R]) want(column int, value string) {
	ix := g.indexOf(column)
	if ix.slots == nil {
		ix.slots = map[string]*slot[R]{}
	}
	if _, there := ix.slots[value]; !there {
		ix.slots[value] = nil
	}
}

func (g *rows[R]) find(column int, value string) *slot[R] { return g.indexOf(column).slots[value] }

// reads asks for the wanted rows, in sorted order, so that no two nodes lock crosswise.
func (g *rows[R]) reads(into []sqldb.Read) []sqldb.Read {
	for i := range g.indexes {
		ix := &g.indexes[i]
		if len(ix.slots) == 0 {
			continue
		}
		keys := make([]string, 0, len(ix.slots))
		for value := range ix.slots {
			keys = append(keys, value)
		}
		slices.Sort(keys)
		into = append(into, sqldb.Read{Table: &g.table.spec, Column: ix.column, Keys: keys, Row: g.load})
	}
	return into
}

// load takes in one row of the database, unless another key has brought it already.
func (g *rows[R]) load(cells sqldb.Cells) {
	s := &slot[R]{stored: true, exists: true}
	for i := range g.table.columns {
		g.table.columns[i].load(&s.row, cells, i)
	}
	if known := g.find(0, *g.table.columns[0].text(&s.row)); known != nil {
		s = known
	}
	g.enter(s)
}

// enter puts the slot into every index that lacks it and returns the entries made.
func (g *rows[R]) enter(s *slot[R]) []added[R] {
	var made []added[R]
	for i := range g.indexes {
		ix := &g.indexes[i]
		value := *g.table.columns[ix.column].text(&s.row)
		if value == "" || ix.slots[value] == s {
			continue
		}
		if ix.slots == nil {
			ix.slots = map[string]*slot[R]{}
		}
		made = append(made, added[R]{index: i, value: value, before: ix.slots[value]})
		ix.slots[value] = s
	}
	return made
}

func (g *rows[R]) put(row R) {
	s := g.find(0, *g.table.columns[0].text(&row))
	if s == nil {
		s = &slot[R]{}
	}
	ch := change[R]{slot: s, old: *s}
	s.row, s.exists = row, true
	ch.added = g.enter(s)
	if !s.dirty {
		s.dirty = true
		g.dirty = append(g.dirty, s)
	}
	g.changes = append(g.changes, ch)
}

// keep makes the decision's changes part of the group.
func (g *rows[R]) keep() {
	g.changes = g.changes[:0]
	g.kept = len(g.appended)
}

// undo takes the decision's changes back, newest first.
func (g *rows[R]) undo() {
	for _, ch := range slices.Backward(g.changes) {
		for _, a := range ch.added {
			g.indexes[a.index].slots[a.value] = a.before
		}
		if !ch.old.dirty {
			g.dirty = g.dirty[:len(g.dirty)-1]
		}
		*ch.slot = ch.old
	}
	g.changes = g.changes[:0]
	g.appended = g.appended[:g.kept]
}

// writes asks for one bulk insert and one bulk update.
func (g *rows[R]) writes(into []sqldb.Write) []sqldb.Write {
	fresh, changed := make([]*R, 0, len(g.dirty)+len(g.appended)), make([]*R, 0, len(g.dirty))
	for _, s := range g.dirty {
		if s.stored {
			changed = append(changed, &s.row)
		} else {
			fresh = append(fresh, &s.row)
		}
	}
	for i := range g.appended {
		fresh = append(fresh, &g.appended[i])
	}
	if len(fresh) > 0 {
		into = append(into, sqldb.Write{Table: &g.table.spec, Rows: len(fresh), Values: g.table.values(fresh)})
	}
	if len(changed) > 0 {
		into = append(
			into,
			sqldb.Write{Table: &g.table.spec, Update: true, Rows: len(changed), Values: g.table.values(changed)},
		)
	}
	return into
}

// values turns rows into one slice for each column.
func (t *Table[R]) values(rows []*R) []any {
	out := make([]any, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		switch {
		case c.text != nil:
			out[i] = column(rows, func(r *R) string { return *c.text(r) })
		case c.encode != nil:
			out[i] = column(rows, c.encode)
		case c.number != nil:
			out[i] = column(rows, func(r *R) int64 { return *c.number(r) })
		case c.moment != nil:
			out[i] = column(rows, func(r *R) int64 { return clock.Micros(*c.moment(r)) })
		case c.flag != nil:
			out[i] = column(rows, func(r *R) bool { return *c.flag(r) })
		default:
			out[i] = column(rows, func(r *R) []byte { return *c.bytes(r) })
		}
	}
	return out
}

func column[R, V any](rows []*R, get func(*R) V) []V {
	out := make([]V, len(rows))
	for i, row := range rows {
		out[i] = get(row)
	}
	return out
}

// load sets the column in row from cell i.
func (c *Column[R]) load(row *R, cells sqldb.Cells, i int) {
	switch {
	case c.text != nil:
		*c.text(row) = cells.Text(i)
	case c.decode != nil:
		c.decode(row, cells.Text(i))
	case c.number != nil:
		*c.number(row) = cells.Int(i)
	case c.moment != nil:
		*c.moment(row) = clock.FromMicros(cells.Int(i))
	case c.flag != nil:
		*c.flag(row) = cells.Bool(i)
	default:
		*c.bytes(row) = cells.Bytes(i)
	}
}
