package card

import (
	"context"
	"log/slog"
	"math"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
)

// Unbind ends a binding: the number is destroyed at once, the issuer is told by a job. A card whose binding has ended
// stays as it is.
//
// Errors: card.not_found, card.already_confirming (the issuer is being asked; come back).
func (c *Cards) Unbind(ctx context.Context, customer id.Customer, name id.Card) error {
	keys := []commit.Key{c.cards.Key(string(name)), c.holders.Key(string(customer)), c.agreements.Key(string(name))}
	jobID := id.New[id.Job](c.Clock.Now())
	err := c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		card, own, err := c.ofHolder(tx, customer, keys)
		if err != nil || (!card.State.holds()) {
			return err
		}
		if err := card.end(Unbinding, tx.Now()); err != nil {
			return err
		}
		own.Cards--
		if own.Default == name {
			own.Default = ""
		}
		agreement, signed, err := c.agreements.Get(tx, keys[2])
		if err != nil {
			return err
		}
		if signed && agreement.State != AgreementCancelled {
			agreement.State, agreement.EndedAt = AgreementCancelled, tx.Now()
			c.agreements.Put(tx, agreement)
		}
		c.cards.Put(tx, card)
		c.holders.Put(tx, own)
		c.Jobs.Enqueue(tx, job.Work{ID: jobID, Kind: cancelJob, Subject: string(name)})
		return c.announce(tx, "card.unbound", card.view(own.Default))
	})
	return fault.Wrap(err, "unbind "+string(name))
}

// UnbindAll ends all bindings of a customer. Errors: those of Unbind.
func (c *Cards) UnbindAll(ctx context.Context, customer id.Customer) error {
	cards, err := c.List(ctx, customer, "", math.MaxInt32)
	if err != nil {
		return err
	}
	for _, card := range cards {
		if !card.State.holds() {
			continue
		}
		if err := c.Unbind(ctx, customer, card.ID); err != nil {
			return err
		}
	}
	return nil
}

// ofHolder reads a card and its holder; keys are the two rows.
func (c *Cards) ofHolder(tx *commit.Tx, customer id.Customer, keys []commit.Key) (row, holder, error) {
	card, found, err := c.cards.Get(tx, keys[0])
	if err != nil {
		return row{}, holder{}, err
	}
	if !found || card.Customer != customer {
		return row{}, holder{}, notFound()
	}
	own, _, err := c.holders.Get(tx, keys[1])
	return card, own, err
}

// SetDefault makes a bound card the one that pays where no other is named. Errors: card.not_found, card.not_bound.
func (c *Cards) SetDefault(ctx context.Context, customer id.Customer, name id.Card) (Card, error) {
	var set Card
	keys := []commit.Key{c.cards.Key(string(name)), c.holders.Key(string(customer))}
	err := c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		card, own, err := c.ofHolder(tx, customer, keys)
		if err != nil {
			return err
		}
		if card.State != Bound {
			return notBound()
		}
		own.Default = name
		c.holders.Put(tx, own)
		set = card.view(name)
		return nil
	})
	return set, fault.Wrap(err, "make default "+string(name))
}

func notBound() error {
	return fault.New(fault.Conflict, "card.not_bound", "the card is not bound").WithParam("id")
}

// cancelAtIssuer is the job that ends a binding at its issuer. It may run again: to cancel twice is once.
func (c *Cards) cancelAtIssuer(ctx context.Context, work job.Job) error {
	issuer, err := c.issuer()
	if err != nil {
		return err
	}
	name := id.Card(work.Subject)
	answer, err := issuer.Cancel(ctx, name)
	if err != nil {
		return err
	}
	if answer.Outcome != OutcomeCancelled && answer.Outcome != OutcomeNotFound && answer.Outcome != OutcomeDeclined {
		return fault.Newf(fault.Unavailable, "card.not_cancelled", "the issuer answered %s", answer.Outcome)
	}
	key := c.cards.Key(work.Subject)
	return c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		card, found, err := c.cards.Get(tx, key)
		if err != nil || !found || card.State != Unbinding {
			return err
		}
		if err := card.move(Unbound); err != nil {
			return err
		}
		card.SealedPAN = nil // an engine may read NULL as no bytes, and would write these
		c.cards.Put(tx, card)
		return nil
	})
}

func logCard(name id.Card) slog.Attr { return slog.String("card", string(name)) }

func logError(err error) slog.Attr { return slog.Any("error", err) }
