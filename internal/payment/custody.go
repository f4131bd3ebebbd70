package payment

import (
	"context"
	"errors"
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

// Funds says where what is captured goes.
type Funds string

const (
	// FundsDirect is the merchant's at once.
	FundsDirect Funds = ""
	// FundsSplit is the merchant's and its receivers' at once.
	FundsSplit Funds = "split"
	// FundsHeld waits until the merchant splits or releases it (分账冻结).
	FundsHeld Funds = "held"
	// FundsEscrow waits until the payer has the goods, or long enough (担保交易).
	FundsEscrow Funds = "escrow"
)

// waits reports whether the money waits in custody.
func (f Funds) waits() bool { return f == FundsHeld || f == FundsEscrow }

// How long money may wait. What was not released then is the merchant's.
const (
	ReleaseDefault = 10 * 24 * time.Hour
	ReleaseMax     = 180 * 24 * time.Hour
)

// Custody is what waits of a payment.
type Custody struct {
	Held         money.Amount `json:"held" doc:"what waits now"`
	ReleaseAfter int64        `json:"release_after" doc:"seconds after the payment until it is the merchant's by itself"`
	ReleaseAt    time.Time    `json:"release_at,omitzero"`

	payment id.Payment
}

// PayerCustody is what the payer sees of it: how much waits would say what fee the merchant pays.
type PayerCustody struct {
	Waits     bool      `json:"waits" doc:"whether money of this payment waits to be released"`
	ReleaseAt time.Time `json:"release_at,omitzero" doc:"when it is the merchant's by itself"`
}

func (c *Custody) forPayer() *PayerCustody {
	if c == nil {
		return nil
	}
	return &PayerCustody{Waits: c.Held.Minor > 0, ReleaseAt: c.ReleaseAt}
}

// plan makes the splits of a payment that is split at once. Errors: payment.bad_split, payment.split_exceeds,
// payment.split_rule_not_found.
func (p *Payments) plan(ctx context.Context, order *Order, payment *Payment, merchant party.Merchant) ([]Split, error) {
	if order.Funds != FundsSplit {
		return nil, nil
	}
	if order.Rule != "" {
		rule, err := p.SplitRuleOf(ctx, order.Merchant, order.Rule)
		if err != nil {
			return nil, err
		}
		order.Parts = rule.Parts
	}
	splits, err := p.newSplits(ctx, payment, order.Parts, p.Clock.Now())
	if err != nil {
		return nil, err
	}
	fee, err := feeOf(merchant, payment.Amount)
	if err != nil {
		return nil, err
	}
	if left := payment.Minor - fee.Minor; sumOf(splits) > left {
		return nil, fault.Newf(fault.Invalid, "payment.split_exceeds", "of this payment %s are left after the fee",
			money.Amount{Minor: left, Currency: payment.Currency}).WithParam("splits")
	}
	return splits, nil
}

// fresh returns a copy whose parts can be changed: a decision may run several times.
func (p *Payment) fresh() Payment {
	row := *p
	if p.Authorization != nil {
		a := *p.Authorization
		row.Authorization = &a
	}
	if p.Custody != nil {
		c := *p.Custody
		row.Custody = &c
	}
	return row
}

// paymentLines are the lines of a payment or a capture.
func (p *Payments) paymentLines(payment *Payment, amount, fee money.Amount) []ledger.Line {
	if payment.Funds.waits() {
		return p.flows.PaymentInCustody(string(payment.Customer), string(payment.Merchant), amount, fee)
	}
	return p.flows.Payment(string(payment.Customer), string(payment.Merchant), amount, fee)
}

// keep counts what waits after a payment or a capture.
func (p *Payment) keep(now time.Time, minor int64) {
	if p.Custody == nil {
		return
	}
	p.Custody.Held.Minor += minor
	p.Custody.Held.Currency = p.Currency
	p.Custody.ReleaseAt = now.Add(time.Duration(p.Custody.ReleaseAfter) * time.Second)
}

func noCustody() error {
	return fault.New(fault.Conflict, "payment.no_custody", "nothing of this payment waits to be split or released")
}

// ReleaseOrder asks to give the merchant what waits: Amount in minor units, zero for all. The merchant releases what it
// held for splits, the payer (Customer) what is in escrow.
type ReleaseOrder struct {
	Merchant id.Merchant
	Customer id.Customer
	Payment  id.Payment
	Amount   int64
	Once     idempotency.Request
}

// Release gives the merchant what waits of a payment. Errors: payment.not_found, payment.no_custody,
// payment.release_exceeds, payment.disputed, idempotency.key_reused.
func (p *Payments) Release(ctx context.Context, order ReleaseOrder) (idempotency.Answer, error) {
	known, err := p.Payment(ctx, order.Payment)
	if err != nil {
		return idempotency.Answer{}, err
	}
	funds, view := FundsHeld, func(row *Payment) any { return row }
	if order.Customer != "" {
		merchant, err := p.Parties.Merchant(ctx, known.Merchant)
		if err != nil {
			return idempotency.Answer{}, err
		}
		funds, view = FundsEscrow, func(row *Payment) any { return row.ForPayer(merchant.Name) }
	}
	if known.Merchant != order.Merchant && (order.Customer == "" || known.Customer != order.Customer) {
		return idempotency.Answer{}, notFound()
	}
	if known.Funds != funds {
		return idempotency.Answer{}, noCustody()
	}
	if order.Amount < 0 {
		return idempotency.Answer{}, fault.New(fault.Invalid, "money.not_positive", "the amount must be positive").
			WithParam("amount")
	}
	keys, release := p.releasing(&known, order.Amount, order.Customer != "")
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := release(tx)
		if err != nil {
			return 0, nil, err
		}
		return statusOK, view(&row), p.Outbox.Add(tx, released(&row), row)
	})
}

func released(row *Payment) outbox.Event {
	return outbox.Event{Kind: "payment.released", Merchant: row.Merchant, Subject: string(row.ID)}
}

// releasing prepares the decision that gives the merchant some or, with 0, all of what waits. A payer who releases the
// whole amount or more than waits after the merchant's fee, which payers don't see, releases all.
func (p *Payments) releasing(
	known *Payment, minor int64, byPayer bool,
) ([]commit.Key, func(tx *commit.Tx) (Payment, error)) {
	entry := ledger.NewEntry(p.Clock.Now(), string(known.ID))
	some := money.Amount{Minor: 1, Currency: known.Currency}
	keys := append(p.Ledger.KeysOf(p.flows.Release(string(known.Merchant), some)), p.openKey(known.ID))
	keys = append(keys, p.paymentKeys(known)...)
	return keys, func(tx *commit.Tx) (Payment, error) {
		row, err := p.load(tx, known.ID)
		if err != nil {
			return row, err
		}
		if err := p.undisputed(tx, known.ID); err != nil {
			return row, err
		}
		amount := money.Amount{Minor: minor, Currency: row.Currency}
		if minor == 0 || (byPayer && minor > row.Custody.Held.Minor && minor <= row.Captured.Minor-row.Refunded.Minor) {
			amount = row.Custody.Held
		}
		if row.Custody.Held.Minor == 0 {
			return row, noCustody()
		}
		if amount.Minor > row.Custody.Held.Minor {
			return row, fault.New(fault.Conflict, "payment.release_exceeds", "less than that waits").WithParam("amount")
		}
		posted := entry
		posted.Lines = p.flows.Release(string(row.Merchant), amount)
		if err := p.Ledger.Post(tx, posted); err != nil {
			return row, err
		}
		row.Custody.Held.Minor -= amount.Minor
		p.put(tx, &row)
		return row, nil
	}
}

// ReleaseDue gives merchants what has waited long enough. A payment that a payer's wish, a review or a dispute stops is
// left until that is decided. It runs again and again under a lease.
func (p *Payments) ReleaseDue(ctx context.Context) error {
	due, err := p.readPayments(ctx, `p.id IN (
			SELECT id FROM custodies WHERE release_at > 0 AND held_minor > 0 AND release_at <= $1
				AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.review_key = custodies.id)
				AND NOT EXISTS (SELECT 1 FROM disputes d WHERE d.open_key = custodies.id))
		LIMIT $2`, clock.Micros(p.Clock.Now()), expireBatch)
	if err != nil {
		return err
	}
	var failed []error
	for i := range due {
		failed = append(failed, p.releaseDue(ctx, &due[i]))
	}
	return errors.Join(failed...)
}

func (p *Payments) releaseDue(ctx context.Context, known *Payment) error {
	keys, release := p.releasing(known, 0, false)
	review := p.refunds.KeyBy("review_key", string(known.ID))
	err := p.Committer.Do(ctx, append(keys, review), func(tx *commit.Tx) error {
		_, stopped, err := p.refunds.Get(tx, review)
		if err != nil || stopped {
			return err
		}
		row, err := release(tx)
		if err != nil {
			return err
		}
		return p.Outbox.Add(tx, released(&row), row)
	})
	if fault.KindOf(err) == fault.Conflict {
		return nil // somebody was faster, or the account is closed to it; the next run looks again
	}
	return err
}

func custodiesTable(c *commit.Committer) *commit.Table[Custody] {
	return commit.AddTable(c, "custodies",
		commit.Text("id", func(c *Custody) *string { return (*string)(&c.payment) }),
		commit.Int("held_minor", func(c *Custody) *int64 { return &c.Held.Minor }).Mutable(),
		commit.Text("currency", func(c *Custody) *string { return (*string)(&c.Held.Currency) }),
		commit.Int("release_after", func(c *Custody) *int64 { return &c.ReleaseAfter }),
		commit.Instant("release_at", func(c *Custody) *time.Time { return &c.ReleaseAt }).Mutable(),
	)
}
