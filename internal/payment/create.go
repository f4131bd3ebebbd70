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
	Store       id.Store
	Reference   string
	Amount      money.Amount
	Description string
	ExpiresIn   time.Duration
	Code        string
	Metadata    map[string]string
	// Capture is Automatic if empty. With Manual the payer's money is set aside for CaptureWithin (CaptureDefault if
	// zero), and the merchant may raise the amount up to AmountMax, which the payer sees and agrees to; zero is Amount.
	Capture       CaptureMode
	CaptureWithin time.Duration
	AmountMax     int64
	// Sharing is where what is captured goes.
	Sharing
	// ByPayer is set where the payer begins the payment, by a link or code: a refusal then tells nothing of receivers
	// and fees.
	ByPayer bool
	Once    idempotency.Request
}

// Create makes a payment and, with a payment code, decides it in the same commit: one request, one
// commit, the final answer.
//
// Errors: those of CheckAmount, payment.bad_reference, payment.bad_description, payment.bad_expiry,
// payment.bad_capture, payment.bad_metadata, payment.bad_funds, payment.bad_split,
// payment.split_exceeds, payment.split_rule_not_found, payment.reference_used, party.merchant_not_active,
// wallet.code_*, idempotency.key_reused.
func (p *Payments) Create(ctx context.Context, order Order) (idempotency.Answer, error) {
	draft, err := p.Draft(ctx, order)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if order.Code != "" {
		return p.createByCode(ctx, draft)
	}
	return p.Keys.Once(ctx, order.Once, draft.Keys(), func(tx *commit.Tx) (int, any, error) {
		_, said, err := draft.announce(tx)
		return statusCreated, said, err
	})
}

// checkStore refuses a store that is not the merchant's, or not open; what it knows is at most two seconds old.
// Errors: party.store_not_found, party.store_not_active.
func (p *Payments) checkStore(ctx context.Context, order Order) error {
	if order.Store == "" {
		return nil
	}
	store, err := p.Parties.StoreOf(ctx, order.Merchant, order.Store)
	if err != nil {
		return fault.From(err).WithParam("store_id")
	}
	if store.State != party.StateActive {
		return fault.New(fault.Forbidden, "party.store_not_active", "this store takes no payments").WithParam("store_id")
	}
	return nil
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
	if err := checkMetadata(order.Metadata); err != nil {
		return err
	}
	if err := order.checkCapture(); err != nil {
		return err
	}
	return order.checkFunds()
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
		ID:          id.New[id.Payment](now),
		Merchant:    order.Merchant,
		Store:       order.Store,
		Reference:   order.Reference,
		Amount:      order.Amount,
		State:       Created,
		Flow:        ByConfirmation,
		CaptureMode: order.Capture,
		Funds:       order.Funds,
		Description: order.Description,
		Metadata:    order.Metadata,
		Captured:    zero,
		Fee:         zero,
		Refunded:    zero,
		FeeReturned: zero,
	}
	payment.referenceKey = referenceKey(order.Merchant, order.Reference)
	if order.Funds.waits() {
		payment.Custody = &Custody{
			payment: payment.ID, Held: zero, ReleaseAfter: order.ReleaseAfter,
		}
	}
	if order.Capture == Manual {
		payment.Authorization = &Authorization{
			payment:   payment.ID,
			AmountMax: money.Amount{Minor: order.AmountMax, Currency: order.Amount.Currency},
			Within:    int64(order.CaptureWithin / time.Second),
		}
	}
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
