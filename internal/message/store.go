package message

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	messageByID  = "SELECT id, phone, template, sealed, state, expires_at FROM messages WHERE id = $1"
	messagesLast = `DELETE FROM messages WHERE id IN
		(SELECT id FROM messages WHERE id < $1 AND expires_at < $2 ORDER BY id LIMIT $3)`
	countsLast  = "DELETE FROM message_counts WHERE day < $1"
	forgetBatch = 1000
)

// read returns a message as it stands; one that is gone counts as ended.
func (m *Messages) read(ctx context.Context, name id.Message) (row, error) {
	var r row
	var expiresAt int64
	err := m.DB.QueryRow(ctx, messageByID, string(name)).
		Scan(&r.ID, &r.Phone, &r.Template, &r.Sealed, &r.State, &expiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return row{State: StateExpired}, nil
	}
	r.ExpiresAt = clock.FromMicros(expiresAt)
	return r, fault.Wrap(m.DB.Fault(err), "read "+string(name))
}

// Forget removes messages that ended longer than Kept ago, and the counts of past days.
func (m *Messages) Forget(ctx context.Context) error {
	now := m.Clock.Now()
	before := now.Add(-Kept)
	for {
		var n int64
		err := m.DB.Write(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(
				ctx,
				messagesLast,
				string(id.New[id.Message](before)),
				clock.Micros(before),
				forgetBatch,
			)
			if err != nil {
				return fmt.Errorf("forget messages: %w", err)
			}
			if n, err = result.RowsAffected(); err != nil {
				return fmt.Errorf("forget messages: %w", err)
			}
			_, err = tx.ExecContext(ctx, countsLast, now.Add(-Kept).UTC().Format("2006-01-02"))
			return err
		})
		if err != nil || n < forgetBatch {
			return fault.Wrap(err, "forget messages")
		}
	}
}
