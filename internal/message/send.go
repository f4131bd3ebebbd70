package message

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
)

// deliver hands one message to the sender. It is run again after an error, and after a crash.
func (m *Messages) deliver(ctx context.Context, work job.Job) error {
	name := id.Message(work.Subject)
	known, err := m.read(ctx, name)
	if err != nil || known.State != StateWaiting {
		return err
	}
	if !m.Clock.Now().Before(known.ExpiresAt) {
		return m.end(ctx, name, StateExpired)
	}
	text, err := m.Vault.Open(purposeText, textAAD(name), known.Sealed)
	if err != nil {
		return fault.Wrap(err, "send "+string(name))
	}
	err = m.Sender.Send(ctx, Message{ID: name, To: known.Phone, Text: string(text), ExpiresAt: known.ExpiresAt})
	switch {
	case err == nil:
		return m.end(ctx, name, StateSent)
	case fault.KindOf(err) == fault.Invalid:
		return m.end(ctx, name, StateRefused)
	}
	return fault.Wrap(err, "send "+string(name))
}

// end writes what became of a message and takes its text away.
func (m *Messages) end(ctx context.Context, name id.Message, to State) error {
	key := m.table.Key(string(name))
	err := m.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		r, found, err := m.table.Get(tx, key)
		if err != nil || !found || r.State != StateWaiting {
			return err
		}
		r.State, r.Sealed, r.EndedAt = to, []byte{}, tx.Now()
		m.table.Put(tx, r)
		return nil
	})
	return fault.Wrap(err, "end "+string(name))
}

// Kept is how long a row says that a message was sent, without its text.
const Kept = 30 * 24 * time.Hour
