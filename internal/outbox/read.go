package outbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Query asks for events, oldest first. After is the id behind which to go on.
type Query struct {
	Merchant id.Merchant
	After    id.Event
	Kind     string
	Subject  string
	Limit    int
}

func (q *Query) wants(e *Event) bool {
	return e.ID > q.After && (q.Kind == "" || e.Kind == q.Kind) && (q.Subject == "" || e.Subject == q.Subject)
}

// List returns a merchant's events in the order of their ids, and whether there are more. Events that a commit
// under way on another node could still come before are held back, so that a reader who goes on behind
// the last id it saw misses none.
func (o *Outbox) List(ctx context.Context, q Query) ([]Event, bool, error) {
	events, more, err := o.list(ctx, q)
	return events, more, fault.Wrap(err, "list events")
}

func (o *Outbox) list(ctx context.Context, q Query) ([]Event, bool, error) {
	// Before the rows are read: what commits in between has an id behind it.
	horizon, err := o.db.Horizon(ctx)
	if err != nil {
		return nil, false, err
	}
	rows, err := o.db.Read.QueryContext(ctx, `SELECT items FROM events
		WHERE owner = $1 AND owner <> '' AND id >= $2 AND created_at < $3 ORDER BY id`,
		string(q.Merchant), string(id.First(q.After)), clock.Micros(horizon))
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	events := []Event{}
	for len(events) <= q.Limit && rows.Next() {
		var items []byte
		if err := rows.Scan(&items); err != nil {
			return nil, false, err
		}
		err := each(items, func(e *Event) bool {
			if q.wants(e) {
				events = append(events, *e)
			}
			return len(events) <= q.Limit
		})
		if err != nil {
			return nil, false, err
		}
	}
	if len(events) > q.Limit {
		return events[:q.Limit], true, nil
	}
	return events, false, rows.Err()
}

// Read returns one event. Errors: outbox.not_found.
func (o *Outbox) Read(ctx context.Context, name id.Event) (Event, error) {
	var items []byte
	err := o.db.Read.QueryRowContext(ctx, "SELECT items FROM events WHERE id = $1", string(id.First(name))).Scan(&items)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Event{}, fault.Wrap(err, "read event "+string(name))
	}
	var found Event
	err = each(items, func(e *Event) bool {
		if e.ID == name {
			found = *e
		}
		return e.ID < name
	})
	if err == nil && found.ID == "" {
		err = fault.New(fault.NotFound, "outbox.not_found", "there is no such event")
	}
	return found, fault.Wrap(err, "read event "+string(name))
}

// each decodes the items of a row, one by one, for as long as more says so.
func each(items []byte, more func(*Event) bool) error {
	if len(items) == 0 {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(items))
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("decode events: %w", err)
	}
	for d.PeekKind() == '{' {
		var e Event
		if err := json.UnmarshalDecode(d, &e); err != nil {
			return fmt.Errorf("decode events: %w", err)
		}
		if !more(&e) {
			return nil
		}
	}
	return nil
}
