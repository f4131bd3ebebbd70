package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/payment"
)

// The merchant's door: /v1.

func (s *Services) merchantEndpoints() []Endpoint {
	route := func(method, path, tag, name, summary string) Route {
		return Route{Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: tag, Name: name, Summary: summary}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(
			created(route(post, "/payments", "Payments", "create_payment", "Create a payment, or charge a payment code")),
			s.createPayment,
		),
		Handle(route(get, "/payments", "Payments", "list_payments", "List payments"), s.listPayments),
		Handle(route(get, "/payments/{id}", "Payments", "get_payment", "Read a payment"), s.getPayment),
		Handle(
			route(post, "/payments/{id}/capture", "Payments", "capture_payment", "Take authorized money, whole or in part"),
			s.capturePayment,
		),
		Handle(
			route(post, "/payments/{id}/raise", "Payments", "raise_payment", "Raise an authorized payment, as the payer agreed"),
			s.raisePayment,
		),
		Handle(
			route(get, "/payments/{id}/captures", "Payments", "list_captures", "List a payment's captures"),
			s.listCaptures,
		),
		Handle(
			route(post, "/payments/{id}/void", "Payments", "void_payment", "Call off a payment, or what is not captured of it"),
			s.voidPayment,
		),
		Handle(
			created(route(post, "/payments/{id}/refunds", "Refunds", "create_refund", "Refund a payment, whole or in part")),
			s.createRefund,
		),
		Handle(route(get, "/payments/{id}/refunds", "Refunds", "list_refunds", "List a payment's refunds"), s.listRefunds),
		Handle(
			route(get, "/balance", "Balance", "get_merchant_balance", "Read the merchant's balance, now or at an instant"),
			s.merchantBalance,
		),
		Handle(
			route(get, "/statement", "Balance", "get_merchant_statement", "Read the statement, newest first"),
			s.merchantStatement,
		),
		Handle(route(get, "/events", "Events", "list_events", "List events, oldest first"), s.listEvents),
		Handle(
			route(
				get,
				"/receipts/{entry_id}",
				"Receipts",
				"get_merchant_receipt",
				"Get a receipt that anybody can verify offline",
			),
			s.merchantReceipt,
		),
	}
}

type createPaymentBody struct {
	money.Amount
	Reference   string   `json:"reference,omitempty" maxLength:"64" doc:"Your own number for it, unique among your payments." example:"order-1001"`
	Store       id.Store `json:"store_id,omitempty" doc:"Your store where it is made."`
	Description string   `json:"description,omitempty" maxLength:"200" doc:"Shown to the payer." example:"Tea for two"`
	ExpiresIn   int64    `json:"expires_in,omitempty" minimum:"1" maximum:"86400" doc:"Seconds until the payer must have confirmed; default 900."`
	PaymentCode string   `json:"payment_code,omitempty" maxLength:"40" doc:"The payer's payment code as scanned: charges it at once."`

	Capture       payment.CaptureMode `json:"capture,omitempty" enum:"automatic,manual" doc:"manual sets the payer's money aside until you capture it; default automatic."`
	CaptureWithin int64               `json:"capture_within,omitempty" minimum:"1" maximum:"2592000" doc:"With manual: seconds from the payer's word until what is not captured is the payer's again; default 604800."`
	AmountMax     int64               `json:"amount_max,omitempty" minimum:"1" maximum:"9007199254740991" doc:"With manual: up to this you may raise the amount; the payer sees and agrees to it. Default: the amount."`

	payment.Sharing

	Metadata map[string]string `json:"metadata,omitempty" doc:"Your own words for it: up to 20 keys of 40 characters, values of 500. The payer does not see them."`
}

type createPaymentRequest struct {
	Idempotent
	DryRun
	Body createPaymentBody
}

func (s *Services) createPayment(ctx context.Context, req *createPaymentRequest) (*Answer[payment.Payment], error) {
	merchant := CallerOf(ctx).Merchant
	if req.Body.PaymentCode != "" {
		if err := s.Limits.mayGuess(string(merchant)); err != nil {
			return nil, err
		}
	}
	act, err := once(ctx, "create_payment", req.IdempotencyKey, req.DryRun, req.Body)
	if err != nil {
		return nil, err
	}
	stored, err := s.Payments.Create(ctx, payment.Order{
		Merchant: merchant, Store: req.Body.Store, Reference: req.Body.Reference, Amount: req.Body.Amount,
		Description: req.Body.Description,
		ExpiresIn:   time.Duration(req.Body.ExpiresIn) * time.Second, Code: req.Body.PaymentCode, Once: act,
		Capture: req.Body.Capture, CaptureWithin: time.Duration(req.Body.CaptureWithin) * time.Second,
		AmountMax: req.Body.AmountMax, Metadata: req.Body.Metadata,
		Sharing: req.Body.Sharing,
	})
	if req.Body.PaymentCode != "" && err != nil {
		s.Limits.guessed(string(merchant), err)
	}
	return answer[payment.Payment](stored, err)
}

type paymentRequest struct {
	ID id.Payment `path:"id"`
}

type listPaymentsRequest struct {
	Paging
	TimeRange
	Reference string        `query:"reference" maxLength:"64" doc:"Exactly this reference."`
	State     payment.State `query:"state" enum:"created,authorized,succeeded,declined,expired,voided"`
	Search    string        `query:"search" maxLength:"64" doc:"An id, or a part of the reference, the description or the metadata."`
	AmountMin int64         `query:"amount_min" minimum:"0"`
	AmountMax int64         `query:"amount_max" minimum:"0"`
}

func (s *Services) listPayments(ctx context.Context, req *listPaymentsRequest) (*Page[payment.Payment], error) {
	rows, more, err := s.Payments.List(ctx, payment.ListQuery{
		Merchant: CallerOf(ctx).Merchant, Before: id.Payment(req.Cursor), Reference: req.Reference, State: req.State,
		From: req.From, To: req.To, AmountMin: req.AmountMin, AmountMax: req.AmountMax, Limit: req.Limit,
		Search: req.Search,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(p payment.Payment) string { return string(p.ID) }), nil
}

// pageOf makes a page of rows that are cut already.
func pageOf[T any](rows []T, more bool, key func(T) string) *Page[T] {
	page := &Page[T]{Data: rows, HasMore: more}
	if more && len(rows) > 0 {
		page.NextCursor = Cursor(key(rows[len(rows)-1])).String()
	}
	return page
}

type voidPaymentRequest struct {
	Idempotent
	DryRun
	ID id.Payment `path:"id"`
}

func (s *Services) voidPayment(ctx context.Context, req *voidPaymentRequest) (*Answer[payment.Payment], error) {
	act, err := once(ctx, "void_payment", req.IdempotencyKey, req.DryRun, req.ID)
	if err != nil {
		return nil, err
	}
	return answer[payment.Payment](s.Payments.Void(ctx, CallerOf(ctx).Merchant, req.ID, act))
}

type createRefundBody struct {
	Amount    int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that is left when absent."`
	Currency  money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Must be the payment's, if given."`
	Reference string         `json:"reference,omitempty" maxLength:"64" doc:"Your own number for it, unique among your refunds."`
	Reason    string         `json:"reason,omitempty" maxLength:"200"`

	KeepSplits bool `json:"keep_splits,omitempty" doc:"Leave receivers what they have of the payment; without it they give their shares back."`
}

type createRefundRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body createRefundBody
}

func (s *Services) createRefund(ctx context.Context, req *createRefundRequest) (*Answer[payment.Refund], error) {
	act, err := once(ctx, "create_refund", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Refund](s.Payments.Refund(ctx, payment.RefundOrder{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, Amount: req.Body.Amount, Currency: req.Body.Currency,
		Reference: req.Body.Reference, Reason: req.Body.Reason, Origin: payment.ByMerchant, By: CallerOf(ctx).by(), Once: act,
		KeepSplits: req.Body.KeepSplits,
	}))
}

func (s *Services) listRefunds(ctx context.Context, req *paymentRequest) (*Page[payment.Refund], error) {
	refunds, err := s.Payments.Refunds(ctx, CallerOf(ctx).Merchant, req.ID)
	return &Page[payment.Refund]{Data: refunds}, err
}

type balanceRequest struct {
	Currency money.Currency `query:"currency" maxLength:"5" doc:"Default: the instance's first currency."`
	At       time.Time      `query:"at" doc:"The balance as it was at the end of this instant."`
}

// BalanceView is what an account holds.
type BalanceView struct {
	Posted    money.Amount `json:"posted" doc:"All that was posted."`
	Pending   money.Amount `json:"pending" doc:"Held of it."`
	Available money.Amount `json:"available" doc:"What can be spent."`
	At        time.Time    `json:"at"`
}

func (s *Services) merchantBalance(ctx context.Context, req *balanceRequest) (*BalanceView, error) {
	return s.balance(ctx, ledger.MerchantPending, string(CallerOf(ctx).Merchant), req)
}

// balance reads an owner's account. In the past only what was posted is known: holds are not kept.
func (s *Services) balance(
	ctx context.Context,
	code ledger.Code,
	owner string,
	req *balanceRequest,
) (*BalanceView, error) {
	currency, err := s.currency(req.Currency)
	if err != nil {
		return nil, err
	}
	account := ledger.Account(code, currency, owner)
	if !req.At.IsZero() {
		posted, err := s.Ledger.BalanceAt(ctx, account, req.At)
		return &BalanceView{Posted: posted, Pending: money.Zero(currency), Available: posted, At: req.At.UTC()}, err
	}
	now, err := s.Ledger.Balance(ctx, account)
	return &BalanceView{Posted: now.Posted, Pending: now.Pending, Available: now.Available, At: s.Clock.Now()}, err
}

// currency returns the asked currency, or the instance's first one.
func (s *Services) currency(asked money.Currency) (money.Currency, error) {
	if asked == "" {
		return s.Currencies[0], nil
	}
	currency, err := money.ParseCurrency(string(asked))
	if err != nil {
		return "", fault.From(err).WithParam("currency")
	}
	return currency, nil
}

type statementRequest struct {
	Paging
	TimeRange
	Currency money.Currency `query:"currency" maxLength:"5" doc:"Default: the instance's first currency."`
}

func (s *Services) merchantStatement(ctx context.Context, req *statementRequest) (*Page[ledger.Posting], error) {
	return s.statement(ctx, ledger.MerchantPending, string(CallerOf(ctx).Merchant), req)
}

func (s *Services) statement(
	ctx context.Context,
	code ledger.Code,
	owner string,
	req *statementRequest,
) (*Page[ledger.Posting], error) {
	currency, err := s.currency(req.Currency)
	if err != nil {
		return nil, err
	}
	return s.postings(ctx, ledger.Account(code, currency, owner), req)
}

// postings reads one page of an account's statement; the cursor is the number of the last posting.
func (s *Services) postings(
	ctx context.Context,
	account ledger.AccountID,
	req *statementRequest,
) (*Page[ledger.Posting], error) {
	before, err := postingNumber(req.Cursor)
	if err != nil {
		return nil, err
	}
	rows, more, err := s.Ledger.Statement(ctx, ledger.StatementQuery{
		Account: account, Before: before, From: req.From, To: req.To, Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	if rows == nil {
		rows = []ledger.Posting{}
	}
	return pageOf(rows, more, postingCursor), nil
}

type listEventsRequest struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Most rows in the answer."`
	Cursor  Cursor `query:"cursor" doc:"next_cursor of the page before. The last page has one too: ask again with it for what comes."`
	Kind    string `query:"kind" maxLength:"64" doc:"Only events of this kind." example:"payment.succeeded"`
	Subject string `query:"subject" maxLength:"64" doc:"Only events of this payment or refund."`
	Wait    int    `query:"wait" minimum:"0" maximum:"25" doc:"Hold the request until there is an event, at most so many seconds."`
	Start   string `query:"start" enum:"oldest,now" default:"oldest" doc:"Where a listing without a cursor begins. now: an empty page whose next_cursor leads to what comes."`
}

func (s *Services) listEvents(ctx context.Context, req *listEventsRequest) (*Page[outbox.Event], error) {
	q := outbox.Query{
		Merchant: CallerOf(ctx).Merchant, After: id.Event(req.Cursor), Kind: req.Kind, Subject: req.Subject, Limit: req.Limit,
	}
	if req.Start == "now" && req.Cursor == "" {
		last, err := s.Outbox.Last(ctx, q.Merchant)
		if err != nil || last == "" {
			return &Page[outbox.Event]{Data: []outbox.Event{}}, err
		}
		return &Page[outbox.Event]{Data: []outbox.Event{}, NextCursor: Cursor(last).String()}, nil
	}
	var (
		rows []outbox.Event
		more bool
	)
	look := func(context.Context) (found bool, err error) {
		rows, more, err = s.Outbox.List(ctx, q)
		return len(rows) > 0, err
	}
	if found, err := look(ctx); err != nil {
		return nil, err
	} else if !found && req.Wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, secondsOf(req.Wait))
		defer cancel()
		if err := s.Outbox.Wait(waiting, string(q.Merchant), look); err != nil {
			return nil, err
		}
	}
	page := pageOf(rows, more, func(e outbox.Event) string { return string(e.ID) })
	page.HasMore = more
	if len(rows) > 0 {
		page.NextCursor = Cursor(rows[len(rows)-1].ID).String()
	} else if req.Cursor != "" {
		page.NextCursor = req.Cursor.String()
	}
	return page, nil
}
