package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
)

// giving is money on its way back to a payer, to the balance or the card that paid: out of what receivers give back of
// their splits, out of what waits in custody, out of the merchant's balance, and out of what the operator advances.
type giving struct {
	payments   *Payments
	known      *Payment
	splits     []Split
	entry      ledger.Entry
	advanceMax int64
	card       *cardRefund // where a card has paid
}

// prepareGiving is done outside the decision.
func (p *Payments) prepareGiving(ctx context.Context, known *Payment, keepSplits bool) (*giving, error) {
	merchant, err := p.Parties.Merchant(ctx, known.Merchant)
	if err != nil {
		return nil, err
	}
	g := &giving{payments: p, known: known, advanceMax: merchant.AdvanceMinor}
	if !keepSplits && (known.Funds == FundsSplit || known.Funds == FundsHeld) {
		if g.splits, err = p.splitsOf(ctx, known.ID); err != nil {
			return nil, err
		}
	}
	g.entry = ledger.NewEntry(p.Clock.Now(), "")
	if known.attempt != "" {
		g.card = p.prepareCardRefund(known)
	}
	return g, nil
}

// keys names the rows that do reads, the payment's and the refund's with them.
func (g *giving) keys(refund *Refund) []commit.Key {
	p, some := g.payments, money.Amount{Minor: 1, Currency: g.known.Currency}
	lines := g.lines(some, some, some)
	if g.known.Funds.waits() {
		lines = append(lines, p.flows.Release(string(g.known.Merchant), some)...)
	}
	keys := append(p.Ledger.KeysOf(lines), p.refunds.Key(string(refund.ID)), p.openKey(g.known.ID))
	keys = append(append(keys, p.paymentKeys(g.known)...), p.splitKeys(g.splits)...)
	if refund.referenceKey != "" {
		keys = append(keys, p.refunds.KeyBy("reference_key", refund.referenceKey))
	}
	return keys
}

// lines are those of the refund alone.
func (g *giving) lines(amount, feeReturn, advance money.Amount) []ledger.Line {
	flows, merchant := g.payments.flows, string(g.known.Merchant)
	if g.card != nil {
		return flows.CardRefund(g.card.try.Channel, merchant, amount, feeReturn, advance)
	}
	return flows.Refund(string(g.known.Customer), merchant, amount, feeReturn, advance)
}

// do posts the refund and ends it, or lets the card's issuer decide. Errors: refund.merchant_balance_low, payment.busy,
// channel.*.
func (g *giving) do(tx *commit.Tx, payment *Payment, refund *Refund) error {
	p := g.payments
	if payment.Custody != nil && payment.Custody.Held != g.known.Custody.Held {
		return changed() // splits may have been made that are not among the keys
	}
	if payment.attempt != g.known.attempt || payment.Customer != g.known.Customer {
		return changed() // it was paid between the look at it and now
	}
	var err error
	if refund.FeeReturned, err = feeReturn(payment, refund.Minor); err != nil {
		return err
	}
	lines, freed, err := p.returnSplits(tx, payment, refund, g.splits)
	if err != nil {
		return err
	}
	if payment.Custody != nil {
		waits := money.Amount{
			Minor:    min(payment.Custody.Held.Minor, max(refund.Minor-refund.FeeReturned.Minor-freed, 0)),
			Currency: payment.Currency,
		}
		payment.Custody.Held.Minor -= waits.Minor
		refund.sources.custody = waits.Minor
		freed += waits.Minor
		lines = append(lines, p.flows.Release(string(payment.Merchant), waits)...)
	}
	advance, err := g.advance(tx, payment, refund, freed)
	if err != nil {
		return err
	}
	entry := g.entry
	entry.Subject = string(refund.ID)
	entry.Lines = append(lines, g.lines(refund.Amount, refund.FeeReturned, advance)...)
	if err := p.Ledger.Post(tx, entry); err != nil {
		return err
	}
	refund.sources.advance = advance.Minor
	if err := g.end(tx, refund); err != nil {
		return err
	}
	refund.Entry, refund.reviewKey = entry.ID, ""
	payment.Refunded.Minor += refund.Minor
	payment.FeeReturned.Minor += refund.FeeReturned.Minor
	p.put(tx, payment)
	p.refunds.Put(tx, *refund)
	return nil
}

// end moves a refund whose money has left the merchant.
func (g *giving) end(tx *commit.Tx, refund *Refund) error {
	var err error
	if g.card == nil {
		refund.CompletedAt = tx.Now()
		refund.State, err = refund.State.Move(RefundSucceeded)
		return err
	}
	if refund.State, err = refund.State.Move(RefundProcessing); err != nil {
		return err
	}
	return g.card.start(tx, refund)
}

// advance is what the merchant's account can't cover, beside freed: it is lent to the merchant, up to the merchant's
// advance limit.
func (g *giving) advance(tx *commit.Tx, payment *Payment, refund *Refund, freed int64) (money.Amount, error) {
	p, merchant := g.payments, string(payment.Merchant)
	advance := money.Zero(payment.Currency)
	has, err := p.Ledger.Available(tx, ledger.Account(ledger.MerchantPending, payment.Currency, merchant))
	if err != nil {
		return advance, err
	}
	lacks := refund.Minor - has.Minor - refund.FeeReturned.Minor - freed
	if lacks <= 0 {
		return advance, nil
	}
	owed, err := p.Ledger.Available(tx, ledger.Account(ledger.MerchantDebt, payment.Currency, merchant))
	if err != nil {
		return advance, err
	}
	if owed.Minor+lacks > g.advanceMax {
		return advance, fault.New(fault.Conflict, "refund.merchant_balance_low", "your balance does not cover this refund").
			WithHint("refund less, or wait for further payments")
	}
	advance.Minor = lacks
	return advance, nil
}

// feeReturn is the part of the fee that goes back with amount.
func feeReturn(payment *Payment, amount int64) (money.Amount, error) {
	rest := payment.Fee.Minor - payment.FeeReturned.Minor
	if payment.Refunded.Minor+amount == payment.Captured.Minor {
		return money.Amount{Minor: rest, Currency: payment.Currency}, nil
	}
	share, err := payment.Fee.Share(amount, payment.Captured.Minor)
	share.Minor = min(share.Minor, rest)
	return share, err
}
