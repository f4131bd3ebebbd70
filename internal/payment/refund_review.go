package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
)

// RefundDecision is a reviewer's word for a refund.
type RefundDecision struct {
	Refund id.Refund
	// Merchant is whose refund it must be; "" for the operator's staff.
	Merchant id.Merchant
	Reviewer Reviewer
	By       string // the person, or the key
	Person   bool   // By is a person: only a person may let a merchant's own refund pass
	Approve  bool
	Note     string // told to the payer
	Once     idempotency.Request
}

// DecideRefund lets a refund in review pass or not, in one commit with its money. A refund that can't be given now (the
// merchant's balance is low) stays in review. Nobody approves what they asked for.
//
// Errors: refund.not_found, refund.already_decided, refund.other_reviewer, refund.own, refund.person_needed,
// refund.note_needed, refund.bad_reason, and those of Refund.
func (p *Payments) DecideRefund(ctx context.Context, d RefundDecision) (idempotency.Answer, error) {
	if !printable(d.Note, DescriptionMax) {
		return idempotency.Answer{}, fault.Newf(fault.Invalid, "refund.bad_reason",
			"a note has at most %d printable characters", DescriptionMax).WithParam("note")
	}
	if !d.Approve && d.Note == "" {
		return idempotency.Answer{}, fault.New(fault.Invalid, "refund.note_needed", "say why: the payer will read it").
			WithParam("note")
	}
	decide := func(tx *commit.Tx, refund *Refund, act refundAct) error {
		switch {
		case d.Merchant != "" && refund.Merchant != d.Merchant:
			return refundNotFound()
		case refund.State != RefundInReview:
			return fault.Newf(fault.Conflict, "refund.already_decided", "the refund is %s already", refund.State)
		case refund.Reviewer != d.Reviewer:
			return fault.Newf(fault.Forbidden, "refund.other_reviewer", "this refund is the %s's to decide", refund.Reviewer)
		case d.Approve && refund.askedBy == d.By:
			return fault.New(fault.Forbidden, "refund.own", "who asks for a refund does not approve it")
		case d.Approve && refund.Origin == ByMerchant && d.Reviewer == MerchantReviewer && !d.Person:
			return fault.New(fault.Forbidden, "refund.person_needed", "a person of the merchant decides this, in the portal")
		}
		refund.Note, refund.DecidedBy = d.Note, d.By
		if !d.Approve {
			if err := p.endReview(tx, refund, RefundRejected); err != nil {
				return err
			}
		} else if err := act.give(tx, refund); err != nil {
			return err
		}
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind: "refund." + string(refund.State), Subject: string(refund.ID), Reason: d.Note, After: refund.Amount,
		})
	}
	return again(func() (idempotency.Answer, error) { return p.onRefund(ctx, d.Refund, d.Once, nil, decide) })
}

// WithdrawRefund calls off a payer's own wish while it is reviewed. Errors: refund.not_found, refund.already_decided.
func (p *Payments) WithdrawRefund(
	ctx context.Context, customer id.Customer, name id.Refund, once idempotency.Request,
) (idempotency.Answer, error) {
	view := func(r *Refund) any { return r.ForPayer() }
	return p.onRefund(ctx, name, once, view, func(tx *commit.Tx, refund *Refund, act refundAct) error {
		switch {
		case refund.Origin != ByPayer || act.payer != customer:
			return refundNotFound()
		case refund.State != RefundInReview:
			return fault.Newf(fault.Conflict, "refund.already_decided", "the refund is %s already", refund.State)
		}
		return p.endReview(tx, refund, RefundWithdrawn)
	})
}

// endReview ends a refund of which nothing has moved.
func (p *Payments) endReview(tx *commit.Tx, refund *Refund, to RefundState) error {
	var err error
	if refund.State, err = refund.State.Move(to); err != nil {
		return err
	}
	refund.CompletedAt, refund.reviewKey = tx.Now(), ""
	p.refunds.Put(tx, *refund)
	return nil
}

// refundAct is what a decision about a refund needs besides the refund.
type refundAct struct {
	payer id.Customer
	give  func(tx *commit.Tx, refund *Refund) error
}

// onRefund runs decide over a stored refund and its payment, and announces what became of it. view is what the caller
// is answered; nil is what the merchant is told.
func (p *Payments) onRefund(
	ctx context.Context, name id.Refund, once idempotency.Request, view func(*Refund) any,
	decide func(tx *commit.Tx, refund *Refund, act refundAct) error,
) (idempotency.Answer, error) {
	known, err := p.RefundOf(ctx, name)
	if err != nil {
		return idempotency.Answer{}, err
	}
	payment, err := p.Payment(ctx, known.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	giving, err := p.prepareGiving(ctx, &payment, false)
	if err != nil {
		return idempotency.Answer{}, err
	}
	act := refundAct{payer: payment.Customer, give: func(tx *commit.Tx, refund *Refund) error {
		of, err := p.refundOf(tx, RefundOrder{Payment: refund.Payment, Amount: refund.Minor}, refund)
		if err != nil {
			return err
		}
		return giving.do(tx, &of, refund)
	}}
	event := outbox.Event{Merchant: known.Merchant, Subject: string(name)}
	return p.Keys.Once(ctx, once, giving.keys(&known), func(tx *commit.Tx) (int, any, error) {
		refund, found, err := p.refunds.Get(tx, p.refunds.Key(string(name)))
		if err != nil || !found {
			return 0, nil, refundNotFound()
		}
		if err := decide(tx, &refund, act); err != nil {
			return 0, nil, err
		}
		event.Kind = "refund." + string(refund.State)
		said, err := p.Outbox.Announce(tx, event, refund)
		if view != nil {
			return statusOK, view(&refund), err
		}
		return statusOK, said, err
	})
}

func refundNotFound() error {
	return fault.New(fault.NotFound, "refund.not_found", "there is no such refund")
}
