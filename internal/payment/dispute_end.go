package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
)

// DisputeAnswer is the merchant's word for a dispute.
type DisputeAnswer struct {
	Dispute id.Dispute
	Person  bool // a person of the merchant says it, not a system
	Accept  bool
	Text    string // needed to contest
	Once    idempotency.Request
}

// AnswerDispute accepts a dispute, which gives its amount back in the same commit, or contests it before the staff. A
// merchant answers once, until AnswerBy; without a word it may accept until the staff decide. The merchant's
// RefundRules hold: above ReviewAbove a person accepts; above OperatorAbove the staff have the last word, so accepting
// takes an open dispute before them and is refused for one that is there.
//
// Errors: dispute.not_found, dispute.wrong_state, dispute.bad_text, dispute.answer_late, dispute.already_answered,
// dispute.staff_decide, refund.person_needed, and those of Refund.
func (p *Payments) AnswerDispute(ctx context.Context, a DisputeAnswer) (idempotency.Answer, error) {
	if !a.Accept || a.Text != "" {
		if err := checkDisputeText(a.Text, "answer"); err != nil {
			return idempotency.Answer{}, err
		}
	}
	decide := func(tx *commit.Tx, d *Dispute, end endDispute) error {
		to, err := p.answerMoves(tx, d, &a)
		if err != nil {
			return err
		}
		if err := d.answer(tx.Now(), a.Text); err != nil {
			return err
		}
		if to == DisputeInReview {
			d.State, err = d.State.Move(to)
		} else {
			err = end(tx, d, to, d.Minor)
		}
		if err != nil {
			return err
		}
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind: "dispute." + string(d.State), Subject: string(d.ID), After: d.Amount,
		})
	}
	return again(func() (idempotency.Answer, error) {
		return p.onDispute(ctx, a.Dispute, a.Once, (*Dispute).shown, decide)
	})
}

// answer takes the merchant's word. Errors: dispute.already_answered, dispute.answer_late.
func (d *Dispute) answer(now time.Time, text string) error {
	if text == "" {
		return nil
	}
	if d.Answer != "" {
		return fault.New(fault.Conflict, "dispute.already_answered", "the dispute has an answer, which stays")
	}
	if !now.Before(d.AnswerBy) {
		return fault.New(fault.Conflict, "dispute.answer_late", "the time to answer is over")
	}
	d.Answer, d.AnsweredAt = text, now
	return nil
}

// answerMoves says where a merchant's word takes a dispute.
func (p *Payments) answerMoves(tx *commit.Tx, d *Dispute, a *DisputeAnswer) (DisputeState, error) {
	if !a.Accept {
		return d.State.Move(DisputeInReview)
	}
	if _, err := d.State.Move(DisputeAccepted); err != nil {
		return d.State, err
	}
	rules, err := p.rulesIn(tx, d.Merchant)
	if err != nil {
		return d.State, err
	}
	reviewer, _, err := rules.review(ByMerchant, d.Minor, 0)
	switch {
	case err != nil:
		return d.State, err
	case reviewer == StaffReviewer && d.State == DisputeInReview:
		return d.State, fault.New(fault.Conflict, "dispute.staff_decide",
			"this amount is decided by the operator's staff, who have the dispute before them")
	case reviewer == StaffReviewer:
		return DisputeInReview, nil
	case reviewer == MerchantReviewer && !a.Person:
		return d.State, fault.New(fault.Forbidden, "refund.person_needed",
			"a person of the merchant decides this, in the portal")
	}
	return DisputeAccepted, nil
}

// WithdrawDispute calls off a payer's own dispute. Errors: dispute.not_found, dispute.wrong_state.
func (p *Payments) WithdrawDispute(
	ctx context.Context, customer id.Customer, name id.Dispute, once idempotency.Request,
) (idempotency.Answer, error) {
	if _, err := p.DisputeOf(ctx, DisputeQuery{Customer: customer}, name); err != nil {
		return idempotency.Answer{}, err
	}
	return again(func() (idempotency.Answer, error) {
		return p.onDispute(ctx, name, once, (*Dispute).ForPayer, func(tx *commit.Tx, d *Dispute, end endDispute) error {
			return end(tx, d, DisputeWithdrawn, 0)
		})
	})
}

// endDispute frees what is held and gives the payer refund minor units back, all in the dispute's last move.
type endDispute func(tx *commit.Tx, d *Dispute, to DisputeState, refund int64) error

// onDispute runs decide over a stored dispute and announces what became of it.
func (p *Payments) onDispute(
	ctx context.Context, name id.Dispute, once idempotency.Request, view func(*Dispute) Dispute,
	decide func(tx *commit.Tx, d *Dispute, end endDispute) error,
) (idempotency.Answer, error) {
	keys, end, err := p.endingDispute(ctx, name, ByMerchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	return p.Keys.Once(ctx, once, keys, func(tx *commit.Tx) (int, any, error) {
		d, err := p.loadDispute(tx, name)
		if err != nil {
			return 0, nil, err
		}
		if err := decide(tx, &d, end); err != nil {
			return 0, nil, err
		}
		p.disputes.Put(tx, d)
		return statusOK, view(&d), p.Outbox.Add(tx, d.event(), d.shown())
	})
}

func (p *Payments) loadDispute(tx *commit.Tx, name id.Dispute) (Dispute, error) {
	d, found, err := p.disputes.Get(tx, p.disputes.Key(string(name)))
	if err == nil && !found {
		err = disputeNotFound()
	}
	return d, err
}

// endingDispute prepares the end of a dispute outside the decision. The caller puts the row.
func (p *Payments) endingDispute(
	ctx context.Context, name id.Dispute, origin Origin,
) ([]commit.Key, endDispute, error) {
	known, err := p.dispute(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	payment, err := p.Payment(ctx, known.Payment)
	if err != nil {
		return nil, nil, err
	}
	giving, err := p.prepareGiving(ctx, &payment, false)
	if err != nil {
		return nil, nil, err
	}
	order := RefundOrder{
		Merchant: payment.Merchant, Payment: payment.ID, Origin: origin, Reason: "dispute " + string(name), dispute: name,
	}
	fresh := p.newRefund(&payment, order)
	keys := append(p.disputeKeys(&payment), giving.keys(&fresh)...)
	keys = append(keys, p.disputes.Key(string(name)), p.refundRules.Key(string(payment.Merchant)))
	if known.hold != "" {
		keys = append(keys, p.Ledger.HoldKey(known.hold))
	}
	return keys, func(tx *commit.Tx, d *Dispute, to DisputeState, minor int64) error {
		var err error
		if d.State, err = d.State.Move(to); err != nil {
			return err
		}
		d.CompletedAt, d.openKey = tx.Now(), ""
		if d.hold != "" {
			if err := p.Ledger.ReleaseHold(tx, d.hold); err != nil {
				return err
			}
		}
		if minor == 0 {
			return nil
		}
		refund, of := fresh, order
		of.Amount = minor
		payment, err := p.refundOf(tx, of, &refund)
		if err != nil {
			return err
		}
		refund.CreatedAt = tx.Now()
		if err := giving.do(tx, &payment, &refund); err != nil {
			return err
		}
		d.Refunded, d.Refund = refund.Amount, refund.ID
		return p.Outbox.Add(tx, outbox.Event{
			Kind: "refund." + string(refund.State), Merchant: d.Merchant, Subject: string(refund.ID),
		}, refund)
	}, nil
}

func disputeNotFound() error {
	return fault.New(fault.NotFound, "dispute.not_found", "there is no such dispute")
}
