package api

import (
	"context"
	"slices"
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Expand names what an answer shows in full besides the thing itself, separated by commas.
type Expand string

// expandable are the names that a payment knows.
var expandable = []string{"attempts", "captures", "refunds", "splits"} //nolint:gochecknoglobals // a table

// UnmarshalText reads the parameter. Errors: request.bad_expand.
func (e *Expand) UnmarshalText(text []byte) error {
	for name := range strings.SplitSeq(string(text), ",") {
		if !slices.Contains(expandable, name) {
			return fault.New(fault.Invalid, "request.bad_expand", "this can't be expanded").
				WithHint("expand one or more of " + strings.Join(expandable, ","))
		}
	}
	*e = Expand(text)
	return nil
}

func (e Expand) has(name string) bool { return slices.Contains(strings.Split(string(e), ","), name) }

// PaymentDetail is a payment with what was asked for.
type PaymentDetail struct {
	payment.Payment

	Tries    []payment.Try     `json:"attempts,omitempty" doc:"with expand=attempts: tries to pay it by card"`
	Captures []payment.Capture `json:"captures,omitempty" doc:"with expand=captures"`
	Refunds  []payment.Refund  `json:"refunds,omitempty" doc:"with expand=refunds"`
	Splits   []payment.Split   `json:"splits,omitempty" doc:"with expand=splits"`
}

type getPaymentRequest struct {
	ID     id.Payment `path:"id"`
	Expand Expand     `query:"expand" maxLength:"64" doc:"One or more of attempts, captures, refunds and splits, separated by commas." example:"refunds"`
}

func (s *Services) getPayment(ctx context.Context, req *getPaymentRequest) (*PaymentDetail, error) {
	merchant := CallerOf(ctx).Merchant
	found, err := s.Payments.OfMerchant(ctx, merchant, req.ID)
	detail := &PaymentDetail{Payment: found}
	if err == nil && req.Expand.has("attempts") {
		detail.Tries, err = s.Payments.Tries(ctx, merchant, req.ID)
	}
	if err == nil && req.Expand.has("captures") {
		detail.Captures, err = s.Payments.Captures(ctx, merchant, req.ID)
	}
	if err == nil && req.Expand.has("refunds") {
		detail.Refunds, err = s.Payments.Refunds(ctx, merchant, req.ID)
	}
	if err == nil && req.Expand.has("splits") {
		detail.Splits, err = s.Payments.Splits(ctx, merchant, req.ID)
	}
	return detail, err
}

type capturePaymentBody struct {
	Amount    int64  `json:"amount,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Minor units; all that is left when absent."`
	More      bool   `json:"more,omitempty" doc:"Keep the rest set aside for further captures. Without it the rest is the payer's again."`
	Reference string `json:"reference,omitempty" maxLength:"64" doc:"Your own number for it."`
}

type capturePaymentRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body capturePaymentBody
}

func (s *Services) capturePayment(ctx context.Context, req *capturePaymentRequest) (*Answer[payment.Payment], error) {
	act, err := once(ctx, "capture_payment", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Payment](s.Payments.Capture(ctx, payment.CaptureOrder{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, Amount: req.Body.Amount, More: req.Body.More,
		Reference: req.Body.Reference, Once: act,
	}))
}

type raisePaymentRequest struct {
	Idempotent
	DryRun
	ID   id.Payment `path:"id"`
	Body struct {
		Amount int64 `json:"amount" minimum:"1" maximum:"9007199254740991" doc:"The new amount, in minor units; at most amount_max."`
	}
}

func (s *Services) raisePayment(ctx context.Context, req *raisePaymentRequest) (*Answer[payment.Payment], error) {
	act, err := once(ctx, "raise_payment", req.IdempotencyKey, req.DryRun, []any{req.ID, req.Body})
	if err != nil {
		return nil, err
	}
	return answer[payment.Payment](s.Payments.Raise(ctx, payment.RaiseOrder{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, Amount: req.Body.Amount, Once: act,
	}))
}

func (s *Services) listCaptures(ctx context.Context, req *paymentRequest) (*Page[payment.Capture], error) {
	captures, err := s.Payments.Captures(ctx, CallerOf(ctx).Merchant, req.ID)
	return &Page[payment.Capture]{Data: captures}, err
}
