package qr

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/payment"
)

const (
	statusOK      = 200 // RFC 9110 §15.3.1
	statusCreated = 201 // RFC 9110 §15.3.2
)

// NewCode is what a merchant's code begins with. Amount with Minor 0 leaves the amount to the payer.
type NewCode struct {
	Merchant    id.Merchant
	Store       id.Store
	Amount      money.Amount
	Description string
	Sharing     payment.Sharing
	Once        idempotency.Request
}

// Create makes a merchant's printed code. Errors: qr.no_origin, those of payment.CheckAmount, qr.bad_description,
// those of payment.Standing and Draft.Allowed, idempotency.key_reused.
func (c *Codes) Create(ctx context.Context, n NewCode) (idempotency.Answer, error) {
	if err := c.check(n.Amount, n.Description); err != nil {
		return idempotency.Answer{}, err
	}
	order, draft, err := c.Payments.Standing(ctx, payment.Order{
		Merchant: n.Merchant, Store: n.Store, Amount: n.Amount, Description: n.Description, Sharing: n.Sharing,
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	code, err := c.show(ctx, c.newCode(Code{
		Kind: Store, Merchant: n.Merchant, Store: n.Store, Minor: n.Amount.Minor, Currency: n.Amount.Currency,
		Description: n.Description, Sharing: order.Sharing,
	}))
	if err != nil {
		return idempotency.Answer{}, err
	}
	return c.Keys.Once(ctx, n.Once, nil, func(tx *commit.Tx) (int, any, error) {
		if err := draft.Allowed(); err != nil {
			return 0, nil, err
		}
		row := code
		row.CreatedAt = tx.Now()
		c.codes.Put(tx, row)
		body, err := c.Outbox.Announce(tx, event("created", row), row)
		return statusCreated, body, err
	})
}

func (c *Codes) newCode(code Code) Code {
	code.ID, code.State, code.token = id.New[id.QRCode](c.Clock.Now()), Active, newToken()
	return code
}

func event(what string, code Code) outbox.Event {
	return outbox.Event{Kind: "qr_code." + what, Merchant: code.Merchant, Subject: string(code.ID)}
}

// check refuses amounts and descriptions that no payment could have.
func (c *Codes) check(amount money.Amount, description string) error {
	probe := amount
	if probe.Minor == 0 {
		probe.Minor = 1 // the payer says how much; the currency is looked at
	}
	if err := payment.CheckAmount(probe, c.Currencies); err != nil {
		return err
	}
	if !utf8.ValidString(description) || utf8.RuneCountInString(description) > payment.DescriptionMax ||
		containsControl(description) {
		return fault.Newf(fault.Invalid, "qr.bad_description", "a description has at most %d printable characters",
			payment.DescriptionMax).WithParam("description")
	}
	return c.ready()
}

func containsControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}

// Personal returns a person's code: with an amount a new one that works once, without the standing one, which is made
// at first. Errors: those of Create.
func (c *Codes) Personal(ctx context.Context, customer id.Customer, amount money.Amount, note string) (Code, error) {
	if err := c.check(amount, note); err != nil {
		return Code{}, err
	}
	code := c.newCode(Code{
		Kind: Person, Minor: amount.Minor, Currency: amount.Currency, Description: note, customer: customer,
	})
	var life time.Duration
	if amount.Minor > 0 {
		life = PersonalLife
	} else {
		known, found, err := c.standingOf(ctx, customer, amount.Currency)
		if err != nil {
			return Code{}, err
		}
		if found {
			return c.show(ctx, known)
		}
	}
	err := c.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
		code.CreatedAt = tx.Now()
		if life > 0 {
			code.ExpiresAt = tx.Now().Add(life)
		}
		c.codes.Put(tx, code)
		return nil
	})
	if err != nil {
		return Code{}, fault.Wrap(err, "make a code")
	}
	return c.show(ctx, code)
}

// Disable takes a code back: nobody can pay it any more. owner is the merchant or customer. Errors: qr.not_found, also
// for another's, qr.used.
func (c *Codes) Disable(ctx context.Context, owner string, name id.QRCode) (Code, error) {
	known, err := c.Of(ctx, owner, name)
	if err != nil {
		return Code{}, err
	}
	key := c.codes.Key(string(name))
	var out Code
	err = c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := c.codes.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.Owner() != owner {
			return notFound()
		}
		row.TakenDown = known.TakenDown
		if out = row; row.State == Disabled {
			return nil
		}
		if row.State == Used {
			return row.Payable(tx.Now())
		}
		row.State = Disabled
		out = row
		c.codes.Put(tx, row)
		if row.Kind == Person {
			return nil // nobody listens
		}
		return c.Outbox.Add(tx, event("disabled", row), row)
	})
	if err != nil {
		return Code{}, fault.Wrap(err, "disable "+string(name))
	}
	return c.show(ctx, out)
}
