package payment

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// refundSources say where a refund's money came from beside the merchant's balance: a refund that a card's issuer
// refuses goes back there.
type refundSources struct {
	advance int64 // lent by the operator
	custody int64
	splits  []splitShare
}

// splitShare is what a receiver gave back.
type splitShare struct {
	split id.Split
	minor int64
}

// encode writes "advance=5 custody=100 spl_…=20"; what is nothing is left out.
func (s refundSources) encode() string {
	var parts []string
	add := func(name string, minor int64) {
		if minor > 0 {
			parts = append(parts, name+"="+strconv.FormatInt(minor, 10))
		}
	}
	add("advance", s.advance)
	add("custody", s.custody)
	for _, share := range s.splits {
		add(string(share.split), share.minor)
	}
	return strings.Join(parts, " ")
}

// decodeSources reads what encode wrote.
func decodeSources(text string) refundSources {
	var s refundSources
	for part := range strings.FieldsSeq(text) {
		name, number, _ := strings.Cut(part, "=")
		minor, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil:
		case name == "advance":
			s.advance = minor
		case name == "custody":
			s.custody = minor
		default:
			s.splits = append(s.splits, splitShare{id.Split(name), minor})
		}
	}
	return s
}

// of returns what a receiver gave back by a split.
func (s refundSources) of(split id.Split) int64 {
	for _, share := range s.splits {
		if share.split == split {
			return share.minor
		}
	}
	return 0
}

// cardRefund is a refund to the card that paid.
type cardRefund struct {
	payments *Payments
	try      attempt.Attempt
	work     id.Job
	terms    channel.Capabilities
	refusal  error // told within the decision
}

func (p *Payments) prepareCardRefund(known *Payment) *cardRefund {
	now := p.Clock.Now()
	r := &cardRefund{payments: p, work: id.New[id.Job](now), try: attempt.Attempt{
		ID: id.New[id.Attempt](now), Kind: channel.KindRefund, Customer: known.Customer, Channel: card.Channel,
		Card: known.Card.id, Original: known.attempt, Stripe: p.Stripe,
	}}
	r.terms, r.refusal = p.Attempts.Capabilities(r.try.Channel)
	return r
}

// start writes the order. Errors: channel.*.
func (r *cardRefund) start(tx *commit.Tx, refund *Refund) error {
	if r.refusal != nil {
		return r.refusal
	}
	if err := r.terms.Check(channel.KindRefund, refund.Amount); err != nil {
		return err
	}
	try := r.try
	try.Subject, try.Amount = string(refund.ID), refund.Amount
	refund.attempt = try.ID
	return r.payments.Attempts.Start(tx, try, r.work)
}

// settleRefund is decided when the card's issuer has spoken.
func (p *Payments) settleRefund(ctx context.Context, try attempt.Attempt) attempt.Step {
	step, err := p.settlingRefund(ctx, try)
	return orFail(step, err)
}

func (p *Payments) settlingRefund(ctx context.Context, try attempt.Attempt) (attempt.Step, error) {
	known, err := p.RefundOf(ctx, id.Refund(try.Subject))
	if err != nil {
		return attempt.Step{}, err
	}
	payment, err := p.Payment(ctx, known.Payment)
	if err != nil {
		return attempt.Step{}, err
	}
	all, err := p.splitsOf(ctx, known.Payment)
	if err != nil {
		return attempt.Step{}, err
	}
	returned := slices.DeleteFunc(all, func(s Split) bool { return known.sources.of(s.ID) == 0 })
	now := p.Clock.Now()
	paid := ledger.NewEntry(now, try.Subject, ledger.Flows{Stripe: try.Stripe}.CardRefundPaid(try.Channel, try.Amount)...)
	back := ledger.NewEntry(now, try.Subject, p.refundReturned(try, &known, returned)...)
	keys := append(p.Ledger.KeysOf(append(slices.Clone(paid.Lines), back.Lines...)), p.refunds.Key(try.Subject))
	keys = append(keys, p.paymentKeys(&payment)...)
	for i := range returned {
		keys = append(keys, p.splits.Key(string(returned[i].ID)))
	}
	return attempt.Step{Keys: keys, Decide: func(tx *commit.Tx, a attempt.Attempt) error {
		refund, found, err := p.refunds.Get(tx, p.refunds.Key(try.Subject))
		if err != nil || !found {
			return err
		}
		to, entry := RefundSucceeded, paid
		if a.State != channel.AttemptSucceeded {
			to, entry = RefundDeclined, back
			refund.DeclineCode = a.DeclineCode
		}
		if refund.State, err = refund.State.Move(to); err != nil {
			return err
		}
		if err := p.Ledger.Post(tx, entry); err != nil {
			return fault.Wrap(err, "settle refund "+try.Subject)
		}
		refund.Entry, refund.CompletedAt = entry.ID, tx.Now()
		if to == RefundDeclined {
			if err := p.undoRefund(tx, &refund, returned); err != nil {
				return err
			}
		}
		p.refunds.Put(tx, refund)
		event := outbox.Event{Kind: "refund." + string(to), Merchant: refund.Merchant, Subject: try.Subject}
		return p.Outbox.Add(tx, event, refund)
	}}, nil
}

// refundReturned are the lines that bring a refused refund back to where it came from.
func (p *Payments) refundReturned(try attempt.Attempt, refund *Refund, returned []Split) []ledger.Line {
	flows := ledger.Flows{Stripe: try.Stripe}
	amount := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: refund.Currency} }
	lines := flows.CardRefundReturned(try.Channel, string(refund.Merchant), refund.Amount, refund.FeeReturned,
		amount(refund.sources.advance), amount(refund.sources.custody))
	for i := range returned {
		s := &returned[i]
		lines = append(lines,
			flows.Split(string(s.Merchant), string(s.Receiver), amount(refund.sources.of(s.ID)), false)...)
	}
	return lines
}

// undoRefund counts a refused refund out of its payment, whose rest may be refunded again.
func (p *Payments) undoRefund(tx *commit.Tx, refund *Refund, returned []Split) error {
	row, err := p.load(tx, refund.Payment)
	if err != nil {
		return err
	}
	row.Refunded.Minor -= refund.Minor
	row.FeeReturned.Minor -= refund.FeeReturned.Minor
	if row.Custody != nil {
		row.Custody.Held.Minor += refund.sources.custody
	}
	for i := range returned {
		split, found, err := p.splits.Get(tx, p.splits.Key(string(returned[i].ID)))
		if err != nil || !found {
			return err
		}
		split.Returned.Minor -= refund.sources.of(split.ID)
		p.splits.Put(tx, split)
	}
	refund.FeeReturned.Minor = 0
	p.put(tx, &row)
	return nil
}
