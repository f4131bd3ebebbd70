package payment

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// How long authorized money may wait for the merchant. 30 days is what card schemes give hotels and car rentals.
const (
	CaptureDefault = 7 * 24 * time.Hour
	CaptureMax     = 30 * 24 * time.Hour
)

// Authorization is what a payment with manual capture has beyond others: how much the merchant may take at most, and
// until when. The payer's money is a hold of the ledger; the limits counted it when the payer agreed, and what is not
// captured is given back to them.
type Authorization struct {
	AmountMax money.Amount `json:"amount_max" doc:"up to this the merchant may raise the amount; the payer agreed to it"`
	// Within is how many seconds after the payer's word the merchant may capture.
	Within        int64     `json:"capture_within" doc:"seconds from the payer's word"`
	CaptureBefore time.Time `json:"capture_before,omitzero" doc:"what is not captured then is the payer's again"`
	AuthorizedAt  time.Time `json:"authorized_at,omitzero"`

	payment id.Payment
	hold    id.Hold
	factors limit.Factors
	ended   bool
}

// checkCapture sets what the order leaves out and refuses what does not fit. Errors: payment.bad_capture.
func (o *Order) checkCapture() error {
	bad := func(param, message string) error {
		return fault.New(fault.Invalid, "payment.bad_capture", message).WithParam(param)
	}
	switch o.Capture {
	case "", Automatic:
		o.Capture = Automatic
		if o.CaptureWithin != 0 || o.AmountMax != 0 {
			return bad("capture", "capture_within and amount_max go with capture manual")
		}
		return nil
	case Manual:
	default:
		return bad("capture", "capture is automatic or manual")
	}
	if o.CaptureWithin == 0 {
		o.CaptureWithin = CaptureDefault
	}
	if o.CaptureWithin < time.Second || o.CaptureWithin > CaptureMax {
		return bad("capture_within", "a payment is captured within 1 second to 30 days")
	}
	if o.AmountMax == 0 {
		o.AmountMax = o.Amount.Minor
	}
	if o.AmountMax < o.Amount.Minor || o.AmountMax > money.MaxMinor {
		return bad("amount_max", "amount_max is the amount or more")
	}
	return nil
}

// holdAccounts are the two accounts between which an authorization holds money.
func holdAccounts(payment *Payment) (debit, credit ledger.AccountID) {
	payee := ledger.MerchantPending
	if payment.Funds.waits() {
		payee = ledger.MerchantEscrow
	}
	return ledger.Account(ledger.UserBalance, payment.Currency, string(payment.Customer)),
		ledger.Account(payee, payment.Currency, string(payment.Merchant))
}

// authorize sets the payment's money aside.
func (c *charge) authorize(tx *commit.Tx, payment *Payment) error {
	a := payment.Authorization
	a.AuthorizedAt, a.hold, a.factors = tx.Now(), c.hold, c.factors
	payment.DeclineCode = ""
	a.CaptureBefore = tx.Now().Add(time.Duration(a.Within) * time.Second)
	debit, credit := holdAccounts(payment)
	return c.payments.Ledger.PlaceHold(tx, ledger.Hold{
		ID: a.hold, Debit: debit, Credit: credit, Amount: payment.Amount,
		Subject: string(payment.ID), ExpiresAt: a.CaptureBefore,
	})
}

// authorizationKeys names the rows that acts on an authorized payment read: itself, the hold, the accounts of a capture
// and the limits' counters.
func (p *Payments) authorizationKeys(payment *Payment) []commit.Key {
	if payment.CaptureMode != Manual || payment.Customer == "" {
		return p.paymentKeys(payment)
	}
	some := money.Amount{Minor: 1, Currency: payment.Currency}
	keys := p.Ledger.KeysOf(p.paymentLines(payment, some, some))
	keys = append(keys, p.Ledger.HoldKey(payment.Authorization.hold))
	keys = append(keys, p.Limits.BackKeys(p.uncaptured(payment))...)
	return append(keys, p.paymentKeys(payment)...)
}

// paymentKeys names the rows of a payment; see load.
func (p *Payments) paymentKeys(payment *Payment) []commit.Key {
	keys := []commit.Key{p.payments.Key(string(payment.ID))}
	if payment.CaptureMode == Manual {
		keys = append(keys, p.authorizations.Key(string(payment.ID)))
	}
	if payment.Funds.waits() {
		keys = append(keys, p.custodies.Key(string(payment.ID)))
	}
	return keys
}

// load returns a declared payment with its authorization and custody. Errors: payment.not_found.
func (p *Payments) load(tx *commit.Tx, name id.Payment) (Payment, error) {
	row, found, err := p.payments.Get(tx, p.payments.Key(string(name)))
	if err != nil || !found {
		return row, orNotFound(err)
	}
	row.setMethod()
	if row.CaptureMode == Manual {
		a, _, err := p.authorizations.Get(tx, p.authorizations.Key(string(name)))
		if err != nil {
			return row, err
		}
		row.Authorization = &a
	}
	if row.Funds.waits() {
		c, _, err := p.custodies.Get(tx, p.custodies.Key(string(name)))
		if err != nil {
			return row, err
		}
		row.Custody = &c
	}
	return row, nil
}

// put stores a payment with its authorization and custody.
func (p *Payments) put(tx *commit.Tx, payment *Payment) {
	payment.setMethod()
	p.payments.Put(tx, *payment)
	if payment.Authorization != nil {
		payment.Authorization.ended = payment.State.Final()
		p.authorizations.Put(tx, *payment.Authorization)
	}
	if payment.Custody != nil {
		p.custodies.Put(tx, *payment.Custody)
	}
}

// uncaptured is what the limits counted and the merchant has not taken.
func (p *Payments) uncaptured(payment *Payment) limit.Act {
	method := limit.Payment
	if payment.Flow == ByCode {
		method = limit.PaymentCode
	}
	left := money.Amount{Minor: payment.Amount.Minor - payment.Captured.Minor, Currency: payment.Currency}
	return limit.Act{Customer: payment.Customer, Amount: left, Method: method, Factors: payment.Authorization.factors}
}

// release gives the payer back what the merchant has not captured, and ends the payment: as to, or as succeeded where a
// part was captured.
func (p *Payments) release(tx *commit.Tx, payment *Payment, to State) error {
	if err := p.Ledger.ReleaseHold(tx, payment.Authorization.hold); err != nil {
		return err
	}
	done := limit.Done{Act: p.uncaptured(payment), At: payment.Authorization.AuthorizedAt}
	if err := p.Limits.Back(tx, done); err != nil {
		return err
	}
	if payment.Captured.Minor > 0 {
		to = Succeeded
	}
	var err error
	payment.State, err = payment.State.Move(to)
	payment.CompletedAt = tx.Now()
	return err
}

// RaiseOrder asks to raise an authorized payment to Amount, in minor units of its currency.
type RaiseOrder struct {
	Merchant id.Merchant
	Payment  id.Payment
	Amount   int64
	Once     idempotency.Request
}

// Raise sets more of the payer's money aside, up to what the payer agreed to. The limits count the rise with the
// factors that the payer showed then.
//
// Errors: payment.not_found, payment.not_authorized, payment.bad_raise, payment.capture_expired,
// payment.payer_funds_low, limit.exceeded, ledger.account_frozen, idempotency.key_reused.
func (p *Payments) Raise(ctx context.Context, order RaiseOrder) (idempotency.Answer, error) {
	return again(func() (idempotency.Answer, error) {
		known, err := p.OfMerchant(ctx, order.Merchant, order.Payment)
		if err != nil {
			return idempotency.Answer{}, err
		}
		return p.raise(ctx, order, &known)
	})
}

func (p *Payments) raise(ctx context.Context, order RaiseOrder, known *Payment) (idempotency.Answer, error) {
	rise := money.Amount{Minor: order.Amount - known.Amount.Minor, Currency: known.Currency}
	keys := p.authorizationKeys(known)
	var ask *limit.Ask
	if known.State == Authorized {
		act := p.uncaptured(known)
		act.Amount = rise
		var err error
		if ask, err = p.Limits.Ask(ctx, act); err != nil {
			return idempotency.Answer{}, err
		}
		keys = append(keys, ask.Keys()...)
	}
	event := outbox.Event{Kind: "payment.raised", Merchant: known.Merchant, Subject: string(known.ID)}
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row, err := p.current(tx, known)
		if err != nil {
			return 0, nil, err
		}
		if row.State != Authorized {
			return 0, nil, notAuthorized(row.State)
		}
		if rise.Minor <= 0 || order.Amount > row.Authorization.AmountMax.Minor {
			return 0, nil, fault.Newf(fault.Conflict, "payment.bad_raise",
				"the amount is %s and can be raised to %s", row.Amount, row.Authorization.AmountMax).WithParam("amount").
				WithHint("more than amount_max needs a payment of its own")
		}
		counted, err := ask.Check(tx)
		if err != nil {
			return 0, nil, err
		}
		if err := p.Ledger.RaiseHold(tx, row.Authorization.hold, rise); err != nil {
			return 0, nil, merchantFault(err)
		}
		counted.Put(tx)
		row.Amount.Minor = order.Amount
		p.put(tx, &row)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusOK, body, err
	})
}

func notAuthorized(state State) error {
	return fault.Newf(fault.Conflict, "payment.not_authorized", "the payment is %s, not authorized", state)
}

// merchantFault says in the merchant's words what the payer's account refused.
func merchantFault(err error) error {
	switch fault.CodeOf(err) {
	case "ledger.insufficient_funds":
		return fault.New(fault.Conflict, "payment.payer_funds_low", "the payer's balance is too low for this").WithCause(err)
	case "ledger.hold_ended":
		return fault.New(fault.Conflict, "payment.capture_expired", "the time to capture is over").WithCause(err)
	}
	return err
}

// The letters of factors as they are stored.
const factorLetters = "kpis"

func encodeFactors(f limit.Factors) string {
	var text strings.Builder
	for i, shown := range []bool{f.Knowledge, f.Possession, f.Inherence, f.Signature} {
		if shown {
			text.WriteByte(factorLetters[i])
		}
	}
	return text.String()
}

func decodeFactors(text string) limit.Factors {
	has := func(i int) bool { return strings.IndexByte(text, factorLetters[i]) >= 0 }
	return limit.Factors{Knowledge: has(0), Possession: has(1), Inherence: has(2), Signature: has(3)}
}

func authorizationsTable(c *commit.Committer) *commit.Table[Authorization] {
	return commit.AddTable(c, "authorizations",
		commit.Text("id", func(a *Authorization) *string { return (*string)(&a.payment) }),
		commit.Text("hold_id", func(a *Authorization) *string { return (*string)(&a.hold) }).Mutable(),
		commit.Int("amount_max_minor", func(a *Authorization) *int64 { return &a.AmountMax.Minor }),
		commit.Text("currency", func(a *Authorization) *string { return (*string)(&a.AmountMax.Currency) }),
		commit.Int("capture_within", func(a *Authorization) *int64 { return &a.Within }),
		commit.Instant("capture_before", func(a *Authorization) *time.Time { return &a.CaptureBefore }).Mutable(),
		commit.Instant("authorized_at", func(a *Authorization) *time.Time { return &a.AuthorizedAt }).Mutable(),
		commit.Coded("factors", func(a *Authorization) string { return encodeFactors(a.factors) },
			func(a *Authorization, s string) { a.factors = decodeFactors(s) }).Mutable(),
		commit.Bool("ended", func(a *Authorization) *bool { return &a.ended }).Mutable(),
	)
}
