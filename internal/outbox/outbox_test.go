package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

type node struct {
	*outbox.Outbox
	committer *commit.Committer
	clock     *clock.Clock
}

func newNode(t *testing.T, db *sqldb.DB) node {
	t.Helper()
	n := node{clock: &clock.Clock{}}
	n.committer = commit.New(db, n.clock, commit.Options{})
	n.Outbox = outbox.New(n.committer, db)
	if err := n.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.committer.Close)
	return n
}

// add announces one event; the decision ends with outcome.
func (n node) add(t *testing.T, merchant id.Merchant, kind, subject string, outcome error) {
	t.Helper()
	event := outbox.Event{Kind: kind, Merchant: merchant, Subject: subject}
	n.clock.Advance(time.Millisecond)
	err := n.committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
		if err := n.Add(tx, event, map[string]string{"id": subject}); err != nil {
			return err
		}
		return outcome
	})
	if !errors.Is(err, outcome) {
		t.Errorf("add: %v", err)
	}
}

func (n node) list(t *testing.T, q outbox.Query) (kinds string, last id.Event, more bool) {
	t.Helper()
	events, more, err := n.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if string(e.Data) != fmt.Sprintf(`{"id":%q}`, e.Subject) || e.CreatedAt.IsZero() || e.Merchant != q.Merchant {
			t.Errorf("%+v", e)
		}
		kinds, last = kinds+e.Kind+" ", e.ID
	}
	return kinds, last, more
}

func TestList(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		n.add(t, "mer_1", "a", "pay_1", nil)
		n.add(t, "mer_2", "x", "pay_1", nil)
		n.add(t, "", "platform", "pay_1", nil)
		n.add(t, "mer_1", "b", "pay_1", errors.New("refused"))
		n.add(t, "mer_1", "c", "pay_2", nil)
		n.add(t, "mer_1", "d", "pay_1", nil)

		kinds, last, more := n.list(t, outbox.Query{Merchant: "mer_1", Limit: 2})
		if kinds != "a c " || !more {
			t.Errorf("first page: %s %v", kinds, more)
		}
		if kinds, last, more = n.list(t, outbox.Query{Merchant: "mer_1", After: last, Limit: 2}); kinds != "d " || more {
			t.Errorf("second page: %s %v", kinds, more)
		}
		n.add(t, "mer_1", "e", "pay_3", nil)
		if kinds, _, _ = n.list(t, outbox.Query{Merchant: "mer_1", After: last, Limit: 2}); kinds != "e " {
			t.Errorf("what came since: %s", kinds)
		}
		for want, q := range map[string]outbox.Query{
			"a d ": {Merchant: "mer_1", Subject: "pay_1", Limit: 9}, "c ": {Merchant: "mer_1", Kind: "c", Limit: 9},
			"x ": {Merchant: "mer_2", Limit: 9}, "": {Limit: 9}, // what belongs to no merchant is for nobody
		} {
			if kinds, _, _ := n.list(t, q); kinds != want {
				t.Errorf("%+v: %s, want %s", q, kinds, want)
			}
		}
	})
}

// TestWait is woken by an event of its subject, and ends with its context without an error.
func TestWait(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db)
		looked := make(chan struct{}, 100)
		done := make(chan error, 2)
		happened := func(ctx context.Context) (bool, error) {
			looked <- struct{}{}
			events, _, err := n.List(ctx, outbox.Query{Merchant: "mer_1", Subject: "pay_1", Limit: 1})
			return len(events) > 0, err
		}
		for range 2 {
			go func() { done <- n.Wait(t.Context(), "pay_1", happened) }()
		}
		<-looked
		<-looked
		n.add(t, "mer_1", "a", "pay_1", nil)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		go func() { done <- n.Wait(ended, "pay_2", func(context.Context) (bool, error) { return false, nil }) }()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the end of the wait: %v", err)
		}
		broken := errors.New("broken")
		if err := n.Wait(
			t.Context(),
			"pay_3",
			func(context.Context) (bool, error) { return false, broken },
		); !errors.Is(
			err,
			broken,
		) {
			t.Errorf("a check that fails: %v", err)
		}
	})
}

// TestList_nodes goes on behind the last id on two nodes of which one commits what it began earlier: nothing is missed.
func TestList_nodes(t *testing.T) {
	t.Parallel()
	url := sqldbtest.URL(t, "postgres")
	nodes := make([]node, 2)
	for i := range nodes {
		db, err := sqldb.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		nodes[i] = newNode(t, db)
	}
	begun, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- nodes[0].committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
			once.Do(func() { close(begun) })
			<-goOn
			return nodes[0].Add(tx, outbox.Event{Kind: "early", Merchant: "mer_1", Subject: "s"}, map[string]string{"id": "s"})
		})
	}()
	<-begun
	nodes[1].add(t, "mer_1", "late", "s", nil)
	query := outbox.Query{Merchant: "mer_1", Limit: 9}
	if kinds, _, _ := nodes[1].list(t, query); kinds != "" {
		t.Errorf("behind a commit under way: %s", kinds)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for seen := ""; seen != "early late "; { // until the clocks' allowance is over
		kinds, last, _ := nodes[1].list(t, query)
		seen, query.After = seen+kinds, max(query.After, last)
		if !strings.HasPrefix("early late ", seen) {
			t.Fatalf("saw %s", seen)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
