package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Refund gives part of a payment back to the payer, along the way it came; at once, or after somebody has looked at it.
type Refund struct {
	ID        id.Refund   `json:"id"`
	Payment   id.Payment  `json:"payment_id"`
	Merchant  id.Merchant `json:"merchant_id"`
	Reference string      `json:"reference,omitempty"`
	money.Amount
	FeeReturned money.Amount `json:"fee_returned"`
	Reason      string       `json:"reason,omitempty"`
	Origin      Origin       `json:"origin" enum:"merchant,payer,staff" doc:"who asked for it"`
	State       RefundState  `json:"state" enum:"in_review,processing,succeeded,declined,rejected,withdrawn"`
	DeclineCode string       `json:"decline_code,omitempty" doc:"why the card's issuer refused it"`
	Reviewer    Reviewer     `json:"reviewer,omitempty" enum:"merchant,staff" doc:"who decides, where somebody looks at it"`
	Reasons     []string     `json:"review_reasons,omitempty" doc:"why somebody looks at it"`
	Note        string       `json:"review_note,omitempty" doc:"what who decided told the payer"`
	DecidedBy   string       `json:"decided_by,omitempty"`
	Entry       id.Entry     `json:"entry_id,omitempty"`
	CreatedAt   time.Time    `json:"created_at"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`

	referenceKey string
	reviewKey    string // the payment while it is reviewed: one review at a time
	askedBy      string
	attempt      id.Attempt // of a refund to a card
	sources      refundSources
}

// RefundView is a refund as the payer sees it.
type RefundView struct {
	ID      id.Refund  `json:"id"`
	Payment id.Payment `json:"payment_id"`
	money.Amount
	Reason      string      `json:"reason,omitempty"`
	Origin      Origin      `json:"origin" enum:"merchant,payer,staff" doc:"who asked for it"`
	State       RefundState `json:"state" enum:"in_review,processing,succeeded,declined,rejected,withdrawn"`
	DeclineCode string      `json:"decline_code,omitempty" doc:"why the card's issuer refused it"`
	Note        string      `json:"review_note,omitempty" doc:"what who decided says"`
	Entry       id.Entry    `json:"entry_id,omitempty"`
	CreatedAt   time.Time   `json:"created_at"`
	CompletedAt time.Time   `json:"completed_at,omitzero"`
}

// ForPayer returns the payer's view.
func (r *Refund) ForPayer() RefundView {
	return RefundView{
		ID: r.ID, Payment: r.Payment, Amount: r.Amount, Reason: r.Reason, Origin: r.Origin, State: r.State, Note: r.Note,
		DeclineCode: r.DeclineCode, Entry: r.Entry, CreatedAt: r.CreatedAt, CompletedAt: r.CompletedAt,
	}
}

// RefundOrder asks for a refund. Amount zero means all that is left. With Origin ByPayer it is Customer's wish, and
// Merchant is left out.
type RefundOrder struct {
	Merchant  id.Merchant
	Customer  id.Customer
	Payment   id.Payment
	Amount    int64
	Currency  money.Currency
	Reference string
	Reason    string
	Origin    Origin
	By        string // who asks: a key, a person
	// KeepSplits leaves the receivers what they have of the payment; without it they give their shares back.
	KeepSplits bool
	Once       idempotency.Request

	dispute id.Dispute // whose end it is
}

// Refund gives an amount back in one commit, and the merchant its share of the fee: in proportion,
// the last refund the rest, so that the shares never sum to more than the fee. What a card paid goes back to the card
// (PBOC 2015 No. 43 art. 15): the commit puts it in transit, and its issuer decides. Where the merchant's RefundRules
// want it, the refund is stored for review instead and nothing moves.
//
// Errors: payment.not_found, refund.not_paid, refund.exceeds_payment, refund.merchant_balance_low,
// refund.reference_used, refund.in_review, refund.requests_off, channel.*, money.*, idempotency.key_reused.
func (p *Payments) Refund(ctx context.Context, order RefundOrder) (idempotency.Answer, error) {
	return again(func() (idempotency.Answer, error) { return p.refund(ctx, order) })
}

func (p *Payments) refund(ctx context.Context, order RefundOrder) (idempotency.Answer, error) {
	known, err := p.Payment(ctx, order.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if (order.Origin == ByPayer && known.Customer != order.Customer) ||
		(order.Origin != ByPayer && known.Merchant != order.Merchant) {
		return idempotency.Answer{}, notFound()
	}
	if err := checkRefundOrder(order, known.Currency); err != nil {
		return idempotency.Answer{}, err
	}
	giving, err := p.prepareGiving(ctx, &known, order.KeepSplits)
	if err != nil {
		return idempotency.Answer{}, err
	}
	refund := p.newRefund(&known, order)
	event := outbox.Event{Merchant: known.Merchant, Subject: string(refund.ID)}
	keys := append(giving.keys(&refund), p.refundRules.Key(string(known.Merchant)),
		p.refunds.KeyBy("review_key", string(known.ID)))
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := p.decideRefund(tx, order, refund, giving)
		if err != nil {
			return 0, nil, err
		}
		event.Kind = "refund." + string(row.State)
		said, err := p.Outbox.Announce(tx, event, row)
		if order.Origin == ByPayer {
			return statusCreated, row.ForPayer(), err
		}
		return statusCreated, said, err
	})
}

func (p *Payments) newRefund(known *Payment, order RefundOrder) Refund {
	return Refund{
		ID: id.New[id.Refund](p.Clock.Now()), Payment: known.ID, Merchant: known.Merchant, Reference: order.Reference,
		Reason: order.Reason, Origin: order.Origin, askedBy: order.By,
		referenceKey: referenceKey(known.Merchant, order.Reference),
	}
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

// decideRefund gives the money back, or puts the refund before who reviews it.
func (p *Payments) decideRefund(tx *commit.Tx, order RefundOrder, refund Refund, giving *giving) (Refund, error) {
	if err := p.checkRefundReference(tx, &refund); err != nil {
		return refund, err
	}
	payment, err := p.refundOf(tx, order, &refund)
	if err != nil {
		return refund, err
	}
	refund.CreatedAt = tx.Now()
	if order.Origin != ByStaff {
		if err := p.mayBeReviewed(tx, &payment, &refund); err != nil {
			return refund, err
		}
	}
	if refund.State == RefundInReview {
		p.refunds.Put(tx, refund)
		return refund, nil
	}
	return refund, giving.do(tx, &payment, &refund)
}

// refundOf sets the refund's amount and refuses what the payment does not carry.
func (p *Payments) refundOf(tx *commit.Tx, order RefundOrder, refund *Refund) (Payment, error) {
	payment, err := p.load(tx, order.Payment)
	if err != nil {
		return payment, err
	}
	if err := payment.refundable(); err != nil {
		return payment, err
	}
	left, err := p.leftOf(tx, &payment, order.dispute)
	if err != nil {
		return payment, err
	}
	amount := order.Amount
	if amount == 0 {
		amount = left
	}
	if amount > left || amount == 0 {
		return payment, fault.Newf(fault.Conflict, "refund.exceeds_payment", "only %s is left to refund",
			money.Amount{Minor: left, Currency: payment.Currency}).WithParam("amount")
	}
	refund.Amount = money.Amount{Minor: amount, Currency: payment.Currency}
	refund.FeeReturned = money.Zero(payment.Currency)
	return payment, nil
}

// leftOf is what may be refunded of a payment: what is disputed waits for the end of the dispute.
func (p *Payments) leftOf(tx *commit.Tx, payment *Payment, ending id.Dispute) (int64, error) {
	left := payment.Captured.Minor - payment.Refunded.Minor
	open, err := p.openDisputeOf(tx, payment.ID)
	if err == nil && open != nil && open.ID != ending {
		left -= open.Minor
	}
	return left, err
}

// mayBeReviewed asks the merchant's rules. Errors: refund.in_review, refund.requests_off.
func (p *Payments) mayBeReviewed(tx *commit.Tx, payment *Payment, refund *Refund) error {
	open, found, err := p.refunds.Get(tx, p.refunds.KeyBy("review_key", string(payment.ID)))
	if err != nil {
		return err
	}
	if found && refund.Origin == ByPayer {
		return fault.New(fault.Conflict, "refund.in_review", "a refund of this payment is being reviewed").
			WithHint("wait for its result, or withdraw it: " + string(open.ID))
	}
	rules, err := p.rulesIn(tx, payment.Merchant)
	if err != nil {
		return err
	}
	refund.Reviewer, refund.Reasons, err = rules.review(refund.Origin, refund.Minor, tx.Now().Sub(payment.CompletedAt))
	if err != nil || refund.Reviewer == NoReviewer {
		return err
	}
	if found {
		return fault.New(fault.Conflict, "refund.in_review", "a refund of this payment is being reviewed").
			WithHint("decide it first: " + string(open.ID))
	}
	refund.reviewKey = string(payment.ID)
	refund.State, err = refund.State.Move(RefundInReview)
	return err
}

func (p *Payments) checkRefundReference(tx *commit.Tx, refund *Refund) error {
	if refund.referenceKey == "" {
		return nil
	}
	other, found, err := p.refunds.Get(tx, p.refunds.KeyBy("reference_key", refund.referenceKey))
	if err != nil || !found {
		return err
	}
	return fault.New(fault.Conflict, "refund.reference_used", "this reference belongs to another refund of yours").
		WithParam("reference").WithHint("it is " + string(other.ID))
}

// refundable refuses payments of which the merchant has nothing. Errors: refund.not_paid.
func (p *Payment) refundable() error {
	if p.Captured.Minor == 0 {
		return fault.New(fault.Conflict, "refund.not_paid", "only a paid payment can be refunded")
	}
	return nil
}
