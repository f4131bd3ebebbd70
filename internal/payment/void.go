package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
)

// codeChanged says that a payment is not any more what it was when the decision's keys were named.
const codeChanged = "payment.busy"

func changed() error {
	return fault.New(fault.Unavailable, codeChanged, "too much happens to this payment at once").
		WithRetryAfter(time.Second)
}

const changedTriesMax = 5

// again runs act anew for as long as the payment changes between the look at it and the decision.
func again[T any](act func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		done, err := act()
		if try == changedTriesMax || fault.CodeOf(err) != codeChanged {
			return done, err
		}
	}
}

// current returns a declared payment that stands where it stood when it was looked at. Errors: payment.not_found,
// payment.busy.
func (p *Payments) current(tx *commit.Tx, known *Payment) (Payment, error) {
	row, err := p.load(tx, known.ID)
	if err == nil && (row.State != known.State || row.Amount != known.Amount || row.Captured != known.Captured) {
		return row, changed()
	}
	return row, err
}

// Void calls off a merchant's payment: before it is paid, or what was authorized and not captured. A payment of which
// a part was captured ends as succeeded. Errors: payment.not_found, payment.already_*.
func (p *Payments) Void(
	ctx context.Context,
	merchant id.Merchant,
	name id.Payment,
	once idempotency.Request,
) (idempotency.Answer, error) {
	return again(func() (idempotency.Answer, error) {
		known, err := p.OfMerchant(ctx, merchant, name)
		if err != nil {
			return idempotency.Answer{}, err
		}
		return p.Keys.Once(ctx, once, p.authorizationKeys(&known), func(tx *commit.Tx) (int, any, error) {
			row, err := p.end(tx, &known, Voided)
			if err != nil {
				return 0, nil, err
			}
			body, err := p.Outbox.Announce(tx, ended(&row), row)
			return statusOK, body, err
		})
	})
}

// end moves a payment to a state without money, and gives back what was set aside.
func (p *Payments) end(tx *commit.Tx, known *Payment, to State) (Payment, error) {
	row, err := p.current(tx, known)
	if err != nil {
		return row, err
	}
	if row.State == Authorized {
		err = p.release(tx, &row, to)
	} else {
		row.State, err = row.State.Move(to)
		row.CompletedAt = tx.Now()
	}
	if err != nil {
		return row, err
	}
	p.put(tx, &row)
	return row, nil
}

func ended(payment *Payment) outbox.Event {
	return outbox.Event{
		Kind: "payment." + string(payment.State), Merchant: payment.Merchant, Subject: string(payment.ID),
	}
}

const expireBatch = 200

// ExpireDue ends payments that were not confirmed or captured in time, batch by batch. It runs again and again
// under a lease.
func (p *Payments) ExpireDue(ctx context.Context) error {
	for {
		due, err := p.dueToExpire(ctx, p.Clock.Now(), expireBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		for i := range due {
			if err := p.expire(
				ctx,
				&due[i],
			); err != nil && fault.CodeOf(err) != codeChanged &&
				fault.KindOf(err) != fault.Conflict {
				return err
			}
		}
	}
}

func (p *Payments) expire(ctx context.Context, known *Payment) error {
	return p.Committer.Do(ctx, p.authorizationKeys(known), func(tx *commit.Tx) error {
		row, err := p.end(tx, known, Expired)
		if err != nil {
			return err
		}
		return p.Outbox.Add(tx, ended(&row), row)
	})
}
