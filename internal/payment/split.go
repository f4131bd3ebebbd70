package payment

import (
	"context"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// SplitsMax is how many parts of one payment may be others'.
const SplitsMax = 20

// SplitState says where a split stands.
type SplitState string

const (
	// SplitPlanned is done when the payment is paid.
	SplitPlanned SplitState = "planned"
	// SplitDone is the receiver's. Parts of it may be returned when the payment is refunded.
	SplitDone SplitState = "done"
)

// Split is a part of a payment that is another merchant's (分账).
type Split struct {
	ID       id.Split    `json:"id"`
	Payment  id.Payment  `json:"payment_id"`
	Merchant id.Merchant `json:"merchant_id"`
	Receiver id.Merchant `json:"receiver_id"`
	money.Amount
	Returned    money.Amount `json:"returned" doc:"taken back when the payment was refunded"`
	State       SplitState   `json:"state" enum:"planned,done"`
	Reference   string       `json:"reference,omitempty"`
	Description string       `json:"description,omitempty"`
	Entry       id.Entry     `json:"entry_id,omitempty"`
	CreatedAt   time.Time    `json:"created_at"`
	DoneAt      time.Time    `json:"done_at,omitzero"`
}

// SplitPart asks for a split: an amount in minor units, or a share of the payment in basis points.
type SplitPart struct {
	Receiver    id.Merchant       `json:"receiver_id" minLength:"1" maxLength:"40"`
	Amount      int64             `json:"amount,omitzero" minimum:"1" maximum:"9007199254740991" doc:"Minor units; or bps."`
	Bps         money.BasisPoints `json:"bps,omitzero" minimum:"1" maximum:"10000" doc:"Share of the payment in basis points; or amount."`
	Reference   string            `json:"reference,omitempty" maxLength:"64" doc:"Your own number for it."`
	Description string            `json:"description,omitempty" maxLength:"200" doc:"Shown to the receiver."`
}

// newSplits makes the splits of a payment and refuses parts that don't fit. Errors: payment.bad_split.
func (p *Payments) newSplits(ctx context.Context, payment *Payment, parts []SplitPart, now time.Time) ([]Split, error) {
	if err := p.checkParts(ctx, payment.Merchant, parts); err != nil {
		return nil, err
	}
	shares, err := sharesOf(payment.Amount, parts)
	if err != nil {
		return nil, err
	}
	splits := make([]Split, len(parts))
	for i, part := range parts {
		if shares[i].Minor == 0 {
			return nil, badSplit("a part of this payment is less than one minor unit")
		}
		splits[i] = Split{
			// A millisecond apart, so that they are listed in the order of the parts.
			ID: id.New[id.Split](
				now.Add(time.Duration(i) * time.Millisecond),
			),
			Payment:     payment.ID,
			Merchant:    payment.Merchant,
			Receiver:    part.Receiver,
			Amount:      shares[i],
			Returned:    money.Zero(payment.Currency),
			State:       SplitPlanned,
			Reference:   part.Reference,
			Description: part.Description,
		}
	}
	return splits, nil
}

// sharesOf returns what each part is of an amount. Shares are allocated together with the merchant's own, so that
// they never sum to more than the amount.
func sharesOf(amount money.Amount, parts []SplitPart) ([]money.Amount, error) {
	weights, own := make([]int64, 0, len(parts)+1), int64(wholeBps)
	for _, part := range parts {
		weights = append(weights, int64(part.Bps))
		own -= int64(part.Bps)
	}
	shares, err := amount.Allocate(append(weights, own))
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		if part.Amount > 0 {
			shares[i].Minor = part.Amount
		}
	}
	return shares, nil
}

func badSplit(message string) error {
	return fault.New(fault.Invalid, "payment.bad_split", message).WithParam("splits")
}

// checkParts refuses parts that no payment could carry. Errors: payment.bad_split.
func (p *Payments) checkParts(ctx context.Context, merchant id.Merchant, parts []SplitPart) error {
	if len(parts) == 0 || len(parts) > SplitsMax {
		return badSplit("a payment has 1 to 20 splits")
	}
	var shares money.BasisPoints
	for i, part := range parts {
		switch {
		case (part.Amount > 0) == (part.Bps > 0), part.Amount < 0, part.Bps < 0, part.Amount > money.MaxMinor:
			return badSplit("a split has an amount or a share in basis points, and not both")
		case part.Receiver == merchant:
			return badSplit("your own part is what is left")
		case slices.ContainsFunc(parts[:i], func(other SplitPart) bool { return other.Receiver == part.Receiver }):
			return badSplit("a receiver stands there twice")
		case !printable(part.Reference, ReferenceMax), !printable(part.Description, DescriptionMax):
			return badSplit("a reference has at most 64 printable characters, a description 200")
		}
		if shares += part.Bps; shares > wholeBps {
			return badSplit("the shares are more than the whole")
		}
		receiver, err := p.Parties.Merchant(ctx, part.Receiver)
		if err != nil || receiver.State != party.StateActive {
			return badSplit("a receiver is not there, or takes no payments: " + string(part.Receiver))
		}
	}
	return nil
}

// wholeBps is the whole in basis points.
const wholeBps money.BasisPoints = 10_000

// sumOf adds up what splits move.
func sumOf(splits []Split) int64 {
	var sum int64
	for i := range splits {
		sum += splits[i].Minor
	}
	return sum
}

// splitLines are the lines of splits out of the merchant's money or out of custody.
func (p *Payments) splitLines(splits []Split, inCustody bool) []ledger.Line {
	var lines []ledger.Line
	for i := range splits {
		s := &splits[i]
		lines = append(lines, p.flows.Split(string(s.Merchant), string(s.Receiver), s.Amount, inCustody)...)
	}
	return lines
}

// doSplits stores splits as done with an entry.
func (p *Payments) doSplits(tx *commit.Tx, splits []Split, entry id.Entry) {
	for i := range splits {
		s := splits[i]
		s.State, s.Entry, s.DoneAt = SplitDone, entry, tx.Now()
		if s.CreatedAt.IsZero() {
			s.CreatedAt = tx.Now()
		}
		p.splits.Put(tx, s)
	}
}

// SplitOrder asks to split what a payment holds for that; with Release the rest is the merchant's.
type SplitOrder struct {
	Merchant id.Merchant
	Payment  id.Payment
	Parts    []SplitPart
	Release  bool
	Once     idempotency.Request
}

// Split gives receivers their parts of what waits in custody for that, in one commit. Errors: payment.not_found,
// payment.no_custody, payment.bad_split, payment.split_exceeds, idempotency.key_reused.
func (p *Payments) Split(ctx context.Context, order SplitOrder) (idempotency.Answer, error) {
	known, err := p.OfMerchant(ctx, order.Merchant, order.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	if known.Funds != FundsHeld {
		return idempotency.Answer{}, noCustody()
	}
	now := p.Clock.Now()
	splits, err := p.newSplits(ctx, &known, order.Parts, now)
	if err != nil {
		return idempotency.Answer{}, err
	}
	entry := ledger.NewEntry(now, string(known.ID))
	entry.Lines = p.splitLines(splits, true)
	some := money.Amount{Minor: 1, Currency: known.Currency}
	keys := append(p.Ledger.KeysOf(append(entry.Lines, p.flows.Release(string(known.Merchant), some)...)),
		p.paymentKeys(&known)...)
	keys = append(keys, p.openKey(known.ID))
	event := outbox.Event{Kind: "payment.split", Merchant: known.Merchant, Subject: string(known.ID)}
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := p.load(tx, known.ID)
		if err != nil {
			return 0, nil, err
		}
		if err := p.undisputed(tx, known.ID); err != nil {
			return 0, nil, err
		}
		left := row.Custody.Held.Minor - sumOf(splits)
		if left < 0 {
			return 0, nil, fault.Newf(fault.Conflict, "payment.split_exceeds", "only %s waits to be split", row.Custody.Held).
				WithParam("splits")
		}
		posted := entry
		row.Custody.Held.Minor = left
		if order.Release && left > 0 {
			rest := money.Amount{Minor: left, Currency: row.Currency}
			posted.Lines = slices.Concat(entry.Lines, p.flows.Release(string(row.Merchant), rest))
			row.Custody.Held.Minor = 0
		}
		if err := p.Ledger.Post(tx, posted); err != nil {
			return 0, nil, err
		}
		p.doSplits(tx, splits, entry.ID)
		p.put(tx, &row)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusOK, body, err
	})
}

// returnSplits takes the receivers' shares of a refund back, in proportion to what is left to refund, as far as their
// balances carry it; what they don't carry is the merchant's. It returns the lines and their sum.
func (p *Payments) returnSplits(
	tx *commit.Tx, payment *Payment, refund *Refund, splits []Split,
) (lines []ledger.Line, sum int64, err error) {
	left := payment.Captured.Minor - payment.Refunded.Minor
	for i := range splits {
		row, found, err := p.splits.Get(tx, p.splits.Key(string(splits[i].ID)))
		if err != nil {
			return nil, 0, err
		}
		if !found || row.State != SplitDone {
			continue
		}
		owes := money.Amount{Minor: row.Minor - row.Returned.Minor, Currency: row.Currency}
		share, err := owes.Share(refund.Minor, left)
		if err != nil {
			return nil, 0, err
		}
		account := ledger.Account(ledger.MerchantPending, row.Currency, string(row.Receiver))
		has, err := p.Ledger.Available(tx, account)
		if err != nil {
			return nil, 0, err
		}
		back := money.Amount{Minor: min(share.Minor, owes.Minor, max(has.Minor, 0)), Currency: row.Currency}
		if back.Minor == 0 {
			continue
		}
		lines = append(lines, p.flows.SplitReturn(string(row.Receiver), string(row.Merchant), back)...)
		row.Returned.Minor += back.Minor
		refund.sources.splits = append(refund.sources.splits, splitShare{row.ID, back.Minor})
		sum += back.Minor
		p.splits.Put(tx, row)
	}
	return lines, sum, nil
}

// splitKeys names the rows that returnSplits reads.
func (p *Payments) splitKeys(splits []Split) []commit.Key {
	var keys []commit.Key
	for i := range splits {
		s := &splits[i]
		keys = append(keys, p.splits.Key(string(s.ID)))
		keys = append(keys, p.Ledger.KeysOf(p.flows.SplitReturn(string(s.Receiver), string(s.Merchant), s.Amount))...)
	}
	return keys
}

// Splits returns the splits of a merchant's payment, oldest first. Errors: payment.not_found.
func (p *Payments) Splits(ctx context.Context, merchant id.Merchant, name id.Payment) ([]Split, error) {
	if _, err := p.OfMerchant(ctx, merchant, name); err != nil {
		return nil, err
	}
	return p.splitsOf(ctx, name)
}

func (p *Payments) splitsOf(ctx context.Context, name id.Payment) ([]Split, error) {
	return p.readSplits(ctx, "payment_id = $1 ORDER BY id", string(name))
}

// Received returns what a merchant received of others' payments, newest first, and whether there is more.
func (p *Payments) Received(
	ctx context.Context,
	receiver id.Merchant,
	before id.Split,
	limit int,
) ([]Split, bool, error) {
	out, err := p.readSplits(ctx, "receiver_id = $1 AND state = 'done' AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
		string(receiver), string(before), limit+1)
	if len(out) > limit {
		return out[:limit], true, err
	}
	return out, false, err
}

func (p *Payments) readSplits(ctx context.Context, where string, args ...any) ([]Split, error) {
	//nolint:gosec // where is a text of this file
	rows, err := p.DB.Read.QueryContext(ctx, `SELECT id, payment_id, merchant_id, receiver_id, amount_minor, currency,
		returned_minor, state, reference, description, entry_id, created_at, done_at FROM splits WHERE `+where, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list splits")
	}
	defer rows.Close()
	out := []Split{}
	for rows.Next() {
		var s Split
		var created, done int64
		err := rows.Scan(&s.ID, &s.Payment, &s.Merchant, &s.Receiver, &s.Minor, &s.Currency, &s.Returned.Minor, &s.State,
			&s.Reference, &s.Description, &s.Entry, &created, &done)
		if err != nil {
			return nil, fault.Wrap(err, "list splits")
		}
		s.Returned.Currency, s.CreatedAt, s.DoneAt = s.Currency, clock.FromMicros(created), clock.FromMicros(done)
		out = append(out, s)
	}
	return out, fault.Wrap(rows.Err(), "list splits")
}

func splitsTable(c *commit.Committer) *commit.Table[Split] {
	return commit.AddTable(c, "splits",
		commit.Text("id", func(s *Split) *string { return (*string)(&s.ID) }),
		commit.Text("payment_id", func(s *Split) *string { return (*string)(&s.Payment) }),
		commit.Text("merchant_id", func(s *Split) *string { return (*string)(&s.Merchant) }),
		commit.Text("receiver_id", func(s *Split) *string { return (*string)(&s.Receiver) }),
		commit.Int("amount_minor", func(s *Split) *int64 { return &s.Amount.Minor }),
		commit.Coded("currency", func(s *Split) string { return string(s.Currency) },
			func(s *Split, v string) { s.Currency, s.Returned.Currency = money.Currency(v), money.Currency(v) }),
		commit.Int("returned_minor", func(s *Split) *int64 { return &s.Returned.Minor }).Mutable(),
		commit.Text("state", func(s *Split) *string { return (*string)(&s.State) }).Mutable(),
		commit.Text("reference", func(s *Split) *string { return &s.Reference }),
		commit.Text("description", func(s *Split) *string { return &s.Description }),
		commit.Text("entry_id", func(s *Split) *string { return (*string)(&s.Entry) }).Mutable(),
		commit.Instant("created_at", func(s *Split) *time.Time { return &s.CreatedAt }),
		commit.Instant("done_at", func(s *Split) *time.Time { return &s.DoneAt }).Mutable(),
	)
}
