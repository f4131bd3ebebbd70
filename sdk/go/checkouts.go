package feiqian

import (
	"context"
	"net/http"
)

// NewCheckout asks for a payment with its hosted page.
type NewCheckout = CreateCheckoutBody

// Checkouts are payments with a hosted page, where the payer picks a way to pay.
type Checkouts struct{ client *Client }

// Create makes a payment and its page: send the payer to the answer's URL, and keep it out of logs, since whoever
// has it can see and pay the payment. Errors: as of [Payments.Create].
func (c Checkouts) Create(ctx context.Context, order NewCheckout, options ...CallOption) (*Checkout, error) {
	var made Checkout
	if err := c.client.send(ctx, http.MethodPost, "/v1/checkouts", nil, order, &made, options...); err != nil {
		return nil, err
	}
	return &made, nil
}

// Origins reads which sites may show the page within theirs.
func (c Checkouts) Origins(ctx context.Context) (*Origins, error) {
	var found Origins
	if err := c.client.get(ctx, "/v1/checkout_origins", nil, &found); err != nil {
		return nil, err
	}
	return &found, nil
}

// SetOrigins says which sites may show the page within theirs, such as https://shop.example; the list replaces the
// former one. Errors: checkout.bad_origin, checkout.too_many_origins.
func (c Checkouts) SetOrigins(ctx context.Context, origins ...string) (*Origins, error) {
	var changed Origins
	body := SetOriginsBody{Origins: append([]string{}, origins...)}
	err := c.client.send(ctx, http.MethodPut, "/v1/checkout_origins", nil, body, &changed)
	if err != nil {
		return nil, err
	}
	return &changed, nil
}

// Get reads a payment's page by the payment's id. Errors: payment.not_found.
func (c Checkouts) Get(ctx context.Context, id string) (*Checkout, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var found Checkout
	if err := c.client.get(ctx, "/v1/checkouts/"+name, nil, &found); err != nil {
		return nil, err
	}
	return &found, nil
}
