package card

import (
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Use is one debit under an agreement.
type Use struct {
	Customer id.Customer
	Card     id.Card
	Amount   money.Amount
}

// UseKeys names the rows that UseAgreement, ReturnUse and CreditToken read.
func (c *Cards) UseKeys(u Use) []commit.Key {
	return []commit.Key{c.agreements.Key(string(u.Card)), c.cards.Key(string(u.Card))}
}

// UseAgreement counts a debit within the limits of an agreement, in the decision that sends it, which declared UseKeys.
// It returns the card's token, for the channel, and the day it counts for.
//
// Errors: card.agreement_not_found, card.not_bound, card.agreement_suspended, card.agreement_cancelled,
// card.past_expiry (Conflict), card.above_transaction_limit, card.above_day_limit (Forbidden; say how much is left),
// money.….
func (c *Cards) UseAgreement(tx *commit.Tx, u Use) (string, clock.Date, error) {
	day := clock.DateOf(tx.Now(), c.Zone)
	a, token, err := c.usable(tx, u, day)
	if err == nil && a.State != AgreementActive {
		err = agreementIs(a.State)
	}
	if err != nil {
		return "", day, err
	}
	if u.Amount.Minor > a.Transaction {
		return "", day, above("transaction", money.Amount{Minor: a.Transaction, Currency: a.Currency})
	}
	day = max(day, a.UsedOn) // a node whose clock is behind begins no new day, nor an old one again
	used := a.usedOn(day)
	if left := a.Day - used; u.Amount.Minor > left {
		return "", day, above("day", money.Amount{Minor: max(0, left), Currency: a.Currency})
	}
	a.UsedOn, a.Used = day, used+u.Amount.Minor
	c.agreements.Put(tx, a)
	return token, day, nil
}

// CreditToken returns the token of a card that is to be credited, in the decision that sends the order, which declared
// UseKeys. A credit counts in no limit of the agreement, and may go to a card whose debits are suspended.
//
// Errors: card.agreement_not_found, card.not_bound, card.agreement_cancelled, card.past_expiry (Conflict), money.….
func (c *Cards) CreditToken(tx *commit.Tx, u Use) (string, error) {
	_, token, err := c.usable(tx, u, clock.DateOf(tx.Now(), c.Zone))
	return token, err
}

// usable returns the agreement and the token of a card that stands on a day.
func (c *Cards) usable(tx *commit.Tx, u Use, day clock.Date) (Agreement, string, error) {
	keys := c.UseKeys(u)
	a, err := c.agreementOf(tx, keys[0], u.Customer)
	if err != nil {
		return a, "", err
	}
	card, found, err := c.cards.Get(tx, keys[1])
	switch {
	case err != nil:
		return a, "", err
	case !found || card.State != Bound:
		return a, "", notBound()
	case a.State == AgreementCancelled:
		return a, "", agreementIs(a.State)
	// A card is good until the end of its month (ISO/IEC 7813 expiry, YYMM).
	case card.ExpiresOn != "" && string(day)[:len(card.ExpiresOn)] > card.ExpiresOn:
		return a, "", fault.Newf(fault.Conflict, "card.past_expiry", "the card was good until %s", card.ExpiresOn).
			WithHint("bind the card that the bank has sent in its place")
	case u.Amount.Currency != a.Currency:
		return a, "", fault.New(fault.Invalid, "card.currency_mismatch", "the agreement is in another currency").
			WithParam("currency")
	}
	return a, card.Token, u.Amount.CheckPositive()
}

func agreementIs(state AgreementState) error {
	return fault.Newf(fault.Conflict, "card.agreement_"+string(state), "the agreement is %s", state)
}

func above(limit string, left money.Amount) error {
	return fault.Newf(fault.Forbidden, "card.above_"+limit+"_limit",
		"the card's limit for a %s leaves %s", limit, left).WithParam("amount").
		WithHint("pay less, or raise the limit of the agreement with the payment PIN, up to the issuer's")
}

// AgreementEnded cancels an agreement of which the issuer says that it has ended, in a decision that declared UseKeys.
// The card stays bound; its customer binds it again for a new agreement.
func (c *Cards) AgreementEnded(tx *commit.Tx, u Use) error {
	a, err := c.agreementOf(tx, c.UseKeys(u)[0], u.Customer)
	if err != nil || a.State == AgreementCancelled {
		return err
	}
	if err := a.move(AgreementCancelled); err != nil {
		return err
	}
	a.EndedAt = tx.Now()
	c.agreements.Put(tx, a)
	return nil
}

// ReturnUse takes back what UseAgreement counted for a day, where the debit was refused. On a later day it changes
// nothing.
func (c *Cards) ReturnUse(tx *commit.Tx, u Use, day clock.Date) error {
	a, err := c.agreementOf(tx, c.UseKeys(u)[0], u.Customer)
	if err != nil || a.UsedOn != day {
		return err
	}
	a.Used = max(0, a.Used-u.Amount.Minor)
	c.agreements.Put(tx, a)
	return nil
}
