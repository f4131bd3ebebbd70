// Package outbox keeps events: facts that happened, written in the very decision that made them
// true. Merchants read theirs in order; what waits for a subject in this process is woken.
package outbox

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Event is a fact that happened. Kind is `subject.past_tense`, such as payment.succeeded; Data is the
// subject as it stood then, in the API's JSON.
type Event struct {
	ID        id.Event        `json:"id"`
	Kind      string          `json:"kind"`
	Merchant  id.Merchant     `json:"merchant_id,omitempty"`
	Subject   string          `json:"subject"`
	Data      json.RawMessage `json:"data"`
	CreatedAt time.Time       `json:"created_at"`
}

// Outbox writes and lists events.
type Outbox struct {
	db    *sqldb.DB
	table *commit.Table[Event]

	watchers atomic.Int64 // how many wait, so that nobody waiting costs nothing
	mu       sync.Mutex
	waiting  map[string][]chan struct{}
}

// New returns the outbox and registers its table.
func New(c *commit.Committer, db *sqldb.DB) *Outbox {
	return &Outbox{db: db, waiting: map[string][]chan struct{}{}, table: commit.AddTable(c, "events",
		commit.Text("id", func(e *Event) *string { return (*string)(&e.ID) }),
		commit.Text("kind", func(e *Event) *string { return &e.Kind }),
		commit.Text("merchant_id", func(e *Event) *string { return (*string)(&e.Merchant) }),
		commit.Text("subject", func(e *Event) *string { return &e.Subject }),
		commit.Coded("data", func(e *Event) string { return string(e.Data) },
			func(e *Event, s string) { e.Data = json.RawMessage(s) }),
		commit.Instant("created_at", func(e *Event) *time.Time { return &e.CreatedAt }),
	)}
}

// Add writes an event in the decision. ID is handed in, made before the decision; data is the
// subject as the API shows it. An event of no merchant is for the platform itself.
func (o *Outbox) Add(tx *commit.Tx, e Event, data any) error {
	_, err := o.Announce(tx, e, data)
	return err
}

// Announce is Add for an act whose answer is the event's data: it returns the JSON, which is made once.
func (o *Outbox) Announce(tx *commit.Tx, e Event, data any) (json.RawMessage, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return nil, fault.Wrap(err, "write event "+e.Kind)
	}
	// A reader goes on behind the last id it saw, so ids sort by the time of the commit, not of the request.
	e.ID, e.Data, e.CreatedAt = id.At(e.ID, tx.Now()), body, tx.Now()
	o.table.Append(tx, e)
	if o.watchers.Load() > 0 {
		tx.After(func() { o.wake(e.Subject) })
	}
	return body, nil
}

// Query asks for events, oldest first. After is the id behind which to go on.
type Query struct {
	Merchant id.Merchant
	After    id.Event
	Kind     string
	Subject  string
	Limit    int
}

// List returns a merchant's events in the order of their ids, and whether there are more.
func (o *Outbox) List(ctx context.Context, q Query) ([]Event, bool, error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT id, kind, merchant_id, subject, data, created_at FROM events
		WHERE merchant_id = $1 AND merchant_id <> '' AND id > $2 AND ($3 = '' OR kind = $3) AND ($4 = '' OR subject = $4)
		ORDER BY id LIMIT $5`, string(q.Merchant), string(q.After), q.Kind, q.Subject, q.Limit+1)
	if err != nil {
		return nil, false, fault.Wrap(err, "list events")
	}
	defer rows.Close()
	events := []Event{}
	for rows.Next() {
		var (
			e    Event
			data string
			at   int64
		)
		if err := rows.Scan(&e.ID, &e.Kind, &e.Merchant, &e.Subject, &data, &at); err != nil {
			return nil, false, fault.Wrap(err, "list events")
		}
		e.Data, e.CreatedAt = json.RawMessage(data), clock.FromMicros(at)
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(err, "list events")
	}
	if len(events) > q.Limit {
		return events[:q.Limit], true, nil
	}
	return events, false, nil
}

// waitPoll is how often a waiter looks by itself: the event may happen on another node.
const waitPoll = 250 * time.Millisecond

// Wait runs check at once, whenever an event of subject happens here, and from time to time, until it reports
// true, fails
// or ctx ends. A ctx that ends is no error: the caller shows what it has.
func (o *Outbox) Wait(ctx context.Context, subject string, check func(context.Context) (bool, error)) error {
	wake := o.watch(subject)
	defer o.forget(subject, wake)
	ticker := time.NewTicker(waitPoll)
	defer ticker.Stop()
	for {
		done, err := check(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-ticker.C:
		}
	}
}

func (o *Outbox) watch(subject string) chan struct{} {
	wake := make(chan struct{}, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[subject] = append(o.waiting[subject], wake)
	o.watchers.Add(1)
	return wake
}

func (o *Outbox) forget(subject string, wake chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers.Add(-1)
	rest := o.waiting[subject][:0]
	for _, other := range o.waiting[subject] {
		if other != wake {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(o.waiting, subject)
		return
	}
	o.waiting[subject] = rest
}

func (o *Outbox) wake(subject string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, wake := range o.waiting[subject] {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}
