package api

import (
	"context"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/limit"
)

// How much a payer may pay: the payer's view and the staff's.

func (s *Services) limitEndpoints() []Endpoint {
	proposes := func(r Route) Route { r.Status, r.Proposes = http.StatusCreated, true; return r }
	return []Endpoint{
		Handle(Route{
			Method: get, Path: "/wallet/v1/limits", Actor: ActorCustomer, Tag: "Limits", Name: "get_limits",
			Summary: "Read what caps your payments now: used, left, when it resets, what lifts it",
		}, s.limits),
		Handle(opsRoute(auth.ReadLimits, get, "/limits", "Limits", "list_limit_rules",
			"List the rules with their sources and the figures in force"), s.limitRules),
		Handle(opsRoute(auth.ReadLimits, get, "/limits/{rule}/history", "Limits", "get_limit_history",
			"Read who changed a rule's figure, when and why"), s.limitHistory),
		Handle(proposes(opsRoute(auth.WriteLimits, post, "/limits/{rule}/changes", "Limits", "change_limit",
			"Set a rule's figure, never beyond its source's")), s.changeLimit),
	}
}

func (s *Services) limits(ctx context.Context, _ *empty) (*limit.Standing, error) {
	standing, err := s.PaymentLimits.Of(ctx, CallerOf(ctx).Customer)
	return &standing, err
}

func (s *Services) limitRules(ctx context.Context, _ *empty) (*Page[limit.InForce], error) {
	rules, err := s.PaymentLimits.List(ctx)
	return &Page[limit.InForce]{Data: rules}, err
}

type limitRuleRequest struct {
	Rule string `path:"rule" maxLength:"64"`
}

func (s *Services) limitHistory(ctx context.Context, req *limitRuleRequest) (*Page[limit.Change], error) {
	changes, err := s.PaymentLimits.History(ctx, req.Rule)
	return &Page[limit.Change]{Data: changes}, err
}

type changeLimitBody struct {
	Minor       *int64    `json:"amount_minor,omitempty" minimum:"0" doc:"The figure in minor units; left out, the preset's holds again."`
	EffectiveAt time.Time `json:"effective_at,omitzero" doc:"From when on, at most a year ahead; default now."`
	Reason      string    `json:"reason" minLength:"1" maxLength:"200" doc:"Why; kept for good."`
}

type changeLimitRequest struct {
	Rule string `path:"rule" maxLength:"64"`
	Body changeLimitBody
}

func (s *Services) changeLimit(ctx context.Context, req *changeLimitRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusCreated, approval.Order{
		Kind: approval.LimitChange, Reason: req.Body.Reason,
		Request: approval.LimitFigure{Rule: req.Rule, Minor: req.Body.Minor, EffectiveAt: req.Body.EffectiveAt},
	})
}
