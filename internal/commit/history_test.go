package commit_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Random histories against a simple model. Every decision takes the next number of a sequence in its own commit, so
// the order in which decisions happened is known; what each saw must be what the model has at its number, and in the
// end the tables must be the model's.

// how a decision ends.
type ending int

const (
	done ending = iota
	refused
	kept // refuses, and keeps what it wrote
	panicked
	poisoned // writes what the database refuses
	endings
)

// op is something that a decision did, as it saw it: a Put, or a Get with its outcome.
type op struct {
	put   bool
	alias string // a Get by alias
	id    string
	row   thing
	found bool
}

// decision is a record of the last run of one decision: the earlier ones did not count.
type decision struct {
	name   string
	seed   uint64
	number uint64
	ending ending
	at     int64 // the number of the sequence that it saw
	ops    []op
	notes  []note
	news   []item
	group  string
	leaves map[int][commit.LeafSize]byte
	after  atomic.Int64
	err    error
}

const (
	historyIDs     = 12
	historyAliases = 8
)

var errRefused = errors.New("refused")

func (d *decision) keys(n *node) []commit.Key {
	keys := []commit.Key{n.sequence.Key("seq")}
	random := rand.New(rand.NewPCG(d.seed, d.number))
	for range 1 + random.IntN(4) {
		keys = append(keys, n.things.Key(nameOf("t", random.IntN(historyIDs))))
	}
	for range random.IntN(3) {
		keys = append(keys, n.things.KeyBy("alias", nameOf("a", random.IntN(historyAliases))))
	}
	return keys
}

// run is the decision itself; it may run many times and draws the same each time.
func (d *decision) run(n *node, tx *commit.Tx) error {
	d.ops, d.notes, d.news, d.group, d.leaves = nil, nil, nil, string(tx.Group()), map[int][commit.LeafSize]byte{}
	sequence, found, err := n.sequence.Get(tx, n.sequence.Key("seq"))
	if err != nil || !found {
		return errors.Join(err, errors.New("no sequence"))
	}
	d.at = sequence.Value
	sequence.Value++
	n.sequence.Put(tx, sequence)
	random := rand.New(rand.NewPCG(d.seed, d.number))
	var ids, aliases []string
	for range 1 + random.IntN(4) {
		ids = append(ids, nameOf("t", random.IntN(historyIDs)))
	}
	for range random.IntN(3) {
		aliases = append(aliases, nameOf("a", random.IntN(historyAliases)))
	}
	for i := range random.IntN(6) {
		if err := d.step(n, tx, random, ids, aliases, i); err != nil {
			return err
		}
	}
	tx.After(func() { d.after.Add(1) })
	switch d.ending {
	case refused:
		return errRefused
	case kept:
		return commit.Keep(errRefused)
	case panicked:
		panic("a bug of a decision")
	case poisoned:
		n.things.Put(tx, thing{ID: "bad " + d.name, Value: -1})
	case done, endings:
	}
	return nil
}

func (d *decision) step(n *node, tx *commit.Tx, random *rand.Rand, ids, aliases []string, i int) error {
	name := ids[random.IntN(len(ids))]
	switch random.IntN(8) {
	case 0, 1:
		return d.change(n, tx, random, name, aliases)
	case 2:
		_, _, err := d.get(n, tx, "", name)
		return err
	case 3:
		if len(aliases) == 0 {
			return nil
		}
		_, _, err := d.get(n, tx, aliases[random.IntN(len(aliases))], "")
		return err
	case 4: // a row that was never declared, under a fresh name
		row := thing{ID: fmt.Sprintf("%s.%d", d.name, i), Value: random.Int64N(1000), At: tx.Now()}
		n.things.Put(tx, row)
		d.ops = append(d.ops, op{put: true, id: row.ID, row: row})
	case 5:
		row := note{ID: fmt.Sprintf("%s.%d", d.name, i), Author: d.name}
		n.notes.Append(tx, row)
		d.notes = append(d.notes, row)
	case 6:
		leaf := sha256.Sum256(fmt.Appendf(nil, "%s %d", d.name, i))
		d.leaves[tx.AddLeaf(leaf)] = leaf
	case 7:
		row := item{Owner: nameOf("o", random.IntN(3)), Text: fmt.Sprintf("%s.%d", d.name, i)}
		return n.news.Append(tx, row.Owner, func(name id.Event) ([]byte, error) {
			row.ID = name
			d.news = append(d.news, row)
			return json.Marshal(row)
		})
	}
	return nil
}

func (d *decision) get(n *node, tx *commit.Tx, alias, name string) (thing, bool, error) {
	key := n.things.Key(name)
	if alias != "" {
		key = n.things.KeyBy("alias", alias)
	}
	row, found, err := n.things.Get(tx, key)
	d.ops = append(d.ops, op{alias: alias, id: name, row: row, found: found})
	return row, found, err
}

// change puts the row, made fresh where it is not there, then with a free alias if one is at hand.
func (d *decision) change(n *node, tx *commit.Tx, random *rand.Rand, name string, aliases []string) error {
	row, found, err := d.get(n, tx, "", name)
	if err != nil {
		return err
	}
	if !found {
		row.ID = name
		if len(aliases) > 0 {
			_, taken, err := d.get(n, tx, aliases[0], "")
			if err != nil {
				return err
			}
			if !taken {
				row.Alias = aliases[0]
			}
		}
	}
	row.Value, row.Flag, row.At = row.Value+random.Int64N(100), !row.Flag, tx.Now()
	row.Raw = []byte{byte(random.IntN(256)), 0, 255}
	row.Words = append(slices.Clone(row.Words[:min(len(row.Words), 3)]), d.name)
	n.things.Put(tx, row)
	d.ops = append(d.ops, op{put: true, id: name, row: row})
	return nil
}

// wasKept says whether what the decision wrote must be there.
func (d *decision) wasKept() bool { return d.ending == done || d.ending == kept }

// checkError compares what the caller was told with how the decision ended.
func (d *decision) checkError(t *testing.T) {
	t.Helper()
	right := false
	switch d.ending {
	case done, endings:
		right = d.err == nil
	case refused, kept:
		right = errors.Is(d.err, errRefused)
	case panicked, poisoned:
		right = d.err != nil && fault.KindOf(d.err) == fault.Internal
	}
	if !right {
		t.Errorf("decision %s with ending %d: %v", d.name, d.ending, d.err)
	}
	want := int64(0)
	if d.wasKept() {
		want = 1
	}
	if got := d.after.Load(); got != want {
		t.Errorf("decision %s with ending %d: after it %d calls, want %d", d.name, d.ending, got, want)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		history(t, openNodes(t, engine, 2, commit.Options{GroupMax: 20}), 40, nil)
	})
}

// TestHistoryLostConnections ends the writers' connections all the time.
func TestHistoryLostConnections(t *testing.T) {
	t.Parallel()
	nodes := openNodes(t, "postgres", 2, commit.Options{GroupMax: 20})
	history(t, nodes, 25, func() {
		if err := nodes[0].db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'feiqian-writer' AND datname = current_database()`)
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("FEIQIAN_TEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("FEIQIAN_TEST_SEED=%d draws the same decisions", seed)
	return seed
}

// history runs each·16 decisions from 16 goroutines, with trouble now and then, and checks them.
func history(t *testing.T, nodes []*node, each int, trouble func()) {
	t.Helper()
	seed := seedOf(t)
	start := nodes[0]
	if err := start.Do(t.Context(), nil, func(tx *commit.Tx) error {
		start.sequence.Put(tx, thing{ID: "seq"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const callers = 16
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		all []*decision
	)
	for caller := range uint64(callers) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1_000_000+caller))
			for i := range uint64(each) {
				d := &decision{name: fmt.Sprintf("d%d-%d", caller, i), seed: seed, number: caller<<32 | i}
				if random.IntN(2) == 0 {
					d.ending = ending(random.IntN(int(endings)))
				}
				n := nodes[random.IntN(len(nodes))]
				d.err = n.Do(t.Context(), d.keys(n), func(tx *commit.Tx) error { return d.run(n, tx) })
				mu.Lock()
				all = append(all, d)
				mu.Unlock()
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	random, troubled := rand.New(rand.NewPCG(seed, 0)), trouble != nil
	for trouble != nil {
		select {
		case <-finished:
			trouble = nil
		case <-time.After(time.Duration(random.Int64N(int64(40 * time.Millisecond)))):
			trouble()
		}
	}
	<-finished
	if troubled { // whoever was told that the database could not be reached did nothing
		all = slices.DeleteFunc(all, func(d *decision) bool { return fault.KindOf(d.err) == fault.Unavailable })
	}
	checkHistory(t, nodes[0], all)
}

// checkHistory plays all decisions, in the order of their numbers, into the model.
func checkHistory(t *testing.T, n *node, all []*decision) {
	t.Helper()
	slices.SortStableFunc(all, func(a, b *decision) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return rank(a) - rank(b) // the ones that changed nothing saw the same state and come in front
	})
	model := map[string]thing{}
	notes := map[string]string{}
	var news []item
	leaves := map[string]map[int][commit.LeafSize]byte{}
	var next int64
	for _, d := range all {
		d.checkError(t)
		if d.at != next {
			t.Fatalf("decision %s saw number %d, the model is at %d", d.name, d.at, next)
		}
		after := d.play(t, maps.Clone(model))
		if !d.wasKept() {
			continue
		}
		model, next = after, next+1
		for _, row := range d.notes {
			notes[row.ID] = row.Author
		}
		news = append(news, d.news...)
		for place, leaf := range d.leaves {
			if leaves[d.group] == nil {
				leaves[d.group] = map[int][commit.LeafSize]byte{}
			}
			if _, taken := leaves[d.group][place]; taken {
				t.Errorf("two leaves at place %d of %s", place, d.group)
			}
			leaves[d.group][place] = leaf
		}
	}
	if stored := n.stored(t); !maps.EqualFunc(stored, model, thing.equal) {
		t.Errorf("stored are %d things, the model has %d:\n%v\n%v", len(stored), len(model), stored, model)
	}
	if stored := n.storedNotes(t); !maps.Equal(stored, notes) {
		t.Errorf("stored are %d notes, the model has %d", len(stored), len(notes))
	}
	slices.SortFunc(news, func(a, b item) int { return strings.Compare(string(a.ID), string(b.ID)) })
	if stored := n.storedNews(t); !slices.Equal(stored, news) {
		t.Errorf("stored are %d news, the model has %d:\n%v\n%v", len(stored), len(news), stored, news)
	}
	checkLeaves(t, n.leaves(t), leaves)
	t.Logf("%d decisions, %d kept, %d groups with leaves", len(all), next, len(leaves))
}

func rank(d *decision) int {
	if d.wasKept() {
		return 1
	}
	return 0
}

// play does what the decision did to the model, and compares what it saw.
func (d *decision) play(t *testing.T, model map[string]thing) map[string]thing {
	t.Helper()
	for _, o := range d.ops {
		if o.put {
			model[o.id] = o.row
			continue
		}
		row, found := model[o.id]
		if o.alias != "" {
			row, found = thing{}, false
			for _, other := range model {
				if other.Alias == o.alias {
					row, found = other, true
				}
			}
		}
		if found != o.found || !row.equal(o.row) {
			t.Errorf(
				"decision %s at %d read %q %q: %v %v, the model has %v %v",
				d.name,
				d.at,
				o.id,
				o.alias,
				o.row,
				o.found,
				row,
				found,
			)
		}
	}
	return model
}

// checkLeaves wants for each group the leaves of its decisions, and no others anywhere.
func checkLeaves(t *testing.T, stored map[string][]byte, want map[string]map[int][commit.LeafSize]byte) {
	t.Helper()
	for group, places := range want {
		text := make([]byte, len(places)*commit.LeafSize)
		for place, leaf := range places {
			if (place+1)*commit.LeafSize > len(text) {
				t.Errorf("group %s: leaf at place %d of %d", group, place, len(places))
				continue
			}
			copy(text[place*commit.LeafSize:], leaf[:])
		}
		if !bytes.Equal(stored[group], text) {
			t.Errorf("group %s: %d bytes of leaves are stored, want %d", group, len(stored[group]), len(text))
		}
		delete(stored, group)
	}
	for group, text := range stored {
		if len(text) > 0 {
			t.Errorf("group %s has leaves that no decision gave it", group)
		}
	}
}
