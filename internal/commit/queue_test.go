package commit_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
)

// put stores a thing under id.
func (n *node) put(ctx context.Context, id string, value int64) error {
	return n.Do(ctx, []commit.Key{n.things.Key(id)}, func(tx *commit.Tx) error {
		n.things.Put(tx, thing{ID: id, Value: value})
		return nil
	})
}

func TestCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{})[0]
		release := n.held(t)
		ctx, cancel := context.WithCancel(t.Context())
		var ran atomic.Bool
		left := make(chan error, 1)
		go func() {
			left <- n.Do(ctx, nil, func(tx *commit.Tx) error {
				ran.Store(true)
				n.things.Put(tx, thing{ID: "late"})
				return nil
			})
		}()
		n.awaitQueued(1)
		cancel()
		if err := <-left; fault.CodeOf(err) != "commit.timeout" || !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		release()
		if err := n.put(t.Context(), "next", 1); err != nil {
			t.Error(err)
		}
		if stored := n.stored(t); ran.Load() || len(stored) != 1 {
			t.Errorf("ran: %v, stored: %v", ran.Load(), stored)
		}
	})
}

// TestCancelledWhileDeciding: who comes too late to take a call back waits for its outcome.
func TestCancelledWhileDeciding(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{})[0]
		ctx, cancel := context.WithCancel(t.Context())
		err := n.Do(ctx, nil, func(tx *commit.Tx) error {
			cancel()
			n.things.Put(tx, thing{ID: "done"})
			return nil
		})
		if stored := n.stored(t); err != nil || len(stored) != 1 {
			t.Errorf("err %v, stored %v", err, stored)
		}
	})
}

func TestCloseDrains(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{GroupMax: 3})[0]
		release := n.held(t)
		const waiting = 20
		var wg sync.WaitGroup
		for i := range waiting {
			wg.Go(func() {
				if err := n.put(t.Context(), nameOf("t", i), 1); err != nil {
					t.Error(err)
				}
			})
		}
		n.awaitQueued(waiting)
		closed := make(chan struct{})
		go func() { n.Close(); close(closed) }()
		var refusedErr error
		for i := 0; refusedErr == nil; i++ { // accepted until Close has begun
			refusedErr = n.Do(cancelled(t), nil, func(*commit.Tx) error { return nil })
			if fault.CodeOf(refusedErr) == "commit.timeout" {
				refusedErr = nil
			}
		}
		if fault.CodeOf(refusedErr) != "commit.closed" || fault.From(refusedErr).RetryAfter <= 0 {
			t.Errorf("err = %v", refusedErr)
		}
		release()
		<-closed
		wg.Wait()
		if stored := n.stored(t); len(stored) != waiting {
			t.Errorf("%d of %d are stored", len(stored), waiting)
		}
		n.Close() // again: nothing happens
	})
}

func TestGroupMax(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		const groupMax, calls = 4, 22
		n := openNodes(t, engine, 1, commit.Options{GroupMax: groupMax})[0]
		release := n.held(t)
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex
			groups = map[string]int{}
		)
		for i := range calls {
			wg.Go(func() {
				var group string
				err := n.Do(t.Context(), nil, func(tx *commit.Tx) error {
					group = string(tx.Group())
					n.things.Put(tx, thing{ID: nameOf("t", i)})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				groups[group]++
				mu.Unlock()
			})
		}
		n.awaitQueued(calls)
		release()
		wg.Wait()
		sizes := slices.Sorted(maps.Values(groups))
		if want := []int{2, 4, 4, 4, 4, 4}; !slices.Equal(sizes, want) {
			t.Errorf("groups of %v, want %v", sizes, want)
		}
	})
}

// TestBadWriteHurtsOnlyItself puts rows that the database refuses into the middle of one group.
func TestBadWriteHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct {
		row  thing
		code string
	}{
		"check":     {thing{ID: "bad", Value: -1}, "internal"},
		"duplicate": {thing{ID: "there"}, "database.duplicate"},
		"alias":     {thing{ID: "bad", Alias: "taken"}, "database.duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, engine string) {
				n := openNodes(t, engine, 1, commit.Options{})[0]
				if err := n.Do(t.Context(), nil, func(tx *commit.Tx) error {
					n.things.Put(tx, thing{ID: "there", Alias: "taken", Value: 7})
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				release := n.held(t)
				const calls, badCall = 20, 11
				var wg sync.WaitGroup
				errs, leaf := make([]error, calls), make([]int, calls)
				for i := range calls {
					wg.Go(func() {
						errs[i] = n.Do(t.Context(), nil, func(tx *commit.Tx) error {
							row := thing{ID: nameOf("t", i)}
							if i == badCall {
								row = bad.row
							}
							n.things.Put(tx, row)
							leaf[i] = tx.AddLeaf(sha256.Sum256(fmt.Append(nil, i)))
							return nil
						})
					})
				}
				n.awaitQueued(calls)
				release()
				wg.Wait()
				for i, err := range errs {
					if i == badCall {
						if fault.CodeOf(err) != bad.code {
							t.Errorf("the bad one: %v", err)
						}
					} else if err != nil {
						t.Errorf("call %d: %v", i, err)
					}
				}
				if stored := n.stored(t); len(stored) != calls || stored["there"].Value != 7 {
					t.Errorf("%d are stored: %v", len(stored), stored)
				}
				leaves := 0
				for _, text := range n.leaves(t) {
					leaves += len(text) / commit.LeafSize
				}
				if leaves != calls-1 {
					t.Errorf("%d leaves, want %d", leaves, calls-1)
				}
			})
		})
	}
}

// TestUniqueBetweenNodes: two nodes want one alias at once; one gets it, and the other's decision is run again
// and sees the row.
func TestUniqueBetweenNodes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		nodes := openNodes(t, engine, 2, commit.Options{})
		const aliases = 100
		var wg sync.WaitGroup
		seen := [2][aliases]string{}
		won := [2][aliases]bool{}
		for side, n := range nodes {
			for i := range aliases {
				key := n.things.KeyBy("alias", fmt.Sprintf("a%03d", i))
				wg.Go(func() {
					id := fmt.Sprintf("t%03d-%d", i, side)
					err := n.Do(t.Context(), []commit.Key{key}, func(tx *commit.Tx) error {
						seen[side][i] = ""
						row, found, err := n.things.Get(tx, key)
						if err != nil {
							return err
						}
						if found {
							seen[side][i] = row.ID
							return errRefused
						}
						n.things.Put(tx, thing{ID: id, Alias: fmt.Sprintf("a%03d", i)})
						return nil
					})
					if won[side][i] = err == nil; err != nil && !errors.Is(err, errRefused) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		stored := nodes[0].stored(t)
		if len(stored) != aliases {
			t.Errorf("%d rows, want %d", len(stored), aliases)
		}
		for i := range aliases {
			if won[0][i] == won[1][i] {
				t.Errorf("alias %d: won by node 0: %v, by node 1: %v", i, won[0][i], won[1][i])
				continue
			}
			winner := 0
			if won[1][i] {
				winner = 1
			}
			if want := fmt.Sprintf("t%03d-%d", i, winner); seen[1-winner][i] != want {
				t.Errorf("alias %d: the loser saw %q, want %q", i, seen[1-winner][i], want)
			}
		}
	})
}

// TestRefusalGivesAliasBack: a row that is taken back gives its alias back to the one that had it.
func TestRefusalGivesAliasBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{})[0]
		release := n.held(t)
		key := n.things.KeyBy("alias", "a")
		var order sync.WaitGroup
		for i, decide := range []func(tx *commit.Tx) error{
			func(tx *commit.Tx) error { n.things.Put(tx, thing{ID: "first", Alias: "a"}); return nil },
			func(tx *commit.Tx) error { n.things.Put(tx, thing{ID: "second", Alias: "a"}); return errRefused },
			func(tx *commit.Tx) error {
				if row, found, err := n.things.Get(tx, key); err != nil || !found || row.ID != "first" {
					return fmt.Errorf("row %v, found %v: %w", row, found, err)
				}
				return nil
			},
		} {
			order.Go(func() {
				if err := n.Do(t.Context(), []commit.Key{key}, decide); err != nil && !errors.Is(err, errRefused) {
					t.Error(err)
				}
			})
			n.awaitQueued(i + 1)
		}
		release()
		order.Wait()
	})
}

// TestLeafAlone: a decision that adds a leaf and no row is written.
func TestLeafAlone(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{})[0]
		leaf := sha256.Sum256([]byte("alone"))
		var group string
		if err := n.Do(t.Context(), nil, func(tx *commit.Tx) error {
			group = string(tx.Group())
			tx.AddLeaf(leaf)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if text := n.leaves(t)[group]; string(text) != string(leaf[:]) {
			t.Errorf("group %s has the leaves %x", group, text)
		}
	})
}

// TestAfter runs behind what was kept, and only behind that.
func TestAfter(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		n := openNodes(t, engine, 1, commit.Options{})[0]
		for name, test := range map[string]struct {
			err  error
			want int
		}{
			"done": {want: 1}, "refused": {err: errRefused}, "kept": {err: commit.Keep(errRefused), want: 1},
		} {
			calls := 0
			err := n.Do(t.Context(), nil, func(tx *commit.Tx) error {
				n.things.Put(tx, thing{ID: name})
				tx.After(func() { calls++ })
				return test.err
			})
			if calls != test.want || (err != nil) != (test.err != nil) {
				t.Errorf("%s: %d calls behind it, want %d; err %v", name, calls, test.want, err)
			}
		}
	})
}
