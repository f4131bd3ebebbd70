package attempt

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
)

// Arrive reads what is new on a channel's statement of our reserve account, and posts the arrival of
// each pay-in. A line proves that the bank booked, so it also settles an attempt that was still
// unknown. It is run again and again under a lease; a line taken twice changes nothing.
func (a *Attempts) Arrive(ctx context.Context, name string, currency money.Currency) error {
	route, err := a.Channel(name)
	if err != nil {
		return err
	}
	cursorID := name + ":" + string(currency)
	for {
		cursor, err := a.cursor(ctx, cursorID)
		if err != nil {
			return err
		}
		page, err := route.Statement(ctx, channel.StatementRequest{Currency: currency, Cursor: cursor})
		if err != nil {
			return fault.Wrap(err, "read the statement of "+name)
		}
		for _, line := range page.Lines {
			if err := a.arriveLine(ctx, name, line); err != nil {
				return err
			}
		}
		if page.Next != cursor && len(page.Lines) > 0 {
			if err := a.saveCursor(ctx, cursorID, page.Next); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

func (a *Attempts) arriveLine(ctx context.Context, name string, line channel.StatementLine) error {
	attempt, err := a.Attempt(ctx, line.Reference)
	if fault.KindOf(err) == fault.NotFound ||
		(err == nil && (attempt.Kind != line.Kind || attempt.Amount != line.Amount)) {
		a.log.ErrorContext(ctx, "a statement line matches no attempt", slog.String("channel", name),
			slog.String("channel_reference", line.ChannelReference), slog.String("reference", string(line.Reference)))
		return nil
	}
	if err != nil {
		return err
	}
	if !attempt.ArrivedAt.IsZero() {
		return nil
	}
	result := channel.Result{
		Outcome:          channel.OutcomeSucceeded,
		ChannelReference: line.ChannelReference,
		BookedAt:         line.BookedAt,
	}
	if err := a.record(ctx, attempt, result, nil); err != nil {
		return err
	}
	return a.postArrival(ctx, attempt)
}

// postArrival marks the attempt and, for money that came in, moves it from the channel's receivable
// to the reserve.
func (a *Attempts) postArrival(ctx context.Context, attempt Attempt) error {
	flows := ledger.Flows{Stripe: attempt.Stripe}
	entry := ledger.NewEntry(a.clock.Now(), attempt.Subject, flows.Arrival(attempt.Channel, attempt.Amount)...)
	key := a.table.Key(string(attempt.ID))
	keys := append(a.ledger.KeysOf(entry.Lines), key)
	return a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		row, _, err := a.table.Get(tx, key)
		if err != nil || row.State != channel.AttemptSucceeded || !row.ArrivedAt.IsZero() {
			return err
		}
		row.ArrivedAt, row.UpdatedAt = tx.Now(), tx.Now()
		a.table.Put(tx, row)
		if row.Kind != channel.KindPayIn {
			return nil
		}
		return a.ledger.Post(tx, entry)
	})
}

func (a *Attempts) cursor(ctx context.Context, name string) (string, error) {
	var cursor string
	err := a.db.Read.QueryRowContext(ctx, "SELECT cursor FROM channel_cursors WHERE id = $1", name).Scan(&cursor)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return cursor, fault.Wrap(err, "read cursor "+name)
}

func (a *Attempts) saveCursor(ctx context.Context, name, cursor string) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO channel_cursors (id, cursor, updated_at) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, updated_at = excluded.updated_at`,
			name, cursor, clock.Micros(a.clock.Now()))
		if err != nil {
			return fmt.Errorf("save cursor %s: %w", name, err)
		}
		return nil
	})
}
