package idempotency_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

type node struct {
	keys   *idempotency.Keys
	events *outbox.Outbox
	clock  *clock.Clock
	db     *sqldb.DB
}

func newNode(t *testing.T, db *sqldb.DB) node {
	t.Helper()
	n := node{clock: &clock.Clock{}, db: db}
	c := commit.New(db, n.clock, commit.Options{})
	n.events = outbox.New(c, db)
	n.keys = idempotency.New(c, db, n.events)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return n
}

func (n node) once(
	t *testing.T,
	req idempotency.Request,
	decide func(tx *commit.Tx) (int, any, error),
) (idempotency.Answer, error) {
	t.Helper()
	return n.keys.Once(t.Context(), req, nil, decide)
}

func (n node) stored(t *testing.T) (stored int) {
	t.Helper()
	if err := n.db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM idempotency_keys").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

func says(status int, value any) func(*commit.Tx) (int, any, error) {
	return func(*commit.Tx) (int, any, error) { return status, value, nil }
}

func refuses(err error) func(*commit.Tx) (int, any, error) {
	return func(*commit.Tx) (int, any, error) { return 0, nil, err }
}

func TestOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		req := idempotency.Request{Caller: "mer_1", Route: "create", Key: "k", Body: []byte("body")}
		refusal := fault.New(fault.Conflict, "test.refused", "no")
		for _, err := range []error{refusal, commit.Keep(refusal)} {
			if _, got := n.once(t, req, refuses(err)); fault.CodeOf(got) != "test.refused" || n.stored(t) != 0 {
				t.Errorf("refused: %v, %d stored", got, n.stored(t))
			}
		}
		dry := req
		dry.DryRun = true
		answer, err := n.once(t, dry, says(201, "dry"))
		if err != nil || string(answer.Body) != `"dry"` || answer.Status != 201 || answer.Replayed || n.stored(t) != 0 {
			t.Errorf("dry run: %+v %v, %d stored", answer, err, n.stored(t))
		}
		if answer, err = n.once(
			t,
			req,
			says(201, "first"),
		); err != nil || answer.Replayed ||
			string(answer.Body) != `"first"` {
			t.Errorf("first: %+v %v", answer, err)
		}
		for _, again := range []idempotency.Request{req, {Caller: "mer_1", Route: "create", Key: "k", Body: []byte("body"), DryRun: true}} {
			if answer, err = n.once(
				t,
				again,
				says(500, "second"),
			); err != nil || !answer.Replayed || answer.Status != 201 ||
				string(answer.Body) != `"first"` {
				t.Errorf("again: %+v %v", answer, err)
			}
		}
		other := req
		other.Body = []byte("other")
		if _, err := n.once(
			t,
			other,
			says(201, "x"),
		); fault.KindOf(err) != fault.Mismatch ||
			fault.CodeOf(err) != "idempotency.key_reused" {
			t.Errorf("another body: %v", err)
		}
		// Neither callers, routes nor keys run into each other where they meet.
		for i, scope := range []idempotency.Request{
			{Caller: "mer_2", Route: "create", Key: "k"},
			{Caller: "mer_1", Route: "void", Key: "k"},
			{Caller: "mer_1", Route: "create", Key: "k2"},
			{Caller: "mer_1c", Route: "reate", Key: "k"},
			{Caller: "mer_1", Route: "createk", Key: ""},
		} {
			if answer, err := n.once(t, scope, says(200, i)); err != nil || answer.Replayed {
				t.Errorf("%+v: %+v %v", scope, answer, err)
			}
		}
	})
}

// TestOnce_announced gives the data of an event as the answer, to those who come in the same commit too.
func TestOnce_announced(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		for i := range 2 {
			var all sync.WaitGroup
			for j := range 40 {
				all.Go(func() {
					req := idempotency.Request{Caller: "c", Route: "r", Key: strconv.Itoa(j % 10)}
					answer, err := n.once(t, req, func(tx *commit.Tx) (int, any, error) {
						said, err := n.events.Announce(tx, outbox.Event{Kind: "made", Merchant: "mer_1"}, "thing "+req.Key)
						return 201, said, err
					})
					if err != nil || answer.Status != 201 || string(answer.Body) != `"thing `+req.Key+`"` {
						t.Errorf("%d: %+v %v", i, answer, err)
					}
				})
			}
			all.Wait()
		}
		if events, _, err := n.events.List(
			t.Context(),
			outbox.Query{Merchant: "mer_1", Limit: 99},
		); len(events) != 10 ||
			err != nil {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}

// TestOnce_together sends one act thirty times at once, and then thirty acts.
func TestOnce_together(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		var replayed atomic.Int64
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				req := idempotency.Request{Caller: "c", Route: "r", Key: "same", Body: []byte("b")}
				if i >= 30 {
					req.Key = strconv.Itoa(i)
				}
				answer, err := n.once(t, req, says(200, i))
				if err != nil {
					t.Error(err)
				}
				if answer.Replayed {
					replayed.Add(1)
				}
			})
		}
		all.Wait()
		if replayed.Load() != 29 || n.stored(t) != 31 {
			t.Errorf("%d replayed, %d stored", replayed.Load(), n.stored(t))
		}
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		put := func(from, to int) {
			var all sync.WaitGroup
			for i := from; i < to; i++ {
				all.Go(func() {
					if _, err := n.once(t, idempotency.Request{Key: strconv.Itoa(i)}, says(200, i)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		put(0, 1500) // more than one batch
		n.clock.Advance(idempotency.Kept - time.Minute)
		put(1500, 1510)
		if gone, err := n.keys.Forget(t.Context(), n.clock.Now()); gone != 0 || err != nil {
			t.Errorf("forgot %d too early, %v", gone, err)
		}
		n.clock.Advance(time.Minute)
		if gone, err := n.keys.Forget(t.Context(), n.clock.Now()); gone != 1500 || err != nil || n.stored(t) != 10 {
			t.Errorf("forgot %d, %d left, %v", gone, n.stored(t), err)
		}
	})
}
