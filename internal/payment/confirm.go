package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Confirmation is a payer's word for a payment. Nothing of the proof is kept.
type Confirmation struct {
	Payment  id.Payment
	Customer id.Customer
	By       auth.Payer
	Proof    auth.Proof
	With     With
	Once     idempotency.Request
}

// Confirm pays a created payment from the payer's balance, or sets the money aside where the merchant captures; with a
// card, it lets the card's issuer decide. A wrong PIN, too little money and a card that does not stand leave the
// payment as it is: the payer may try again until it expires.
//
// Errors: payment.taken_down, payment.not_found, payment.already_*, payment.expired, payment.insufficient_funds,
// payment.bad_method, payment.card_no_capture, those of auth.Confirming.Require, limit.exceeded,
// ledger.account_frozen, attempt.no_account, those of attempt.Check and attempt.Start, idempotency.key_reused.
func (p *Payments) Confirm(ctx context.Context, c Confirmation) (idempotency.Answer, error) {
	if err := c.With.check(); err != nil {
		return idempotency.Answer{}, err
	}
	known, err := p.Payment(ctx, c.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if known.Customer != "" && known.Customer != c.Customer {
		return idempotency.Answer{}, notFound()
	}
	known.Customer = c.Customer
	merchant, err := p.Parties.Merchant(ctx, known.Merchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	confirming, err := p.Auth.Confirm(ctx, auth.Confirmation{
		Customer: c.Customer, By: c.By, Proof: c.Proof, Intent: c.With.intent(known.intent(merchant.Name)),
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	how := by{With: c.With, method: limit.Payment, factors: shown(c.Proof)}
	charge, err := p.prepareCharge(ctx, &known, merchant, how, nil)
	if err != nil {
		return idempotency.Answer{}, err
	}
	event := outbox.Event{Merchant: known.Merchant, Subject: string(known.ID)}
	keys := append(charge.keys(&known), confirming.Keys()...)
	keys = append(keys, p.takeDowns.Key(string(known.ID)))
	return p.Keys.Once(ctx, c.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := p.load(tx, c.Payment)
		if err != nil {
			return 0, nil, err
		}
		if err := mayTakePayments(merchant); err != nil {
			return 0, nil, err
		}
		if err := row.Waiting(tx.Now()); err != nil {
			return 0, nil, err
		}
		if err := p.takenDownIn(tx, string(row.ID)); err != nil {
			return 0, nil, err
		}
		if err := require(tx, confirming, charge.ask); err != nil {
			return 0, nil, err
		}
		row.Customer, row.device = c.Customer, c.By.Device
		if err := charge.do(tx, &row); err != nil {
			return 0, nil, spendFault(err)
		}
		p.put(tx, &row)
		event.Kind = "payment." + string(row.State)
		return statusOK, row.ForPayer(merchant.Name), p.Outbox.Add(tx, event, row)
	})
}

// intent is what the payer of a payment confirms: with manual capture, the most that the merchant may take.
func (p *Payment) intent(merchantName string) auth.Intent {
	intent := auth.Intent{
		Act: auth.ActPayment, ID: string(p.ID), Payee: string(p.Merchant), PayeeName: merchantName, Amount: p.Amount,
	}
	if p.Authorization != nil {
		intent.Amount = p.Authorization.AmountMax
	}
	return intent
}

// IntentOf returns what a customer confirms with a payment that waits. Errors: payment.not_found.
func (p *Payments) IntentOf(ctx context.Context, customer id.Customer, name id.Payment) (auth.Intent, error) {
	known, err := p.Payment(ctx, name)
	if err != nil {
		return auth.Intent{}, err
	}
	if known.Customer != "" && known.Customer != customer {
		return auth.Intent{}, notFound()
	}
	merchant, err := p.Parties.Merchant(ctx, known.Merchant)
	if err != nil {
		return auth.Intent{}, err
	}
	return known.intent(merchant.Name), nil
}

// Waiting refuses what is not waiting for the payer any more. Errors: payment.already_*, payment.expired.
func (p *Payment) Waiting(now time.Time) error {
	if _, err := p.State.Move(Authorized); err != nil { // only a created payment can
		return err
	}
	if !p.ExpiresAt.After(now) {
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
