package card

import (
	"context"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	sweepMax   = 100 // cards at once
	queryAgain = 15 * time.Second
)

// Sweep asks issuers about cards whose confirmation got no answer, and ends bindings whose code nobody entered. One
// that the issuer has signed all the same becomes bound.
func (c *Cards) Sweep(ctx context.Context) error {
	due, err := c.due(ctx, c.Clock.Now())
	if err != nil || len(due) == 0 {
		return err
	}
	issuer, err := c.issuer()
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range due {
		answer, err := issuer.Query(ctx, name)
		if err == nil {
			err = c.resume(ctx, name)
		}
		if err == nil {
			_, err = c.settle(ctx, name, answer)
		}
		if err != nil {
			failed = append(failed, fault.Wrap(err, "find out about "+string(name)), c.postpone(ctx, name))
		}
	}
	return errors.Join(failed...)
}

// resume takes a card whose code was not entered in time to where the issuer's answer decides.
func (c *Cards) resume(ctx context.Context, name id.Card) error {
	key := c.cards.Key(string(name))
	return c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		card, found, err := c.cards.Get(tx, key)
		if err != nil || !found || card.State != AwaitingCode || tx.Now().Before(card.QueryAt) {
			return err
		}
		if err := card.move(Confirming); err != nil {
			return err
		}
		c.cards.Put(tx, card)
		return nil
	})
}

func (c *Cards) postpone(ctx context.Context, name id.Card) error {
	key := c.cards.Key(string(name))
	return c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		card, found, err := c.cards.Get(tx, key)
		if err != nil || !found || (card.State != Confirming && card.State != AwaitingCode) {
			return err
		}
		card.QueryAt = tx.Now().Add(queryAgain)
		c.cards.Put(tx, card)
		return nil
	})
}

// due lists cards that somebody has to look after.
func (c *Cards) due(ctx context.Context, now time.Time) ([]id.Card, error) {
	rows, err := c.DB.Read.QueryContext(ctx, `SELECT id FROM cards
		WHERE state IN ('awaiting_code', 'confirming') AND query_at <= $1 ORDER BY query_at LIMIT $2`,
		clock.Micros(now), sweepMax)
	if err != nil {
		return nil, fault.Wrap(c.DB.Fault(err), "list open cards")
	}
	defer rows.Close()
	var due []id.Card
	for rows.Next() {
		var name id.Card
		if err := rows.Scan(&name); err != nil {
			return nil, fault.Wrap(err, "list open cards")
		}
		due = append(due, name)
	}
	return due, fault.Wrap(c.DB.Fault(rows.Err()), "list open cards")
}

// Tidy deletes counts that are over.
func (c *Cards) Tidy(ctx context.Context) error { return c.forgetChecks(ctx) }
