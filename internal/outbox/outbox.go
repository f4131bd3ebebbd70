// Package outbox keeps events: facts that happened, written in the very decision that made them
// true. Merchants read theirs in order; what waits for a subject in this process is woken.
package outbox

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Event is a fact that happened. Kind is `subject.past_tense`, such as payment.succeeded; Data is the
// subject as it stood then, in the API's JSON.
type Event struct {
	ID        id.Event           `json:"id"`
	Kind      string             `json:"kind"`
	Merchant  id.Merchant        `json:"merchant_id,omitempty"`
	Subject   string             `json:"subject"`
	Data      stdjson.RawMessage `json:"data"`
	CreatedAt time.Time          `json:"created_at"`
}

const envelopeSize = 256 // of an event's JSON without its data

// appendJSON writes the event as its tags say, its data as it is: to marshal would read all of it again.
func (e *Event) appendJSON(b []byte) ([]byte, error) {
	members := []struct{ name, value string }{
		{`{"id":`, string(e.ID)}, {`,"kind":`, e.Kind}, {`,"merchant_id":`, string(e.Merchant)}, {`,"subject":`, e.Subject},
	}
	var err error
	for _, m := range members {
		if m.value == "" {
			continue
		}
		if b, err = jsontext.AppendQuote(append(b, m.name...), m.value); err != nil {
			return nil, fmt.Errorf("write %s: %w", m.name, err)
		}
	}
	b = append(append(b, `,"data":`...), e.Data...)
	b = e.CreatedAt.UTC().AppendFormat(append(b, `,"created_at":"`...), time.RFC3339Nano)
	return append(b, `"}`...), nil
}

// Outbox writes and lists events.
type Outbox struct {
	db    *sqldb.DB
	batch *commit.Batch[id.Event]

	stopping chan struct{}
	watchers atomic.Int64 // how many wait, so that nobody waiting costs nothing
	mu       sync.Mutex
	waiting  map[string][]chan struct{}
}

// New returns the outbox and registers its table.
func New(c *commit.Committer, db *sqldb.DB) *Outbox {
	return &Outbox{
		db: db, batch: commit.AddBatch[id.Event](c, "events"),
		stopping: make(chan struct{}), waiting: map[string][]chan struct{}{},
	}
}

// Announced is an event that a decision added, with its data as JSON: the answer of an act may be just that.
type Announced struct {
	Event id.Event
	Data  stdjson.RawMessage
}

// Add writes an event in the decision: kind, subject and the merchant it is for; data is the subject as the API
// shows it. An event of no merchant is for the platform itself.
func (o *Outbox) Add(tx *commit.Tx, e Event, data any) error {
	_, err := o.Announce(tx, e, data)
	return err
}

// Announce is Add for an act whose answer is the event's data.
func (o *Outbox) Announce(tx *commit.Tx, e Event, data any) (Announced, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return Announced{}, fault.Wrap(err, "write event "+e.Kind)
	}
	e.Data, e.CreatedAt = body, tx.Now()
	err = o.batch.Append(tx, string(e.Merchant), func(name id.Event) ([]byte, error) {
		e.ID = name
		return e.appendJSON(make([]byte, 0, len(body)+envelopeSize))
	})
	if err != nil {
		return Announced{}, fault.Wrap(err, "write event "+e.Kind)
	}
	if o.watchers.Load() > 0 {
		tx.After(func() { o.wake(e.Subject) })
	}
	return Announced{Event: e.ID, Data: body}, nil
}

// waitPoll is how often a waiter looks by itself: the event may happen on another node.
const waitPoll = 250 * time.Millisecond

// Wait runs check at once, whenever an event of subject happens here, and from time to time, until it reports
// true, fails or ctx or the node ends. An end is no error: the caller shows what it has.
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
		case <-o.stopping:
			return nil
		case <-wake:
		case <-ticker.C:
		}
	}
}

// Run ends all waits when ctx ends: who waits must not hold up the end of a node. Call it once.
func (o *Outbox) Run(ctx context.Context) {
	<-ctx.Done()
	close(o.stopping)
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
