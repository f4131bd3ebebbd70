package webhook

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	leaseTTL = 10 * time.Second
	// sweepEvery is how often a node looks for endpoints with work; sweepShare keeps the looking itself to a twentieth of
	// the time where there are many endpoints.
	sweepEvery = 250 * time.Millisecond
	sweepShare = 20
	claimMax   = 200
	// sendingMax is how many requests of one node are under way.
	sendingMax = 1024
	drainMax   = 5 * time.Second
)

// dispatcher is one node's part in the deliveries.
type dispatcher struct {
	holder  string
	nudge   chan struct{}
	results chan result
	slots   chan struct{}
	wall    *clock.Clock // receivers compare timestamps with the true time, wherever a sandbox's clock is

	mu      sync.Mutex
	running map[id.WebhookEndpoint]bool
	workers sync.WaitGroup
}

func newDispatcher() dispatcher {
	return dispatcher{
		nudge: make(chan struct{}, 1), results: make(chan result, flushMax),
		slots: make(chan struct{}, sendingMax), wall: &clock.Clock{}, running: map[id.WebhookEndpoint]bool{},
	}
}

// Nudge makes this node look for work at once.
func (w *Webhooks) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends; then it writes what was sent, gives its leases back and returns. Any number of nodes may
// run.
func (w *Webhooks) Run(ctx context.Context) {
	w.holder = strings.TrimPrefix(string(id.New[id.Group](w.Clock.Now())), "grp_")
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.flush(ctx)
	}()
	for pause := time.Duration(0); ctx.Err() == nil; {
		w.pause(ctx, pause)
		begun := w.wall.Now()
		if err := w.sweep(ctx); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "webhooks can't be taken", slog.Any("error", err))
		}
		pause = max(sweepEvery, sweepShare*w.wall.Now().Sub(begun))
	}
	w.workers.Wait()
	close(w.results)
	<-written
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	defer cancel()
	if err := w.giveBack(last); err != nil {
		w.Log.ErrorContext(last, "webhook leases can't be given back; they end by themselves", slog.Any("error", err))
	}
}

func (w *Webhooks) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-w.nudge:
	case <-timer.C:
	}
}

// sweep takes the endpoints that have work and nobody, and starts their runners.
func (w *Webhooks) sweep(ctx context.Context) error {
	waiting, err := w.waiting(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	var wanted []id.WebhookEndpoint
	w.mu.Lock()
	for _, name := range waiting {
		if !w.running[name] {
			wanted = append(wanted, name)
		}
	}
	w.mu.Unlock()
	if err := w.renew(ctx); err != nil || len(wanted) == 0 {
		return err
	}
	claimed, err := w.claim(ctx, wanted)
	if err != nil {
		return err
	}
	for _, place := range claimed {
		w.mu.Lock()
		w.running[place.id] = true
		w.mu.Unlock()
		w.workers.Go(func() {
			defer func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				delete(w.running, place.id)
			}()
			newRunner(w, place).run(ctx)
		})
	}
	return nil
}

// endpointsWaiting finds enabled endpoints with events behind their cursor or retries that are due, which nobody else
// holds; $1 is this node, $2 now.
const endpointsWaiting = `SELECT c.id FROM webhook_cursors c JOIN webhook_endpoints e ON e.id = c.id
	WHERE e.state = 'enabled' AND (c.leased_by = $1 OR c.leased_until <= $2) AND (
		EXISTS (SELECT 1 FROM events v WHERE v.owner = c.merchant_id AND v.owner <> '' AND v.id > c.position)
		OR EXISTS (SELECT 1 FROM webhook_retries r WHERE r.endpoint_id = c.id AND r.due_at <= $2))
	ORDER BY c.id`

func (w *Webhooks) waiting(ctx context.Context) ([]id.WebhookEndpoint, error) {
	rows, err := w.DB.Query(ctx, endpointsWaiting, w.holder, clock.Micros(w.Clock.Now()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []id.WebhookEndpoint
	for rows.Next() {
		var name id.WebhookEndpoint
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// claim takes the leases of endpoints and returns their cursors; others may have been first.
func (w *Webhooks) claim(ctx context.Context, names []id.WebhookEndpoint) ([]cursor, error) {
	names = names[:min(len(names), claimMax)]
	now := w.Clock.Now()
	var claimed []cursor
	err := w.DB.Write(ctx, func(tx *sql.Tx) error {
		claimed = claimed[:0]
		for _, name := range names {
			got, err := changed(tx.ExecContext(ctx, `UPDATE webhook_cursors SET leased_by = $2, leased_until = $3
				WHERE id = $1 AND (leased_by = $2 OR leased_until <= $4)`,
				string(name), w.holder, clock.Micros(now.Add(leaseTTL)), clock.Micros(now)))
			if err != nil {
				return err
			}
			if !got {
				continue
			}
			place := cursor{id: name}
			var failingSince int64
			if err := tx.QueryRowContext(ctx, `SELECT merchant_id, position, failing_since FROM webhook_cursors WHERE id = $1`,
				string(name)).Scan(&place.merchant, &place.position, &failingSince); err != nil {
				return err
			}
			place.failingSince = clock.FromMicros(failingSince)
			claimed = append(claimed, place)
		}
		return nil
	})
	return claimed, err
}

// renew moves the leases on that end soon, while their endpoints are being worked on.
func (w *Webhooks) renew(ctx context.Context) error {
	w.mu.Lock()
	busy := len(w.running)
	w.mu.Unlock()
	if busy == 0 {
		return nil
	}
	now := w.Clock.Now()
	var soon bool
	if err := w.DB.QueryRow(ctx,
		"SELECT EXISTS (SELECT 1 FROM webhook_cursors WHERE leased_by = $1 AND leased_until < $2)",
		w.holder, clock.Micros(now.Add(leaseTTL/2))).Scan(&soon); err != nil || !soon {
		return err
	}
	return w.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE webhook_cursors SET leased_until = $2 WHERE id IN
			(SELECT id FROM webhook_cursors WHERE leased_by = $1 ORDER BY id)`, w.holder, clock.Micros(now.Add(leaseTTL)))
		return err
	})
}

func (w *Webhooks) giveBack(ctx context.Context) error {
	return w.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			"UPDATE webhook_cursors SET leased_by = '', leased_until = 0 WHERE leased_by = $1", w.holder)
		return err
	})
}

func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
