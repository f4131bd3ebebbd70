package identity

import (
	"context"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/job"
)

// run is the job that asks a channel about one try of a check. It may run twice, also at once: the channel decides a
// reference once, and what it says is recorded once. While nothing is known the job fails, and so comes back.
func (s *Identities) run(ctx context.Context, work job.Job) error {
	c, err := s.readCheck(ctx, work.Subject)
	if err != nil {
		return err
	}
	if string(c.Reference) != work.Payload || !c.State.under() {
		return nil // another try stands in its place, or it is known already
	}
	outcome, cause := s.ask(ctx, c)
	if cause != nil {
		outcome = OutcomeUnknown
	}
	if err := s.recordOutcome(ctx, c, outcome); err != nil || outcome != OutcomeUnknown {
		return err
	}
	if cause == nil {
		cause = fault.New(fault.Unavailable, CodeBadAnswer, "the channel's answer says nothing")
	}
	return cause
}

// ask calls the channel with what the check is about.
func (s *Identities) ask(ctx context.Context, c check) (Outcome, error) {
	v := s.verifiers[c.Channel]
	if v == nil {
		return OutcomeUnknown, fault.New(fault.Unavailable, CodeChannelFailed, "this channel is not set up on this node")
	}
	in, err := s.openInputs(c.Customer, c.Channel, c.Sealed)
	if err != nil {
		return OutcomeUnknown, err
	}
	call, cancel := context.WithTimeout(ctx, v.Timeout())
	defer cancel()
	confirmer, asks := v.(Confirmer)
	if c.Answers > 0 && asks {
		outcome, err := confirmer.Confirm(call, Reply{Reference: c.Reference, Try: c.Answers, AmountMinor: in.AmountMinor})
		return only(outcome, OutcomeMatched, OutcomeMismatch), err
	}
	r, err := s.readRecord(ctx, c.Customer)
	if err != nil {
		return OutcomeUnknown, err
	}
	d, err := s.openDocument(r)
	if err != nil {
		return OutcomeUnknown, err
	}
	outcome, err := v.Verify(call, Query{
		Reference: c.Reference, Document: d, Phone: in.Phone, Card: in.Card, Account: in.Account,
	})
	yes := OutcomeMatched
	if asks {
		yes = OutcomeAsked // a channel that asks the person may not say yes without
	}
	return only(outcome, yes, OutcomeMismatch, OutcomeNotFound), err
}

// only returns an outcome that may be, and unknown for all others.
func only(outcome Outcome, may ...Outcome) Outcome {
	if slices.Contains(may, outcome) {
		return outcome
	}
	return OutcomeUnknown
}

// recordOutcome commits what a channel said, and the class that follows, in one commit. What comes late, twice or about
// a try that no longer stands changes nothing.
func (s *Identities) recordOutcome(ctx context.Context, asked check, outcome Outcome) error {
	if outcome == OutcomeUnknown && asked.State == CheckUnknown {
		return nil
	}
	return s.decide(ctx, asked.Customer, func(tx *commit.Tx, d *dossier) error {
		c := d.checks[asked.Channel]
		if c.Reference != asked.Reference || c.Answers != asked.Answers || !c.State.under() {
			return nil
		}
		to := c.heard(outcome, tx.Now())
		if to == c.State {
			return nil
		}
		if err := s.putCheck(tx, d, c, to); err != nil {
			return err
		}
		if to == CheckPassed || to == CheckFailed {
			err := s.announce(tx, eventCheck, d.record, Event{
				Channel: c.Channel, CheckState: to, Reason: c.Reason, Class: d.customer.Class, ClassBefore: d.customer.Class,
			})
			if err != nil {
				return err
			}
		}
		return s.settle(tx, d)
	})
}

// heard returns where an outcome brings a check, and notes why and for how long.
func (c *check) heard(outcome Outcome, now time.Time) CheckState {
	switch outcome {
	case OutcomeMatched:
		c.Reason = ""
		if length, limited := validity()[c.Channel]; limited {
			c.ValidUntil = now.Add(length)
		}
		return CheckPassed
	case OutcomeAsked:
		return CheckAsked
	case OutcomeMismatch:
		c.Reason = ReasonMismatch
		if c.Answers > 0 {
			c.Reason = ReasonWrongAnswer
			if c.Answers < answersMax {
				return CheckAsked
			}
			c.block(now)
		}
		return CheckFailed
	case OutcomeNotFound:
		c.Reason = ReasonNotFound
		return CheckFailed
	case OutcomeUnknown:
	}
	return CheckUnknown
}
