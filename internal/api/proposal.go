package api

import (
	"context"
	stdjson "encoding/json"
	"net/http"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// Acts that may need two people, and the queue of those that wait.

func (s *Services) proposalEndpoints() []Endpoint {
	created := func(r Route) Route { r.Status, r.Proposes = 201, true; return r }
	done := func(r Route) Route { r.Proposes = true; return r }
	return []Endpoint{
		Handle(opsRoute(AnyPermission, get, "/proposals", "Proposals", "list_proposals",
			"List proposals, newest first"), s.listProposals),
		Handle(opsRoute(AnyPermission, get, "/proposals/{id}", "Proposals", "get_proposal",
			"Read a proposal, and what it would change now"), s.proposal),
		Handle(opsRoute(auth.ApproveActs, post, "/proposals/{id}/approve", "Proposals", "approve_proposal",
			"Approve another person's proposal, which carries it out"), s.approveProposal),
		Handle(opsRoute(auth.ApproveActs, post, "/proposals/{id}/refuse", "Proposals", "refuse_proposal",
			"Refuse another person's proposal"), s.refuseProposal),
		Handle(opsRoute(AnyPermission, post, "/proposals/{id}/withdraw", "Proposals", "withdraw_proposal",
			"Withdraw your own proposal"), s.withdrawProposal),
		Handle(created(opsRoute(auth.CorrectLedger, post, "/entries", "Books", "create_entry",
			"Post a manual entry")), s.createEntry),
		Handle(created(opsRoute(auth.RefundPayments, post, "/payments/{id}/refunds", "Support", "create_staff_refund",
			"Refund a payment on the merchant's behalf")), s.createStaffRefund),
		Handle(done(opsRoute(auth.WriteMerchants, put, "/merchants/{id}/terms", "Merchants", "set_merchant_terms",
			"Change a merchant's fee and advance")), s.setMerchantTerms),
	}
}

// Acted is the answer of an act that may need two people: 202 and the proposal where it waits, else what was done.
type Acted struct {
	Proposal *approval.Proposal `json:"proposal,omitempty"`
	Result   stdjson.RawMessage `json:"result,omitempty" doc:"What was done."`
	Secret   string             `json:"secret,omitempty" doc:"For you alone, shown this once: your half of a new colleague's first password."`
}

// act orders an act for the caller and answers with status where it was done at once.
func (s *Services) act(ctx context.Context, status int, order approval.Order) (*Answer[Acted], error) {
	order.Maker = CallerOf(ctx).Staff
	out, err := s.Approvals.Do(ctx, order)
	if err != nil {
		return nil, err
	}
	if out.Proposal != nil {
		return acted(http.StatusAccepted, Acted{Proposal: out.Proposal, Secret: out.Secret})
	}
	return acted(status, Acted{Result: out.Result, Secret: out.Secret})
}

// actOnce is act for what moves money: name and request are what the caller's key stands for.
func (s *Services) actOnce(
	ctx context.Context, name string, key IdempotencyKey, dry DryRun, order approval.Order,
) (*Answer[Acted], error) {
	order.Maker = CallerOf(ctx).Staff
	request, err := once(ctx, name, key, dry, []any{order.Request, order.Reason})
	if err != nil {
		return nil, err
	}
	return answer[Acted](s.Approvals.Once(ctx, order, request, func(out approval.Outcome) (int, any) {
		if out.Proposal != nil {
			return http.StatusAccepted, Acted{Proposal: out.Proposal}
		}
		return http.StatusCreated, Acted{Result: out.Result}
	}))
}

func acted(status int, a Acted) (*Answer[Acted], error) {
	if status == http.StatusNoContent {
		return &Answer[Acted]{Status: status}, nil
	}
	body, err := Encode(&a)
	return &Answer[Acted]{Status: status, Body: body}, err
}

type listProposalsRequest struct {
	Paging
	Open bool `query:"open" doc:"Only those that wait."`
	Mine bool `query:"mine" doc:"Only your own."`
}

func (s *Services) listProposals(ctx context.Context, req *listProposalsRequest) (*Page[approval.Proposal], error) {
	query := approval.Query{Open: req.Open, Before: id.Proposal(req.Cursor), Limit: req.Limit}
	if req.Mine {
		query.Maker = CallerOf(ctx).Staff
	}
	rows, more, err := s.Approvals.List(ctx, query)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(p approval.Proposal) string { return string(p.ID) }), nil
}

type proposalRequest struct {
	ID id.Proposal `path:"id"`
}

// ProposalView is a proposal with what it would change now.
type ProposalView struct {
	approval.Proposal
	Stale     bool               `json:"stale,omitempty" doc:"What it is about has changed since: it cannot be approved any more."`
	NowBefore stdjson.RawMessage `json:"now_before,omitempty" doc:"What stands now, where it waits."`
	NowAfter  stdjson.RawMessage `json:"now_after,omitempty" doc:"What would stand then, where it waits."`
	Problem   string             `json:"problem,omitempty" doc:"Why it cannot be carried out."`
}

func (s *Services) proposal(ctx context.Context, req *proposalRequest) (*ProposalView, error) {
	proposal, fresh, err := s.Approvals.Proposal(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	view := &ProposalView{Proposal: proposal}
	if fresh != nil {
		view.Stale, view.Problem = fresh.Stale, fresh.Problem
		if fresh.Problem == "" {
			view.NowBefore, view.NowAfter = stdjson.RawMessage(fresh.Before), stdjson.RawMessage(fresh.After)
		}
	}
	return view, nil
}

type verdictBody struct {
	Remark string `json:"remark,omitempty" maxLength:"200"`
}

type verdictRequest struct {
	ID   id.Proposal `path:"id"`
	Body verdictBody
}

func (r *verdictRequest) verdict(ctx context.Context) approval.Verdict {
	return approval.Verdict{Proposal: r.ID, By: CallerOf(ctx).Staff, Remark: r.Body.Remark}
}

func (s *Services) approveProposal(ctx context.Context, req *verdictRequest) (*Acted, error) {
	out, err := s.Approvals.Approve(ctx, req.verdict(ctx))
	return &Acted{Proposal: out.Proposal, Result: out.Result, Secret: out.Secret}, err
}

func (s *Services) refuseProposal(ctx context.Context, req *verdictRequest) (*approval.Proposal, error) {
	proposal, err := s.Approvals.Refuse(ctx, req.verdict(ctx))
	return &proposal, err
}

func (s *Services) withdrawProposal(ctx context.Context, req *verdictRequest) (*approval.Proposal, error) {
	proposal, err := s.Approvals.Withdraw(ctx, req.verdict(ctx))
	return &proposal, err
}

// Because is embedded in the body of an act that may need two people.
type Because struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why, for who approves it and for the audit trail."`
}

type createEntryBody struct {
	approval.ManualEntry
	Because
}

type createEntryRequest struct {
	Idempotent
	DryRun
	Body createEntryBody
}

func (s *Services) createEntry(ctx context.Context, req *createEntryRequest) (*Answer[Acted], error) {
	return s.actOnce(ctx, "create_entry", req.IdempotencyKey, req.DryRun, approval.Order{
		Kind: approval.LedgerEntry, Request: req.Body.ManualEntry, Reason: req.Body.Reason,
	})
}

type staffRefundBody struct {
	Amount   int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that is left when absent."`
	Currency money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Must be the payment's, if given."`
	Because
}

type staffRefundRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body staffRefundBody
}

func (s *Services) createStaffRefund(ctx context.Context, req *staffRefundRequest) (*Answer[Acted], error) {
	return s.actOnce(ctx, "create_staff_refund", req.IdempotencyKey, req.DryRun, approval.Order{
		Kind: payment.RefundCreate, Reason: req.Body.Reason,
		Request: payment.StaffRefund{Payment: req.ID, Amount: req.Body.Amount, Currency: req.Body.Currency},
	})
}

type merchantTermsBody struct {
	party.Terms
	Because
}

type merchantTermsRequest struct {
	ID   id.Merchant `path:"id"`
	Body merchantTermsBody
}

func (s *Services) setMerchantTerms(ctx context.Context, req *merchantTermsRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.MerchantTerms, Request: approval.TermsChange{Merchant: req.ID, Terms: req.Body.Terms},
		Reason: req.Body.Reason,
	})
}
