package commit

import (
	"slices"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Batch is a table of what is appended and read in order, such as events. The items that a group appends for one
// owner are one row, so that an item costs its bytes and not a row and its index entries.
//
// Its columns are id, owner, created_at and items: the items' JSON as one array. An item's id sorts by the time of
// its commit and leads to its row: id.First of it is the row's.
type Batch[K id.Kind] struct {
	spec  sqldb.Table
	index int // place in the lock order
}

// AddBatch registers a batch table with the committer.
func AddBatch[K id.Kind](c *Committer, name string) *Batch[K] {
	b := &Batch[K]{index: len(c.tables), spec: sqldb.Table{Name: name, Immutable: true, Columns: []sqldb.Column{
		{Name: "id"}, {Name: "owner"}, {Name: "created_at", Kind: sqldb.Int}, {Name: "items"},
	}}}
	c.tables = append(c.tables, b)
	return b
}

// Append adds an item to the owner's row of the group. encode gets the item's id and returns its JSON.
func (b *Batch[K]) Append(tx *Tx, owner string, encode func(item K) ([]byte, error)) error {
	g := tx.group.tables[b.index].(*batches) //nolint:forcetypeassert,errcheck // newGroup made it of this type
	row := g.of[owner]
	if row == nil {
		row = &batch{owner: owner, number: len(g.rows)}
		g.of[owner] = row
		g.rows = append(g.rows, row)
	}
	if row.number > id.MemberMax || row.count > id.MemberMax {
		return fault.New(fault.Internal, "commit.batch_full", "too many items in one commit")
	}
	text, err := encode(id.Member[K](g.group.id, row.number, row.count))
	if err != nil {
		return err
	}
	tx.touch(g)
	g.changes = append(g.changes, batchChange{row, len(row.items)})
	row.items = append(append(row.items, ','), text...)
	row.count++
	return nil
}

func (b *Batch[K]) newGroup(g *group) groupTable {
	first := func(row *batch) string { return string(id.Member[K](g.id, row.number, 0)) }
	return &batches{spec: &b.spec, group: g, first: first, of: map[string]*batch{}}
}

// batches are the rows that a group appends, one for each owner.
type batches struct {
	spec  *sqldb.Table
	group *group
	first func(*batch) string // the id of a row
	rows  []*batch
	of    map[string]*batch

	changes []batchChange // of the decision that runs
}

type batch struct {
	owner  string
	number int
	items  []byte // each behind a comma
	count  int
}

// batchChange is one item that a decision added, and how long its row was before.
type batchChange struct {
	row  *batch
	size int
}

func (*batches) want(int, string)                     {}
func (*batches) reads(into []sqldb.Read) []sqldb.Read { return into }
func (g *batches) keep()                              { g.changes = g.changes[:0] }

func (g *batches) undo() {
	for _, change := range slices.Backward(g.changes) {
		change.row.items = change.row.items[:change.size]
		change.row.count--
	}
	g.changes = g.changes[:0]
}

func (g *batches) writes(into []sqldb.Write) []sqldb.Write {
	var names, owners, items []string
	var created []int64
	for _, row := range g.rows {
		if row.count == 0 { // all its decisions were taken back
			continue
		}
		row.items[0] = '['
		names = append(names, g.first(row))
		owners = append(owners, row.owner)
		items = append(items, string(append(row.items, ']')))
		created = append(created, clock.Micros(g.group.now))
	}
	if len(names) == 0 {
		return into
	}
	return append(into, sqldb.Write{
		Table: g.spec, Rows: len(names), Values: []any{names, owners, created, items},
	})
}
