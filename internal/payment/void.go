package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Void calls off a merchant's payment before it is paid. Errors: payment.not_found, payment.already_*.
func (p *Payments) Void(
	ctx context.Context,
	merchant id.Merchant,
	name id.Payment,
	once idempotency.Request,
) (idempotency.Answer, error) {
	event := outbox.Event{
		Kind:     "payment.voided",
		Merchant: merchant,
		Subject:  string(name),
	}
	key := p.payments.Key(string(name))
	return p.Keys.Once(ctx, once, []commit.Key{key}, func(tx *commit.Tx) (int, any, error) {
		row, found, err := p.payments.Get(tx, key)
		if err != nil || !found || row.Merchant != merchant {
			return 0, nil, orNotFound(err)
		}
		if row.State, err = row.State.Move(Voided); err != nil {
			return 0, nil, err
		}
		row.CompletedAt = tx.Now()
		p.payments.Put(tx, row)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusOK, body, err
	})
}

const expireBatch = 200

// ExpireDue ends payments that were not confirmed in time, batch by batch. It runs again and again
// under a lease.
func (p *Payments) ExpireDue(ctx context.Context) error {
	for {
		due, err := p.dueToExpire(ctx, p.Clock.Now(), expireBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, payment := range due {
			if err := p.expire(ctx, payment); err != nil && fault.KindOf(err) != fault.Conflict {
				return err
			}
		}
	}
}

func (p *Payments) expire(ctx context.Context, payment Payment) error {
	event := outbox.Event{
		Kind:     "payment.expired",
		Merchant: payment.Merchant,
		Subject:  string(payment.ID),
	}
	key := p.payments.Key(string(payment.ID))
	return p.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := p.payments.Get(tx, key)
		if err != nil || !found {
			return orNotFound(err)
		}
		if row.State, err = row.State.Move(Expired); err != nil {
			return err
		}
		row.CompletedAt = tx.Now()
		p.payments.Put(tx, row)
		return p.Outbox.Add(tx, event, row)
	})
}
