package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
)

// charge is what the payer's word does to a payment: it pays, or it sets money aside for the merchant to capture.
type charge struct {
	payments *Payments
	ask      *limit.Ask
	factors  limit.Factors
	entry    ledger.Entry // of automatic capture
	fee      money.Amount
	splits   []Split // planned with the payment, done with it
	hold     id.Hold // of manual capture
	card     *cardOrder
}

// by is how a payer pays: with what, by which method of the limits, confirmed by which factors.
type by struct {
	With

	method  limit.Method
	factors limit.Factors
}

// prepareCharge is done outside the decision. The payment's customer is the payer; splits are nil for those that were
// stored with the payment. Errors: those of prepareCard.
func (p *Payments) prepareCharge(
	ctx context.Context, payment *Payment, merchant party.Merchant, how by, splits []Split,
) (*charge, error) {
	c := &charge{payments: p, factors: how.factors, splits: splits}
	var err error
	if how.byCard() {
		how.method = cardMethod(how.method)
		if c.card, err = p.prepareCard(ctx, payment, how.With, how.factors); err != nil {
			return nil, err
		}
	}
	if c.ask, err = p.Limits.Ask(ctx, limit.Act{
		Customer: payment.Customer, Amount: payment.Amount, Method: how.method, Factors: how.factors,
	}); err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	if payment.CaptureMode == Manual {
		c.hold = id.New[id.Hold](now)
		return c, nil
	}
	if c.fee, err = feeOf(merchant, payment.Amount); err != nil {
		return nil, err
	}
	if payment.Funds == FundsSplit && splits == nil {
		if c.splits, err = p.splitsOf(ctx, payment.ID); err != nil {
			return nil, err
		}
	}
	c.entry = ledger.NewEntry(now, string(payment.ID), p.paymentLines(payment, payment.Amount, c.fee)...)
	c.entry.Lines = append(c.entry.Lines, p.splitLines(c.splits, false)...)
	return c, nil
}

// keys names the rows that do reads, the payment's own with them.
func (c *charge) keys(payment *Payment) []commit.Key {
	p := c.payments
	keys := append(p.paymentKeys(payment), c.ask.Keys()...)
	if c.card != nil {
		keys = append(keys, p.Attempts.StartKeys(c.card.try)...)
	}
	if payment.CaptureMode == Manual {
		return append(keys, p.Ledger.Keys(holdAccounts(payment))...)
	}
	for i := range c.splits {
		keys = append(keys, p.splits.Key(string(c.splits[i].ID)))
	}
	return append(keys, p.Ledger.KeysOf(c.entry.Lines)...)
}

// do asks the limits, posts or holds, counts the payment and moves it. Where it refuses, nothing is written.
func (c *charge) do(tx *commit.Tx, payment *Payment) error {
	to := Succeeded
	switch {
	case c.card != nil:
		to = Processing
	case payment.CaptureMode == Manual:
		to = Authorized
	}
	state, err := payment.State.Move(to)
	if err != nil {
		return err
	}
	counted, err := c.ask.Check(tx)
	if err != nil {
		return err
	}
	switch to { //nolint:exhaustive // one of the three
	case Processing:
		err = c.begin(tx, payment)
	case Authorized:
		err = c.authorize(tx, payment)
	default:
		err = c.pay(tx, payment)
	}
	if err != nil {
		return err
	}
	counted.Put(tx)
	payment.State = state
	return nil
}

// doByCode is do for a payment that nobody confirms: a wallet that cools off pays by code what it may pay at all,
// counted with what the merchant may raise it to.
func (c *charge) doByCode(tx *commit.Tx, payment *Payment) error {
	cooling, err := c.payments.Auth.RequireSettled(tx, payment.Customer, payment.intent("").Amount)
	if err != nil {
		return err
	}
	if err := c.do(tx, payment); err != nil {
		return err
	}
	return cooling.Put(tx)
}

// begin lets the card's issuer decide. What the merchant will bear is fixed now: the issuer may take its time.
func (c *charge) begin(tx *commit.Tx, payment *Payment) error {
	if left := payment.Minor - c.fee.Minor; sumOf(c.splits) > left {
		return fault.Newf(fault.Conflict, "payment.split_exceeds", "of this payment %s are left after the fee",
			money.Amount{Minor: left, Currency: payment.Currency})
	}
	payment.Fee = c.fee
	return c.card.start(tx, payment)
}

func (c *charge) pay(tx *commit.Tx, payment *Payment) error {
	if err := c.payments.Ledger.Post(tx, c.entry); err != nil {
		return err
	}
	payment.Fee, payment.Entry, payment.CompletedAt, payment.DeclineCode = c.fee, c.entry.ID, tx.Now(), ""
	payment.Captured = payment.Amount
	payment.keep(tx.Now(), payment.Minor-c.fee.Minor)
	c.payments.doSplits(tx, c.splits, c.entry.ID)
	return nil
}
