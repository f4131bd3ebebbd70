package payment

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// RefundCreate is the kind of a refund by the staff.
const RefundCreate = "refund.create"

// StaffRefund is the request of RefundCreate. Amount 0 means all that is left.
type StaffRefund struct {
	Payment  id.Payment     `json:"payment_id"`
	Amount   int64          `json:"amount"`
	Currency money.Currency `json:"currency,omitempty"`
}

// RefundAct is a refund by the staff on the merchant's behalf. Up to aloneMax minor units one person may give back
// alone.
func (p *Payments) RefundAct(aloneMax int64) approval.Act {
	return approval.Act{
		Kind: RefundCreate, Done: "refund.created", Permission: auth.RefundPayments,
		Title: "refund a payment", TitleZH: "退款",
		Prepare: func(ctx context.Context, d approval.Draft) (approval.Plan, error) {
			var request StaffRefund
			if err := json.Unmarshal(d.Request, &request); err != nil {
				return approval.Plan{}, fault.Wrap(err, "read the request")
			}
			return p.planRefund(ctx, request, d, aloneMax)
		},
	}
}

// refundedSoFar is what a refund changes of its payment.
type refundedSoFar struct {
	Refunded money.Amount `json:"refunded"`
	State    State        `json:"state"`
}

func (p *Payments) planRefund(
	ctx context.Context, r StaffRefund, d approval.Draft, aloneMax int64,
) (approval.Plan, error) {
	known, err := p.Payment(ctx, r.Payment)
	if err != nil {
		return approval.Plan{}, err
	}
	order := RefundOrder{
		Merchant: known.Merchant,
		Payment:  known.ID,
		Amount:   r.Amount,
		Currency: r.Currency,
		Reason:   d.Reason,
		Origin:   ByStaff,
	}
	if err := checkRefundOrder(order, known.Currency); err != nil {
		return approval.Plan{}, err
	}
	giving, err := p.prepareGiving(ctx, &known, false)
	if err != nil {
		return approval.Plan{}, err
	}
	refund := p.newRefund(&known, order)
	amount := r.Amount
	if amount == 0 {
		amount = known.Captured.Minor - known.Refunded.Minor
	}
	return approval.Plan{
		Subject: string(known.ID), Alone: known.Refunded.Minor+amount <= aloneMax,
		Keys: giving.keys(&refund),
		Diff: func(tx *commit.Tx) (any, any, error) { return p.refundDiff(tx, known.ID, amount) },
		Execute: func(tx *commit.Tx) (any, error) {
			exact := order
			exact.Amount = amount // what was seen, also where all that is left was asked for
			if err := p.checkAlone(tx, known.ID, amount, aloneMax); err != nil && !d.Final {
				return nil, err
			}
			row, err := p.decideRefund(tx, exact, refund, giving)
			if err != nil {
				return nil, err
			}
			event := outbox.Event{Kind: "refund." + string(row.State), Merchant: known.Merchant, Subject: string(refund.ID)}
			return row, p.Outbox.Add(tx, event, row)
		},
	}, nil
}

// checkAlone refuses one person whom other refunds, meanwhile, have brought above the limit.
func (p *Payments) checkAlone(tx *commit.Tx, name id.Payment, amount, aloneMax int64) error {
	row, found, err := p.payments.Get(tx, p.payments.Key(string(name)))
	if err != nil || !found {
		return orNotFound(err)
	}
	if row.Refunded.Minor+amount > aloneMax {
		return fault.New(fault.Conflict, "refund.needs_two_people", "with other refunds this is above what one "+
			"person may give back").
			WithHint("send it again: it becomes a proposal")
	}
	return nil
}

func (p *Payments) refundDiff(tx *commit.Tx, name id.Payment, amount int64) (any, any, error) {
	row, found, err := p.payments.Get(tx, p.payments.Key(string(name)))
	if err != nil || !found {
		return nil, nil, orNotFound(err)
	}
	if err := row.refundable(); err != nil {
		return nil, nil, err
	}
	left, err := p.leftOf(tx, &row, "")
	if err != nil {
		return nil, nil, err
	}
	after := refundedSoFar{Refunded: row.Refunded, State: row.State}
	after.Refunded.Minor += amount
	if amount == 0 || amount > left {
		return nil, nil, fault.New(fault.Conflict, "refund.exceeds_payment", "less than that is left to refund").
			WithParam("amount")
	}
	return refundedSoFar{Refunded: row.Refunded, State: row.State}, after, nil
}
