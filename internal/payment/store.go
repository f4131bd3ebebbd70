package payment

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

func paymentsTable(c *commit.Committer) *commit.Table[Payment] {
	return commit.AddTable(c, "payments",
		commit.Text("id", func(p *Payment) *string { return (*string)(&p.ID) }),
		commit.Text("merchant_id", func(p *Payment) *string { return (*string)(&p.Merchant) }),
		commit.Text("reference", func(p *Payment) *string { return &p.Reference }),
		commit.Optional("reference_key", func(p *Payment) *string { return &p.referenceKey }).Unique(),
		commit.Text("customer_id", func(p *Payment) *string { return (*string)(&p.Customer) }).Mutable(),
		commit.Text("device_id", func(p *Payment) *string { return (*string)(&p.device) }).Mutable(),
		commit.Text("flow", func(p *Payment) *string { return (*string)(&p.Flow) }),
		commit.Int("amount_minor", func(p *Payment) *int64 { return &p.Amount.Minor }),
		commit.Coded("currency", func(p *Payment) string { return string(p.Currency) },
			func(p *Payment, s string) { p.setCurrency(money.Currency(s)) }),
		commit.Int("fee_minor", func(p *Payment) *int64 { return &p.Fee.Minor }).Mutable(),
		commit.Int("refunded_minor", func(p *Payment) *int64 { return &p.Refunded.Minor }).Mutable(),
		commit.Int("fee_returned_minor", func(p *Payment) *int64 { return &p.FeeReturned.Minor }).Mutable(),
		commit.Text("state", func(p *Payment) *string { return (*string)(&p.State) }).Mutable(),
		commit.Text("decline_code", func(p *Payment) *string { return &p.DeclineCode }).Mutable(),
		commit.Text("description", func(p *Payment) *string { return &p.Description }),
		commit.Text("entry_id", func(p *Payment) *string { return (*string)(&p.Entry) }).Mutable(),
		commit.Instant("expires_at", func(p *Payment) *time.Time { return &p.ExpiresAt }),
		commit.Instant("created_at", func(p *Payment) *time.Time { return &p.CreatedAt }),
		commit.Instant("completed_at", func(p *Payment) *time.Time { return &p.CompletedAt }).Mutable(),
	)
}

func refundsTable(c *commit.Committer) *commit.Table[Refund] {
	return commit.AddTable(c, "refunds",
		commit.Text("id", func(r *Refund) *string { return (*string)(&r.ID) }),
		commit.Text("payment_id", func(r *Refund) *string { return (*string)(&r.Payment) }),
		commit.Text("merchant_id", func(r *Refund) *string { return (*string)(&r.Merchant) }),
		commit.Text("reference", func(r *Refund) *string { return &r.Reference }),
		commit.Optional("reference_key", func(r *Refund) *string { return &r.referenceKey }).Unique(),
		commit.Int("amount_minor", func(r *Refund) *int64 { return &r.Amount.Minor }),
		commit.Coded("currency", func(r *Refund) string { return string(r.Currency) },
			func(r *Refund, s string) { r.Currency, r.FeeReturned.Currency = money.Currency(s), money.Currency(s) }),
		commit.Int("fee_returned_minor", func(r *Refund) *int64 { return &r.FeeReturned.Minor }),
		commit.Text("reason", func(r *Refund) *string { return &r.Reason }),
		commit.Text("state", func(r *Refund) *string { return (*string)(&r.State) }),
		commit.Text("entry_id", func(r *Refund) *string { return (*string)(&r.Entry) }),
		commit.Instant("created_at", func(r *Refund) *time.Time { return &r.CreatedAt }),
	)
}

func transfersTable(c *commit.Committer) *commit.Table[Transfer] {
	return commit.AddTable(c, "wallet_transfers",
		commit.Text("id", func(t *Transfer) *string { return (*string)(&t.ID) }),
		commit.Text("payer_id", func(t *Transfer) *string { return (*string)(&t.Payer) }),
		commit.Text("payee_id", func(t *Transfer) *string { return (*string)(&t.Payee) }),
		commit.Int("amount_minor", func(t *Transfer) *int64 { return &t.Amount.Minor }),
		commit.Text("currency", func(t *Transfer) *string { return (*string)(&t.Amount.Currency) }),
		commit.Text("note", func(t *Transfer) *string { return &t.Note }),
		commit.Text("state", func(t *Transfer) *string { return (*string)(&t.State) }),
		commit.Text("entry_id", func(t *Transfer) *string { return (*string)(&t.Entry) }),
		commit.Instant("created_at", func(t *Transfer) *time.Time { return &t.CreatedAt }),
	)
}

func topUpsTable(c *commit.Committer) *commit.Table[TopUp] {
	return commit.AddTable(c, "top_ups",
		commit.Text("id", func(t *TopUp) *string { return (*string)(&t.ID) }),
		commit.Text("customer_id", func(t *TopUp) *string { return (*string)(&t.Customer) }),
		commit.Text("bank_account_id", func(t *TopUp) *string { return (*string)(&t.BankAccount) }),
		commit.Int("amount_minor", func(t *TopUp) *int64 { return &t.Amount.Minor }),
		commit.Text("currency", func(t *TopUp) *string { return (*string)(&t.Amount.Currency) }),
		commit.Text("state", func(t *TopUp) *string { return (*string)(&t.State) }).Mutable(),
		commit.Text("decline_code", func(t *TopUp) *string { return &t.DeclineCode }).Mutable(),
		commit.Text("attempt_id", func(t *TopUp) *string { return (*string)(&t.Attempt) }),
		commit.Text("entry_id", func(t *TopUp) *string { return (*string)(&t.Entry) }).Mutable(),
		commit.Instant("created_at", func(t *TopUp) *time.Time { return &t.CreatedAt }),
		commit.Instant("completed_at", func(t *TopUp) *time.Time { return &t.CompletedAt }).Mutable(),
	)
}

// setCurrency gives all of a payment's amounts the one currency that is stored.
func (p *Payment) setCurrency(c money.Currency) {
	p.Currency, p.Fee.Currency, p.Refunded.Currency, p.FeeReturned.Currency = c, c, c, c
}

const paymentColumns = `id, merchant_id, reference, COALESCE(reference_key, ''), customer_id, device_id, flow,
	amount_minor, currency, fee_minor,
	refunded_minor, fee_returned_minor, state, decline_code, description, entry_id, expires_at, created_at, completed_at`

func scanPayment(row func(...any) error) (Payment, error) {
	var (
		p                           Payment
		expires, created, completed int64
	)
	err := row(
		&p.ID,
		&p.Merchant,
		&p.Reference,
		&p.referenceKey,
		&p.Customer,
		&p.device,
		&p.Flow,
		&p.Amount.Minor,
		&p.Amount.Currency,
		&p.Fee.Minor,
		&p.Refunded.Minor,
		&p.FeeReturned.Minor,
		&p.State,
		&p.DeclineCode,
		&p.Description,
		&p.Entry,
		&expires,
		&created,
		&completed,
	)
	p.setCurrency(p.Currency)
	p.ExpiresAt, p.CreatedAt, p.CompletedAt = clock.FromMicros(
		expires,
	), clock.FromMicros(
		created,
	), clock.FromMicros(
		completed,
	)
	return p, err
}

// Payment returns one payment, whoever's it is. Errors: payment.not_found.
func (p *Payments) Payment(ctx context.Context, name id.Payment) (Payment, error) {
	payment, err := scanPayment(
		p.DB.Read.QueryRowContext(ctx, "SELECT "+paymentColumns+" FROM payments WHERE id = $1", string(name)).Scan,
	)
	if errors.Is(err, sql.ErrNoRows) {
		return payment, notFound()
	}
	return payment, fault.Wrap(err, "read payment "+string(name))
}

// OfMerchant returns a merchant's payment. Errors: payment.not_found, also for another merchant's.
func (p *Payments) OfMerchant(ctx context.Context, merchant id.Merchant, name id.Payment) (Payment, error) {
	payment, err := p.Payment(ctx, name)
	if err == nil && payment.Merchant != merchant {
		return Payment{}, notFound()
	}
	return payment, err
}

// ForPayer returns a payment as a customer may see it: one that waits for a payer, or the
// customer's own. Errors: payment.not_found.
func (p *Payments) ForPayer(ctx context.Context, customer id.Customer, name id.Payment) (PayerView, error) {
	payment, err := p.Payment(ctx, name)
	if err != nil {
		return PayerView{}, err
	}
	if payment.Customer != customer && (payment.Customer != "" || payment.State != Created) {
		return PayerView{}, notFound()
	}
	merchant, err := p.Parties.Merchant(ctx, payment.Merchant)
	return payment.ForPayer(merchant.Name), err
}

// ListQuery asks for a merchant's payments, newest first. Zero values filter nothing; Before is the
// id behind which to go on; From is inclusive, To exclusive.
type ListQuery struct {
	Merchant  id.Merchant
	Before    id.Payment
	Reference string
	State     State
	From, To  time.Time
	AmountMin int64
	AmountMax int64
	Limit     int
}

// List returns a merchant's payments and whether there are more. PostgreSQL takes a parameter that is compared with 0
// for an int4; instants and amounts are larger.
func (p *Payments) List(ctx context.Context, q ListQuery) ([]Payment, bool, error) {
	rows, err := p.DB.Read.QueryContext(ctx, `SELECT `+paymentColumns+` FROM payments
		WHERE merchant_id = $1 AND ($2 = '' OR id < $2) AND ($3 = '' OR reference_key = $3) AND ($4 = '' OR state = $4)
		AND (CAST($5 AS BIGINT) = 0 OR created_at >= $5) AND (CAST($6 AS BIGINT) = 0 OR created_at < $6)
		AND (CAST($7 AS BIGINT) = 0 OR amount_minor >= $7) AND (CAST($8 AS BIGINT) = 0 OR amount_minor <= $8)
		ORDER BY id DESC LIMIT $9`,
		string(q.Merchant), string(q.Before), referenceKey(q.Merchant, q.Reference), string(q.State),
		clock.Micros(q.From), clock.Micros(q.To), q.AmountMin, q.AmountMax, q.Limit+1)
	if err != nil {
		return nil, false, fault.Wrap(err, "list payments")
	}
	defer rows.Close()
	out := []Payment{}
	for rows.Next() {
		payment, err := scanPayment(rows.Scan)
		if err != nil {
			return nil, false, fault.Wrap(err, "list payments")
		}
		out = append(out, payment)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(err, "list payments")
	}
	if len(out) > q.Limit {
		return out[:q.Limit], true, nil
	}
	return out, false, nil
}

func (p *Payments) dueToExpire(ctx context.Context, now time.Time, limit int) ([]Payment, error) {
	rows, err := p.DB.Read.QueryContext(ctx, `SELECT id, merchant_id FROM payments
		WHERE state = 'created' AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, clock.Micros(now), limit)
	if err != nil {
		return nil, fault.Wrap(err, "find expired payments")
	}
	defer rows.Close()
	var out []Payment
	for rows.Next() {
		var payment Payment
		if err := rows.Scan(&payment.ID, &payment.Merchant); err != nil {
			return nil, fault.Wrap(err, "find expired payments")
		}
		out = append(out, payment)
	}
	return out, fault.Wrap(rows.Err(), "find expired payments")
}

// Refunds returns the refunds of a merchant's payment, oldest first. Errors: payment.not_found.
func (p *Payments) Refunds(ctx context.Context, merchant id.Merchant, name id.Payment) ([]Refund, error) {
	if _, err := p.OfMerchant(ctx, merchant, name); err != nil {
		return nil, err
	}
	rows, err := p.DB.Read.QueryContext(
		ctx,
		`SELECT id, payment_id, merchant_id, reference, amount_minor, currency, fee_returned_minor,
		reason, state, entry_id, created_at FROM refunds WHERE payment_id = $1 ORDER BY id`,
		string(name),
	)
	if err != nil {
		return nil, fault.Wrap(err, "list refunds")
	}
	defer rows.Close()
	out := []Refund{}
	for rows.Next() {
		var (
			r  Refund
			at int64
		)
		if err := rows.Scan(
			&r.ID,
			&r.Payment,
			&r.Merchant,
			&r.Reference,
			&r.Amount.Minor,
			&r.Amount.Currency,
			&r.FeeReturned.Minor,
			&r.Reason,
			&r.State,
			&r.Entry,
			&at,
		); err != nil {
			return nil, fault.Wrap(err, "list refunds")
		}
		r.FeeReturned.Currency, r.CreatedAt = r.Currency, clock.FromMicros(at)
		out = append(out, r)
	}
	return out, fault.Wrap(rows.Err(), "list refunds")
}

// TopUpOf returns a customer's top-up. Errors: top_up.not_found, also for another customer's.
func (p *Payments) TopUpOf(ctx context.Context, customer id.Customer, name id.TopUp) (TopUp, error) {
	var (
		t                  TopUp
		created, completed int64
	)
	err := p.DB.Read.QueryRowContext(ctx, `SELECT id, customer_id, bank_account_id, amount_minor, currency,
		state, decline_code, attempt_id,
		entry_id, created_at, completed_at FROM top_ups WHERE id = $1`, string(name)).
		Scan(&t.ID, &t.Customer, &t.BankAccount, &t.Amount.Minor, &t.Amount.Currency,
			&t.State, &t.DeclineCode, &t.Attempt, &t.Entry,
			&created, &completed)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && t.Customer != customer) {
		return TopUp{}, fault.New(fault.NotFound, "top_up.not_found", "there is no such top-up")
	}
	t.CreatedAt, t.CompletedAt = clock.FromMicros(created), clock.FromMicros(completed)
	return t, fault.Wrap(err, "read top-up "+string(name))
}
