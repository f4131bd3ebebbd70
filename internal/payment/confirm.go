package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Confirmation is a payer's word for a payment. PIN is six digits and is never kept.
type Confirmation struct {
	Payment  id.Payment
	Customer id.Customer
	Device   id.Device
	PIN      string
	Once     idempotency.Request
}

// Confirm pays a created payment from the payer's balance. A wrong PIN and too little money leave
// the payment as it is: the payer may try again until it expires.
//
// Errors: payment.not_found, payment.already_*, payment.expired, payment.insufficient_funds,
// auth.pin_*, limit.exceeded, ledger.account_frozen, idempotency.key_reused.
func (p *Payments) Confirm(ctx context.Context, c Confirmation) (idempotency.Answer, error) {
	known, err := p.Payment(ctx, c.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if known.Customer != "" && known.Customer != c.Customer {
		return idempotency.Answer{}, notFound()
	}
	merchant, err := p.Parties.Merchant(ctx, known.Merchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	fee, err := feeOf(merchant, known.Amount)
	if err != nil {
		return idempotency.Answer{}, err
	}
	mac, err := p.Auth.PINMAC(c.Customer, c.PIN)
	if err != nil {
		return idempotency.Answer{}, err
	}
	ask, err := p.Limits.Ask(ctx, limit.Act{
		Customer: c.Customer, Amount: known.Amount, Method: limit.Payment, Factors: pinFactors(c.Device),
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	entry := ledger.NewEntry(
		now,
		string(known.ID),
		p.flows.Payment(string(c.Customer), string(known.Merchant), known.Amount, fee)...)
	event := outbox.Event{
		Kind:     "payment.succeeded",
		Merchant: known.Merchant,
		Subject:  string(known.ID),
	}
	key := p.payments.Key(string(c.Payment))
	keys := append(p.Ledger.KeysOf(entry.Lines), key, p.Auth.PINKey(c.Customer))
	keys = append(keys, ask.Keys()...)
	return p.Keys.Once(ctx, c.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, found, err := p.payments.Get(tx, key)
		if err != nil || !found {
			return 0, nil, orNotFound(err)
		}
		if err := mayTakePayments(merchant); err != nil {
			return 0, nil, err
		}
		if err := confirmable(tx, &row); err != nil {
			return 0, nil, err
		}
		if err := p.Auth.RequirePIN(tx, c.Customer, mac); err != nil {
			return 0, nil, err
		}
		row.Customer, row.device = c.Customer, c.Device
		if err := p.pay(tx, &row, entry, fee, ask); err != nil {
			return 0, nil, spendFault(err)
		}
		p.payments.Put(tx, row)
		return statusOK, row.ForPayer(merchant.Name), p.Outbox.Add(tx, event, row)
	})
}

// confirmable refuses what is not waiting for the payer any more.
func confirmable(tx *commit.Tx, payment *Payment) error {
	if _, err := payment.State.Move(Succeeded); err != nil {
		return err
	}
	if !payment.ExpiresAt.After(tx.Now()) {
		return fault.New(fault.Conflict, "payment.expired", "the time to pay is over").
			WithHint("ask the merchant for a new payment")
	}
	return nil
}

// spendFault names too little money in the payer's words.
func spendFault(err error) error {
	if fault.CodeOf(err) == "ledger.insufficient_funds" {
		return fault.New(fault.Conflict, "payment.insufficient_funds", "your balance is too low for this").
			WithHint("top up and try again").WithCause(err)
	}
	return err
}

func notFound() *fault.Fault {
	return fault.New(fault.NotFound, "payment.not_found", "there is no such payment")
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return notFound()
}
