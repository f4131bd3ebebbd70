package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// Draft is an order that was looked at and waits to be written by a decision, which may have rows of its own beside it.
type Draft struct {
	payments *Payments
	order    Order
	merchant party.Merchant
	payment  Payment
	splits   []Split
	// refusal is what stands in the way now: told within the decision, so that what is made already is answered as it
	// was, whatever has become of stores, receivers and rules.
	refusal error
}

// Draft prepares a payment that waits for its payer. Errors: those of Create for an order without a code.
func (p *Payments) Draft(ctx context.Context, order Order) (*Draft, error) {
	if err := p.checkOrder(&order); err != nil {
		return nil, err
	}
	merchant, err := p.Parties.Merchant(ctx, order.Merchant)
	if err != nil {
		return nil, err
	}
	d := &Draft{payments: p, order: order, merchant: merchant, payment: p.newPayment(order, p.Clock.Now())}
	if d.refusal = p.checkStore(ctx, order); d.refusal == nil {
		d.splits, d.refusal = p.plan(ctx, &d.order, &d.payment, merchant)
	}
	return d, nil
}

// ID is what the payment will be called.
func (d *Draft) ID() id.Payment { return d.payment.ID }

// Allowed refuses what may not be made now. Errors: party.merchant_not_active, party.store_*, payment.bad_split,
// payment.split_exceeds, payment.split_rule_not_found; payment.not_payable in place of the last three where the payer
// began it.
func (d *Draft) Allowed() error {
	if err := mayTakePayments(d.merchant); err != nil {
		return err
	}
	if d.order.ByPayer {
		return discreet(d.refusal)
	}
	return d.refusal
}

// Keys names the rows that Put reads.
func (d *Draft) Keys() []commit.Key { return d.payments.orderKeys(&d.payment) }

// Put writes the payment and its event. Errors: those of Allowed, payment.reference_used.
func (d *Draft) Put(tx *commit.Tx) (Payment, error) {
	row, _, err := d.announce(tx)
	return row, err
}

func (d *Draft) announce(tx *commit.Tx) (Payment, outbox.Announced, error) {
	p, row := d.payments, d.payment.fresh()
	if err := d.Allowed(); err != nil {
		return row, outbox.Announced{}, err
	}
	if err := p.checkReference(tx, &row); err != nil {
		return row, outbox.Announced{}, err
	}
	row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(d.order.ExpiresIn)
	p.put(tx, &row)
	d.plan(tx)
	said, err := p.Outbox.Announce(tx, ended(&row), row)
	return row, said, err
}

// plan stores the splits that are done when the payment is paid.
func (d *Draft) plan(tx *commit.Tx) {
	for _, split := range d.splits {
		split.CreatedAt = tx.Now()
		d.payments.splits.Put(tx, split)
	}
}
