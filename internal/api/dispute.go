package api

import (
	"context"
	"encoding/base64"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Disputes: what payers complain about, what merchants answer, and what the staff decide.

func (s *Services) disputeEndpoints() []Endpoint {
	payer := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/wallet/v1" + path, Actor: ActorCustomer, Tag: "Disputes", Name: name, Summary: summary,
		}
	}
	merchant := func(method, path, name, summary string) Route {
		return Route{Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: "Disputes", Name: name, Summary: summary}
	}
	user := func(permission auth.Permission, method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/merchant/v1" + path, Actor: ActorUser, Permission: string(permission),
			Tag: "Merchant portal", Name: name, Summary: summary,
		}
	}
	uploaded := func(r Route) Route { r.Status, r.BodyMaxBytes = 201, uploadMaxBytes; return r }
	opened := payer(post, "/payments/{id}/disputes", "open_dispute", "Complain about a payment")
	opened.Status = 201
	const file, addFile = "Read a file of evidence", "Add evidence: JPEG, PNG or PDF, at most 4 MiB"
	return []Endpoint{
		Handle(opened, s.openDispute),
		Handle(payer(get, "/disputes", "list_payer_disputes", "List your disputes"), s.listPayerDisputes),
		Handle(payer(get, "/disputes/{id}", "get_payer_dispute", "Read a dispute of yours"), s.getDispute),
		Handle(payer(post, "/disputes/{id}/withdraw", "withdraw_dispute", "Withdraw a dispute"), s.withdrawDispute),
		Handle(uploaded(payer(post, "/disputes/{id}/files", "add_payer_evidence", addFile)), s.addEvidence),
		Handle(payer(get, "/disputes/{id}/files/{file_id}", "get_payer_evidence", file), s.getEvidence),

		Handle(merchant(get, "/disputes", "list_disputes", "List disputes"), s.listDisputes),
		Handle(merchant(get, "/disputes/{id}", "get_dispute", "Read a dispute"), s.getDispute),
		Handle(merchant(post, "/disputes/{id}/accept", "accept_dispute", "Accept a dispute, and give the amount back"),
			s.acceptDispute),
		Handle(merchant(post, "/disputes/{id}/contest", "contest_dispute", "Contest a dispute"), s.contestDispute),
		Handle(uploaded(merchant(post, "/disputes/{id}/files", "add_evidence", addFile)), s.addEvidence),
		Handle(merchant(get, "/disputes/{id}/files/{file_id}", "get_evidence", file), s.getEvidence),

		Handle(user(auth.UserReadSales, get, "/disputes", "list_portal_disputes", "List disputes"), s.listDisputes),
		Handle(user(auth.UserReadSales, get, "/disputes/{id}", "get_portal_dispute", "Read a dispute"), s.getDispute),
		Handle(user(auth.UserRefund, post, "/disputes/{id}/accept", "accept_portal_dispute",
			"Accept a dispute, and give the amount back"), s.acceptDispute),
		Handle(user(auth.UserRefund, post, "/disputes/{id}/contest", "contest_portal_dispute", "Contest a dispute"),
			s.contestDispute),
		Handle(uploaded(user(auth.UserRefund, post, "/disputes/{id}/files", "add_portal_evidence", addFile)),
			s.addEvidence),
		Handle(user(auth.UserReadSales, get, "/disputes/{id}/files/{file_id}", "get_portal_evidence", file),
			s.getEvidence),

		Handle(opsRoute(auth.ReadPayments, get, "/disputes", "Support", "list_any_disputes",
			"List disputes of all merchants, such as those that wait for the staff"), s.listDisputes),
		Handle(opsRoute(auth.ReadPayments, get, "/disputes/{id}", "Support", "get_any_dispute", "Read a dispute"),
			s.getDispute),
		Handle(opsRoute(auth.RefundPayments, get, "/disputes/{id}/files/{file_id}", "Support", "get_any_evidence",
			"Read a file of evidence; that it was seen is recorded"), s.getEvidence),
		Handle(opsDecision(), s.decideDispute),
	}
}

func opsDecision() Route {
	r := opsRoute(auth.RefundPayments, post, "/disputes/{id}/decide", "Support", "decide_dispute",
		"Decide a dispute in review: for the payer, the merchant, or both in part")
	r.Status, r.Proposes = 201, true
	return r
}

// disputesOf limits a query to what the caller may see.
func disputesOf(ctx context.Context) payment.DisputeQuery {
	caller := CallerOf(ctx)
	return payment.DisputeQuery{Merchant: caller.Merchant, Store: caller.Store, Customer: caller.Customer}
}

type openDisputeRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body struct {
		Kind      payment.DisputeKind `json:"kind" enum:"not_received,not_as_described,not_authorised,duplicate,other"`
		Amount    int64               `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that is left to refund when absent."`
		Complaint string              `json:"complaint" minLength:"1" maxLength:"2000" doc:"Told to the merchant."`
	}
}

func (s *Services) openDispute(ctx context.Context, req *openDisputeRequest) (*Answer[payment.Dispute], error) {
	act, err := once(ctx, "open_dispute", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Dispute](s.Payments.OpenDispute(ctx, payment.DisputeOrder{
		Customer: CallerOf(ctx).Customer, Payment: req.ID, Kind: req.Body.Kind, Amount: req.Body.Amount,
		Complaint: req.Body.Complaint, Once: act,
	}))
}

type listPayerDisputesRequest struct {
	Paging
}

func (s *Services) listPayerDisputes(
	ctx context.Context, req *listPayerDisputesRequest,
) (*Page[payment.Dispute], error) {
	return s.listDisputes(ctx, &listDisputesRequest{Paging: req.Paging})
}

type listDisputesRequest struct {
	Paging
	State payment.DisputeState `query:"state" enum:"open,in_review,accepted,upheld,rejected,withdrawn"`
}

func (s *Services) listDisputes(ctx context.Context, req *listDisputesRequest) (*Page[payment.Dispute], error) {
	q := disputesOf(ctx)
	q.State, q.Before, q.Limit = req.State, id.Dispute(req.Cursor), req.Limit
	rows, more, err := s.Payments.ListDisputes(ctx, q)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(d payment.Dispute) string { return string(d.ID) }), nil
}

type disputeRequest struct {
	ID id.Dispute `path:"id"`
}

func (s *Services) getDispute(ctx context.Context, req *disputeRequest) (*payment.Dispute, error) {
	found, err := s.Payments.DisputeOf(ctx, disputesOf(ctx), req.ID)
	return &found, err
}

type withdrawDisputeRequest struct {
	Idempotent
	DryRun
	ID id.Dispute `path:"id"`
}

func (s *Services) withdrawDispute(ctx context.Context, req *withdrawDisputeRequest) (*Answer[payment.Dispute], error) {
	act, err := once(ctx, "withdraw_dispute", req.IdempotencyKey, req.DryRun, req.ID)
	if err != nil {
		return nil, err
	}
	return answer[payment.Dispute](s.Payments.WithdrawDispute(ctx, CallerOf(ctx).Customer, req.ID, act))
}

type acceptDisputeRequest struct {
	Idempotent
	DryRun
	ID   id.Dispute `path:"id"`
	Body struct {
		Answer string `json:"answer,omitempty" maxLength:"2000" doc:"Told to the payer."`
	}
}

func (s *Services) acceptDispute(ctx context.Context, req *acceptDisputeRequest) (*Answer[payment.Dispute], error) {
	return s.answerDispute(ctx, "accept_dispute", req.IdempotencyKey, req.DryRun,
		payment.DisputeAnswer{Dispute: req.ID, Accept: true, Text: req.Body.Answer})
}

type contestDisputeRequest struct {
	Idempotent
	DryRun
	ID   id.Dispute `path:"id"`
	Body struct {
		Answer string `json:"answer" minLength:"1" maxLength:"2000" doc:"Told to the payer and the staff. Add evidence before or after, until answer_by."`
	}
}

func (s *Services) contestDispute(ctx context.Context, req *contestDisputeRequest) (*Answer[payment.Dispute], error) {
	return s.answerDispute(ctx, "contest_dispute", req.IdempotencyKey, req.DryRun,
		payment.DisputeAnswer{Dispute: req.ID, Text: req.Body.Answer})
}

func (s *Services) answerDispute(
	ctx context.Context, route string, key IdempotencyKey, dry DryRun, a payment.DisputeAnswer,
) (*Answer[payment.Dispute], error) {
	act, err := once(ctx, route, key, dry, []any{a.Dispute, a.Text})
	if err != nil {
		return nil, err
	}
	if _, err := s.Payments.DisputeOf(ctx, disputesOf(ctx), a.Dispute); err != nil {
		return nil, err
	}
	a.Person, a.Once = CallerOf(ctx).Actor != ActorMerchant, act
	return answer[payment.Dispute](s.Payments.AnswerDispute(ctx, a))
}

type addEvidenceRequest struct {
	ID   id.Dispute `path:"id"`
	Body struct {
		Content string `json:"content" minLength:"1" maxLength:"5592408" doc:"Base64 (RFC 4648 §4)."`
	}
}

func (s *Services) addEvidence(ctx context.Context, req *addEvidenceRequest) (*payment.DisputeFile, error) {
	plain, err := base64.StdEncoding.Strict().DecodeString(req.Body.Content)
	if err != nil {
		return nil, fault.New(fault.Invalid, "dispute.bad_file", "the content is not base64").WithParam("content")
	}
	file, err := s.Payments.AddDisputeFile(ctx, disputesOf(ctx), req.ID, plain)
	return &file, err
}

type evidenceRequest struct {
	ID   id.Dispute     `path:"id"`
	File id.DisputeFile `path:"file_id"`
}

// Evidence is a file of a dispute with what it holds.
type Evidence struct {
	payment.DisputeFile
	Content string `json:"content" doc:"Base64 (RFC 4648 §4)."`
}

func (s *Services) getEvidence(ctx context.Context, req *evidenceRequest) (*Evidence, error) {
	file, plain, err := s.Payments.DisputeContent(ctx, disputesOf(ctx), req.ID, req.File)
	return &Evidence{DisputeFile: file, Content: base64.StdEncoding.EncodeToString(plain)}, err
}

type decideDisputeBody struct {
	Refund int64 `json:"refund" minimum:"0" maximum:"9007199254740991" doc:"What the payer gets, in minor units: 0 for the merchant, the whole amount for the payer."`
	Because
}

type decideDisputeRequest struct {
	Idempotent
	DryRun
	ID   id.Dispute `path:"id"`
	Body decideDisputeBody
}

func (s *Services) decideDispute(ctx context.Context, req *decideDisputeRequest) (*Answer[Acted], error) {
	return s.actOnce(ctx, "decide_dispute", req.IdempotencyKey, req.DryRun, approval.Order{
		Kind: payment.DisputeDecide, Reason: req.Body.Reason,
		Request: payment.DisputeDecision{Dispute: req.ID, Refund: req.Body.Refund},
	})
}
