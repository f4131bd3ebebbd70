package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/outbox"
)

// settlePayIn hands a debit's final word to what it is for.
func (p *Payments) settlePayIn(ctx context.Context, try attempt.Attempt) attempt.Step {
	if _, err := id.Parse[id.Payment](try.Subject); err != nil {
		return p.settleTopUp(try)
	}
	step, err := p.settlePayment(ctx, try)
	return orFail(step, err)
}

// orFail is a step that fails in its decision where preparing it did.
func orFail(step attempt.Step, err error) attempt.Step {
	if err != nil {
		return attempt.Step{Decide: func(*commit.Tx, attempt.Attempt) error { return err }}
	}
	return step
}

// settlePayment is decided when the card's issuer has spoken.
func (p *Payments) settlePayment(ctx context.Context, try attempt.Attempt) (attempt.Step, error) {
	known, err := p.Payment(ctx, id.Payment(try.Subject))
	if err != nil {
		return attempt.Step{}, err
	}
	if known.attempt != try.ID { // settled before: a late word finds the attempt final, and changes nothing
		known.attempt, known.Customer = try.ID, try.Customer
	}
	var splits []Split
	if known.Funds == FundsSplit {
		if splits, err = p.splitsOf(ctx, known.ID); err != nil {
			return attempt.Step{}, err
		}
	}
	lines, err := p.cardLines(&known, try)
	if err != nil {
		return attempt.Step{}, err
	}
	entry := ledger.NewEntry(p.Clock.Now(), try.Subject, append(lines, p.splitLines(splits, false)...)...)
	keys := append(p.Ledger.KeysOf(entry.Lines), p.paymentKeys(&known)...)
	for i := range splits {
		keys = append(keys, p.splits.Key(string(splits[i].ID)))
	}
	keys = append(keys, p.Limits.BackKeys(cardAct(&known, limit.Factors{}))...)
	keys = append(keys, p.Auth.PINKey(try.Customer))
	return attempt.Step{Keys: keys, Decide: func(tx *commit.Tx, a attempt.Attempt) error {
		row, err := p.load(tx, known.ID)
		if err != nil {
			return err
		}
		if row.State != Processing || row.attempt != a.ID {
			return fault.Newf(fault.Internal, "payment.not_processing", "%s has been decided and is not what %s waits for",
				a.ID, row.ID)
		}
		event := outbox.Event{Merchant: row.Merchant, Subject: string(row.ID)}
		if a.State == channel.AttemptSucceeded {
			event.Kind, err = "payment.succeeded", p.paidByCard(tx, &row, splits, entry)
		} else {
			event.Kind, err = p.declinedByCard(tx, &row, a)
		}
		if err != nil {
			return fault.Wrap(err, "settle payment "+try.Subject)
		}
		p.put(tx, &row)
		return p.Outbox.Add(tx, event, row)
	}}, nil
}

// paidByCard gives the merchant what the issuer has debited, whatever has become of merchant and time meanwhile: the
// payer's money is gone.
func (p *Payments) paidByCard(tx *commit.Tx, row *Payment, splits []Split, entry ledger.Entry) error {
	if err := p.Ledger.Post(tx, entry); err != nil {
		return err
	}
	var err error
	row.Entry, row.CompletedAt, row.Captured = entry.ID, tx.Now(), row.Amount
	row.keep(tx.Now(), row.Minor-row.Fee.Minor)
	p.doSplits(tx, splits, entry.ID)
	row.State, err = row.State.Move(Succeeded)
	return err
}

// declinedByCard gives back what limits and a wallet that cools off have counted. The payment waits for its payer
// again: another card may pay, the balance, or somebody else. Without time for that it is declined. It returns the
// event's kind.
func (p *Payments) declinedByCard(tx *commit.Tx, row *Payment, a attempt.Attempt) (string, error) {
	act := cardAct(row, row.Card.factors)
	if err := p.Limits.Back(tx, limit.Done{Act: act, At: a.CreatedAt}); err != nil {
		return "", err
	}
	if err := p.Auth.ReturnSettled(tx, row.Customer, row.Amount, a.CreatedAt); err != nil {
		return "", err
	}
	to, kind := Declined, "payment.declined"
	row.DeclineCode, row.Fee.Minor = a.DeclineCode, 0
	if row.ExpiresAt.After(tx.Now()) {
		to, kind = Created, "payment.attempt_declined"
		row.Customer, row.device, row.attempt, row.Card = "", "", "", nil
	} else {
		row.CompletedAt = tx.Now()
	}
	var err error
	row.State, err = row.State.Move(to)
	return kind, err
}
