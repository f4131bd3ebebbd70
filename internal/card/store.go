package card

import (
	"context"
	"database/sql"
	"errors"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// The number is not among the columns that are read here.
const cardColumns = `c.id, c.customer_id, c.state, c.masked, c.issuer, c.card_type, c.scheme, c.expires_on,
	c.decline_code,
	c.tries, c.created_at, c.bound_at, c.ended_at, COALESCE(h.default_card, '')`

const cardsFrom = " FROM cards c LEFT JOIN card_holders h ON h.id = c.customer_id"

func scanCard(scan func(...any) error) (Card, error) {
	var (
		r                     row
		created, bound, ended int64
		standard              id.Card
	)
	err := scan(&r.ID, &r.Customer, &r.State, &r.Masked, &r.Issuer, &r.Type, &r.Scheme, &r.ExpiresOn, &r.DeclineCode,
		&r.Tries, &created, &bound, &ended, &standard)
	r.CreatedAt, r.BoundAt, r.EndedAt = clock.FromMicros(created), clock.FromMicros(bound), clock.FromMicros(ended)
	return r.view(standard), err
}

// read returns any card. Errors: card.not_found.
func (c *Cards) read(ctx context.Context, name id.Card) (Card, error) {
	card, err := scanCard(c.DB.Read.QueryRowContext(ctx,
		"SELECT "+cardColumns+cardsFrom+" WHERE c.id = $1", string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Card{}, notFound()
	}
	return card, fault.Wrap(c.DB.Fault(err), "read card "+string(name))
}

// Of returns a customer's card. Errors: card.not_found, also for another customer's.
func (c *Cards) Of(ctx context.Context, customer id.Customer, name id.Card) (Card, error) {
	card, err := c.read(ctx, name)
	if err == nil && card.Customer != customer {
		return Card{}, notFound()
	}
	return card, err
}

// List returns up to limit cards of a customer, newest first, those behind cursor ("" is the start); also ended ones.
func (c *Cards) List(ctx context.Context, customer id.Customer, cursor id.Card, limit int) ([]Card, error) {
	rows, err := c.DB.Read.QueryContext(ctx, "SELECT "+cardColumns+cardsFrom+
		" WHERE c.customer_id = $1 AND (c.id < $2 OR $2 = '') ORDER BY c.id DESC LIMIT $3",
		string(customer), string(cursor), limit)
	if err != nil {
		return nil, fault.Wrap(c.DB.Fault(err), "list cards")
	}
	defer rows.Close()
	cards := []Card{}
	for rows.Next() {
		card, err := scanCard(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list cards")
		}
		cards = append(cards, card)
	}
	return cards, fault.Wrap(c.DB.Fault(rows.Err()), "list cards")
}

// DefaultOf returns a customer's default card, "" for none.
func (c *Cards) DefaultOf(ctx context.Context, customer id.Customer) (id.Card, error) {
	var name id.Card
	err := c.DB.Read.QueryRowContext(ctx, "SELECT default_card FROM card_holders WHERE id = $1", string(customer)).
		Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return name, fault.Wrap(c.DB.Fault(err), "read the default card of "+string(customer))
}

// readAgreement returns any agreement. Errors: card.agreement_not_found.
func (c *Cards) readAgreement(ctx context.Context, name id.Card) (Agreement, error) {
	var (
		a                      Agreement
		signed, checked, ended int64
	)
	err := c.DB.Read.QueryRowContext(ctx, `SELECT id, customer_id, number, state, currency, issuer_transaction_minor,
		issuer_day_minor, transaction_minor, day_minor, used_on, used_minor, signed_at, checked_at, ended_at
		FROM card_agreements WHERE id = $1`, string(name)).Scan(&a.Card, &a.Customer, &a.Number, &a.State, &a.Currency,
		&a.IssuerTransaction, &a.IssuerDay, &a.Transaction, &a.Day, &a.UsedOn, &a.Used, &signed, &checked, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return Agreement{}, agreementNotFound()
	}
	a.SignedAt, a.CheckedAt, a.EndedAt = clock.FromMicros(signed), clock.FromMicros(checked), clock.FromMicros(ended)
	return a, fault.Wrap(c.DB.Fault(err), "read the agreement of "+string(name))
}
