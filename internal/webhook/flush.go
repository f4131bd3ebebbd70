package webhook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	flushMax   = 4096 // results in one transaction
	flushEvery = 100 * time.Millisecond
	flushAgain = time.Second
	lastTries  = 3  // of a node that stops
	rowsAtOnce = 20 // in one statement: SQLite looks each parameter up in a list of all
)

// result is what a runner has to write: a delivery with its retry, or how far the cursor is.
type result struct {
	runner       *runner
	delivery     *Delivery
	retry        bool      // a retry's row was there
	dueAt        time.Time // and was due then
	position     id.Event
	failingSince time.Time
}

// flush writes the results of all runners, a tenth of a second's in one transaction, until the channel is closed. What
// can't be written is tried again; the runners wait meanwhile. It ends with the channel and not with ctx.
func (w *Webhooks) flush(ctx context.Context) {
	batch := make([]result, 0, flushMax)
	for first := range w.results {
		batch = w.collect(append(batch[:0], first))
		for tries := 1; ; tries++ {
			err := w.write(context.WithoutCancel(ctx), batch)
			if err == nil {
				break
			}
			w.Log.ErrorContext(ctx, "deliveries can't be written", slog.Any("error", err))
			if ctx.Err() != nil && tries >= lastTries {
				break // as after a crash, another node sends them again
			}
			time.Sleep(flushAgain)
		}
		for i := range batch {
			batch[i].runner.unwritten.Done()
		}
	}
}

// collect takes what comes in flushEvery.
func (w *Webhooks) collect(batch []result) []result {
	timer := time.NewTimer(flushEvery)
	defer timer.Stop()
	for len(batch) < flushMax {
		select {
		case more, open := <-w.results:
			if !open {
				return batch
			}
			batch = append(batch, more)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// write writes a batch in one transaction: the cursors under their leases, then the log, then the retries of those
// whose lease held. What was sent under a lost lease stays in the log; the endpoint's new holder sends it again.
func (w *Webhooks) write(ctx context.Context, batch []result) error {
	latest := map[*runner]*result{}
	var log []*Delivery
	for i := range batch {
		r := &batch[i]
		known := latest[r.runner]
		if r.position == "" && known != nil {
			r.position = known.position
		}
		latest[r.runner] = r
		if r.delivery != nil {
			log = append(log, r.delivery)
		}
	}
	lost := map[*runner]bool{}
	err := w.DB.Write(ctx, func(tx *sql.Tx) error {
		clear(lost)
		if err := w.moveCursors(ctx, tx, latest, lost); err != nil {
			return fmt.Errorf("move cursors: %w", err)
		}
		if err := insertDeliveries(ctx, tx, log); err != nil {
			return fmt.Errorf("write the log: %w", err)
		}
		if err := writeRetries(ctx, tx, batch, lost); err != nil {
			return fmt.Errorf("write retries: %w", err)
		}
		return nil
	})
	if err == nil {
		for r := range lost {
			r.lost.Store(true)
		}
	}
	return err
}

func (w *Webhooks) moveCursors(
	ctx context.Context, tx *sql.Tx, latest map[*runner]*result, lost map[*runner]bool,
) error {
	runners := make([]*runner, 0, len(latest))
	for r := range latest {
		runners = append(runners, r)
	}
	slices.SortFunc(runners, func(a, b *runner) int { return cmp.Compare(a.id, b.id) }) // nodes lock in one order
	until := clock.Micros(w.Clock.Now().Add(leaseTTL))
	for _, r := range runners {
		res := latest[r]
		held, err := changed(tx.ExecContext(ctx, `UPDATE webhook_cursors
			SET position = CASE WHEN $3 = '' THEN position ELSE $3 END, failing_since = $4, leased_until = $5
			WHERE id = $1 AND leased_by = $2`,
			string(r.id), w.holder, string(res.position), clock.Micros(res.failingSince), until))
		if err != nil {
			return err
		}
		lost[r] = !held
		if held {
			delete(lost, r)
		}
	}
	return nil
}

// insertDeliveries writes rows of the log.
func insertDeliveries(ctx context.Context, tx *sql.Tx, log []*Delivery) error {
	rows := make([][]any, len(log))
	for i, d := range log {
		rows[i] = []any{
			string(d.ID), string(d.Endpoint), string(d.Event), d.Kind, string(d.Cause), d.Attempt, string(d.State), d.Status,
			d.DurationMS, string(d.Problem), d.Answer, clock.Micros(d.NextAt), clock.Micros(d.CreatedAt),
		}
	}
	return insertRows(ctx, tx, rows, func(n int) string {
		return `INSERT INTO webhook_deliveries (id, endpoint_id, event_id, kind, cause, attempt, state, status, duration_ms,
			problem, answer, next_at, created_at) VALUES ` + marks(n, deliveryWidth)
	})
}

// insertRows runs text, which takes n rows, for all rows. Full statements are prepared once.
func insertRows(ctx context.Context, tx *sql.Tx, rows [][]any, text func(n int) string) error {
	if len(rows) >= rowsAtOnce {
		stmt, err := tx.PrepareContext(ctx, text(rowsAtOnce))
		if err != nil {
			return err
		}
		defer stmt.Close()
		for ; len(rows) >= rowsAtOnce; rows = rows[rowsAtOnce:] {
			if _, err := stmt.ExecContext(ctx, slices.Concat(rows[:rowsAtOnce]...)...); err != nil {
				return err
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, text(len(rows)), slices.Concat(rows...)...)
	return err
}

const (
	deliveryWidth = 13
	retryWidth    = 6
)

// writeRetries puts failed deliveries in line for their next try, and takes out those that have ended. A row that the
// merchant's wish has changed meanwhile stays as it is: the wish came later.
func writeRetries(ctx context.Context, tx *sql.Tx, batch []result, lost map[*runner]bool) error {
	var first []retryRow
	var over []*result
	for i := range batch {
		r := &batch[i]
		switch d := r.delivery; {
		case d == nil, lost[r.runner], d.NextAt.IsZero() && !r.retry:
		case d.NextAt.IsZero():
			over = append(over, r)
		case !r.retry:
			first = append(first, retryRow{
				endpoint: d.Endpoint, event: d.Event, cause: d.Cause, attempts: d.Attempt, dueAt: d.NextAt,
			})
		default:
			if _, err := tx.ExecContext(ctx,
				"UPDATE webhook_retries SET attempts = $3, due_at = $4 WHERE id = $1 AND due_at = $2",
				retryID(d.Endpoint, d.Event), clock.Micros(r.dueAt), d.Attempt, clock.Micros(d.NextAt)); err != nil {
				return err
			}
		}
	}
	if err := putRetries(ctx, tx, first, "NOTHING"); err != nil {
		return err
	}
	return dropRetries(ctx, tx, over)
}

func dropRetries(ctx context.Context, tx *sql.Tx, over []*result) error {
	for rows := range slices.Chunk(over, rowsAtOnce) {
		var pairs []string
		var args []any
		for _, r := range rows {
			pairs = append(pairs, fmt.Sprintf("(CAST($%d AS TEXT), CAST($%d AS BIGINT))", len(args)+1, len(args)+2))
			args = append(args, retryID(r.delivery.Endpoint, r.delivery.Event), clock.Micros(r.dueAt))
		}
		//nolint:gosec // the pairs are numbers of parameters
		text := fmt.Sprintf("DELETE FROM webhook_retries WHERE (id, due_at) IN (VALUES %s)", strings.Join(pairs, ", "))
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

// retryRow is an event that is to be sent to an endpoint at an instant.
type retryRow struct {
	endpoint id.WebhookEndpoint
	event    id.Event
	cause    Cause
	attempts int64
	dueAt    time.Time
}

func retryID(endpoint id.WebhookEndpoint, event id.Event) string {
	return string(endpoint) + " " + string(event)
}

// wish is what a merchant's call does to a row that waits for the same endpoint and event.
const wish = "UPDATE SET cause = excluded.cause, attempts = excluded.attempts, due_at = excluded.due_at"

// putRetries writes retries; conflict is what becomes of those that are there for the same endpoints and events.
func putRetries(ctx context.Context, tx *sql.Tx, all []retryRow, conflict string) error {
	seen := make(map[string]int, len(all)) // PostgreSQL refuses one row twice in a statement
	var rows [][]any
	for _, r := range all {
		name := retryID(r.endpoint, r.event)
		row := []any{name, string(r.endpoint), string(r.event), string(r.cause), r.attempts, clock.Micros(r.dueAt)}
		if at, there := seen[name]; there {
			rows[at] = row
			continue
		}
		seen[name] = len(rows)
		rows = append(rows, row)
	}
	return insertRows(ctx, tx, rows, func(n int) string {
		return `INSERT INTO webhook_retries (id, endpoint_id, event_id, cause, attempts, due_at) VALUES ` +
			marks(n, retryWidth) + " ON CONFLICT (id) DO " + conflict
	})
}

// marks writes the parameters of rows: ($1, $2), ($3, $4).
func marks(rows, width int) string {
	var b strings.Builder
	for i := range rows * width {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteByte(')')
	return b.String()
}
