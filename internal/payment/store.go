package payment

import (
	"context"
	"database/sql"
	"errors"
	"strings"
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
		commit.Text("store_id", func(p *Payment) *string { return (*string)(&p.Store) }),
		commit.Text("reference", func(p *Payment) *string { return &p.Reference }),
		commit.Optional("reference_key", func(p *Payment) *string { return &p.referenceKey }).Unique(),
		commit.Text("customer_id", func(p *Payment) *string { return (*string)(&p.Customer) }).Mutable(),
		commit.Text("device_id", func(p *Payment) *string { return (*string)(&p.device) }).Mutable(),
		commit.Text("flow", func(p *Payment) *string { return (*string)(&p.Flow) }),
		commit.Text("capture", func(p *Payment) *string { return (*string)(&p.CaptureMode) }),
		commit.Text("funds", func(p *Payment) *string { return (*string)(&p.Funds) }),
		commit.Int("amount_minor", func(p *Payment) *int64 { return &p.Amount.Minor }).Mutable(),
		commit.Coded("currency", func(p *Payment) string { return string(p.Currency) },
			func(p *Payment, s string) { p.setCurrency(money.Currency(s)) }),
		commit.Int("captured_minor", func(p *Payment) *int64 { return &p.Captured.Minor }).Mutable(),
		commit.Int("fee_minor", func(p *Payment) *int64 { return &p.Fee.Minor }).Mutable(),
		commit.Int("refunded_minor", func(p *Payment) *int64 { return &p.Refunded.Minor }).Mutable(),
		commit.Int("fee_returned_minor", func(p *Payment) *int64 { return &p.FeeReturned.Minor }).Mutable(),
		commit.Text("state", func(p *Payment) *string { return (*string)(&p.State) }).Mutable(),
		commit.Text("decline_code", func(p *Payment) *string { return &p.DeclineCode }).Mutable(),
		commit.Text("description", func(p *Payment) *string { return &p.Description }),
		commit.Coded("metadata", func(p *Payment) string { return encodeMetadata(p.Metadata) },
			func(p *Payment, s string) { p.Metadata = decodeMetadata(s) }).Mutable(),
		commit.Text("entry_id", func(p *Payment) *string { return (*string)(&p.Entry) }).Mutable(),
		commit.Text("attempt_id", func(p *Payment) *string { return (*string)(&p.attempt) }).Mutable(),
		commit.Coded("card", func(p *Payment) string { return encodePaidCard(p.Card) },
			func(p *Payment, s string) { p.Card = decodePaidCard(s) }).Mutable(),
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
		commit.Int("fee_returned_minor", func(r *Refund) *int64 { return &r.FeeReturned.Minor }).Mutable(),
		commit.Text("reason", func(r *Refund) *string { return &r.Reason }),
		commit.Text("origin", func(r *Refund) *string { return (*string)(&r.Origin) }),
		commit.Text("state", func(r *Refund) *string { return (*string)(&r.State) }).Mutable(),
		commit.Text("reviewer", func(r *Refund) *string { return (*string)(&r.Reviewer) }),
		commit.Coded("review_reasons", func(r *Refund) string { return strings.Join(r.Reasons, " ") },
			func(r *Refund, s string) { r.Reasons = strings.Fields(s) }),
		commit.Text("review_note", func(r *Refund) *string { return &r.Note }).Mutable(),
		commit.Text("asked_by", func(r *Refund) *string { return &r.askedBy }),
		commit.Text("decided_by", func(r *Refund) *string { return &r.DecidedBy }).Mutable(),
		commit.Text("entry_id", func(r *Refund) *string { return (*string)(&r.Entry) }).Mutable(),
		commit.Text("attempt_id", func(r *Refund) *string { return (*string)(&r.attempt) }).Mutable(),
		commit.Text("decline_code", func(r *Refund) *string { return &r.DeclineCode }).Mutable(),
		commit.Coded("sources", func(r *Refund) string { return r.sources.encode() },
			func(r *Refund, s string) { r.sources = decodeSources(s) }).Mutable(),
		commit.Instant("created_at", func(r *Refund) *time.Time { return &r.CreatedAt }),
		commit.Instant("completed_at", func(r *Refund) *time.Time { return &r.CompletedAt }).Mutable(),
		commit.Optional("review_key", func(r *Refund) *string { return &r.reviewKey }).Unique().Mutable(),
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
		commit.Text("card_id", func(t *TopUp) *string { return (*string)(&t.Card) }),
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
	p.Currency, p.Fee.Currency, p.Refunded.Currency, p.FeeReturned.Currency, p.Captured.Currency = c, c, c, c, c
}

const paymentColumns = `p.id, p.merchant_id, p.store_id, p.reference, COALESCE(p.reference_key, ''), p.customer_id,
	p.device_id, p.flow, p.capture, p.funds, p.amount_minor, p.currency, p.captured_minor, p.fee_minor, p.refunded_minor,
	p.fee_returned_minor, p.state, p.decline_code, p.description, p.metadata, p.entry_id, p.attempt_id, p.card,
	p.expires_at, p.created_at, p.completed_at, COALESCE(a.hold_id, ''), COALESCE(a.amount_max_minor, 0),
	COALESCE(a.capture_within, 0),
	COALESCE(a.capture_before, 0), COALESCE(a.authorized_at, 0), COALESCE(a.factors, ''), COALESCE(a.ended, FALSE),
	COALESCE(c.held_minor, 0), COALESCE(c.release_after, 0), COALESCE(c.release_at, 0)`

// paymentTables are the tables of paymentColumns.
const paymentTables = "payments p LEFT JOIN authorizations a ON a.id = p.id AND p.capture = 'manual' " +
	"LEFT JOIN custodies c ON c.id = p.id AND p.funds IN ('held', 'escrow')"

func scanPayment(row func(...any) error) (Payment, error) {
	var (
		p                           Payment
		a                           Authorization
		c                           Custody
		metadata, card, factors     string
		expires, created, completed int64
		before, authorized          int64
		release                     int64
	)
	err := row(
		&p.ID, &p.Merchant, &p.Store, &p.Reference, &p.referenceKey, &p.Customer,
		&p.device, &p.Flow, &p.CaptureMode, &p.Funds, &p.Amount.Minor, &p.Amount.Currency, &p.Captured.Minor, &p.Fee.Minor,
		&p.Refunded.Minor, &p.FeeReturned.Minor, &p.State, &p.DeclineCode, &p.Description, &metadata, &p.Entry,
		&p.attempt, &card, &expires, &created, &completed,
		&a.hold, &a.AmountMax.Minor, &a.Within, &before, &authorized, &factors, &a.ended,
		&c.Held.Minor, &c.ReleaseAfter, &release,
	)
	p.setCurrency(p.Currency)
	p.Metadata, p.Card = decodeMetadata(metadata), decodePaidCard(card)
	p.setMethod()
	p.ExpiresAt, p.CreatedAt = clock.FromMicros(expires), clock.FromMicros(created)
	p.CompletedAt = clock.FromMicros(completed)
	if p.CaptureMode == Manual {
		a.payment, a.AmountMax.Currency, a.factors = p.ID, p.Currency, decodeFactors(factors)
		a.CaptureBefore, a.AuthorizedAt = clock.FromMicros(before), clock.FromMicros(authorized)
		p.Authorization = &a
	}
	if p.Funds.waits() {
		c.payment, c.Held.Currency, c.ReleaseAt = p.ID, p.Currency, clock.FromMicros(release)
		p.Custody = &c
	}
	return p, err
}

// Payment returns one payment, whoever's it is. Errors: payment.not_found.
func (p *Payments) Payment(ctx context.Context, name id.Payment) (Payment, error) {
	payment, err := scanPayment(
		p.DB.Read.QueryRowContext(ctx, "SELECT "+paymentColumns+" FROM "+paymentTables+" WHERE p.id = $1", string(name)).Scan,
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

// ForPayer returns a payment as a customer may see it: one that waits for a payer, the customer's own, or one that the
// customer tried to pay and nobody paid. Errors: payment.not_found.
func (p *Payments) ForPayer(ctx context.Context, customer id.Customer, name id.Payment) (PayerView, error) {
	payment, err := p.Payment(ctx, name)
	if err != nil {
		return PayerView{}, err
	}
	tries, err := p.triesOf(ctx, name, customer)
	if err != nil {
		return PayerView{}, err
	}
	if payment.Customer != customer && (payment.Customer != "" || payment.State != Created && len(tries) == 0) {
		return PayerView{}, notFound()
	}
	merchant, err := p.Parties.Merchant(ctx, payment.Merchant)
	view := payment.ForPayer(merchant.Name)
	if view.Tries = tries; payment.Customer == "" && len(tries) == 0 {
		view.DeclineCode = "" // another payer's
	}
	return view, err
}

// ListQuery asks for a merchant's payments, newest first. Zero values filter nothing; Before is the
// id behind which to go on; From is inclusive, To exclusive.
type ListQuery struct {
	Merchant  id.Merchant
	Store     id.Store
	Before    id.Payment
	Reference string
	State     State
	From, To  time.Time
	AmountMin int64
	AmountMax int64
	// Search finds an id, or a part of the reference, the description or the metadata.
	Search string
	Limit  int
}

// contains is the LIKE pattern of what holds text, in any case of letters.
func contains(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(text)) + "%"
}

// List returns a merchant's payments and whether there are more. PostgreSQL takes a parameter that is compared with 0
// for an int4; instants and amounts are larger.
func (p *Payments) List(ctx context.Context, q ListQuery) ([]Payment, bool, error) {
	out, err := p.readPayments(ctx, `p.merchant_id = $1 AND ($2 = '' OR p.id < $2) AND ($3 = '' OR p.reference_key = $3)
		AND ($4 = '' OR p.state = $4)
		AND (CAST($5 AS BIGINT) = 0 OR p.created_at >= $5) AND (CAST($6 AS BIGINT) = 0 OR p.created_at < $6)
		AND (CAST($7 AS BIGINT) = 0 OR p.amount_minor >= $7) AND (CAST($8 AS BIGINT) = 0 OR p.amount_minor <= $8)
		AND ($10 = '' OR p.store_id = $10)
		AND ($11 = '' OR p.id = $11 OR lower(p.reference) LIKE $12 ESCAPE '!' OR lower(p.description) LIKE $12 ESCAPE '!'
			OR lower(p.metadata) LIKE $12 ESCAPE '!')
		ORDER BY p.id DESC LIMIT $9`,
		string(q.Merchant), string(q.Before), referenceKey(q.Merchant, q.Reference), string(q.State),
		clock.Micros(q.From), clock.Micros(q.To), q.AmountMin, q.AmountMax, q.Limit+1, string(q.Store),
		q.Search, contains(q.Search))
	if len(out) > q.Limit {
		return out[:q.Limit], true, err
	}
	return out, false, err
}

func (p *Payments) readPayments(ctx context.Context, where string, args ...any) ([]Payment, error) {
	//nolint:gosec // where is a text of this package
	rows, err := p.DB.Read.QueryContext(ctx, "SELECT "+paymentColumns+" FROM "+paymentTables+" WHERE "+where, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list payments")
	}
	defer rows.Close()
	out := []Payment{}
	for rows.Next() {
		payment, err := scanPayment(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list payments")
		}
		out = append(out, payment)
	}
	return out, fault.Wrap(rows.Err(), "list payments")
}

// dueToExpire finds payments that nobody confirmed or captured in time.
func (p *Payments) dueToExpire(ctx context.Context, now time.Time, limit int) ([]Payment, error) {
	return p.readPayments(ctx, `p.id IN (
			SELECT id FROM payments WHERE state = 'created' AND expires_at <= $1
			UNION ALL SELECT id FROM authorizations WHERE capture_before > 0 AND NOT ended AND capture_before <= $1)
		LIMIT $2`, clock.Micros(now), limit)
}

const refundColumns = `id, payment_id, merchant_id, reference, amount_minor, currency, fee_returned_minor, reason,
	origin,
	state, reviewer, review_reasons, review_note, asked_by, decided_by, entry_id, attempt_id, decline_code, sources,
	created_at, completed_at`

func scanRefund(row func(...any) error) (Refund, error) {
	var r Refund
	var reasons, sources string
	var created, completed int64
	err := row(
		&r.ID, &r.Payment, &r.Merchant, &r.Reference, &r.Amount.Minor, &r.Amount.Currency, &r.FeeReturned.Minor,
		&r.Reason, &r.Origin, &r.State, &r.Reviewer, &reasons, &r.Note, &r.askedBy, &r.DecidedBy, &r.Entry,
		&r.attempt, &r.DeclineCode, &sources, &created, &completed,
	)
	r.FeeReturned.Currency, r.Reasons, r.sources = r.Currency, strings.Fields(reasons), decodeSources(sources)
	r.CreatedAt, r.CompletedAt = clock.FromMicros(created), clock.FromMicros(completed)
	return r, err
}

func (p *Payments) readRefunds(ctx context.Context, where string, args ...any) ([]Refund, error) {
	//nolint:gosec // where is a text of this file
	rows, err := p.DB.Read.QueryContext(ctx, "SELECT "+refundColumns+" FROM refunds WHERE "+where, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list refunds")
	}
	defer rows.Close()
	out := []Refund{}
	for rows.Next() {
		refund, err := scanRefund(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list refunds")
		}
		out = append(out, refund)
	}
	return out, fault.Wrap(rows.Err(), "list refunds")
}

// Refunds returns the refunds of a merchant's payment, oldest first. Errors: payment.not_found.
func (p *Payments) Refunds(ctx context.Context, merchant id.Merchant, name id.Payment) ([]Refund, error) {
	if _, err := p.OfMerchant(ctx, merchant, name); err != nil {
		return nil, err
	}
	return p.readRefunds(ctx, "payment_id = $1 ORDER BY id", string(name))
}

// RefundsForPayer returns the refunds of a customer's payment, oldest first. Errors: payment.not_found.
func (p *Payments) RefundsForPayer(ctx context.Context, customer id.Customer, name id.Payment) ([]RefundView, error) {
	payment, err := p.Payment(ctx, name)
	if err != nil {
		return nil, err
	}
	if payment.Customer != customer {
		return nil, notFound()
	}
	refunds, err := p.readRefunds(ctx, "payment_id = $1 ORDER BY id", string(name))
	views := make([]RefundView, len(refunds))
	for i := range refunds {
		views[i] = refunds[i].ForPayer()
	}
	return views, err
}

// RefundQuery asks for refunds, newest first. Zero values filter nothing.
type RefundQuery struct {
	Merchant id.Merchant
	Store    id.Store
	Customer id.Customer // whose payments were refunded
	Before   id.Refund
	State    RefundState
	Reviewer Reviewer
	Limit    int
}

// ListRefunds returns refunds and whether there are more.
func (p *Payments) ListRefunds(ctx context.Context, q RefundQuery) ([]Refund, bool, error) {
	out, err := p.readRefunds(ctx, `($1 = '' OR merchant_id = $1) AND ($2 = '' OR id < $2) AND ($3 = '' OR state = $3)
		AND ($4 = '' OR reviewer = $4)
		AND ($6 = '' OR EXISTS (SELECT 1 FROM payments p WHERE p.id = refunds.payment_id AND p.store_id = $6))
		AND ($7 = '' OR EXISTS (SELECT 1 FROM payments p WHERE p.id = refunds.payment_id AND p.customer_id = $7))
		ORDER BY id DESC LIMIT $5`,
		string(q.Merchant), string(q.Before), string(q.State), string(q.Reviewer), q.Limit+1, string(q.Store),
		string(q.Customer))
	if len(out) > q.Limit {
		return out[:q.Limit], true, err
	}
	return out, false, err
}

// RefundOfMerchant returns a merchant's refund, with a store only of a payment made there. Errors: refund.not_found.
func (p *Payments) RefundOfMerchant(
	ctx context.Context, merchant id.Merchant, store id.Store, name id.Refund,
) (Refund, error) {
	refund, err := p.RefundOf(ctx, name)
	if err == nil && refund.Merchant != merchant {
		return Refund{}, refundNotFound()
	}
	if err != nil || store == "" {
		return refund, err
	}
	payment, err := p.Payment(ctx, refund.Payment)
	if err == nil && payment.Store != store {
		return Refund{}, refundNotFound()
	}
	return refund, err
}

// RefundOf returns a refund, whoever's it is. Errors: refund.not_found.
func (p *Payments) RefundOf(ctx context.Context, name id.Refund) (Refund, error) {
	refund, err := scanRefund(p.DB.Read.QueryRowContext(ctx,
		"SELECT "+refundColumns+" FROM refunds WHERE id = $1", string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return refund, refundNotFound()
	}
	return refund, fault.Wrap(err, "read refund "+string(name))
}

// TopUpOf returns a customer's top-up. Errors: top_up.not_found, also for another customer's.
func (p *Payments) TopUpOf(ctx context.Context, customer id.Customer, name id.TopUp) (TopUp, error) {
	var (
		t                  TopUp
		created, completed int64
	)
	err := p.DB.Read.QueryRowContext(ctx, `SELECT id, customer_id, bank_account_id, card_id, amount_minor, currency,
		state, decline_code, attempt_id,
		entry_id, created_at, completed_at FROM top_ups WHERE id = $1`, string(name)).
		Scan(&t.ID, &t.Customer, &t.BankAccount, &t.Card, &t.Amount.Minor, &t.Amount.Currency,
			&t.State, &t.DeclineCode, &t.Attempt, &t.Entry,
			&created, &completed)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && t.Customer != customer) {
		return TopUp{}, fault.New(fault.NotFound, "top_up.not_found", "there is no such top-up")
	}
	t.CreatedAt, t.CompletedAt = clock.FromMicros(created), clock.FromMicros(completed)
	return t, fault.Wrap(err, "read top-up "+string(name))
}
