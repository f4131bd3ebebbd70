package outbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Item is an event as it is stored, for who passes it on: Text is its JSON, the same that List shows.
type Item struct {
	ID        id.Event       `json:"id"`
	Kind      string         `json:"kind"`
	Merchant  id.Merchant    `json:"merchant_id"`
	Subject   string         `json:"subject"`
	CreatedAt time.Time      `json:"created_at"`
	Text      jsontext.Value `json:"-"`
}

// Feed returns a merchant's events of the commits behind the one that after is of ("" for all), in their order, commit
// by commit until there are at least enough. As for List, what a commit under way could come before is held back. Who
// keeps id.First of the last event goes on behind it, and misses none.
func (o *Outbox) Feed(ctx context.Context, merchant id.Merchant, after id.Event, enough int) ([]Item, error) {
	horizon, err := o.db.Horizon(ctx)
	if err != nil {
		return nil, fault.Wrap(err, "read the feed of events")
	}
	rows, err := o.db.Query(ctx, `SELECT items FROM events
		WHERE owner = $1 AND owner <> '' AND id > $2 AND created_at < $3 ORDER BY id LIMIT $4`,
		string(merchant), string(after), clock.Micros(horizon), enough)
	if err != nil {
		return nil, fault.Wrap(err, "read the feed of events")
	}
	defer rows.Close()
	var items []Item
	for len(items) < enough && rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, fault.Wrap(err, "read the feed of events")
		}
		if items, err = appendItems(items, text); err != nil {
			return nil, fault.Wrap(err, "read the feed of events")
		}
	}
	return items, fault.Wrap(rows.Err(), "read the feed of events")
}

// Items returns stored events by their ids; those that there are not are left out.
func (o *Outbox) Items(ctx context.Context, names []id.Event) (map[id.Event]Item, error) {
	found := make(map[id.Event]Item, len(names))
	for _, name := range names {
		if _, there := found[name]; there {
			continue
		}
		var text []byte
		err := o.db.QueryRow(ctx, "SELECT items FROM events WHERE id = $1", string(id.First(name))).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(err, "read event "+string(name))
		}
		items, err := appendItems(nil, text)
		if err != nil {
			return nil, fault.Wrap(err, "read event "+string(name))
		}
		for i := range items {
			found[items[i].ID] = items[i]
		}
	}
	return found, nil
}

// Last returns the newest event of a merchant that List shows, "" where there is none.
func (o *Outbox) Last(ctx context.Context, merchant id.Merchant) (id.Event, error) {
	horizon, err := o.db.Horizon(ctx)
	if err != nil {
		return "", fault.Wrap(err, "find the newest event")
	}
	var text []byte
	err = o.db.QueryRow(ctx, `SELECT items FROM events
		WHERE owner = $1 AND owner <> '' AND created_at < $2 ORDER BY id DESC LIMIT 1`,
		string(merchant), clock.Micros(horizon)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fault.Wrap(err, "find the newest event")
	}
	items, err := appendItems(nil, text)
	if err != nil || len(items) == 0 {
		return "", fault.Wrap(err, "find the newest event")
	}
	return items[len(items)-1].ID, nil
}

// appendItems splits a row into its items.
func appendItems(items []Item, text []byte) ([]Item, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := d.ReadToken(); err != nil {
		return nil, fmt.Errorf("decode events: %w", err)
	}
	for d.PeekKind() == '{' {
		value, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("decode events: %w", err)
		}
		item := Item{Text: value.Clone()}
		if err := json.Unmarshal(item.Text, &item); err != nil {
			return nil, fmt.Errorf("decode events: %w", err)
		}
		items = append(items, item)
	}
	return items, nil
}
