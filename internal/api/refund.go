package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Refunds that somebody looks at: wishes of payers, rules of merchants, and the queues of merchants and staff.

func (s *Services) refundEndpoints() []Endpoint {
	created := func(r Route) Route { r.Status = 201; return r }
	merchant := func(method, path, name, summary string) Route {
		return Route{Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: "Refunds", Name: name, Summary: summary}
	}
	payer := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/wallet/v1" + path, Actor: ActorCustomer, Tag: "Refunds", Name: name, Summary: summary,
		}
	}
	user := func(permission auth.Permission, method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/merchant/v1" + path, Actor: ActorUser, Permission: string(permission),
			Tag: "Merchant portal", Name: name, Summary: summary,
		}
	}
	return []Endpoint{
		Handle(merchant(get, "/refunds", "list_all_refunds", "List refunds"), s.listAllRefunds),
		Handle(merchant(get, "/refunds/{id}", "get_refund", "Read a refund"), s.getRefund),
		Handle(merchant(post, "/refunds/{id}/approve", "approve_refund", "Give a refund in review"), s.approveRefund),
		Handle(merchant(post, "/refunds/{id}/reject", "reject_refund", "Reject a refund in review"), s.rejectRefund),
		Handle(merchant(get, "/refund_rules", "get_refund_rules", "Read your rules for refunds"), s.getRefundRules),
		Handle(merchant(put, "/refund_rules", "set_refund_rules", "Set your rules for refunds"), s.setRefundRules),

		Handle(created(payer(post, "/payments/{id}/refunds", "ask_refund", "Ask the merchant for a refund")), s.askRefund),
		Handle(payer(get, "/payments/{id}/refunds", "list_payer_refunds", "List the refunds of a payment of yours"),
			s.listPayerRefunds),
		Handle(payer(get, "/refunds", "list_all_payer_refunds", "List the refunds of all your payments"),
			s.listAllPayerRefunds),
		Handle(payer(post, "/refunds/{id}/withdraw", "withdraw_refund", "Withdraw your wish for a refund"), s.withdrawRefund),

		Handle(user(auth.UserReadSales, get, "/refunds", "list_portal_refunds", "List refunds"), s.listAllRefunds),
		Handle(created(user(auth.UserRefund, post, "/payments/{id}/refunds", "create_portal_refund", "Refund a payment")),
			s.createPortalRefund),
		Handle(user(auth.UserRefund, post, "/refunds/{id}/approve", "approve_portal_refund", "Give a refund in review"),
			s.approveRefund),
		Handle(user(auth.UserRefund, post, "/refunds/{id}/reject", "reject_portal_refund", "Reject a refund in review"),
			s.rejectRefund),
		Handle(user(auth.UserReadSales, get, "/refund_rules", "get_portal_refund_rules", "Read the rules for refunds"),
			s.getRefundRules),
		Handle(user(auth.UserRefund, put, "/refund_rules", "set_portal_refund_rules", "Set the rules for refunds"),
			s.setRefundRules),

		Handle(opsRoute(auth.ReadPayments, get, "/refunds", "Support", "list_any_refunds",
			"List refunds of all merchants, such as those that wait for the staff"), s.listAnyRefunds),
		Handle(opsRoute(auth.RefundPayments, post, "/refunds/{id}/approve", "Support", "approve_any_refund",
			"Give a refund that waits for the staff"), s.approveRefund),
		Handle(opsRoute(auth.RefundPayments, post, "/refunds/{id}/reject", "Support", "reject_any_refund",
			"Reject a refund that waits for the staff"), s.rejectRefund),
		Handle(opsRoute(auth.ReadPayments, get, "/merchants/{id}/refund_rules", "Merchants", "get_merchant_refund_rules",
			"Read a merchant's rules for refunds"), s.getMerchantRefundRules),
		Handle(opsRoute(auth.WriteMerchants, put, "/merchants/{id}/refund_limit", "Merchants", "set_merchant_refund_limit",
			"Put a merchant's refunds above an amount before the staff"), s.setMerchantRefundLimit),
	}
}

type listAllRefundsRequest struct {
	Paging
	State payment.RefundState `query:"state" enum:"in_review,succeeded,rejected,withdrawn"`
}

func (s *Services) listAllRefunds(ctx context.Context, req *listAllRefundsRequest) (*Page[payment.Refund], error) {
	caller := CallerOf(ctx)
	return s.refundPage(ctx, payment.RefundQuery{
		Merchant: caller.Merchant, Store: caller.Store, Before: id.Refund(req.Cursor), State: req.State, Limit: req.Limit,
	})
}

func (s *Services) refundPage(ctx context.Context, q payment.RefundQuery) (*Page[payment.Refund], error) {
	rows, more, err := s.Payments.ListRefunds(ctx, q)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(r payment.Refund) string { return string(r.ID) }), nil
}

type listAnyRefundsRequest struct {
	Paging
	State    payment.RefundState `query:"state" enum:"in_review,succeeded,rejected,withdrawn"`
	Reviewer payment.Reviewer    `query:"reviewer" enum:"merchant,staff" doc:"Who decides; staff for what waits for you."`
}

func (s *Services) listAnyRefunds(ctx context.Context, req *listAnyRefundsRequest) (*Page[payment.Refund], error) {
	return s.refundPage(ctx, payment.RefundQuery{
		Before: id.Refund(req.Cursor), State: req.State, Reviewer: req.Reviewer, Limit: req.Limit,
	})
}

type refundRequest struct {
	ID id.Refund `path:"id"`
}

func (s *Services) getRefund(ctx context.Context, req *refundRequest) (*payment.Refund, error) {
	found, err := s.Payments.RefundOfMerchant(ctx, CallerOf(ctx).Merchant, "", req.ID)
	return &found, err
}

type approveRefundRequest struct {
	Idempotent
	DryRun
	ID   id.Refund `path:"id"`
	Body struct {
		Note string `json:"note,omitempty" maxLength:"200" doc:"Told to the payer."`
	}
}

func (s *Services) approveRefund(ctx context.Context, req *approveRefundRequest) (*Answer[payment.Refund], error) {
	return s.decideRefund(ctx, "approve_refund", req.IdempotencyKey, req.DryRun,
		payment.RefundDecision{Refund: req.ID, Approve: true, Note: req.Body.Note})
}

type rejectRefundRequest struct {
	Idempotent
	DryRun
	ID   id.Refund `path:"id"`
	Body struct {
		Note string `json:"note" minLength:"1" maxLength:"200" doc:"Why; told to the payer."`
	}
}

func (s *Services) rejectRefund(ctx context.Context, req *rejectRefundRequest) (*Answer[payment.Refund], error) {
	return s.decideRefund(ctx, "reject_refund", req.IdempotencyKey, req.DryRun,
		payment.RefundDecision{Refund: req.ID, Note: req.Body.Note})
}

func (s *Services) decideRefund(
	ctx context.Context, route string, key IdempotencyKey, dry DryRun, decision payment.RefundDecision,
) (*Answer[payment.Refund], error) {
	act, err := once(ctx, route, key, dry, []any{decision.Refund, decision.Note})
	if err != nil {
		return nil, err
	}
	caller := CallerOf(ctx)
	decision.Merchant, decision.By, decision.Once = caller.Merchant, caller.by(), act
	decision.Person, decision.Reviewer = caller.Actor != ActorMerchant, payment.MerchantReviewer
	if caller.Actor == ActorStaff {
		decision.Reviewer = payment.StaffReviewer
	} else if _, err := s.Payments.RefundOfMerchant(ctx, caller.Merchant, caller.Store, decision.Refund); err != nil {
		return nil, err
	}
	return answer[payment.Refund](s.Payments.DecideRefund(ctx, decision))
}

func (s *Services) createPortalRefund(ctx context.Context, req *createRefundRequest) (*Answer[payment.Refund], error) {
	if _, err := s.getSale(ctx, &paymentRequest{ID: req.ID}); err != nil {
		return nil, err
	}
	return s.createRefund(ctx, req)
}

type askRefundRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body struct {
		Amount int64  `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that is left when absent."`
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Told to the merchant."`
	}
}

func (s *Services) askRefund(ctx context.Context, req *askRefundRequest) (*Answer[payment.RefundView], error) {
	act, err := once(ctx, "ask_refund", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	customer := CallerOf(ctx).Customer
	return answer[payment.RefundView](s.Payments.Refund(ctx, payment.RefundOrder{
		Customer: customer, Payment: req.ID, Amount: req.Body.Amount, Reason: req.Body.Reason,
		Origin: payment.ByPayer, By: string(customer), Once: act,
	}))
}

func (s *Services) listPayerRefunds(ctx context.Context, req *paymentRequest) (*Page[payment.RefundView], error) {
	views, err := s.Payments.RefundsForPayer(ctx, CallerOf(ctx).Customer, req.ID)
	return &Page[payment.RefundView]{Data: views}, err
}

type listAllPayerRefundsRequest struct {
	Paging
	State payment.RefundState `query:"state" enum:"in_review,processing,succeeded,declined,rejected,withdrawn"`
}

func (s *Services) listAllPayerRefunds(
	ctx context.Context, req *listAllPayerRefundsRequest,
) (*Page[payment.RefundView], error) {
	rows, more, err := s.Payments.ListRefunds(ctx, payment.RefundQuery{
		Customer: CallerOf(ctx).Customer, Before: id.Refund(req.Cursor), State: req.State, Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	views := make([]payment.RefundView, len(rows))
	for i := range rows {
		views[i] = rows[i].ForPayer()
	}
	return pageOf(views, more, func(r payment.RefundView) string { return string(r.ID) }), nil
}

type withdrawRefundRequest struct {
	Idempotent
	DryRun
	ID id.Refund `path:"id"`
}

func (s *Services) withdrawRefund(
	ctx context.Context,
	req *withdrawRefundRequest,
) (*Answer[payment.RefundView], error) {
	act, err := once(ctx, "withdraw_refund", req.IdempotencyKey, req.DryRun, req.ID)
	if err != nil {
		return nil, err
	}
	return answer[payment.RefundView](s.Payments.WithdrawRefund(ctx, CallerOf(ctx).Customer, req.ID, act))
}

func (s *Services) getRefundRules(ctx context.Context, _ *empty) (*payment.RefundRules, error) {
	rules, err := s.Payments.RefundRulesOf(ctx, CallerOf(ctx).Merchant)
	return &rules, err
}

type setRefundRulesRequest struct {
	Body struct {
		PayerRequests   payment.PayerRequests `json:"payer_requests" enum:"off,review,automatic" doc:"What becomes of a payer's wish."`
		AutomaticMax    int64                 `json:"automatic_max,omitempty" minimum:"0" maximum:"9007199254740991" doc:"With automatic: up to this much is given at once, in minor units; 0 is no limit."`
		AutomaticWithin int64                 `json:"automatic_within,omitempty" minimum:"0" maximum:"31622400" doc:"With automatic: so many seconds after the payment; 0 is no limit."`
		ReviewAbove     int64                 `json:"review_above,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Refunds above it that your systems ask for wait for a person of yours; 0 is none."`
	}
}

func (s *Services) setRefundRules(ctx context.Context, req *setRefundRulesRequest) (*payment.RefundRules, error) {
	rules, err := s.Payments.SetRefundRules(ctx, payment.RefundRules{
		Merchant: CallerOf(ctx).Merchant, PayerRequests: req.Body.PayerRequests, AutomaticMax: req.Body.AutomaticMax,
		AutomaticWithin: req.Body.AutomaticWithin, ReviewAbove: req.Body.ReviewAbove,
	})
	return &rules, err
}

type merchantRulesRequest struct {
	ID id.Merchant `path:"id"`
}

func (s *Services) getMerchantRefundRules(
	ctx context.Context,
	req *merchantRulesRequest,
) (*payment.RefundRules, error) {
	if _, err := s.Parties.Merchant(ctx, req.ID); err != nil {
		return nil, err
	}
	rules, err := s.Payments.RefundRulesOf(ctx, req.ID)
	return &rules, err
}

type setMerchantRefundLimitRequest struct {
	ID   id.Merchant `path:"id"`
	Body struct {
		OperatorAbove int64 `json:"operator_above" minimum:"0" maximum:"9007199254740991" doc:"Minor units; 0 ends it."`
	}
}

func (s *Services) setMerchantRefundLimit(
	ctx context.Context, req *setMerchantRefundLimitRequest,
) (*payment.RefundRules, error) {
	rules, err := s.Payments.SetOperatorAbove(ctx, req.ID, req.Body.OperatorAbove)
	return &rules, err
}
