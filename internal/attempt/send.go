package attempt

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
)

// send is the job that carries one attempt to its channel. Run again after a crash it does not send
// again: an attempt that was sent is the sweeper's.
func (a *Attempts) send(ctx context.Context, work job.Job) error {
	attempt, err := a.Attempt(ctx, id.Attempt(work.Subject))
	if err != nil {
		return err
	}
	if attempt.State != channel.AttemptCreated {
		return nil
	}
	route, err := a.Channel(attempt.Channel)
	if err != nil {
		return err
	}
	terms := route.Capabilities()
	sentAt, err := a.markSent(ctx, attempt, terms.Timeout)
	if err != nil || sentAt.IsZero() {
		return err
	}
	// A process that stood still in between must not send any more: the sweeper may have found that the order is not
	// there, and believed it. What is left between here and the wire is what the channel's grace is for.
	if a.clock.Now().Sub(sentAt) > terms.Timeout {
		a.log.WarnContext(
			ctx,
			"an order was not sent in time and is left to the sweeper",
			slog.String("attempt", string(attempt.ID)),
		)
		return nil
	}
	callContext, cancel := context.WithTimeout(ctx, terms.Timeout)
	defer cancel()
	result, callErr := call(callContext, route, attempt)
	return a.record(ctx, attempt, result, callErr)
}

func call(ctx context.Context, route channel.Channel, attempt Attempt) (channel.Result, error) {
	memo := "Feiqian " + attempt.Subject
	order := channel.Order{
		Reference: attempt.ID, AccountToken: attempt.BankToken, Amount: attempt.Amount, Memo: memo,
	}
	switch attempt.Kind { //nolint:exhaustive // the others are no orders
	case channel.KindPayOut:
		return route.PayOut(ctx, order)
	case channel.KindRefund:
		return route.Refund(ctx, channel.RefundOrder{
			Reference: attempt.ID, Original: attempt.Original, Amount: attempt.Amount, Memo: memo,
		})
	}
	return route.PayIn(ctx, order)
}

// markSent commits that the attempt is about to be sent; the sweeper takes over if no answer is
// recorded by then. It returns when that was, or the zero time if it was not this call that did it.
func (a *Attempts) markSent(ctx context.Context, attempt Attempt, timeout time.Duration) (time.Time, error) {
	var step Step
	if sent := a.handlers[attempt.Kind].Sent; sent != nil {
		step = sent(attempt)
	}
	key := a.table.Key(string(attempt.ID))
	var sentAt time.Time
	err := a.committer.Do(ctx, append(step.Keys, key), func(tx *commit.Tx) error {
		sentAt = time.Time{}
		row, _, err := a.table.Get(tx, key)
		if err != nil || row.State != channel.AttemptCreated {
			return err
		}
		if row.State, err = row.State.Send(); err != nil {
			return err
		}
		sentAt = tx.Now()
		row.SentAt, row.UpdatedAt, row.QueryAt = tx.Now(), tx.Now(), tx.Now().Add(timeout+sweepPeriod)
		a.table.Put(tx, row)
		if step.Decide == nil {
			return nil
		}
		return step.Decide(tx, row)
	})
	return sentAt, err
}

// record commits what a channel said: the attempt's move, and with a final state what it means for
// the subject and the books. A contradiction is kept as a problem for a person and changes nothing
// else.
func (a *Attempts) record(ctx context.Context, attempt Attempt, result channel.Result, cause error) error {
	if cause != nil && result.Outcome != channel.OutcomeUnknown {
		result = channel.Result{}
	}
	step := a.handlers[attempt.Kind].Settle(ctx, attempt)
	key := a.table.Key(string(attempt.ID))
	step.Keys = append(step.Keys, a.StartKeys(attempt)...)
	var contradiction error
	err := a.committer.Do(ctx, append(step.Keys, key), func(tx *commit.Tx) error {
		contradiction = nil
		row, found, err := a.table.Get(tx, key)
		if err != nil || !found {
			return errors.Join(err, notFound(found))
		}
		before := row.State
		after, err := row.State.Next(result.Outcome)
		row.UpdatedAt = tx.Now()
		if fault.CodeOf(err) == channel.CodeContradiction {
			contradiction = err
			row.Problem = err.Error()
			a.table.Put(tx, row)
			return nil
		}
		if err != nil || (before.Final() && after == before) {
			return err
		}
		a.table.Put(tx, moved(row, after, result, cause))
		if !after.Final() {
			return nil
		}
		row = moved(row, after, result, cause)
		if err := a.settleCard(tx, row); err != nil {
			return err
		}
		return step.Decide(tx, row)
	})
	if contradiction != nil {
		a.log.ErrorContext(ctx, "a channel contradicts itself", slog.String("attempt", string(attempt.ID)),
			slog.String("channel", attempt.Channel), slog.Any("error", contradiction))
	}
	return err
}

// settleCard gives back what a refused debit counted in the card's agreement, and ends an agreement that has ended at
// the issuer.
func (a *Attempts) settleCard(tx *commit.Tx, row Attempt) error {
	if row.State == channel.AttemptSucceeded {
		return nil
	}
	if row.UsedOn != "" {
		if err := a.cards.ReturnUse(tx, row.use(), row.UsedOn); err != nil {
			return err
		}
	}
	if row.Card == "" || row.Kind == channel.KindRefund || row.DeclineCode != string(channel.DeclineAgreementEnded) {
		return nil
	}
	return a.cards.AgreementEnded(tx, row.use())
}

func notFound(found bool) error {
	if found {
		return nil
	}
	return fault.New(fault.NotFound, "attempt.not_found", "there is no such attempt")
}

// moved returns the row after a channel's word.
func moved(row Attempt, state channel.AttemptState, result channel.Result, cause error) Attempt {
	row.State = state
	row.Problem = ""
	if cause != nil {
		row.Problem = fault.CodeOf(cause)
	}
	if result.ChannelReference != "" {
		row.ChannelReference = result.ChannelReference
	}
	switch {
	case state == channel.AttemptDeclined:
		row.DeclineCode = string(result.DeclineCode)
	case state == channel.AttemptNotBooked:
		row.DeclineCode = string(channel.DeclineBankUnavailable)
	case !state.Final():
		row.QueryAt = row.UpdatedAt.Add(queryWait(row.Queries))
		row.Queries++
	}
	return row
}

// Notice takes in a verified notice of a channel: a hint that may come twice, late or wrong.
func (a *Attempts) Notice(ctx context.Context, name string, notice channel.Notice) error {
	attempt, err := a.Attempt(ctx, notice.Reference)
	if err != nil {
		return err
	}
	if attempt.Channel != name || attempt.Kind != notice.Kind || attempt.Amount != notice.Amount {
		return fault.New(fault.Conflict, channel.CodeAnswerMismatch, "the notice is not about this order")
	}
	return a.record(ctx, attempt, notice.Result, nil)
}
