package api

import (
	"context"
	"strings"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Staff take merchants' payment pages, links and codes down: /ops/v1/take_downs.

func (s *Services) takeDownEndpoints() []Endpoint {
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(opsRoute(auth.ReadMerchants, get, "/take_downs", "Merchants", "list_take_downs",
			"List what is taken down now"), s.listTakeDowns),
		Handle(created(opsRoute(auth.TakeDowns, post, "/take_downs", "Merchants", "take_down",
			"Keep payers from a payment, a payment link or a merchant's code")), s.takeDown),
		Handle(opsRoute(auth.TakeDowns, post, "/take_downs/{subject}/lift", "Merchants", "lift_take_down",
			"Restore what was taken down"), s.liftTakeDown),
	}
}

type listTakeDownsRequest struct {
	Merchant id.Merchant `query:"merchant_id" maxLength:"40" doc:"Only this merchant's."`
}

func (s *Services) listTakeDowns(
	ctx context.Context, req *listTakeDownsRequest,
) (*Page[payment.StaffTakeDown], error) {
	rows, err := s.Payments.TakeDowns(ctx, req.Merchant)
	return &Page[payment.StaffTakeDown]{Data: rows}, err
}

type takeDownRequest struct {
	Body struct {
		Subject string                 `json:"subject" minLength:"1" maxLength:"40" doc:"The payment, the payment link or the code." example:"plk_01kanq4j3qf8yt0v5d7r2m9xce"`
		Reason  payment.TakeDownReason `json:"reason" enum:"fraud,forbidden_goods,impersonation,legal_order,other" doc:"The merchant sees it, payers don't."`
		Note    string                 `json:"note" minLength:"1" maxLength:"500" doc:"For colleagues and the audit trail."`
	}
}

func (s *Services) takeDown(ctx context.Context, req *takeDownRequest) (*payment.StaffTakeDown, error) {
	kind, merchant, err := s.subjectOfTakeDown(ctx, req.Body.Subject)
	if err != nil {
		return nil, err
	}
	row, err := s.Payments.TakeDown(ctx, payment.TakeDownOrder{
		Subject: req.Body.Subject, Kind: kind, Merchant: merchant, Reason: req.Body.Reason, Note: req.Body.Note,
		By: CallerOf(ctx).Staff,
	})
	return &row, err
}

// subjectOfTakeDown finds out what an id names, and whose it is. Errors: payment.bad_take_down, payment.not_found,
// payment_link.not_found, qr.not_found, also for a person's code: a wallet is frozen instead.
func (s *Services) subjectOfTakeDown(ctx context.Context, subject string) (string, id.Merchant, error) {
	prefix, _, _ := strings.Cut(subject, "_")
	switch prefix {
	case id.Payment("").Prefix():
		known, err := s.Payments.Payment(ctx, id.Payment(subject))
		return "payment", known.Merchant, err
	case id.PaymentLink("").Prefix():
		known, err := s.Checkouts.Link(ctx, id.PaymentLink(subject))
		return "payment_link", known.Merchant, err
	case id.QRCode("").Prefix():
		known, err := s.Codes.OfMerchants(ctx, id.QRCode(subject))
		return "qr_code", known.Merchant, err
	}
	return "", "", fault.New(fault.Invalid, "payment.bad_take_down",
		"payments, payment links and merchants' codes are taken down").WithParam("subject")
}

type liftTakeDownRequest struct {
	Subject string `path:"subject" minLength:"1" maxLength:"40"`
	Body    struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (s *Services) liftTakeDown(ctx context.Context, req *liftTakeDownRequest) (*payment.StaffTakeDown, error) {
	kind, _, err := s.subjectOfTakeDown(ctx, req.Subject)
	if err != nil {
		return nil, err
	}
	row, err := s.Payments.LiftTakeDown(ctx, req.Subject, kind, req.Body.Reason)
	return &row, err
}
