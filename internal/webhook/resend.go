package webhook

import (
	"context"
	"database/sql"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Queued says how many events will be sent again. Where Complete is false there were more than ReplayMax: go on with
// From as NextFrom.
type Queued struct {
	Queued   int       `json:"queued" doc:"How many events will be sent."`
	Complete bool      `json:"complete" doc:"Whether these are all of the range."`
	NextFrom time.Time `json:"next_from,omitzero" doc:"Where the next call goes on if these are not all."`
}

// Resend sends one event to an endpoint once more, whatever became of it before, with all retries of a new one.
// Errors: webhook.endpoint_not_found, .endpoint_disabled, outbox.not_found.
func (w *Webhooks) Resend(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, event id.Event,
) (Queued, error) {
	if _, err := w.enabled(ctx, merchant, name); err != nil {
		return Queued{}, err
	}
	known, err := w.Outbox.Read(ctx, event)
	if err == nil && known.Merchant != merchant {
		err = fault.New(fault.NotFound, "outbox.not_found", "there is no such event")
	}
	if err != nil {
		return Queued{}, err
	}
	return Queued{Queued: 1, Complete: true}, w.queue(ctx, []retryRow{{
		endpoint: name, event: event, cause: CauseResend, dueAt: w.Clock.Now(),
	}})
}

// Replay asks for the events of a time once more: From is in, To is out; no kinds means those of the endpoint.
// UndeliveredOnly leaves out what the log shows as delivered.
type Replay struct {
	From, To        time.Time
	Kinds           []string
	UndeliveredOnly bool
}

// Replay queues the events of a range, at most ReplayMax; it may be called again for the same range.
// Errors: webhook.endpoint_not_found, .endpoint_disabled, .bad_range, .bad_kind.
func (w *Webhooks) Replay(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, r Replay,
) (Queued, error) {
	e, err := w.enabled(ctx, merchant, name)
	if err != nil {
		return Queued{}, err
	}
	now := w.Clock.Now()
	if r.To.IsZero() || r.To.After(now) {
		r.To = now
	}
	if !r.From.Before(r.To) {
		return Queued{}, fault.New(fault.Invalid, "webhook.bad_range", "the range ends before it begins").
			WithParam("from").WithHint("from is the first instant, to the first one behind the range")
	}
	if len(r.Kinds) == 0 {
		r.Kinds = e.Kinds
	} else if r.Kinds, err = checkKinds(r.Kinds); err != nil {
		return Queued{}, err
	}
	out, events, err := w.inRange(ctx, merchant, name, r)
	if err != nil {
		return Queued{}, err
	}
	rows := make([]retryRow, len(events))
	for i, event := range events {
		rows[i] = retryRow{endpoint: name, event: event, cause: CauseReplay, dueAt: now}
	}
	out.Queued = len(rows)
	return out, w.queue(ctx, rows)
}

func (w *Webhooks) enabled(ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint) (Endpoint, error) {
	e, err := w.Get(ctx, merchant, name)
	if err == nil && e.State != Enabled {
		err = fault.New(fault.Conflict, "webhook.endpoint_disabled", "this endpoint is disabled").
			WithHint("enable it first")
	}
	return e, err
}

const replayPage = 1000

// inRange collects the events of a range that are wanted; all of one instant stay together.
func (w *Webhooks) inRange(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, r Replay,
) (Queued, []id.Event, error) {
	var (
		events []id.Event
		last   time.Time
	)
	// Ids sort by the time of their commit; the millisecond before has none of the range.
	position := id.New[id.Event](r.From.Add(-time.Millisecond))
	for {
		items, err := w.Outbox.Feed(ctx, merchant, position, replayPage)
		if err != nil || len(items) == 0 {
			return Queued{Complete: true}, events, err
		}
		delivered, err := w.delivered(ctx, name, r, items)
		if err != nil {
			return Queued{}, nil, err
		}
		for i := range items {
			item := &items[i]
			switch {
			case !item.CreatedAt.Before(r.To):
				return Queued{Complete: true}, events, nil
			case item.CreatedAt.Before(r.From), !Matches(r.Kinds, item.Kind), delivered[item.ID]:
				continue
			case len(events) >= ReplayMax && !item.CreatedAt.Equal(last):
				return Queued{NextFrom: item.CreatedAt}, events, nil
			}
			events, last = append(events, item.ID), item.CreatedAt
		}
		position = id.First(items[len(items)-1].ID)
	}
}

// delivered returns which of the events the log shows as delivered, where the replay leaves them out.
func (w *Webhooks) delivered(
	ctx context.Context, name id.WebhookEndpoint, r Replay, items []outbox.Item,
) (map[id.Event]bool, error) {
	found := map[id.Event]bool{}
	if !r.UndeliveredOnly {
		return found, nil
	}
	for i := range items {
		if _, known := found[items[i].ID]; known || !Matches(r.Kinds, items[i].Kind) {
			continue
		}
		var done bool
		if err := w.DB.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM webhook_deliveries
			WHERE endpoint_id = $1 AND event_id = $2 AND state = 'succeeded')`,
			string(name), string(items[i].ID)).Scan(&done); err != nil {
			return nil, fault.Wrap(w.DB.Fault(err), "look for deliveries")
		}
		found[items[i].ID] = done
	}
	return found, nil
}

// queue puts events in line; the node that holds the endpoint sends them.
func (w *Webhooks) queue(ctx context.Context, rows []retryRow) error {
	if len(rows) == 0 {
		return nil
	}
	err := w.DB.Write(ctx, func(tx *sql.Tx) error { return putRetries(ctx, tx, rows, wish) })
	w.Nudge()
	return fault.Wrap(err, "queue events")
}
