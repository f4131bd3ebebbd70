package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
)

// Capture is a part of an authorized payment that the merchant took.
type Capture struct {
	ID        id.Capture `json:"id"`
	Payment   id.Payment `json:"payment_id"`
	Reference string     `json:"reference,omitempty"`
	money.Amount
	Fee       money.Amount `json:"fee"`
	Entry     id.Entry     `json:"entry_id"`
	CreatedAt time.Time    `json:"created_at"`
}

// CaptureOrder asks to take Amount of an authorized payment, in minor units of its currency; zero is all that is left.
// With More the rest stays set aside for further captures; without it the rest is the payer's again.
type CaptureOrder struct {
	Merchant  id.Merchant
	Payment   id.Payment
	Amount    int64
	Reference string
	More      bool
	Once      idempotency.Request
}

// Capture takes money that the payer set aside, in one commit. The fee is that of all that was captured so far, less
// what was charged for earlier captures.
//
// Errors: payment.not_found, payment.not_authorized, payment.already_*, payment.capture_exceeds,
// payment.capture_expired, payment.bad_reference, ledger.account_frozen, idempotency.key_reused.
func (p *Payments) Capture(ctx context.Context, order CaptureOrder) (idempotency.Answer, error) {
	if order.Amount < 0 || order.Amount > money.MaxMinor {
		return idempotency.Answer{}, fault.New(fault.Invalid, "money.not_positive", "the amount must be positive").
			WithParam("amount")
	}
	if !printable(order.Reference, ReferenceMax) {
		return idempotency.Answer{}, fault.Newf(fault.Invalid, "payment.bad_reference",
			"a reference has at most %d printable characters", ReferenceMax).WithParam("reference")
	}
	merchant, err := p.Parties.Merchant(ctx, order.Merchant)
	if err != nil {
		return idempotency.Answer{}, err
	}
	return again(func() (idempotency.Answer, error) {
		known, err := p.OfMerchant(ctx, order.Merchant, order.Payment)
		if err != nil {
			return idempotency.Answer{}, err
		}
		now := p.Clock.Now()
		entry := ledger.NewEntry(now, string(known.ID))
		taken := Capture{ID: id.New[id.Capture](now), Payment: known.ID, Reference: order.Reference, Entry: entry.ID}
		return p.Keys.Once(ctx, order.Once, p.authorizationKeys(&known), func(tx *commit.Tx) (int, any, error) {
			row, err := p.current(tx, &known)
			if err != nil {
				return 0, nil, err
			}
			if err := p.capture(tx, &row, order, taken, entry, merchant); err != nil {
				return 0, nil, err
			}
			p.put(tx, &row)
			event := ended(&row)
			if row.State == Authorized {
				event.Kind = "payment.captured"
			}
			body, err := p.Outbox.Announce(tx, event, row)
			return statusOK, body, err
		})
	})
}

// capture moves the money and the payment.
func (p *Payments) capture(
	tx *commit.Tx, row *Payment, order CaptureOrder, taken Capture, entry ledger.Entry, merchant party.Merchant,
) error {
	if row.State != Authorized {
		return notAuthorized(row.State)
	}
	left := money.Amount{Minor: row.Amount.Minor - row.Captured.Minor, Currency: row.Currency}
	taken.Amount = money.Amount{Minor: order.Amount, Currency: row.Currency}
	if order.Amount == 0 {
		taken.Amount = left
	}
	if taken.Minor > left.Minor {
		return fault.Newf(fault.Conflict, "payment.capture_exceeds", "only %s is left to capture", left).WithParam("amount")
	}
	last := !order.More || taken.Minor == left.Minor
	if last {
		state, err := row.State.Move(Succeeded)
		if err != nil {
			return err
		}
		rest := p.uncaptured(row)
		rest.Amount.Minor -= taken.Minor
		if rest.Amount.Minor > 0 {
			if err := p.Limits.Back(tx, limit.Done{Act: rest, At: row.Authorization.AuthorizedAt}); err != nil {
				return err
			}
		}
		row.State, row.CompletedAt = state, tx.Now()
	}
	row.Captured.Minor += taken.Minor
	fee, err := feeOf(merchant, row.Captured)
	if err != nil {
		return err
	}
	taken.Fee = money.Amount{Minor: min(max(fee.Minor-row.Fee.Minor, 0), taken.Minor), Currency: row.Currency}
	entry.Lines = p.paymentLines(row, taken.Amount, taken.Fee)
	if err := p.Ledger.CaptureHold(tx, row.Authorization.hold, entry, last); err != nil {
		return merchantFault(err)
	}
	row.Fee.Minor += taken.Fee.Minor
	row.keep(tx.Now(), taken.Minor-taken.Fee.Minor)
	row.Entry, taken.CreatedAt = entry.ID, tx.Now()
	p.captures.Append(tx, taken)
	return nil
}

// Captures returns the captures of a merchant's payment, oldest first; none where it was captured by itself. Errors:
// payment.not_found.
func (p *Payments) Captures(ctx context.Context, merchant id.Merchant, name id.Payment) ([]Capture, error) {
	if _, err := p.OfMerchant(ctx, merchant, name); err != nil {
		return nil, err
	}
	rows, err := p.DB.Read.QueryContext(
		ctx,
		`SELECT id, payment_id, reference, amount_minor, currency, fee_minor, entry_id,
		created_at FROM captures WHERE payment_id = $1 ORDER BY id`,
		string(name),
	)
	if err != nil {
		return nil, fault.Wrap(err, "list captures")
	}
	defer rows.Close()
	out := []Capture{}
	for rows.Next() {
		var c Capture
		var at int64
		err := rows.Scan(&c.ID, &c.Payment, &c.Reference, &c.Minor, &c.Currency, &c.Fee.Minor, &c.Entry, &at)
		if err != nil {
			return nil, fault.Wrap(err, "list captures")
		}
		c.Fee.Currency, c.CreatedAt = c.Currency, clock.FromMicros(at)
		out = append(out, c)
	}
	return out, fault.Wrap(rows.Err(), "list captures")
}

func capturesTable(c *commit.Committer) *commit.Table[Capture] {
	return commit.AddTable(c, "captures",
		commit.Text("id", func(c *Capture) *string { return (*string)(&c.ID) }),
		commit.Text("payment_id", func(c *Capture) *string { return (*string)(&c.Payment) }),
		commit.Text("reference", func(c *Capture) *string { return &c.Reference }),
		commit.Int("amount_minor", func(c *Capture) *int64 { return &c.Amount.Minor }),
		commit.Text("currency", func(c *Capture) *string { return (*string)(&c.Amount.Currency) }),
		commit.Int("fee_minor", func(c *Capture) *int64 { return &c.Fee.Minor }),
		commit.Text("entry_id", func(c *Capture) *string { return (*string)(&c.Entry) }),
		commit.Instant("created_at", func(c *Capture) *time.Time { return &c.CreatedAt }),
	)
}
