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
)

// DisputeDecide is the kind of the staff's decision of a dispute.
const DisputeDecide = "dispute.decide"

// DisputeDecision is the request of DisputeDecide: Refund minor units are the payer's. 0 is for the merchant, the
// dispute's whole amount for the payer, what is between is for both.
type DisputeDecision struct {
	Dispute id.Dispute `json:"dispute_id"`
	Refund  int64      `json:"refund"`
}

// DisputeAct is the staff's decision of a dispute in review. Disputes of up to aloneMax minor units one person may
// decide alone, whichever way.
func (p *Payments) DisputeAct(aloneMax int64) approval.Act {
	return approval.Act{
		Kind: DisputeDecide, Done: "dispute.decided", Permission: auth.RefundPayments,
		Title: "decide a dispute", TitleZH: "裁决争议",
		Prepare: func(ctx context.Context, d approval.Draft) (approval.Plan, error) {
			var request DisputeDecision
			if err := json.Unmarshal(d.Request, &request); err != nil {
				return approval.Plan{}, fault.Wrap(err, "read the request")
			}
			return p.planDispute(ctx, request, d, aloneMax)
		},
	}
}

// decidedDispute is what a decision changes of a dispute.
type decidedDispute struct {
	State    DisputeState `json:"state"`
	Refunded money.Amount `json:"refunded"`
}

func (p *Payments) planDispute(
	ctx context.Context, r DisputeDecision, draft approval.Draft, aloneMax int64,
) (approval.Plan, error) {
	known, err := p.dispute(ctx, r.Dispute)
	if err != nil {
		return approval.Plan{}, err
	}
	if r.Refund < 0 || r.Refund > known.Minor {
		return approval.Plan{}, fault.Newf(fault.Invalid, "dispute.bad_refund", "0 to %s is in dispute", known.Amount).
			WithParam("refund")
	}
	keys, end, err := p.endingDispute(ctx, r.Dispute, ByStaff)
	if err != nil {
		return approval.Plan{}, err
	}
	to := DisputeUpheld
	if r.Refund == 0 {
		to = DisputeRejected
	}
	return approval.Plan{
		Subject: string(known.ID), Alone: known.Minor <= aloneMax, Keys: keys,
		Diff: func(tx *commit.Tx) (any, any, error) {
			d, err := p.loadDispute(tx, known.ID)
			if err != nil {
				return nil, nil, err
			}
			after := decidedDispute{Refunded: money.Amount{Minor: r.Refund, Currency: d.Currency}}
			after.State, err = d.State.Move(to)
			return decidedDispute{State: d.State, Refunded: d.Refunded}, after, err
		},
		Execute: func(tx *commit.Tx) (any, error) {
			d, err := p.loadDispute(tx, known.ID)
			if err != nil {
				return nil, err
			}
			d.Reason, d.decidedBy = draft.Reason, string(draft.Maker)
			if err := end(tx, &d, to, r.Refund); err != nil {
				return nil, err
			}
			p.disputes.Put(tx, d)
			return d.shown(), p.Outbox.Add(tx, d.event(), d.shown())
		},
	}, nil
}
