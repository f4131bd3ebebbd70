package card

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/outbox"
)

const (
	codeMin, codeMax = 4, 8 // digits of a one-time code
	// queryGrace is how long an issuer has to get and answer a confirmation before its "no code yet" is believed.
	queryGrace = 10 * time.Second
)

// Confirm hands the code on to the issuer. Where the issuer does not answer, the card comes back as confirming, and the
// sweeper finds out.
//
// Errors: card.bad_code, card.not_found, card.already_… (where it stands), card.code_expired, card.wrong_code
// (Forbidden, says how many tries are left; counted), card.not_configured.
func (c *Cards) Confirm(ctx context.Context, customer id.Customer, name id.Card, code string) (Card, error) {
	issuer, err := c.issuer()
	if err != nil {
		return Card{}, err
	}
	if len(code) < codeMin || len(code) > codeMax || strings.Trim(code, "0123456789") != "" {
		return Card{}, fault.Newf(fault.Invalid, "card.bad_code", "a code has %d to %d digits", codeMin, codeMax).
			WithParam("code")
	}
	if err := c.confirming(ctx, customer, name); err != nil {
		return Card{}, err
	}
	answer, err := issuer.Confirm(ctx, name, code)
	if err != nil {
		c.Log.WarnContext(ctx, "an issuer did not say whether a card is bound", logCard(name), logError(err))
		return c.Of(context.WithoutCancel(ctx), customer, name)
	}
	settled, err := c.settle(context.WithoutCancel(ctx), name, answer)
	if err == nil && answer.Outcome == OutcomeWrongCode && settled.State == AwaitingCode {
		return Card{}, fault.Newf(fault.Forbidden, "card.wrong_code", "the code is wrong; %d tries left", settled.TriesLeft).
			WithParam("code")
	}
	return settled, err
}

// confirming stores, before the call, that a code is on its way to the issuer.
func (c *Cards) confirming(ctx context.Context, customer id.Customer, name id.Card) error {
	key := c.cards.Key(string(name))
	return c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		card, found, err := c.cards.Get(tx, key)
		switch {
		case err != nil:
			return err
		case !found || card.Customer != customer:
			return notFound()
		case card.State == AwaitingCode && !tx.Now().Before(card.CreatedAt.Add(codeWithin)):
			return fault.New(fault.Conflict, "card.code_expired", "the code is too old").WithHint("bind the card again")
		}
		if err := card.move(Confirming); err != nil {
			return err
		}
		card.Tries++
		card.QueryAt = tx.Now().Add(queryGrace)
		c.cards.Put(tx, card)
		return nil
	})
}

// settle does what an issuer's answer means for a card that is confirming. For any other it changes nothing: late and
// doubled answers find their work done.
func (c *Cards) settle(ctx context.Context, name id.Card, answer Answer) (Card, error) {
	before, err := c.read(ctx, name)
	if err != nil {
		return Card{}, err
	}
	var settled Card
	keys := []commit.Key{
		c.cards.Key(string(name)), c.holders.Key(string(before.Customer)), c.agreements.Key(string(name)),
	}
	jobID := id.New[id.Job](c.Clock.Now())
	err = c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		card, found, err := c.cards.Get(tx, keys[0])
		if err != nil || !found {
			return fault.Wrap(err, "read the card")
		}
		own, _, err := c.holders.Get(tx, keys[1])
		if err != nil {
			return err
		}
		if card.State == Confirming {
			if err := c.settleNow(tx, &card, &own, answer); err != nil {
				return err
			}
			if card.State == Expired || card.State == Declined { // what the issuer may still hold is ended there too
				c.Jobs.Enqueue(tx, job.Work{ID: jobID, Kind: cancelJob, Subject: string(name)})
			}
			c.cards.Put(tx, card)
			c.holders.Put(tx, own)
		}
		settled = card.view(own.Default)
		return nil
	})
	return settled, fault.Wrap(err, "settle card "+string(name))
}

func (c *Cards) settleNow(tx *commit.Tx, card *row, own *holder, answer Answer) error {
	switch answer.Outcome {
	case OutcomeSigned:
		if err := card.move(Bound); err != nil {
			return err
		}
		card.Token, card.AgreementNumber, card.BoundAt = answer.Token, answer.Number, tx.Now()
		if own.Default == "" {
			own.Default = card.ID
		}
		c.agreements.Put(tx, newAgreement(*card, answer, tx.Now()))
		return c.announce(tx, "card.bound", card.view(own.Default))
	case OutcomeWrongCode, OutcomeWaiting:
		if card.Tries < codeTriesMax && tx.Now().Before(card.CreatedAt.Add(codeWithin)) {
			card.QueryAt = card.CreatedAt.Add(codeWithin)
			return card.move(AwaitingCode)
		}
		card.DeclineCode = DeclineTooManyTries
		own.Cards--
		if card.Tries < codeTriesMax {
			card.DeclineCode = ""
			return card.end(Expired, tx.Now())
		}
		return card.end(Declined, tx.Now())
	case OutcomeDeclined:
		card.DeclineCode = Decline(string(answer.DeclineCode))
		own.Cards--
		return card.end(Declined, tx.Now())
	case OutcomeCancelled, OutcomeNotFound:
		own.Cards--
		return card.end(Expired, tx.Now())
	}
	return fault.New(fault.Internal, "card.unknown_outcome", "an issuer's answer has no outcome")
}

// announce writes an event of the platform; its data has the mask only.
func (c *Cards) announce(tx *commit.Tx, kind string, card Card) error {
	return c.Outbox.Add(tx, outbox.Event{Kind: kind, Subject: string(card.ID)}, card)
}
