package qr

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

func codesTable(c *commit.Committer) *commit.Table[Code] {
	return commit.AddTable(c, "qr_codes",
		commit.Text("id", func(r *Code) *string { return (*string)(&r.ID) }),
		commit.Text("token", func(r *Code) *string { return &r.token }),
		commit.Text("kind", func(r *Code) *string { return (*string)(&r.Kind) }),
		commit.Text("merchant_id", func(r *Code) *string { return (*string)(&r.Merchant) }),
		commit.Text("store_id", func(r *Code) *string { return (*string)(&r.Store) }),
		commit.Text("customer_id", func(r *Code) *string { return (*string)(&r.customer) }),
		commit.Int("amount_minor", func(r *Code) *int64 { return &r.Minor }),
		commit.Text("currency", func(r *Code) *string { return (*string)(&r.Currency) }),
		commit.Text("description", func(r *Code) *string { return &r.Description }),
		commit.Coded("sharing", func(r *Code) string { return r.Sharing.Encode() },
			func(r *Code, s string) { r.Sharing.Decode(s) }),
		commit.Text("state", func(r *Code) *string { return (*string)(&r.State) }).Mutable(),
		commit.Instant("expires_at", func(r *Code) *time.Time { return &r.ExpiresAt }),
		commit.Instant("created_at", func(r *Code) *time.Time { return &r.CreatedAt }),
	)
}

func receiptsTable(c *commit.Committer) *commit.Table[receipts] {
	return commit.AddTable(c, "qr_receipts",
		commit.Text("id", func(r *receipts) *string { return &r.ID }),
		commit.Text("counted_on", func(r *receipts) *string { return &r.On }).Mutable(),
		commit.Int("payments", func(r *receipts) *int64 { return &r.Payments }).Mutable(),
	)
}

const columns = `id, token, kind, merchant_id, store_id, customer_id, amount_minor, currency, description,
	sharing, state, expires_at, created_at,
	COALESCE((SELECT reason FROM take_downs t WHERE t.id = qr_codes.id AND t.lifted_at = 0), '')`

func scan(row func(...any) error) (Code, error) {
	var (
		c                Code
		sharing          string
		expires, created int64
	)
	err := row(&c.ID, &c.token, &c.Kind, &c.Merchant, &c.Store, &c.customer, &c.Minor, &c.Currency, &c.Description,
		&sharing, &c.State, &expires, &created, &c.TakenDown)
	c.Sharing.Decode(sharing)
	c.ExpiresAt, c.CreatedAt = clock.FromMicros(expires), clock.FromMicros(created)
	if errors.Is(err, sql.ErrNoRows) {
		return c, notFound()
	}
	return c, fault.Wrap(err, "read a code")
}

func (c *Codes) one(ctx context.Context, where string, args ...any) (Code, error) {
	return scan(c.DB.Read.QueryRowContext(ctx, "SELECT "+columns+" FROM qr_codes WHERE "+where, args...).Scan)
}

func (c *Codes) read(ctx context.Context, name id.QRCode) (Code, error) {
	return c.one(ctx, "id = $1", string(name))
}

func (c *Codes) byToken(ctx context.Context, token string) (Code, error) {
	return c.one(ctx, "token = $1", token)
}

// standingOf finds a person's standing code.
func (c *Codes) standingOf(ctx context.Context, customer id.Customer, currency money.Currency) (Code, bool, error) {
	code, err := c.one(ctx, `customer_id = $1 AND state = 'active' AND amount_minor = 0 AND currency = $2
		ORDER BY id LIMIT 1`, string(customer), string(currency))
	if fault.KindOf(err) == fault.NotFound {
		return code, false, nil
	}
	return code, err == nil, err
}

// OfMerchants returns a merchant's code, whichever merchant's it is. Errors: qr.not_found, also for a person's.
func (c *Codes) OfMerchants(ctx context.Context, name id.QRCode) (Code, error) {
	code, err := c.read(ctx, name)
	if err == nil && code.Kind != Store {
		err = notFound()
	}
	return code, err
}

// Of returns a code of an owner, a merchant or a customer. Errors: qr.not_found, also for another's.
func (c *Codes) Of(ctx context.Context, owner string, name id.QRCode) (Code, error) {
	code, err := c.read(ctx, name)
	if err != nil {
		return Code{}, err
	}
	if code.Owner() != owner {
		return Code{}, notFound()
	}
	return c.show(ctx, code)
}

// ListQuery asks for a merchant's codes, newest first. Zero values filter nothing; Before is the id behind which to go
// on.
type ListQuery struct {
	Merchant id.Merchant
	Store    id.Store
	State    State
	Before   id.QRCode
	Limit    int
}

// List returns a merchant's codes and whether there are more.
func (c *Codes) List(ctx context.Context, q ListQuery) ([]Code, bool, error) {
	rows, err := c.DB.Read.QueryContext(ctx, `SELECT `+columns+` FROM qr_codes
		WHERE merchant_id = $1 AND merchant_id <> '' AND ($2 = '' OR store_id = $2) AND ($3 = '' OR state = $3)
		AND ($4 = '' OR id < $4)
		ORDER BY id DESC LIMIT $5`, string(q.Merchant), string(q.Store), string(q.State), string(q.Before), q.Limit+1)
	if err != nil {
		return nil, false, fault.Wrap(err, "list codes")
	}
	defer rows.Close()
	out := []Code{}
	for rows.Next() {
		code, err := scan(rows.Scan)
		if err == nil {
			code, err = c.show(ctx, code)
		}
		if err != nil {
			return nil, false, err
		}
		out = append(out, code)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(err, "list codes")
	}
	if len(out) > q.Limit {
		return out[:q.Limit], true, nil
	}
	return out, false, nil
}
