package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

// Receive codes: merchants make and draw them, payers scan and pay them.

func (s *Services) qrEndpoints() []Endpoint {
	merchant := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/v1" + path, Actor: ActorMerchant, Tag: "QR codes", Name: name, Summary: summary,
		}
	}
	payer := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/wallet/v1" + path, Actor: ActorCustomer, Tag: "QR codes", Name: name, Summary: summary,
		}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(created(merchant(post, "/qr_codes", "create_qr_code", "Make a code to print, for the shop or a store")),
			s.createQRCode),
		Handle(merchant(get, "/qr_codes", "list_qr_codes", "List codes"), s.listQRCodes),
		Handle(merchant(get, "/qr_codes/{id}", "get_qr_code", "Read a code"), s.getQRCode),
		Handle(merchant(post, "/qr_codes/{id}/disable", "disable_qr_code", "Take a code back for good"), s.disableQRCode),
		Handle(merchant(get, "/qr_codes/{id}/image", "draw_qr_code", "Draw a code"), s.drawQRCode),
		Handle(merchant(get, "/payments/{id}/qr_code", "get_payment_qr_code", "Get the code of a payment, for one payer"),
			s.paymentQRCode),
		Handle(merchant(get, "/payments/{id}/qr_code/image", "draw_payment_qr_code", "Draw the code of a payment"),
			s.drawPaymentQRCode),
		Handle(payer(post, "/scan", "scan", "Say what a scanned text is and what to do next"), s.scan),
		Handle(created(payer(post, "/qr_codes", "create_own_qr_code",
			"Get the own receive code: the standing one, or with an amount one for ten minutes")), s.createOwnQRCode),
		Handle(payer(post, "/qr_codes/{id}/disable", "disable_own_qr_code", "Take the own code back for good"),
			s.disableOwnQRCode),
		Handle(payer(get, "/qr_codes/{id}/image", "draw_own_qr_code", "Draw the own code"), s.drawOwnQRCode),
		Handle(created(payer(post, "/qr_codes/{id}/pay", "pay_qr_code", "Pay a store's code")), s.payQRCode),
		Handle(created(payer(post, "/qr_codes/{id}/transfer", "transfer_to_qr_code", "Send money by a person's code")),
			s.transferToQRCode),
	}
}

type createQRCodeBody struct {
	Minor       int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; left out, the payer says how much."`
	Currency    money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Default: the instance's first currency."`
	Store       id.Store       `json:"store_id,omitempty" maxLength:"40" doc:"Your store whose code it is."`
	Description string         `json:"description,omitempty" maxLength:"200" doc:"Of each payment that is made by it."`

	payment.Sharing
}

type createQRCodeRequest struct {
	Idempotent
	DryRun
	Body createQRCodeBody
}

func (s *Services) createQRCode(ctx context.Context, req *createQRCodeRequest) (*Answer[qr.Code], error) {
	currency, err := s.currency(req.Body.Currency)
	if err != nil {
		return nil, err
	}
	act, err := once(ctx, "create_qr_code", req.IdempotencyKey, req.DryRun, req.Body)
	if err != nil {
		return nil, err
	}
	return answer[qr.Code](s.Codes.Create(ctx, qr.NewCode{
		Merchant: CallerOf(ctx).Merchant, Store: req.Body.Store, Description: req.Body.Description,
		Amount: money.Amount{Minor: req.Body.Minor, Currency: currency}, Sharing: req.Body.Sharing, Once: act,
	}))
}

type listQRCodesRequest struct {
	Paging
	Store id.Store `query:"store_id" maxLength:"40" doc:"Only this store's."`
	State qr.State `query:"state" enum:"active,disabled"`
}

func (s *Services) listQRCodes(ctx context.Context, req *listQRCodesRequest) (*Page[qr.Code], error) {
	rows, more, err := s.Codes.List(ctx, qr.ListQuery{
		Merchant: CallerOf(ctx).Merchant, Store: req.Store, State: req.State, Before: id.QRCode(req.Cursor), Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(c qr.Code) string { return string(c.ID) }), nil
}

type qrCodeRequest struct {
	ID id.QRCode `path:"id"`
}

func (s *Services) getQRCode(ctx context.Context, req *qrCodeRequest) (*qr.Code, error) {
	code, err := s.Codes.Of(ctx, CallerOf(ctx).ID(), req.ID)
	return &code, err
}

func (s *Services) disableQRCode(ctx context.Context, req *qrCodeRequest) (*qr.Code, error) {
	code, err := s.Codes.Disable(ctx, CallerOf(ctx).ID(), req.ID)
	return &code, err
}

func (s *Services) disableOwnQRCode(ctx context.Context, req *qrCodeRequest) (*qr.Code, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	return s.disableQRCode(ctx, req)
}

// Drawing says how a code is drawn.
type Drawing struct {
	Format  string `query:"format" enum:"png,svg" default:"png"`
	Content string `query:"content" enum:"url,emv" default:"url" doc:"An address that any camera opens, or the EMVCo form."`
	Size    int    `query:"size" minimum:"100" maximum:"2000" default:"480" doc:"Most pixels of a side, of a png."`
}

func (d Drawing) draw(address, emv string) (*File, error) {
	text := address
	if d.Content == "emv" && emv != "" {
		text = emv
	}
	if d.Format == "svg" {
		body, err := qr.SVG(text)
		return &File{Media: "image/svg+xml", Body: body}, err
	}
	body, err := qr.PNG(text, d.Size)
	return &File{Media: "image/png", Body: body}, err
}

type drawQRCodeRequest struct {
	Drawing
	ID id.QRCode `path:"id"`
}

func (s *Services) drawQRCode(ctx context.Context, req *drawQRCodeRequest) (*File, error) {
	code, err := s.Codes.Of(ctx, CallerOf(ctx).ID(), req.ID)
	if err != nil {
		return nil, err
	}
	return req.draw(code.URL, code.EMV)
}

func (s *Services) drawOwnQRCode(ctx context.Context, req *drawQRCodeRequest) (*File, error) {
	return s.drawQRCode(ctx, req)
}

func (s *Services) paymentQRCode(ctx context.Context, req *paymentRequest) (*qr.Presented, error) {
	found, err := s.Payments.OfMerchant(ctx, CallerOf(ctx).Merchant, req.ID)
	if err != nil {
		return nil, err
	}
	shown, err := s.Codes.OfPayment(ctx, found)
	return &shown, err
}

type drawPaymentQRCodeRequest struct {
	Drawing
	ID id.Payment `path:"id"`
}

func (s *Services) drawPaymentQRCode(ctx context.Context, req *drawPaymentQRCodeRequest) (*File, error) {
	shown, err := s.paymentQRCode(ctx, &paymentRequest{ID: req.ID})
	if err != nil {
		return nil, err
	}
	return req.draw(shown.URL, shown.EMV)
}

type scanBody struct {
	Data string `json:"data" minLength:"1" maxLength:"2048" doc:"What the camera read, as it is."`
}

type scanRequest struct {
	Body scanBody
}

func (s *Services) scan(ctx context.Context, req *scanRequest) (*qr.Scanned, error) {
	if err := s.Limits.mayLookUp(string(CallerOf(ctx).Customer)); err != nil {
		return nil, err
	}
	scanned, err := s.Codes.Scan(ctx, CallerOf(ctx).Customer, req.Body.Data)
	return &scanned, err
}

type createOwnQRCodeBody struct {
	Minor    int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; makes a code that works once, for ten minutes."`
	Currency money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Default: the instance's first currency."`
	Note     string         `json:"note,omitempty" maxLength:"200" doc:"What it is for; only with an amount."`
}

type createOwnQRCodeRequest struct {
	Body createOwnQRCodeBody
}

func (s *Services) createOwnQRCode(ctx context.Context, req *createOwnQRCodeRequest) (*qr.Code, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	currency, err := s.currency(req.Body.Currency)
	if err != nil {
		return nil, err
	}
	amount := money.Amount{Minor: req.Body.Minor, Currency: currency}
	code, err := s.Codes.Personal(ctx, CallerOf(ctx).Customer, amount, req.Body.Note)
	return &code, err
}

type payQRCodeBody struct {
	Minor    int64          `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; may be left out where the code says how much."`
	Currency money.Currency `json:"currency,omitempty" maxLength:"5" doc:"Must be the code's, if given."`
	WithBody
	ProofBody
}

type payQRCodeRequest struct {
	Idempotent
	DryRun
	ID   id.QRCode `path:"id"`
	Body payQRCodeBody
}

func (s *Services) payOrder(ctx context.Context, route string, req *payQRCodeRequest) (qr.PayOrder, error) {
	if err := active(ctx); err != nil {
		return qr.PayOrder{}, err
	}
	public := req.Body
	public.ProofBody = ProofBody{}
	act, err := once(ctx, route, req.IdempotencyKey, req.DryRun, []any{req.ID, public})
	if err != nil {
		return qr.PayOrder{}, err
	}
	caller := CallerOf(ctx)
	return qr.PayOrder{
		Code: req.ID, Customer: caller.Customer, Device: caller.Device, By: payerOf(ctx), Proof: req.Body.proof(), Once: act,
		With:   req.Body.with(),
		Amount: money.Amount{Minor: req.Body.Minor, Currency: req.Body.Currency},
	}, nil
}

func (s *Services) payQRCode(ctx context.Context, req *payQRCodeRequest) (*Answer[payment.PayerView], error) {
	order, err := s.payOrder(ctx, "pay_qr_code", req)
	if err != nil {
		return nil, err
	}
	return answer[payment.PayerView](s.Codes.Pay(ctx, order))
}

func (s *Services) transferToQRCode(ctx context.Context, req *payQRCodeRequest) (*Answer[payment.Transfer], error) {
	order, err := s.payOrder(ctx, "transfer_to_qr_code", req)
	if err != nil {
		return nil, err
	}
	return answer[payment.Transfer](s.Codes.Transfer(ctx, order))
}
