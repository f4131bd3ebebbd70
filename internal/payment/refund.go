package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Refund gives part of a payment back to the payer, along the way it came.
type Refund struct {
	ID        id.Refund   `json:"id"`
	Payment   id.Payment  `json:"payment_id"`
	Merchant  id.Merchant `json:"merchant_id"`
	Reference string      `json:"reference,omitempty"`
	money.Amount
	FeeReturned money.Amount `json:"fee_returned"`
	Reason      string       `json:"reason,omitempty"`
	State       State        `json:"state" enum:"succeeded"`
	Entry       id.Entry     `json:"entry_id"`
	CreatedAt   time.Time    `json:"created_at"`

	referenceKey string
}

// RefundOrder asks for a refund. Amount zero means all that is left.
type RefundOrder struct {
	Merchant  id.Merchant
	Payment   id.Payment
	Amount    int64
	Currency  money.Currency
	Reference string
	Reason    string
	Once      idempotency.Request
}

// Refund gives an amount back in one commit, and the merchant its share of the fee: in proportion,
// the last refund the rest, so that the shares never sum to more than the fee.
//
// Errors: payment.not_found, refund.not_paid, refund.exceeds_payment, refund.merchant_balance_low,
// refund.reference_used, money.*, idempotency.key_reused.
func (p *Payments) Refund(ctx context.Context, order RefundOrder) (idempotency.Answer, error) {
	known, err := p.Payment(ctx, order.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if known.Merchant != order.Merchant {
		return idempotency.Answer{}, notFound()
	}
	if err := checkRefundOrder(order, known.Currency); err != nil {
		return idempotency.Answer{}, err
	}
	merchant, err := p.Parties.Merchant(ctx, known.Merchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	refund := Refund{
		ID: id.New[id.Refund](now), Payment: known.ID, Merchant: known.Merchant, Reference: order.Reference,
		Reason: order.Reason, State: Succeeded, referenceKey: referenceKey(order.Merchant, order.Reference),
	}
	entry := ledger.NewEntry(now, string(refund.ID))
	refund.Entry = entry.ID
	event := outbox.Event{
		Kind:     "refund.succeeded",
		Merchant: known.Merchant,
		Subject:  string(refund.ID),
	}
	some := money.Amount{Minor: 1, Currency: known.Currency}
	keys := append(p.Ledger.KeysOf(p.flows.Refund(string(known.Customer), string(known.Merchant), some, some, some)),
		p.payments.Key(string(known.ID)))
	if refund.referenceKey != "" {
		keys = append(keys, p.refunds.KeyBy("reference_key", refund.referenceKey))
	}
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := p.decideRefund(tx, order, refund, entry, merchant.AdvanceMinor)
		if err != nil {
			return 0, nil, err
		}
		body, err := p.Outbox.Announce(tx, event, row)
		return statusCreated, body, err
	})
}

func checkRefundOrder(order RefundOrder, currency money.Currency) error {
	if order.Amount < 0 || order.Amount > money.MaxMinor {
		return fault.New(fault.Invalid, "money.not_positive", "the amount must be positive").WithParam("amount")
	}
	if order.Currency != "" && order.Currency != currency {
		return fault.New(fault.Invalid, "money.currency_mismatch", "a refund is in the payment's currency").
			WithParam("currency")
	}
	if !printable(order.Reference, ReferenceMax) {
		return fault.Newf(fault.Invalid, "payment.bad_reference",
			"a reference has at most %d printable characters", ReferenceMax).
			WithParam("reference")
	}
	if !printable(order.Reason, DescriptionMax) {
		return fault.Newf(fault.Invalid, "refund.bad_reason", "a reason has at most %d printable characters", DescriptionMax).
			WithParam("reason")
	}
	return nil
}

func (p *Payments) decideRefund(
	tx *commit.Tx,
	order RefundOrder,
	refund Refund,
	entry ledger.Entry,
	advanceMax int64,
) (Refund, error) {
	if refund.referenceKey != "" {
		other, found, err := p.refunds.Get(tx, p.refunds.KeyBy("reference_key", refund.referenceKey))
		if err != nil {
			return refund, err
		}
		if found {
			return refund, fault.New(fault.Conflict, "refund.reference_used",
				"this reference belongs to another refund of yours").
				WithParam("reference").
				WithHint("it is " + string(other.ID))
		}
	}
	payment, found, err := p.payments.Get(tx, p.payments.Key(string(order.Payment)))
	if err != nil || !found {
		return refund, orNotFound(err)
	}
	if payment.State != Succeeded {
		return refund, fault.New(fault.Conflict, "refund.not_paid", "only a paid payment can be refunded")
	}
	left := payment.Amount.Minor - payment.Refunded.Minor
	amount := order.Amount
	if amount == 0 {
		amount = left
	}
	if amount > left || amount == 0 {
		return refund, fault.Newf(fault.Conflict, "refund.exceeds_payment", "only %s is left to refund",
			money.Amount{Minor: left, Currency: payment.Currency}).WithParam("amount")
	}
	refund.Amount = money.Amount{Minor: amount, Currency: payment.Currency}
	refund.CreatedAt = tx.Now()
	if refund.FeeReturned, err = feeReturn(&payment, amount); err != nil {
		return refund, err
	}
	if err := p.postRefund(tx, &payment, &refund, entry, advanceMax); err != nil {
		return refund, err
	}
	payment.Refunded.Minor += amount
	payment.FeeReturned.Minor += refund.FeeReturned.Minor
	p.payments.Put(tx, payment)
	p.refunds.Put(tx, refund)
	return refund, nil
}

// feeReturn is the part of the fee that goes back with amount.
func feeReturn(payment *Payment, amount int64) (money.Amount, error) {
	rest := payment.Fee.Minor - payment.FeeReturned.Minor
	if payment.Refunded.Minor+amount == payment.Amount.Minor {
		return money.Amount{Minor: rest, Currency: payment.Currency}, nil
	}
	share, err := payment.Fee.Share(amount, payment.Amount.Minor)
	share.Minor = min(share.Minor, rest)
	return share, err
}

// postRefund posts the entry. What the merchant's account can't cover is lent to the merchant, up to
// the merchant's advance limit.
func (p *Payments) postRefund(
	tx *commit.Tx,
	payment *Payment,
	refund *Refund,
	entry ledger.Entry,
	advanceMax int64,
) error {
	merchant := string(payment.Merchant)
	has, err := p.Ledger.Available(tx, ledger.Account(ledger.MerchantPending, payment.Currency, merchant))
	if err != nil {
		return err
	}
	advance := money.Zero(payment.Currency)
	if lacks := refund.Minor - has.Minor - refund.FeeReturned.Minor; lacks > 0 {
		owed, err := p.Ledger.Available(tx, ledger.Account(ledger.MerchantDebt, payment.Currency, merchant))
		if err != nil {
			return err
		}
		if owed.Minor+lacks > advanceMax {
			return fault.New(fault.Conflict, "refund.merchant_balance_low", "your balance does not cover this refund").
				WithHint("refund less, or wait for further payments")
		}
		advance.Minor = lacks
	}
	entry.Lines = p.flows.Refund(string(payment.Customer), merchant, refund.Amount, refund.FeeReturned, advance)
	return p.Ledger.Post(tx, entry)
}
