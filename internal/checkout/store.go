package checkout

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

func checkoutsTable(c *commit.Committer) *commit.Table[Checkout] {
	return commit.AddTable(c, "checkouts",
		commit.Text("id", func(r *Checkout) *string { return (*string)(&r.ID) }),
		commit.Text("link_id", func(r *Checkout) *string { return (*string)(&r.Link) }),
		commit.Text("return_url", func(r *Checkout) *string { return &r.ReturnURL }),
		commit.Text("cancel_url", func(r *Checkout) *string { return &r.CancelURL }),
		commit.Bool("given_back", func(r *Checkout) *bool { return &r.givenBack }).Mutable(),
		commit.Instant("created_at", func(r *Checkout) *time.Time { return &r.CreatedAt }),
	)
}

func linksTable(c *commit.Committer) *commit.Table[Link] {
	return commit.AddTable(c, "payment_links",
		commit.Text("id", func(r *Link) *string { return (*string)(&r.ID) }),
		commit.Text("token", func(r *Link) *string { return &r.token }),
		commit.Text("merchant_id", func(r *Link) *string { return (*string)(&r.Merchant) }),
		commit.Text("store_id", func(r *Link) *string { return (*string)(&r.Store) }),
		commit.Int("amount_minor", func(r *Link) *int64 { return &r.Minor }),
		commit.Text("currency", func(r *Link) *string { return (*string)(&r.Currency) }),
		commit.Text("description", func(r *Link) *string { return &r.Description }),
		commit.Coded("sharing", func(r *Link) string { return r.Sharing.Encode() },
			func(r *Link, s string) { r.Sharing.Decode(s) }),
		commit.Text("return_url", func(r *Link) *string { return &r.ReturnURL }),
		commit.Text("cancel_url", func(r *Link) *string { return &r.CancelURL }),
		commit.Int("uses_max", func(r *Link) *int64 { return &r.UsesMax }),
		commit.Int("uses", func(r *Link) *int64 { return &r.Uses }).Mutable(),
		commit.Text("state", func(r *Link) *string { return (*string)(&r.State) }).Mutable(),
		commit.Instant("expires_at", func(r *Link) *time.Time { return &r.ExpiresAt }),
		commit.Instant("created_at", func(r *Link) *time.Time { return &r.CreatedAt }),
	)
}

// read returns what is kept of a payment's page; a payment that was made without one has none, and a page all the same.
func (c *Checkouts) read(ctx context.Context, name id.Payment) (Checkout, error) {
	var (
		page    = Checkout{ID: name}
		created int64
	)
	err := c.DB.Read.QueryRowContext(ctx, `SELECT link_id, return_url, cancel_url, created_at FROM checkouts
		WHERE id = $1`, string(name)).Scan(&page.Link, &page.ReturnURL, &page.CancelURL, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return page, nil
	}
	page.CreatedAt = clock.FromMicros(created)
	return page, fault.Wrap(err, "read the page of "+string(name))
}

// lapsed finds payments of a link that came to nothing and count as uses.
func (c *Checkouts) lapsed(ctx context.Context, link id.PaymentLink, limit int) ([]id.Payment, error) {
	rows, err := c.DB.Read.QueryContext(ctx, `SELECT c.id FROM checkouts c JOIN payments p ON p.id = c.id
		WHERE c.link_id = $1 AND c.link_id <> '' AND NOT c.given_back AND p.state IN ('expired', 'voided', 'declined')
		ORDER BY c.id LIMIT $2`, string(link), limit)
	if err != nil {
		return nil, fault.Wrap(err, "find lapsed payments")
	}
	defer rows.Close()
	var out []id.Payment
	for rows.Next() {
		var name id.Payment
		if err := rows.Scan(&name); err != nil {
			return nil, fault.Wrap(err, "find lapsed payments")
		}
		out = append(out, name)
	}
	return out, fault.Wrap(rows.Err(), "find lapsed payments")
}

const linkColumns = `id, token, merchant_id, store_id, amount_minor, currency, description, sharing,
	return_url, cancel_url, uses_max, uses, state, expires_at, created_at,
	COALESCE((SELECT reason FROM take_downs t WHERE t.id = payment_links.id AND t.lifted_at = 0), '')`

func (c *Checkouts) scanLink(row func(...any) error) (Link, error) {
	var (
		l                Link
		sharing          string
		expires, created int64
	)
	err := row(&l.ID, &l.token, &l.Merchant, &l.Store, &l.Minor, &l.Currency, &l.Description, &sharing, &l.ReturnURL,
		&l.CancelURL, &l.UsesMax, &l.Uses, &l.State, &expires, &created, &l.TakenDown)
	l.Sharing.Decode(sharing)
	l.ExpiresAt, l.CreatedAt, l.URL = clock.FromMicros(expires), clock.FromMicros(created), c.linkURL(&l)
	if errors.Is(err, sql.ErrNoRows) {
		return l, linkNotFound()
	}
	return l, fault.Wrap(err, "read a payment link")
}

func (c *Checkouts) linkBy(ctx context.Context, where string, args ...any) (Link, error) {
	return c.scanLink(
		c.DB.Read.QueryRowContext(ctx, "SELECT "+linkColumns+" FROM payment_links WHERE "+where, args...).Scan)
}

// Link returns a payment link, whoever's it is. Errors: payment_link.not_found.
func (c *Checkouts) Link(ctx context.Context, name id.PaymentLink) (Link, error) {
	return c.linkBy(ctx, "id = $1", string(name))
}

// LinkOf returns a merchant's payment link. Errors: payment_link.not_found, also for another's.
func (c *Checkouts) LinkOf(ctx context.Context, merchant id.Merchant, name id.PaymentLink) (Link, error) {
	return c.linkBy(ctx, "id = $1 AND merchant_id = $2", string(name), string(merchant))
}

// LinkQuery asks for a merchant's links, newest first. Zero values filter nothing; Before is the id behind which to go
// on.
type LinkQuery struct {
	Merchant id.Merchant
	State    LinkState
	Before   id.PaymentLink
	Limit    int
}

// ListLinks returns a merchant's links and whether there are more.
func (c *Checkouts) ListLinks(ctx context.Context, q LinkQuery) ([]Link, bool, error) {
	rows, err := c.DB.Read.QueryContext(ctx, `SELECT `+linkColumns+` FROM payment_links
		WHERE merchant_id = $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4`,
		string(q.Merchant), string(q.State), string(q.Before), q.Limit+1)
	if err != nil {
		return nil, false, fault.Wrap(err, "list payment links")
	}
	defer rows.Close()
	out := []Link{}
	for rows.Next() {
		link, err := c.scanLink(rows.Scan)
		if err != nil {
			return nil, false, err
		}
		out = append(out, link)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(err, "list payment links")
	}
	if len(out) > q.Limit {
		return out[:q.Limit], true, nil
	}
	return out, false, nil
}
