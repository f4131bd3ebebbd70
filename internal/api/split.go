package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Splits, and money that waits: /v1/payments/{id}/splits and /release, /v1/split_rules.

func (s *Services) splitEndpoints() []Endpoint {
	merchant := func(method, path, name, summary string) Route {
		return Route{Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: "Splits", Name: name, Summary: summary}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(merchant(post, "/payments/{id}/splits", "split_payment", "Split what is held of a payment"), s.splitPayment),
		Handle(merchant(get, "/payments/{id}/splits", "list_splits", "List a payment's splits"), s.listSplits),
		Handle(
			merchant(post, "/payments/{id}/release", "release_payment", "Take what is held of a payment"),
			s.releasePayment,
		),
		Handle(merchant(get, "/received_splits", "list_received_splits", "List what others' payments brought you"),
			s.listReceivedSplits),
		Handle(created(merchant(post, "/split_rules", "create_split_rule", "Make a rule for splits")), s.createSplitRule),
		Handle(merchant(get, "/split_rules", "list_split_rules", "List your rules for splits"), s.listSplitRules),
		Handle(merchant(del, "/split_rules/{id}", "end_split_rule", "End a rule for splits"), s.endSplitRule),
		Handle(Route{
			Method: post, Path: "/wallet/v1/payments/{id}/release", Actor: ActorCustomer, Tag: "Payments to merchants",
			Name: "release_escrow", Summary: "Release money in escrow: you have what you paid for",
		}, s.releaseEscrow),
	}
}

type splitPaymentRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body struct {
		Splits  []payment.SplitPart `json:"splits" minItems:"1" maxItems:"20"`
		Release bool                `json:"release,omitempty" doc:"The rest of what is held is yours with it."`
	}
}

func (s *Services) splitPayment(ctx context.Context, req *splitPaymentRequest) (*Answer[payment.Payment], error) {
	act, err := once(ctx, "split_payment", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Payment](s.Payments.Split(ctx, payment.SplitOrder{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, Parts: req.Body.Splits, Release: req.Body.Release,
		Once: act,
	}))
}

func (s *Services) listSplits(ctx context.Context, req *paymentRequest) (*Page[payment.Split], error) {
	splits, err := s.Payments.Splits(ctx, CallerOf(ctx).Merchant, req.ID)
	return &Page[payment.Split]{Data: splits}, err
}

type releaseRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body struct {
		Amount int64 `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that waits when absent."`
	}
}

func (s *Services) releasePayment(ctx context.Context, req *releaseRequest) (*Answer[payment.Payment], error) {
	act, err := once(ctx, "release_payment", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Payment](s.Payments.Release(ctx, payment.ReleaseOrder{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, Amount: req.Body.Amount, Once: act,
	}))
}

func (s *Services) releaseEscrow(ctx context.Context, req *releaseRequest) (*Answer[payment.PayerView], error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	act, err := once(ctx, "release_escrow", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.PayerView](s.Payments.Release(ctx, payment.ReleaseOrder{
		Customer: CallerOf(ctx).Customer, Payment: req.ID, Amount: req.Body.Amount, Once: act,
	}))
}

type listReceivedRequest struct{ Paging }

func (s *Services) listReceivedSplits(ctx context.Context, req *listReceivedRequest) (*Page[payment.Split], error) {
	rows, more, err := s.Payments.Received(ctx, CallerOf(ctx).Merchant, id.Split(req.Cursor), req.Limit)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(split payment.Split) string { return string(split.ID) }), nil
}

type createSplitRuleRequest struct {
	Body struct {
		Name   string              `json:"name" minLength:"1" maxLength:"64"`
		Splits []payment.SplitPart `json:"splits" minItems:"1" maxItems:"20"`
	}
}

func (s *Services) createSplitRule(ctx context.Context, req *createSplitRuleRequest) (*payment.SplitRule, error) {
	rule, err := s.Payments.NewSplitRule(ctx, CallerOf(ctx).Merchant, req.Body.Name, req.Body.Splits)
	return &rule, err
}

func (s *Services) listSplitRules(ctx context.Context, _ *empty) (*Page[payment.SplitRule], error) {
	rules, err := s.Payments.SplitRules(ctx, CallerOf(ctx).Merchant)
	return &Page[payment.SplitRule]{Data: rules}, err
}

type splitRuleRequest struct {
	ID id.SplitRule `path:"id"`
}

func (s *Services) endSplitRule(ctx context.Context, req *splitRuleRequest) (*NoContent, error) {
	return &NoContent{}, s.Payments.EndSplitRule(ctx, CallerOf(ctx).Merchant, req.ID)
}
