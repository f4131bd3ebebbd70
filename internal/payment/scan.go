package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/outbox"
)

// ScanOrder is a payment that its payer begins, by a merchant's receive code. Nothing of the proof is kept.
type ScanOrder struct {
	Order Order
	// Code is the receive code, which the confirmation is about: the payment has no id before it is paid.
	Code     id.QRCode
	Customer id.Customer
	By       auth.Payer
	Proof    auth.Proof
	With     With
	// Guard is asked within the decision, before anything is written.
	Guard func(tx *commit.Tx) error
}

// IntentOfScan is what the payer of a receive code confirms.
func IntentOfScan(code id.QRCode, order Order, merchantName string) auth.Intent {
	return auth.Intent{
		Act: auth.ActPayment, ID: string(code), Payee: string(order.Merchant), PayeeName: merchantName, Amount: order.Amount,
	}
}

// PayScanned makes a merchant's payment and pays it in one commit; where a card pays, the commit lets the card's issuer
// decide. What Confirm refuses is refused, and then there is
// no payment either. It counts as paid by a static code.
//
// Errors: those of Create and Confirm.
func (p *Payments) PayScanned(ctx context.Context, s ScanOrder) (idempotency.Answer, error) {
	if err := s.With.check(); err != nil {
		return idempotency.Answer{}, err
	}
	draft, err := p.Draft(ctx, s.Order)
	if err != nil {
		return idempotency.Answer{}, err
	}
	confirming, err := p.Auth.Confirm(ctx, auth.Confirmation{
		Customer: s.Customer, By: s.By, Proof: s.Proof,
		Intent: s.With.intent(IntentOfScan(s.Code, s.Order, draft.merchant.Name)),
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	payment := draft.payment
	payment.Customer, payment.device = s.Customer, s.By.Device
	how := by{With: s.With, method: limit.StaticCode, factors: shown(s.Proof)}
	charge, err := p.prepareCharge(ctx, &payment, draft.merchant, how, draft.splits)
	if err != nil {
		return idempotency.Answer{}, err
	}
	event := outbox.Event{Merchant: payment.Merchant, Subject: string(payment.ID)}
	keys := append(charge.keys(&payment), confirming.Keys()...)
	return p.Keys.Once(ctx, s.Order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row := payment.fresh()
		if err := draft.Allowed(); err != nil {
			return 0, nil, err
		}
		if err := s.Guard(tx); err != nil {
			return 0, nil, err
		}
		if err := require(tx, confirming, charge.ask); err != nil {
			return 0, nil, err
		}
		row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now()
		if err := charge.do(tx, &row); err != nil {
			return 0, nil, spendFault(err)
		}
		p.put(tx, &row)
		if row.State == Processing {
			draft.plan(tx) // done with the issuer's word
		}
		event.Kind = "payment." + string(row.State)
		return statusCreated, row.ForPayer(draft.merchant.Name), p.Outbox.Add(tx, event, row)
	})
}
