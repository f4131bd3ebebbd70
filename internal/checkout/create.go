package checkout

import (
	"context"
	"encoding/json"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/payment"
)

// NewCheckout asks for a payment with its page.
type NewCheckout struct {
	Order     payment.Order
	ReturnURL string
	CancelURL string
}

// Create makes a payment and its page in one commit. Errors: those of payment.Draft and Draft.Put, checkout.bad_url,
// qr.no_origin, idempotency.key_reused.
func (c *Checkouts) Create(ctx context.Context, n NewCheckout) (idempotency.Answer, error) {
	if err := c.checkAddresses(n.ReturnURL, n.CancelURL); err != nil {
		return idempotency.Answer{}, err
	}
	draft, err := c.Payments.Draft(ctx, n.Order)
	if err != nil {
		return idempotency.Answer{}, err
	}
	stored, err := c.Keys.Once(ctx, n.Order.Once, draft.Keys(), func(tx *commit.Tx) (int, any, error) {
		made, err := draft.Put(tx)
		if err != nil {
			return 0, nil, err
		}
		row := Checkout{
			ID: made.ID, ReturnURL: n.ReturnURL, CancelURL: n.CancelURL, CreatedAt: tx.Now(), Payment: made,
		}
		c.checkouts.Put(tx, row)
		return statusCreated, row, nil
	})
	if err != nil {
		return stored, err
	}
	return c.withAddress(stored)
}

// withAddress adds the page's address to an answer: it holds a secret, which is not stored.
func (c *Checkouts) withAddress(stored idempotency.Answer) (idempotency.Answer, error) {
	var shown Checkout
	err := json.Unmarshal(stored.Body, &shown)
	if err == nil {
		shown.URL = c.PageURL(shown.ID)
		stored.Body, err = json.Marshal(shown)
	}
	return stored, fault.Wrap(err, "write the answer")
}

func (c *Checkouts) checkAddresses(back, cancel string) error {
	if err := c.Codes.RequireOrigin(); err != nil {
		return err
	}
	if err := c.checkAddress("return_url", back); err != nil {
		return err
	}
	return c.checkAddress("cancel_url", cancel)
}

// Of returns the page of a merchant's payment, whichever way the payment was made. Errors: payment.not_found, also for
// another's, qr.no_origin.
func (c *Checkouts) Of(ctx context.Context, merchant id.Merchant, name id.Payment) (Checkout, error) {
	if err := c.Codes.RequireOrigin(); err != nil {
		return Checkout{}, err
	}
	known, err := c.Payments.OfMerchant(ctx, merchant, name)
	if err != nil {
		return Checkout{}, err
	}
	page, err := c.read(ctx, name)
	if err != nil {
		return Checkout{}, err
	}
	if page.CreatedAt.IsZero() {
		page.CreatedAt = known.CreatedAt
	}
	page.Payment, page.URL = known, c.PageURL(name)
	page.TakenDown, err = c.Payments.IsTakenDown(ctx, string(name))
	return page, err
}
