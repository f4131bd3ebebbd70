package card

import (
	"context"
	"database/sql"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
)

// Whoever may ask issuers as often as he likes can find out whose card a number is. UnionPay's risk rule allows four
// checks of one card in 24 hours; ten for one customer are ours.
const (
	checksOfCardMax   = 4
	checksOfPersonMax = 10
	checksWithin      = 24 * time.Hour
)

// check counts how often an issuer was asked since an instant.
type check struct {
	ID    string
	Since time.Time
	Tries int64
}

type limited struct {
	id  string
	max int64
}

// countChecks counts one more check, or refuses. Errors: card.too_many_checks (Limited, with RetryAfter).
func (c *Cards) countChecks(tx *commit.Tx, limits ...limited) error {
	counted := make([]check, len(limits))
	for i, limit := range limits {
		k, found, err := c.checks.Get(tx, c.checks.Key(limit.id))
		if err != nil {
			return err
		}
		if !found || tx.Now().Sub(k.Since) >= checksWithin {
			k = check{ID: limit.id, Since: tx.Now()}
		}
		if k.Tries >= limit.max {
			return fault.New(fault.Limited, "card.too_many_checks", "too many tries to bind a card").
				WithRetryAfter(k.Since.Add(checksWithin).Sub(tx.Now()))
		}
		k.Tries++
		counted[i] = k
	}
	for _, k := range counted {
		c.checks.Put(tx, k)
	}
	return nil
}

// forgetChecks deletes counts that nobody looks at any more.
func (c *Cards) forgetChecks(ctx context.Context) error {
	return c.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM card_checks WHERE since < $1",
			clock.Micros(c.Clock.Now().Add(-2*checksWithin)))
		return err
	})
}
