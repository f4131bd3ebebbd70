package attempt

import (
	"context"
	"database/sql"
	"errors"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const columns = `id, kind, subject, customer_id, channel, bank_token, card_id, used_on, original_id, amount_minor,
	currency, state, decline_code, channel_reference, problem,
	queries, query_at, sent_at, stripe, arrived_at, created_at, updated_at`

func scan(row func(...any) error) (Attempt, error) {
	var (
		a                                            Attempt
		queryAt, sentAt, arrivedAt, created, updated int64
	)
	err := row(
		&a.ID,
		&a.Kind,
		&a.Subject,
		&a.Customer,
		&a.Channel,
		&a.BankToken,
		&a.Card,
		&a.UsedOn,
		&a.Original,
		&a.Amount.Minor,
		&a.Amount.Currency,
		&a.State,
		&a.DeclineCode,
		&a.ChannelReference,
		&a.Problem,
		&a.Queries,
		&queryAt,
		&sentAt,
		&a.Stripe,
		&arrivedAt,
		&created,
		&updated,
	)
	a.QueryAt, a.SentAt, a.ArrivedAt = clock.FromMicros(queryAt), clock.FromMicros(sentAt), clock.FromMicros(arrivedAt)
	a.CreatedAt, a.UpdatedAt = clock.FromMicros(created), clock.FromMicros(updated)
	return a, err
}

// Attempt returns one attempt. Errors: attempt.not_found.
func (a *Attempts) Attempt(ctx context.Context, name id.Attempt) (Attempt, error) {
	attempt, err := scan(
		a.db.Read.QueryRowContext(ctx, "SELECT "+columns+" FROM attempts WHERE id = $1", string(name)).Scan,
	)
	if errors.Is(err, sql.ErrNoRows) {
		return attempt, notFound(false)
	}
	return attempt, fault.Wrap(err, "read attempt "+string(name))
}

// OfSubject returns the attempts of a kind for one subject, oldest first.
func (a *Attempts) OfSubject(ctx context.Context, kind channel.Kind, subject string) ([]Attempt, error) {
	return a.list(ctx, "SELECT "+columns+" FROM attempts WHERE subject = $1 AND kind = $2 ORDER BY id",
		subject, string(kind))
}

// due returns attempts whose answer is to be asked for.
func (a *Attempts) due(ctx context.Context, now int64, limit int) ([]Attempt, error) {
	return a.list(ctx, `SELECT `+columns+` FROM attempts WHERE state IN ('created', 'sent', 'pending', 'unknown')
		AND query_at <= $1 AND state <> 'created' ORDER BY query_at LIMIT $2`, now, limit)
}

// Open returns attempts without a final state, the ones due longest in front; and with them those with a problem
// for a person.
func (a *Attempts) Open(ctx context.Context, limit int) ([]Attempt, error) {
	return a.list(ctx, `SELECT `+columns+` FROM attempts WHERE state IN ('created', 'sent', 'pending', 'unknown')
		OR problem LIKE 'channel.contradiction%' ORDER BY query_at LIMIT $1`, limit)
}

// UnderWay reports whether a customer has attempts without a final state: money that may yet come or come back.
func (a *Attempts) UnderWay(ctx context.Context, customer id.Customer) (bool, error) {
	var n int64
	err := a.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM attempts
		WHERE state IN ('created', 'sent', 'pending', 'unknown') AND customer_id = $1`, string(customer)).Scan(&n)
	return n > 0, fault.Wrap(err, "count attempts of "+string(customer))
}

func (a *Attempts) list(ctx context.Context, text string, args ...any) ([]Attempt, error) {
	rows, err := a.db.Read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list attempts")
	}
	defer rows.Close()
	out := []Attempt{}
	for rows.Next() {
		attempt, err := scan(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list attempts")
		}
		out = append(out, attempt)
	}
	return out, fault.Wrap(rows.Err(), "list attempts")
}
