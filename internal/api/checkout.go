package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
)

// Hosted checkout and payment links: merchants make them; the pages themselves are package checkout's.

func (s *Services) checkoutEndpoints() []Endpoint {
	route := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: "Checkout", Name: name, Summary: summary,
		}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(created(route(post, "/checkouts", "create_checkout", "Create a payment with its hosted page")),
			s.createCheckout),
		Handle(route(get, "/checkouts/{id}", "get_checkout", "Read a payment's hosted page"), s.getCheckout),
		Handle(created(route(post, "/payment_links", "create_payment_link", "Make an address that makes payments")),
			s.createPaymentLink),
		Handle(route(get, "/payment_links", "list_payment_links", "List payment links"), s.listPaymentLinks),
		Handle(route(get, "/payment_links/{id}", "get_payment_link", "Read a payment link"), s.getPaymentLink),
		Handle(route(post, "/payment_links/{id}/disable", "disable_payment_link",
			"Take a payment link back; payments that it made go on"), s.disablePaymentLink),
		Handle(route(get, "/checkout_origins", "get_checkout_origins",
			"Read which sites may show the checkout page within theirs"), s.checkoutOrigins),
		Handle(route(put, "/checkout_origins", "set_checkout_origins",
			"Say which sites may show the checkout page within theirs"), s.setCheckoutOrigins),
		Handle(Route{
			Method: get, Path: "/wallet/v1/payment_ways", Actor: ActorCustomer, Tag: "Payments to merchants",
			Name: "list_payment_ways", Summary: "List the ways to pay a payment or code, the best first with the reason",
		}, s.paymentWays),
	}
}

type createCheckoutBody struct {
	money.Amount
	Reference   string   `json:"reference,omitempty" maxLength:"64" doc:"Your own number for it, unique among your payments." example:"order-1001"`
	Store       id.Store `json:"store_id,omitempty" maxLength:"40" doc:"Your store where it is made."`
	Description string   `json:"description,omitempty" maxLength:"200" doc:"Shown to the payer." example:"Tea for two"`
	ExpiresIn   int64    `json:"expires_in,omitempty" minimum:"1" maximum:"86400" doc:"Seconds until the payer must have confirmed; default 900."`
	ReturnURL   string   `json:"return_url,omitempty" maxLength:"2000" doc:"Where the payer goes afterwards, with payment_id added. Read the payment: that a browser comes back proves nothing. https in a live instance."`
	CancelURL   string   `json:"cancel_url,omitempty" maxLength:"2000" doc:"Where a payer goes who does not pay."`

	Capture       payment.CaptureMode `json:"capture,omitempty" enum:"automatic,manual" doc:"As of a payment."`
	CaptureWithin int64               `json:"capture_within,omitempty" minimum:"1" maximum:"2592000" doc:"As of a payment."`
	AmountMax     int64               `json:"amount_max,omitempty" minimum:"1" maximum:"9007199254740991" doc:"As of a payment."`

	payment.Sharing

	Metadata map[string]string `json:"metadata,omitempty" doc:"As of a payment."`
}

type createCheckoutRequest struct {
	Idempotent
	DryRun
	Body createCheckoutBody
}

func (s *Services) createCheckout(ctx context.Context, req *createCheckoutRequest) (*Answer[checkout.Checkout], error) {
	act, err := once(ctx, "create_checkout", req.IdempotencyKey, req.DryRun, req.Body)
	if err != nil {
		return nil, err
	}
	return answer[checkout.Checkout](s.Checkouts.Create(ctx, checkout.NewCheckout{
		ReturnURL: req.Body.ReturnURL, CancelURL: req.Body.CancelURL, Order: payment.Order{
			Merchant: CallerOf(ctx).Merchant, Store: req.Body.Store, Reference: req.Body.Reference, Amount: req.Body.Amount,
			Description: req.Body.Description, ExpiresIn: time.Duration(req.Body.ExpiresIn) * time.Second, Once: act,
			Capture: req.Body.Capture, CaptureWithin: time.Duration(req.Body.CaptureWithin) * time.Second,
			AmountMax: req.Body.AmountMax, Metadata: req.Body.Metadata, Sharing: req.Body.Sharing,
		},
	}))
}

func (s *Services) getCheckout(ctx context.Context, req *paymentRequest) (*checkout.Checkout, error) {
	page, err := s.Checkouts.Of(ctx, CallerOf(ctx).Merchant, req.ID)
	return &page, err
}

type createPaymentLinkBody struct {
	Minor       int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; left out, the payer says how much."`
	Currency    money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Default: the instance's first currency."`
	Store       id.Store       `json:"store_id,omitempty" maxLength:"40"`
	Description string         `json:"description,omitempty" maxLength:"200" doc:"Shown to the payer, and of each payment."`
	UsesMax     int64          `json:"uses_max,omitempty" minimum:"1" maximum:"1000000" doc:"Most payments; those that come to nothing do not count. Left out for any number."`
	ExpiresIn   int64          `json:"expires_in,omitempty" minimum:"1" maximum:"31622400" doc:"Seconds; left out for no end."`
	ReturnURL   string         `json:"return_url,omitempty" maxLength:"2000" doc:"As of a checkout."`
	CancelURL   string         `json:"cancel_url,omitempty" maxLength:"2000" doc:"As of a checkout."`

	payment.Sharing
}

type createPaymentLinkRequest struct {
	Idempotent
	DryRun
	Body createPaymentLinkBody
}

func (s *Services) createPaymentLink(
	ctx context.Context,
	req *createPaymentLinkRequest,
) (*Answer[checkout.Link], error) {
	currency, err := s.currency(req.Body.Currency)
	if err != nil {
		return nil, err
	}
	act, err := once(ctx, "create_payment_link", req.IdempotencyKey, req.DryRun, req.Body)
	if err != nil {
		return nil, err
	}
	return answer[checkout.Link](s.Checkouts.CreateLink(ctx, checkout.NewLink{
		Merchant: CallerOf(ctx).Merchant, Store: req.Body.Store, Description: req.Body.Description,
		Amount:    money.Amount{Minor: req.Body.Minor, Currency: currency},
		ReturnURL: req.Body.ReturnURL, CancelURL: req.Body.CancelURL, UsesMax: req.Body.UsesMax,
		ExpiresIn: time.Duration(req.Body.ExpiresIn) * time.Second, Sharing: req.Body.Sharing, Once: act,
	}))
}

type listPaymentLinksRequest struct {
	Paging
	State checkout.LinkState `query:"state" enum:"active,disabled"`
}

func (s *Services) listPaymentLinks(ctx context.Context, req *listPaymentLinksRequest) (*Page[checkout.Link], error) {
	rows, more, err := s.Checkouts.ListLinks(ctx, checkout.LinkQuery{
		Merchant: CallerOf(ctx).Merchant, State: req.State, Before: id.PaymentLink(req.Cursor), Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(l checkout.Link) string { return string(l.ID) }), nil
}

type paymentLinkRequest struct {
	ID id.PaymentLink `path:"id"`
}

func (s *Services) getPaymentLink(ctx context.Context, req *paymentLinkRequest) (*checkout.Link, error) {
	link, err := s.Checkouts.LinkOf(ctx, CallerOf(ctx).Merchant, req.ID)
	return &link, err
}

func (s *Services) disablePaymentLink(ctx context.Context, req *paymentLinkRequest) (*checkout.Link, error) {
	link, err := s.Checkouts.DisableLink(ctx, CallerOf(ctx).Merchant, req.ID)
	return &link, err
}

func (s *Services) checkoutOrigins(ctx context.Context, _ *empty) (*checkout.Origins, error) {
	origins, err := s.Checkouts.OriginsOf(ctx, CallerOf(ctx).Merchant)
	return &origins, err
}

type setOriginsBody struct {
	Origins []string `json:"origins" maxItems:"20" doc:"All of them, like https://shop.example; an empty list takes the page out of other pages." example:"[\"https://shop.example\"]"`
}

type setOriginsRequest struct {
	Body setOriginsBody
}

func (s *Services) setCheckoutOrigins(ctx context.Context, req *setOriginsRequest) (*checkout.Origins, error) {
	origins, err := s.Checkouts.SetOrigins(ctx, CallerOf(ctx).Merchant, req.Body.Origins)
	return &origins, err
}

type paymentWaysRequest struct {
	Payment id.Payment `query:"payment_id" maxLength:"40" doc:"The payment to pay,"`
	QRCode  id.QRCode  `query:"qr_code_id" maxLength:"40" doc:"or the receive code."`
	Minor   int64      `query:"amount" minimum:"0" maximum:"9007199254740991" doc:"Of a code that leaves the amount to the payer, in minor units."`
	OnPhone bool       `query:"on_phone" doc:"Whether the payer is at a phone, which can't scan its own screen."`
}

// Check wants one subject. Errors: request.bad_field.
func (r *paymentWaysRequest) Check() error {
	if (r.Payment == "") == (r.QRCode == "") {
		return fault.New(fault.Invalid, codeBadField, "name a payment or a receive code").WithParam("payment_id")
	}
	return nil
}

func (s *Services) paymentWays(ctx context.Context, req *paymentWaysRequest) (*Page[checkout.Way], error) {
	caller := CallerOf(ctx)
	visit := checkout.Visit{
		Customer: caller.Customer, DeviceSince: caller.DeviceSince, ByCode: req.QRCode != "", OnPhone: req.OnPhone,
	}
	if visit.ByCode {
		intent, err := s.Codes.Intent(ctx, req.QRCode, money.Amount{Minor: req.Minor})
		if err != nil {
			return nil, err
		}
		visit.Amount = intent.Amount
	} else {
		view, err := s.Payments.ForPayer(ctx, caller.Customer, req.Payment)
		if err != nil {
			return nil, err
		}
		visit.Amount, visit.Manual = view.Amount, view.CaptureMode == payment.Manual
	}
	ways, err := s.Checkouts.Ways(ctx, visit)
	return &Page[checkout.Way]{Data: ways}, err
}
