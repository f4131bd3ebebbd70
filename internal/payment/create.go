package payment

import (
	"context"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// Limits of what a merchant may say of a payment.
const (
	ReferenceMax   = 64
	DescriptionMax = 200
	ExpiryDefault  = 15 * time.Minute
	ExpiryMax      = 24 * time.Hour
)

// Order is what a merchant asks for. With Code the payer's payment code is charged at once;
// without it the payment waits for the payer's confirmation until ExpiresIn is over.
type Order struct {
	Merchant    id.Merchant
	Reference   string
	Amount      money.Amount
	Description string
	ExpiresIn   time.Duration
	Code        string
	Once        idempotency.Request
}

// Create makes a payment and, with a payment code, decides it in the same commit: one request, one
// commit, the final answer.
//
// Errors: those of CheckAmount, payment.bad_reference, payment.bad_description, payment.bad_expiry,
// payment.reference_used, party.merchant_not_active, wallet.code_*, idempotency.key_reused.
func (p *Payments) Create(ctx context.Context, order Order) (idempotency.Answer, error) {
	if err := p.checkOrder(&order); err != nil {
		return idempotency.Answer{}, err
	}
	merchant, err := p.Parties.Merchant(ctx, order.Merchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if order.Code != "" {
		return p.createByCode(ctx, order, merchant)
	}
	now := p.Clock.Now()
	payment := p.newPayment(order, now)
	event := outbox.Event{
		Kind:     "payment.created",
		Merchant: payment.Merchant,
		Subject:  string(payment.ID),
	}
	return p.Keys.Once(ctx, order.Once, p.orderKeys(&payment), func(tx *commit.Tx) (int, any, error) {
		if err := mayTakePayments(merchant); err != nil {
			return 0, nil, err
		}
		if err := p.checkReference(tx, &payment); err != nil {
			return 0, nil, err
		}
		payment.CreatedAt, payment.ExpiresAt = tx.Now(), tx.Now().Add(order.ExpiresIn)
		p.payments.Put(tx, payment)
		body, err := p.Outbox.Announce(tx, event, payment)
		return statusCreated, body, err
	})
}

// mayTakePayments is asked within the decision: a payment that is made already is answered as it was, whatever
// has become of the merchant.
func mayTakePayments(merchant party.Merchant) error {
	if merchant.State != party.StateActive {
		return fault.New(fault.Forbidden, "party.merchant_not_active", "the merchant may not take payments")
	}
	return nil
}

// statusCreated and statusOK are the HTTP status codes of answers (RFC 9110 §15.3).
const (
	statusOK      = 200
	statusCreated = 201
)

func (p *Payments) checkOrder(order *Order) error {
	if err := p.checkAmount(order.Amount); err != nil {
		return err
	}
	if !printable(order.Reference, ReferenceMax) {
		return fault.Newf(fault.Invalid, "payment.bad_reference",
			"a reference has at most %d printable characters", ReferenceMax).
			WithParam("reference")
	}
	if !printable(order.Description, DescriptionMax) {
		return fault.Newf(fault.Invalid, "payment.bad_description",
			"a description has at most %d printable characters", DescriptionMax).
			WithParam("description")
	}
	if order.ExpiresIn == 0 {
		order.ExpiresIn = ExpiryDefault
	}
	if order.ExpiresIn < time.Second || order.ExpiresIn > ExpiryMax {
		return fault.New(fault.Invalid, "payment.bad_expiry", "a payment expires in 1 second to 24 hours").
			WithParam("expires_in")
	}
	return nil
}

// printable reports whether s has at most limit characters, none of them a control character.
func printable(s string, limit int) bool {
	if utf8.RuneCountInString(s) > limit {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == utf8.RuneError || r == 0x7f {
			return false
		}
	}
	return true
}

func (p *Payments) newPayment(order Order, now time.Time) Payment {
	zero := money.Zero(order.Amount.Currency)
	payment := Payment{
		ID: id.New[id.Payment](now), Merchant: order.Merchant, Reference: order.Reference, Amount: order.Amount,
		State: Created, Flow: ByConfirmation, Description: order.Description, Fee: zero, Refunded: zero, FeeReturned: zero,
	}
	payment.referenceKey = referenceKey(order.Merchant, order.Reference)
	return payment
}

// referenceKey makes a merchant's reference unique among all merchants'; "" stays "".
func referenceKey(merchant id.Merchant, reference string) string {
	if reference == "" {
		return ""
	}
	return string(merchant) + "/" + url.PathEscape(reference)
}

func (p *Payments) orderKeys(payment *Payment) []commit.Key {
	if payment.referenceKey == "" {
		return nil
	}
	return []commit.Key{p.payments.KeyBy("reference_key", payment.referenceKey)}
}

func (p *Payments) checkReference(tx *commit.Tx, payment *Payment) error {
	if payment.referenceKey == "" {
		return nil
	}
	other, found, err := p.payments.Get(tx, p.payments.KeyBy("reference_key", payment.referenceKey))
	if err != nil || !found {
		return err
	}
	return fault.New(fault.Conflict, "payment.reference_used", "this reference belongs to another payment of yours").
		WithParam("reference").WithHint("query it: GET /v1/payments?reference=… finds " + string(other.ID))
}
