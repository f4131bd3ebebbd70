package audit

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	noteEvery = time.Second
	notesMax  = 512 // different events of one second; what is beyond is counted and not told apart
	// KindDropped is the record of how many events were not told apart.
	KindDropped = "audit.dropped"
)

// notes are the events that wait to be written.
type notes struct {
	mu      *sync.Mutex
	waiting map[noted]*tally
	order   []noted
	dropped int64
}

// noted is what makes two events equal.
type noted struct {
	origin Origin // without its request
	act    noteAct
}

type noteAct struct{ kind, subject, reason string }

type tally struct {
	count       int64
	request     string // of the first
	first, last time.Time
}

func newNotes() notes { return notes{mu: &sync.Mutex{}, waiting: map[noted]*tally{}} }

// Note keeps an event of a refused request: it is written within a second, in a commit of its own. It never waits
// and never fails; Before and After are not kept.
func (t *Trail) Note(ctx context.Context, act Act) {
	if t == nil {
		return
	}
	origin := Of(ctx)
	request := origin.Request
	origin.Request, origin.Recorded = "", nil
	key := noted{origin: origin, act: noteAct{act.Kind, act.Subject, act.Reason}}
	now := t.clock.Now()
	t.notes.mu.Lock()
	defer t.notes.mu.Unlock()
	if known := t.notes.waiting[key]; known != nil {
		known.count++
		known.last = now
		return
	}
	if len(t.notes.order) >= notesMax {
		t.notes.dropped++
		return
	}
	t.notes.waiting[key] = &tally{count: 1, request: request, first: now, last: now}
	t.notes.order = append(t.notes.order, key)
}

// RunNotes writes what was noted, every second until ctx ends, and then the rest. Every node runs it.
func (t *Trail) RunNotes(ctx context.Context) {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if err := t.Flush(context.WithoutCancel(ctx)); err != nil {
			slog.ErrorContext(ctx, "security events can't be written", slog.Any("error", err))
		}
	}
}

// Flush writes what was noted until now. What cannot be written waits for the next time.
func (t *Trail) Flush(ctx context.Context) error {
	t.notes.mu.Lock()
	waiting, order, dropped := t.notes.waiting, t.notes.order, t.notes.dropped
	t.notes.waiting, t.notes.order, t.notes.dropped = map[noted]*tally{}, nil, 0
	t.notes.mu.Unlock()
	records := make([]Record, 0, len(order)+1)
	for _, key := range order {
		records = append(records, recordOf(key, waiting[key]))
	}
	if dropped > 0 {
		records = append(records, Record{
			ID: id.New[id.Audit](t.clock.Now()), At: t.clock.Now(), Kind: KindDropped, ActorKind: System,
			After: fmt.Sprintf(`{"count":%d}`, dropped),
		})
	}
	err := t.insert(ctx, records)
	if err != nil {
		t.putBack(waiting, order, dropped)
	}
	return err
}

// putBack lets events wait that could not be written, as far as there is room.
func (t *Trail) putBack(waiting map[noted]*tally, order []noted, dropped int64) {
	t.notes.mu.Lock()
	defer t.notes.mu.Unlock()
	t.notes.dropped += dropped
	for _, key := range order {
		old := waiting[key]
		switch known := t.notes.waiting[key]; {
		case known != nil:
			known.count, known.first, known.request = known.count+old.count, old.first, old.request
		case len(t.notes.order) >= notesMax:
			t.notes.dropped += old.count
		default:
			t.notes.waiting[key] = old
			t.notes.order = append(t.notes.order, key)
		}
	}
}

func recordOf(key noted, n *tally) Record {
	r := Record{
		ID: id.New[id.Audit](n.first), At: n.first, Kind: key.act.kind, Subject: key.act.subject, Reason: key.act.reason,
		ActorKind: key.origin.Kind, Actor: key.origin.Actor, Credential: key.origin.Credential,
		Device: key.origin.Device, Address: key.origin.Address, Request: n.request,
	}
	if n.count > 1 {
		r.After = fmt.Sprintf(`{"count":%d,"last_at":%q}`, n.count, n.last.UTC().Format(time.RFC3339Nano))
	}
	return r
}

// Write writes a record at once, in a commit of its own: for an act that no decision of the committer does.
// Errors: audit.bad_value, database faults.
func (t *Trail) Write(ctx context.Context, act Act) error {
	if t == nil {
		return nil
	}
	origin := Of(ctx)
	record, err := newRecord(origin, act)
	if err != nil {
		return err
	}
	record.At = t.clock.Now()
	record.ID = id.New[id.Audit](record.At)
	if err := t.insert(ctx, []Record{record}); err != nil {
		return err
	}
	if origin.Recorded != nil {
		origin.Recorded.Store(true)
	}
	return nil
}

// WriteIn is Write within a transaction of a worker, for acts that are such a transaction.
func (t *Trail) WriteIn(ctx context.Context, tx *sql.Tx, act Act) error {
	if t == nil {
		return nil
	}
	origin := Of(ctx)
	record, err := newRecord(origin, act)
	if err != nil {
		return err
	}
	record.At = t.clock.Now()
	record.ID = id.New[id.Audit](record.At)
	if err := insertRecord(ctx, tx, &record); err != nil {
		return err
	}
	if origin.Recorded != nil {
		origin.Recorded.Store(true)
	}
	return nil
}

func (t *Trail) insert(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	err := t.db.Write(ctx, func(tx *sql.Tx) error {
		for i := range records {
			if err := insertRecord(ctx, tx, &records[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return fault.Wrap(err, "write audit records")
}

func insertRecord(ctx context.Context, tx *sql.Tx, r *Record) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit_records (id, at, kind, actor_kind, actor, credential, device, address,
		request_id, subject, proposal_id, reason, before_json, after_json)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		string(r.ID), clock.Micros(r.At), r.Kind, string(r.ActorKind), r.Actor, r.Credential, r.Device, r.Address,
		r.Request, r.Subject, string(r.Proposal), r.Reason, r.Before, r.After)
	return err
}
