package feiqian

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// What acts and lists take, by shorter names than the generated ones.
type (
	// NewPayment asks for a payment. With PaymentCode, as scanned from the payer's phone, it is charged at once and the
	// answer is final.
	NewPayment = CreatePaymentBody
	// NewCapture takes authorized money; the zero value all of it.
	NewCapture = CapturePaymentBody
	// NewRefund gives money back; the zero value all that is left.
	NewRefund = CreateRefundBody
	// NewSplits gives parts of what waits of a payment to receivers.
	NewSplits = SplitPaymentBody
	// PaymentFilter narrows a list of payments; the zero value is all.
	PaymentFilter = ListPaymentsParams
)

// Payments are the merchant's payments.
type Payments struct{ client *Client }

// Create makes a payment. Errors: payment.reference_used, money.*, wallet.code_* and the general ones.
func (p Payments) Create(ctx context.Context, order NewPayment, options ...CallOption) (*Payment, error) {
	var made Payment
	if err := p.client.send(ctx, http.MethodPost, "/v1/payments", nil, order, &made, options...); err != nil {
		return nil, err
	}
	return &made, nil
}

// Get reads a payment; expand adds its "captures" and "refunds". Errors: payment.not_found.
func (p Payments) Get(ctx context.Context, id string, expand ...string) (*PaymentDetail, error) {
	query := url.Values{}
	if len(expand) > 0 {
		query.Set("expand", joined(expand))
	}
	var found PaymentDetail
	if err := p.read(ctx, id, "", query, &found); err != nil {
		return nil, err
	}
	return &found, nil
}

// List reads one page, newest first. [Payments.All] goes through all pages.
func (p Payments) List(ctx context.Context, filter PaymentFilter) (*PagePayment, error) {
	var page PagePayment
	if err := p.client.get(ctx, "/v1/payments", queryOf(filter), &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// All goes through all payments of a filter, newest first, and reads pages as it needs them. It ends at the first
// error.
func (p Payments) All(ctx context.Context, filter PaymentFilter) iter.Seq2[Payment, error] {
	return pages(func(cursor string) ([]Payment, string, error) {
		if cursor != "" {
			filter.Cursor = cursor
		}
		page, err := p.List(ctx, filter)
		if err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

// Capture takes what the payer set aside, whole or in part. Errors: payment.not_authorized, payment.capture_exceeds,
// payment.already_*.
func (p Payments) Capture(ctx context.Context, id string, part NewCapture, options ...CallOption) (*Payment, error) {
	return p.act(ctx, id, "/capture", part, options)
}

// Captures lists what was captured, oldest first.
func (p Payments) Captures(ctx context.Context, id string) ([]Capture, error) {
	var page PageCapture
	err := p.read(ctx, id, "/captures", nil, &page)
	return page.Data, err
}

// Raise sets an authorized payment's amount higher, in minor units, up to the amount_max that the payer agreed to.
func (p Payments) Raise(ctx context.Context, id string, amount int64, options ...CallOption) (*Payment, error) {
	return p.act(ctx, id, "/raise", RaisePaymentBody{Amount: amount}, options)
}

// Void calls a payment off before it is paid, or gives back what is not captured of it. Errors: payment.already_*.
func (p Payments) Void(ctx context.Context, id string, options ...CallOption) (*Payment, error) {
	return p.act(ctx, id, "/void", nil, options)
}

// Split gives parts of what waits of a payment to receivers, never more than the payment.
func (p Payments) Split(ctx context.Context, id string, parts NewSplits, options ...CallOption) (*Payment, error) {
	return p.act(ctx, id, "/splits", parts, options)
}

// Splits lists who got, or is to get, parts of a payment.
func (p Payments) Splits(ctx context.Context, id string) ([]Split, error) {
	var page PageSplit
	err := p.read(ctx, id, "/splits", nil, &page)
	return page.Data, err
}

// Release makes what waits of a payment the merchant's: amount in minor units, 0 for all.
func (p Payments) Release(ctx context.Context, id string, amount int64, options ...CallOption) (*Payment, error) {
	return p.act(ctx, id, "/release", ReleasePaymentBody{Amount: amount}, options)
}

// Refund gives money back. Look at the State: a refund may wait for a review. Errors: refund.not_paid,
// refund.exceeds_payment, refund.merchant_balance_low, refund.reference_used.
func (p Payments) Refund(ctx context.Context, id string, order NewRefund, options ...CallOption) (*Refund, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var made Refund
	path := "/v1/payments/" + name + "/refunds"
	if err := p.client.send(ctx, http.MethodPost, path, nil, order, &made, options...); err != nil {
		return nil, err
	}
	return &made, nil
}

// Refunds lists a payment's refunds.
func (p Payments) Refunds(ctx context.Context, id string) ([]Refund, error) {
	var page PageRefund
	err := p.read(ctx, id, "/refunds", nil, &page)
	return page.Data, err
}

func (p Payments) act(ctx context.Context, id, what string, body any, options []CallOption) (*Payment, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var changed Payment
	err = p.client.send(ctx, http.MethodPost, "/v1/payments/"+name+what, nil, body, &changed, options...)
	if err != nil {
		return nil, err
	}
	return &changed, nil
}

func (p Payments) read(ctx context.Context, id, what string, query url.Values, into any) error {
	name, err := segment(id)
	if err != nil {
		return err
	}
	return p.client.get(ctx, "/v1/payments/"+name+what, query, into)
}
