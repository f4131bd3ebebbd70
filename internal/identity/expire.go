package identity

import (
	"context"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
)

const (
	expireBatch  = 64
	expirePeriod = time.Minute
)

// ExpirePeriod is how often Expire wants to run.
func ExpirePeriod() time.Duration { return expirePeriod }

// Expire tells holders of documents that end within thirty days, and lowers classes to what remains valid where a
// document or a check is over. It runs again and again under a lease.
func (s *Identities) Expire(ctx context.Context) error {
	for {
		due, err := s.readDue(ctx, clock.Micros(s.clock.Now()), expireBatch)
		if err != nil {
			return err
		}
		var failed []error
		for _, customer := range due {
			failed = append(failed, fault.Wrap(s.decide(ctx, customer, s.expire), "expire"))
		}
		if err := errors.Join(failed...); err != nil || len(due) < expireBatch {
			return err
		}
	}
}

// expire decides about one verification that is due. The notice comes before the end, at the latest in the same commit.
func (s *Identities) expire(tx *commit.Tx, d *dossier) error {
	r, now := &d.record, tx.Now()
	if r.DueAt.IsZero() || r.DueAt.After(now) || r.State != StateOpen {
		return nil
	}
	ends := !r.ExpiresAt.IsZero()
	class := d.customer.Class
	if ends && r.NoticedAt.IsZero() && !r.ExpiresAt.Add(-noticeBefore).After(now) {
		r.NoticedAt = now
		err := s.announce(tx, eventExpiring, *r, Event{ExpiresAt: r.ExpiresAt, Class: class, ClassBefore: class})
		if err != nil {
			return err
		}
	}
	if ends && !r.ExpiresAt.After(now) {
		if err := r.move(StateExpired, ""); err != nil {
			return err
		}
		err := s.announce(tx, eventExpired, *r, Event{ExpiresAt: r.ExpiresAt, ClassBefore: class})
		if err != nil {
			return err
		}
	}
	return s.settle(tx, d)
}
