package commit_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// thing is a row with a column of every kind. Value may not be negative, says the database.
type thing struct {
	ID    string
	Alias string // "" or unique
	Value int64
	Flag  bool
	Raw   []byte
	At    time.Time
	Words []string // kept as one text
}

func (a thing) equal(b thing) bool {
	return a.ID == b.ID && a.Alias == b.Alias && a.Value == b.Value && a.Flag == b.Flag && bytes.Equal(a.Raw, b.Raw) &&
		a.At.Equal(b.At) && strings.Join(a.Words, " ") == strings.Join(b.Words, " ")
}

// note is a row that no decision reads.
type note struct {
	ID, Author string
}

// node is a committer with tables of its own, and a handle on the database as another process would have.
type node struct {
	*commit.Committer
	db       *sqldb.DB
	sequence *commit.Table[thing]
	things   *commit.Table[thing]
	notes    *commit.Table[note]
	news     *commit.Batch[id.Event]
}

const thingTables = `
CREATE TABLE sequences (id TEXT PRIMARY KEY, alias TEXT UNIQUE, value BIGINT NOT NULL, flag BOOLEAN NOT NULL, raw BYTEA,
	at_us BIGINT NOT NULL, words TEXT NOT NULL);
CREATE TABLE things (id TEXT PRIMARY KEY, alias TEXT UNIQUE, value BIGINT NOT NULL CHECK (value >= 0), flag BOOLEAN NOT NULL, raw BYTEA,
	at_us BIGINT NOT NULL, words TEXT NOT NULL);
CREATE TABLE notes (id TEXT PRIMARY KEY, author TEXT NOT NULL);
CREATE TABLE news (id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at BIGINT NOT NULL, items TEXT NOT NULL)`

// openNodes makes n committers on one fresh database.
func openNodes(t *testing.T, engine string, n int, options commit.Options) []*node {
	t.Helper()
	url := sqldbtest.URL(t, engine)
	nodes := make([]*node, n)
	for i := range nodes {
		db, err := sqldb.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		if i == 0 {
			for text := range strings.SplitSeq(thingTables, ";") {
				if err := db.Write(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.ExecContext(t.Context(), text)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := commit.New(db, &clock.Clock{}, options)
		nodes[i] = &node{
			Committer: c, db: db, sequence: thingTable(c, "sequences"), things: thingTable(c, "things"),
			notes: commit.AddTable(c, "notes",
				commit.Text("id", func(r *note) *string { return &r.ID }),
				commit.Text("author", func(r *note) *string { return &r.Author })),
			news: commit.AddBatch[id.Event](c, "news"),
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
	}
	return nodes
}

func thingTable(c *commit.Committer, name string) *commit.Table[thing] {
	return commit.AddTable(c, name,
		commit.Text("id", func(r *thing) *string { return &r.ID }),
		commit.Optional("alias", func(r *thing) *string { return &r.Alias }).Unique(),
		commit.Int("value", func(r *thing) *int64 { return &r.Value }).Mutable(),
		commit.Bool("flag", func(r *thing) *bool { return &r.Flag }).Mutable(),
		commit.Bytes("raw", func(r *thing) *[]byte { return &r.Raw }).Mutable(),
		commit.Instant("at_us", func(r *thing) *time.Time { return &r.At }).Mutable(),
		commit.Coded("words", func(r *thing) string { return strings.Join(r.Words, " ") },
			func(r *thing, text string) { r.Words = strings.Fields(text) }).Mutable(),
	)
}

// eachEngine runs test on both engines.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// stored reads the table things by hand.
func (n *node) stored(t *testing.T) map[string]thing {
	t.Helper()
	rows, err := n.db.Read.QueryContext(
		t.Context(),
		"SELECT id, COALESCE(alias, ''), value, flag, raw, at_us, words FROM things",
	)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]thing{}
	for rows.Next() {
		var (
			row   thing
			at    int64
			words string
		)
		if err := rows.Scan(&row.ID, &row.Alias, &row.Value, &row.Flag, &row.Raw, &at, &words); err != nil {
			t.Fatal(err)
		}
		row.At, row.Words = clock.FromMicros(at), strings.Fields(words)
		all[row.ID] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// storedNews reads the items of the table news, in the order of their ids, and wants each to lead to its row.
func (n *node) storedNews(t *testing.T) []item {
	t.Helper()
	rows, err := n.db.Read.QueryContext(t.Context(), "SELECT id, owner, items FROM news")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []item
	for rows.Next() {
		var (
			name        id.Event
			owner, text string
			items       []item
		)
		if err := rows.Scan(&name, &owner, &text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, i := range items {
			if id.First(i.ID) != name || i.Owner != owner {
				t.Errorf("%+v stands in row %s of %s", i, name, owner)
			}
		}
		all = append(all, items...)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b item) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

// item is an item of the batch table news.
type item struct {
	ID    id.Event
	Owner string
	Text  string
}

// storedNotes reads the table notes by hand.
func (n *node) storedNotes(t *testing.T) map[string]string {
	t.Helper()
	rows, err := n.db.Read.QueryContext(t.Context(), "SELECT id, author FROM notes")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, author string
		if err := rows.Scan(&name, &author); err != nil {
			t.Fatal(err)
		}
		all[name] = author
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// leaves reads the leaves of every group.
func (n *node) leaves(t *testing.T) map[string][]byte {
	t.Helper()
	rows, err := n.db.Read.QueryContext(t.Context(), "SELECT id, leaf_count, leaves FROM commit_groups")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string][]byte{}
	for rows.Next() {
		var (
			name   string
			count  int
			leaves []byte
		)
		if err := rows.Scan(&name, &count, &leaves); err != nil {
			t.Fatal(err)
		}
		if len(leaves) != count*commit.LeafSize {
			t.Errorf("group %s has %d leaves in %d bytes", name, count, len(leaves))
		}
		all[name] = leaves
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// held keeps the committer busy until release is called, so that what is queued meanwhile forms groups.
func (n *node) held(t *testing.T) (release func()) {
	t.Helper()
	entered, hold, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		left <- n.Do(t.Context(), nil, func(*commit.Tx) error {
			if first {
				first = false
				close(entered)
				<-hold
			}
			return nil
		})
	}()
	<-entered
	return func() {
		close(hold)
		if err := <-left; err != nil {
			t.Errorf("hold: %v", err)
		}
	}
}

// awaitQueued waits until so many calls are in the queue.
func (n *node) awaitQueued(calls int) {
	for n.Queued() < calls {
		time.Sleep(time.Millisecond)
	}
}

func nameOf(kind string, i int) string { return fmt.Sprintf("%s%02d", kind, i) }
