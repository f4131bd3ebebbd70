package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
)

// What payers do with money: /wallet/v1.

func (s *Services) moneyEndpoints() []Endpoint {
	route := func(method, path, tag, name, summary string) Route {
		return Route{Method: method, Path: "/wallet/v1" + path, Actor: ActorCustomer, Tag: tag, Name: name, Summary: summary}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(
			created(route(post, "/top_ups", "Top-ups", "create_top_up", "Top up from a linked bank account or a bound card")),
			s.createTopUp,
		),
		Handle(route(get, "/top_ups/{id}", "Top-ups", "get_top_up", "Read a top-up"), s.getTopUp),
		Handle(
			created(
				route(
					post,
					"/withdrawals",
					"Withdrawals",
					"create_withdrawal",
					"Withdraw to a linked bank account or a bound card",
				),
			),
			s.createWithdrawal,
		),
		Handle(route(get, "/withdrawals/{id}", "Withdrawals", "get_withdrawal", "Read a withdrawal"), s.getWithdrawal),
		Handle(
			created(route(post, "/transfers", "Transfers", "create_transfer", "Send money to another person")),
			s.createTransfer,
		),
		Handle(
			route(
				get,
				"/payments/{id}",
				"Payments to merchants",
				"get_payer_payment",
				"Read a payment before or after paying it",
			),
			s.getPayerPayment,
		),
		Handle(
			route(
				post,
				"/payments/{id}/confirm",
				"Payments to merchants",
				"confirm_payment",
				"Pay from the balance or by card, with the PIN or a passkey",
			),
			s.confirmPayment,
		),
	}
}

type bankMoneyBody struct {
	money.Amount
	BankAccount id.BankAccount `json:"bank_account_id,omitempty" maxLength:"40" doc:"A linked bank account."`
	Card        id.Card        `json:"card_id,omitempty" maxLength:"40" doc:"A bound card, in place of the bank account. A top-up that names neither takes the default card."`
	ProofBody
}

// public returns the body without its secrets.
func (b bankMoneyBody) public() bankMoneyBody { b.ProofBody = ProofBody{}; return b }

type bankMoneyRequest struct {
	Idempotent
	DryRun
	Body bankMoneyBody
}

func (s *Services) createTopUp(ctx context.Context, req *bankMoneyRequest) (*Answer[payment.TopUp], error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	act, err := once(ctx, "create_top_up", req.IdempotencyKey, req.DryRun, req.Body.public())
	if err != nil {
		return nil, err
	}
	return answer[payment.TopUp](s.Payments.TopUp(ctx, payment.TopUpOrder{
		Customer: CallerOf(
			ctx,
		).Customer,
		BankAccount: req.Body.BankAccount, Card: req.Body.Card,
		Amount: req.Body.Amount,
		By:     payerOf(ctx), Proof: req.Body.proof(),
		Once: act,
	}))
}

type topUpRequest struct {
	WaitSeconds
	ID id.TopUp `path:"id"`
}

func (s *Services) getTopUp(ctx context.Context, req *topUpRequest) (*payment.TopUp, error) {
	return await(ctx, s, req.WaitSeconds, string(req.ID), func(context.Context) (payment.TopUp, bool, error) {
		topUp, err := s.Payments.TopUpOf(ctx, CallerOf(ctx).Customer, req.ID)
		return topUp, topUp.State != payment.TopUpPending, err
	})
}

func (s *Services) createWithdrawal(ctx context.Context, req *bankMoneyRequest) (*Answer[payout.Payout], error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	act, err := once(ctx, "create_withdrawal", req.IdempotencyKey, req.DryRun, req.Body.public())
	if err != nil {
		return nil, err
	}
	return answer[payout.Payout](s.Payouts.Withdraw(ctx, payout.Order{
		Customer: CallerOf(
			ctx,
		).Customer,
		BankAccount: req.Body.BankAccount, Card: req.Body.Card,
		Amount: req.Body.Amount,
		By:     payerOf(ctx), Proof: req.Body.proof(),
		Once: act,
	}))
}

type withdrawalRequest struct {
	WaitSeconds
	ID id.Payout `path:"id"`
}

func (s *Services) getWithdrawal(ctx context.Context, req *withdrawalRequest) (*payout.Payout, error) {
	return await(ctx, s, req.WaitSeconds, string(req.ID), func(context.Context) (payout.Payout, bool, error) {
		row, err := s.Payouts.Of(ctx, CallerOf(ctx).Customer, req.ID)
		return row, row.State != payout.Pending, err
	})
}

type createTransferBody struct {
	money.Amount
	Payee string `json:"payee" minLength:"1" maxLength:"40" doc:"The payee's phone number, or the id that finding the payee gave." example:"+8613800000002"`
	Note  string `json:"note,omitempty" maxLength:"200"`
	ProofBody
}

type createTransferRequest struct {
	Idempotent
	DryRun
	Body createTransferBody
}

func (s *Services) createTransfer(ctx context.Context, req *createTransferRequest) (*Answer[payment.Transfer], error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	payee, err := s.payee(ctx, req.Body.Payee)
	if err != nil {
		return nil, paramOf(err, "payee")
	}
	public := req.Body
	public.ProofBody = ProofBody{}
	act, err := once(ctx, "create_transfer", req.IdempotencyKey, req.DryRun, public)
	if err != nil {
		return nil, err
	}
	return answer[payment.Transfer](s.Payments.Transfer(ctx, payment.TransferOrder{
		Payer: CallerOf(
			ctx,
		).Customer,
		Device: CallerOf(ctx).Device,
		Payee:  payee,
		Amount: req.Body.Amount,
		Note:   req.Body.Note,
		By:     payerOf(ctx), Proof: req.Body.proof(),
		Once: act,
	}))
}

type payerPaymentRequest struct {
	WaitSeconds
	ID id.Payment `path:"id"`
}

func (s *Services) getPayerPayment(ctx context.Context, req *payerPaymentRequest) (*payment.PayerView, error) {
	return await(ctx, s, req.WaitSeconds, string(req.ID), func(context.Context) (payment.PayerView, bool, error) {
		view, err := s.Payments.ForPayer(ctx, CallerOf(ctx).Customer, req.ID)
		told := view.State.Final() || view.State == payment.Created && view.DeclineCode != ""
		return view, told, err
	})
}

// WithBody is embedded in the body of an act that pays a merchant.
type WithBody struct {
	Method payment.Method `json:"method,omitempty" enum:"balance,card" doc:"What pays; the balance if left out, a card if one is named."`
	Card   id.Card        `json:"card_id,omitempty" maxLength:"40" doc:"The bound card that pays; with method card, the default card if left out."`
}

func (b WithBody) with() payment.With { return payment.With{Method: b.Method, Card: b.Card} }

type confirmPaymentBody struct {
	WithBody
	ProofBody
}

type confirmPaymentRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body confirmPaymentBody
}

func (s *Services) confirmPayment(ctx context.Context, req *confirmPaymentRequest) (*Answer[payment.PayerView], error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	caller := CallerOf(ctx)
	// The balance is not part of the request's print: so keys of before there were cards stay theirs.
	var asked any = req.ID
	if req.Body.WithBody != (WithBody{}) {
		asked = []any{req.ID, req.Body.WithBody}
	}
	act, err := once(ctx, "confirm_payment", req.IdempotencyKey, req.DryRun, asked)
	if err != nil {
		return nil, err
	}
	return answer[payment.PayerView](s.Payments.Confirm(ctx, payment.Confirmation{
		Payment: req.ID, Customer: caller.Customer, By: payerOf(ctx), Proof: req.Body.proof(), With: req.Body.with(),
		Once: act,
	}))
}
