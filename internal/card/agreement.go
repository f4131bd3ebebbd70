package card

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/money"
)

// Agreement is a quick pay agreement as it is stored, under its card's id. The issuer sets the outer limits (People's
// Bank of China, announcement 〔2015〕43, art. 10); the customer's own lie within.
type Agreement struct { //nolint:recvcheck // values are read, pointers change
	Card              id.Card
	Customer          id.Customer
	Number            string
	State             AgreementState
	Currency          money.Currency
	IssuerTransaction int64
	IssuerDay         int64
	Transaction       int64
	Day               int64
	UsedOn            clock.Date // the day that Used is of
	Used              int64
	SignedAt          time.Time
	CheckedAt         time.Time // when the issuer last said that it stands
	EndedAt           time.Time
}

func addAgreements(c *commit.Committer) *commit.Table[Agreement] {
	return commit.AddTable(c, "card_agreements",
		commit.Text("id", func(a *Agreement) *string { return (*string)(&a.Card) }),
		commit.Text("customer_id", func(a *Agreement) *string { return (*string)(&a.Customer) }),
		commit.Text("number", func(a *Agreement) *string { return &a.Number }),
		commit.Text("state", func(a *Agreement) *string { return (*string)(&a.State) }).Mutable(),
		commit.Text("currency", func(a *Agreement) *string { return (*string)(&a.Currency) }),
		commit.Int("issuer_transaction_minor", func(a *Agreement) *int64 { return &a.IssuerTransaction }).Mutable(),
		commit.Int("issuer_day_minor", func(a *Agreement) *int64 { return &a.IssuerDay }).Mutable(),
		commit.Int("transaction_minor", func(a *Agreement) *int64 { return &a.Transaction }).Mutable(),
		commit.Int("day_minor", func(a *Agreement) *int64 { return &a.Day }).Mutable(),
		commit.Text("used_on", func(a *Agreement) *string { return (*string)(&a.UsedOn) }).Mutable(),
		commit.Int("used_minor", func(a *Agreement) *int64 { return &a.Used }).Mutable(),
		commit.Instant("signed_at", func(a *Agreement) *time.Time { return &a.SignedAt }),
		commit.Instant("checked_at", func(a *Agreement) *time.Time { return &a.CheckedAt }).Mutable(),
		commit.Instant("ended_at", func(a *Agreement) *time.Time { return &a.EndedAt }).Mutable(),
	)
}

func newAgreement(card row, answer Answer, now time.Time) Agreement {
	return Agreement{
		Card: card.ID, Customer: card.Customer, Number: answer.Number, State: AgreementActive,
		Currency:          answer.TransactionMax.Currency,
		IssuerTransaction: answer.TransactionMax.Minor, IssuerDay: answer.DayMax.Minor,
		Transaction: answer.TransactionMax.Minor, Day: answer.DayMax.Minor, SignedAt: now, CheckedAt: now,
	}
}

// Terms is an agreement as its customer sees it.
type Terms struct {
	Card   id.Card        `json:"card_id"`
	Number string         `json:"agreement_number"`
	State  AgreementState `json:"state" enum:"active,suspended,cancelled"`
	// The limits for one payment and for a day: the customer's own, and the issuer's, which own ones cannot pass.
	TransactionMax       money.Amount `json:"transaction_limit"`
	DayMax               money.Amount `json:"day_limit"`
	IssuerTransactionMax money.Amount `json:"issuer_transaction_limit"`
	IssuerDayMax         money.Amount `json:"issuer_day_limit"`
	// RemainingToday is what may still be paid until the operator's midnight.
	RemainingToday money.Amount `json:"remaining_today"`
	SignedAt       time.Time    `json:"signed_at"`
	CheckedAt      time.Time    `json:"checked_at"`
	EndedAt        time.Time    `json:"ended_at,omitzero"`
}

// terms returns the agreement as its customer sees it at an instant.
func (c *Cards) terms(a Agreement, now time.Time) Terms {
	amount := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: a.Currency} }
	remaining := int64(0)
	if a.State == AgreementActive {
		remaining = max(0, a.Day-a.usedOn(max(clock.DateOf(now, c.Zone), a.UsedOn)))
	}
	return Terms{
		Card: a.Card, Number: a.Number, State: a.State,
		TransactionMax: amount(a.Transaction), DayMax: amount(a.Day),
		IssuerTransactionMax: amount(a.IssuerTransaction), IssuerDayMax: amount(a.IssuerDay),
		RemainingToday: amount(remaining), SignedAt: a.SignedAt, CheckedAt: a.CheckedAt, EndedAt: a.EndedAt,
	}
}

// usedOn returns what was paid on a day.
func (a Agreement) usedOn(day clock.Date) int64 {
	if a.UsedOn != day {
		return 0
	}
	return a.Used
}

// TermsChange asks for other terms. Nil members stay. What loosens the agreement (a higher limit, resuming it) needs
// the payment PIN; what tightens it does not.
type TermsChange struct {
	Customer    id.Customer
	Card        id.Card
	State       *AgreementState
	Transaction *int64 // minor units
	Day         *int64
	PIN         string
}

// ChangeTerms changes limits, suspends or resumes.
//
// Errors: card.agreement_not_found, card.agreement_cancelled, card.bad_limit, card.pin_required (Forbidden), those of
// auth.RequirePIN.
func (c *Cards) ChangeTerms(ctx context.Context, change TermsChange) (Terms, error) {
	var mac string
	if change.PIN != "" {
		var err error
		if mac, err = c.Auth.PINMAC(change.Customer, change.PIN); err != nil {
			return Terms{}, err
		}
	}
	var changed Terms
	key, pin := c.agreements.Key(string(change.Card)), c.Auth.PINKey(change.Customer)
	err := c.Committer.Do(ctx, []commit.Key{key, pin}, func(tx *commit.Tx) error {
		before, err := c.agreementOf(tx, key, change.Customer)
		if err != nil {
			return err
		}
		after, err := change.apply(before)
		if err != nil {
			return err
		}
		if after.loosens(before) {
			if mac == "" {
				return fault.New(fault.Forbidden, "card.pin_required", "this needs the payment PIN").WithParam("pin")
			}
			if err := c.Auth.RequirePIN(tx, change.Customer, mac); err != nil {
				return err
			}
		}
		c.agreements.Put(tx, after)
		changed = c.terms(after, tx.Now())
		return nil
	})
	return changed, fault.Wrap(err, "change the agreement of "+string(change.Card))
}

// apply returns the agreement with the change.
func (change TermsChange) apply(a Agreement) (Agreement, error) {
	if a.State == AgreementCancelled {
		return a, fault.New(fault.Conflict, "card.agreement_cancelled", "the agreement is cancelled").
			WithHint("unbind the card and bind it again for a new agreement")
	}
	if change.State != nil {
		if *change.State == AgreementCancelled {
			return a, fault.New(fault.Invalid, "card.bad_state", "an agreement becomes active or suspended").WithParam("state")
		}
		if err := a.move(*change.State); err != nil {
			return a, err
		}
	}
	if change.Transaction != nil {
		a.Transaction = *change.Transaction
	}
	if change.Day != nil {
		a.Day = *change.Day
	}
	if a.Transaction < 1 || a.Transaction > a.IssuerTransaction {
		return a, fault.Newf(fault.Invalid, "card.bad_limit", "a payment's limit is 1 to %d, which the issuer set",
			a.IssuerTransaction).WithParam("transaction_limit")
	}
	if a.Day < 1 || a.Day > a.IssuerDay {
		return a, fault.Newf(fault.Invalid, "card.bad_limit", "a day's limit is 1 to %d, which the issuer set", a.IssuerDay).
			WithParam("day_limit")
	}
	return a, nil
}

func (a Agreement) loosens(before Agreement) bool {
	return a.Transaction > before.Transaction || a.Day > before.Day ||
		(a.State == AgreementActive && before.State != AgreementActive)
}

// agreementOf reads a customer's agreement in a decision.
func (c *Cards) agreementOf(tx *commit.Tx, key commit.Key, customer id.Customer) (Agreement, error) {
	a, found, err := c.agreements.Get(tx, key)
	if err == nil && (!found || a.Customer != customer) {
		err = agreementNotFound()
	}
	return a, err
}

func agreementNotFound() error {
	return fault.New(fault.NotFound, "card.agreement_not_found", "this card has no agreement").WithParam("id")
}

// Terms returns the agreement of a customer's card. Errors: card.agreement_not_found.
func (c *Cards) Terms(ctx context.Context, customer id.Customer, name id.Card) (Terms, error) {
	a, err := c.readAgreement(ctx, name)
	if err == nil && a.Customer != customer {
		err = agreementNotFound()
	}
	if err != nil {
		return Terms{}, err
	}
	return c.terms(a, c.Clock.Now()), nil
}

// decideTerms lets change look at an agreement, and writes it where change says so.
func (c *Cards) decideTerms(
	ctx context.Context, customer id.Customer, name id.Card, change func(*commit.Tx, *Agreement) (bool, error),
) (Terms, error) {
	var terms Terms
	key := c.agreements.Key(string(name))
	err := c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		a, err := c.agreementOf(tx, key, customer)
		if err != nil {
			return err
		}
		changed, err := change(tx, &a)
		if changed && err == nil {
			c.agreements.Put(tx, a)
		}
		terms = c.terms(a, tx.Now())
		return err
	})
	return terms, fault.Wrap(err, "the agreement of "+string(name))
}

// CancelAgreement ends an agreement for good, here at once, at the issuer by a job. The card stays bound, and cannot be
// debited. A cancelled one stays as it is. Errors: card.agreement_not_found.
func (c *Cards) CancelAgreement(ctx context.Context, customer id.Customer, name id.Card) (Terms, error) {
	jobID := id.New[id.Job](c.Clock.Now())
	return c.decideTerms(ctx, customer, name, func(tx *commit.Tx, a *Agreement) (bool, error) {
		if a.State == AgreementCancelled {
			return false, nil
		}
		a.EndedAt = tx.Now()
		c.Jobs.Enqueue(tx, job.Work{ID: jobID, Kind: cancelJob, Subject: string(name)})
		return true, a.move(AgreementCancelled)
	})
}

// CheckAgreement asks the issuer whether the agreement stands and what its limits are; own limits above come down.
//
// Errors: card.agreement_not_found, card.not_configured, those of Issuer.
func (c *Cards) CheckAgreement(ctx context.Context, customer id.Customer, name id.Card) (Terms, error) {
	before, err := c.Terms(ctx, customer, name)
	if err != nil || before.State == AgreementCancelled {
		return before, err
	}
	issuer, err := c.issuer()
	if err != nil {
		return before, err
	}
	answer, err := issuer.Query(ctx, name)
	if err != nil {
		return before, fault.Wrap(err, "check the agreement of "+string(name))
	}
	return c.decideTerms(ctx, customer, name, func(tx *commit.Tx, a *Agreement) (bool, error) {
		if a.State == AgreementCancelled {
			return false, nil
		}
		a.CheckedAt = tx.Now()
		if answer.Outcome != OutcomeSigned {
			a.EndedAt = tx.Now()
			return true, a.move(AgreementCancelled)
		}
		a.IssuerTransaction, a.IssuerDay = answer.TransactionMax.Minor, answer.DayMax.Minor
		a.Transaction, a.Day = min(a.Transaction, a.IssuerTransaction), min(a.Day, a.IssuerDay)
		return true, nil
	})
}
