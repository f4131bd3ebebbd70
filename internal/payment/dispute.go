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
)

// DisputeKind says what a payer complains about.
type DisputeKind string

// The kinds of disputes.
const (
	NotReceived    DisputeKind = "not_received"
	NotAsDescribed DisputeKind = "not_as_described"
	NotAuthorised  DisputeKind = "not_authorised"
	Duplicate      DisputeKind = "duplicate"
	OtherComplaint DisputeKind = "other"
)

const (
	// DisputeTextMax bounds what payer, merchant and staff say, in characters.
	DisputeTextMax = 2000
	// DisputeWithin is how long after a payment its payer may complain.
	DisputeWithin = 180 * 24 * time.Hour
	// disputeHold outlasts every dispute: what ends the dispute ends the hold.
	disputeHold = 10 * 366 * 24 * time.Hour
)

// answerWithin is how long the merchant has to answer each kind; what is not a kind has no line.
func answerWithin(kind DisputeKind) (time.Duration, bool) {
	const day = 24 * time.Hour
	within, known := map[DisputeKind]time.Duration{
		NotReceived: 7 * day, NotAsDescribed: 7 * day, NotAuthorised: 7 * day, Duplicate: 7 * day, OtherComplaint: 7 * day,
	}[kind]
	return within, known
}

// Dispute is a payer's complaint about a payment. While it is not decided, its amount can't be refunded another way and
// what the merchant's balance has of it is held.
type Dispute struct {
	ID       id.Dispute  `json:"id"`
	Payment  id.Payment  `json:"payment_id"`
	Merchant id.Merchant `json:"merchant_id"`
	Kind     DisputeKind `json:"kind" enum:"not_received,not_as_described,not_authorised,duplicate,other"`
	money.Amount
	Complaint   string        `json:"complaint" doc:"what the payer says"`
	State       DisputeState  `json:"state" enum:"open,in_review,accepted,upheld,rejected,withdrawn"`
	Answer      string        `json:"answer,omitempty" doc:"what the merchant says"`
	Reason      string        `json:"reason,omitempty" doc:"why the staff decided so"`
	Refunded    money.Amount  `json:"refunded" doc:"what the payer was given back of it"`
	Refund      id.Refund     `json:"refund_id,omitempty"`
	Held        *money.Amount `json:"held,omitempty" doc:"what is set aside of the merchant's balance; the payer does not see it"`
	Files       []DisputeFile `json:"files,omitempty" doc:"evidence, where one dispute is read"`
	AnswerBy    time.Time     `json:"answer_by" doc:"until when the merchant may answer"`
	AnsweredAt  time.Time     `json:"answered_at,omitzero"`
	CreatedAt   time.Time     `json:"created_at"`
	CompletedAt time.Time     `json:"completed_at,omitzero"`

	customer  id.Customer
	store     id.Store
	decidedBy string
	hold      id.Hold
	held      int64
	files     int64
	openKey   string
}

// shown is the dispute as the merchant and the staff see it.
func (d *Dispute) shown() Dispute {
	out := *d
	if !d.State.Final() {
		out.Held = &money.Amount{Minor: d.held, Currency: d.Currency}
	}
	return out
}

// ForPayer is the dispute without what is between merchant and operator.
func (d *Dispute) ForPayer() Dispute {
	out := *d
	out.Held = nil
	return out
}

// DisputeOrder is a payer's complaint. Amount zero means all that is left to refund.
type DisputeOrder struct {
	Customer  id.Customer
	Payment   id.Payment
	Kind      DisputeKind
	Amount    int64
	Complaint string
	Once      idempotency.Request
}

// OpenDispute stores a complaint, and holds what the merchant's balance has of its amount in the same commit.
//
// Errors: payment.not_found, refund.not_paid, refund.exceeds_payment, dispute.bad_kind, dispute.bad_text,
// dispute.too_late, dispute.already_open, money.not_positive.
func (p *Payments) OpenDispute(ctx context.Context, o DisputeOrder) (idempotency.Answer, error) {
	known, err := p.Payment(ctx, o.Payment)
	if err == nil && (o.Customer == "" || known.Customer != o.Customer) {
		err = notFound()
	}
	if err != nil {
		return idempotency.Answer{}, err
	}
	within, err := o.check()
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	fresh := Dispute{
		ID: id.New[id.Dispute](now), Payment: known.ID, Merchant: known.Merchant, Kind: o.Kind, Complaint: o.Complaint,
		State: DisputeOpen, customer: known.Customer, store: known.Store, openKey: string(known.ID),
	}
	hold := id.New[id.Hold](now)
	keys := append(p.disputeKeys(&known), p.disputes.Key(string(fresh.ID)), p.Ledger.HoldKey(hold))
	return p.Keys.Once(ctx, o.Once, keys, func(tx *commit.Tx) (int, any, error) {
		d := fresh
		if err := p.openDispute(tx, &d, o.Amount); err != nil {
			return 0, nil, err
		}
		d.CreatedAt, d.AnswerBy = tx.Now(), tx.Now().Add(within)
		if d.held > 0 {
			d.hold = hold
			if err := p.holdDispute(tx, &d); err != nil {
				return 0, nil, err
			}
		}
		p.disputes.Put(tx, d)
		return statusCreated, d.ForPayer(), p.Outbox.Add(tx, d.event(), d.shown())
	})
}

func (o *DisputeOrder) check() (time.Duration, error) {
	within, known := answerWithin(o.Kind)
	if !known {
		return 0, fault.New(fault.Invalid, "dispute.bad_kind", "this kind of dispute is not known").WithParam("kind")
	}
	if o.Amount < 0 || o.Amount > money.MaxMinor {
		return 0, fault.New(fault.Invalid, "money.not_positive", "the amount must be positive").WithParam("amount")
	}
	return within, checkDisputeText(o.Complaint, "complaint")
}

func checkDisputeText(text, param string) error {
	if text == "" || !printable(text, DisputeTextMax) {
		return fault.Newf(fault.Invalid, "dispute.bad_text", "a text has 1 to %d printable characters", DisputeTextMax).
			WithParam(param)
	}
	return nil
}

func (d *Dispute) event() outbox.Event {
	return outbox.Event{Kind: "dispute." + string(d.State), Merchant: d.Merchant, Subject: string(d.ID)}
}

// openDispute sets amount and what is to be held, and refuses what the payment does not carry.
func (p *Payments) openDispute(tx *commit.Tx, d *Dispute, minor int64) error {
	payment, err := p.load(tx, d.Payment)
	if err != nil {
		return err
	}
	if err := payment.refundable(); err != nil {
		return err
	}
	open, err := p.openDisputeOf(tx, d.Payment)
	if err != nil {
		return err
	}
	if open != nil {
		return fault.New(fault.Conflict, "dispute.already_open", "a dispute of this payment is open").
			WithHint("it is " + string(open.ID))
	}
	if tx.Now().Sub(payment.CreatedAt) > DisputeWithin {
		return fault.New(fault.Conflict, "dispute.too_late", "a payment can be disputed for 180 days")
	}
	left := payment.Captured.Minor - payment.Refunded.Minor
	if minor == 0 {
		minor = left
	}
	if minor > left || minor == 0 {
		return fault.Newf(fault.Conflict, "refund.exceeds_payment", "only %s is left to refund",
			money.Amount{Minor: left, Currency: payment.Currency}).WithParam("amount")
	}
	d.Amount, d.Refunded = money.Amount{Minor: minor, Currency: payment.Currency}, money.Zero(payment.Currency)
	fee, err := feeReturn(&payment, minor)
	if err != nil {
		return err
	}
	wants := minor - fee.Minor
	if payment.Custody != nil {
		wants -= payment.Custody.Held.Minor // it stays where it waits
	}
	has, err := p.Ledger.Available(tx, ledger.Account(ledger.MerchantPending, d.Currency, string(d.Merchant)))
	d.held = max(min(wants, has.Minor), 0)
	return err
}

func (p *Payments) holdDispute(tx *commit.Tx, d *Dispute) error {
	return p.Ledger.PlaceHold(tx, ledger.Hold{
		ID: d.hold, Debit: ledger.Account(ledger.MerchantPending, d.Currency, string(d.Merchant)),
		Credit: ledger.Account(ledger.MerchantEscrow, d.Currency, string(d.Merchant)),
		Amount: money.Amount{Minor: d.held, Currency: d.Currency}, Subject: string(d.ID),
		ExpiresAt: tx.Now().Add(disputeHold),
	})
}

// disputeKeys names what a decision about a payment's dispute reads, but the dispute itself.
func (p *Payments) disputeKeys(payment *Payment) []commit.Key {
	some := money.Amount{Minor: 1, Currency: payment.Currency}
	keys := append(p.Ledger.KeysOf(p.flows.Release(string(payment.Merchant), some)), p.openKey(payment.ID))
	return append(keys, p.paymentKeys(payment)...)
}

func (p *Payments) openKey(name id.Payment) commit.Key {
	return p.disputes.KeyBy("open_key", string(name))
}

// openDisputeOf returns the dispute of a payment that is not decided; nil where there is none. Its openKey is declared.
func (p *Payments) openDisputeOf(tx *commit.Tx, name id.Payment) (*Dispute, error) {
	d, found, err := p.disputes.Get(tx, p.openKey(name))
	if err != nil || !found {
		return nil, err
	}
	return &d, nil
}

// undisputed refuses to give the merchant what waits of a payment while it is disputed. Errors: payment.disputed.
func (p *Payments) undisputed(tx *commit.Tx, name id.Payment) error {
	open, err := p.openDisputeOf(tx, name)
	if err == nil && open != nil {
		return fault.New(fault.Conflict, "payment.disputed", "a dispute of this payment is open").
			WithHint("what waits stays until it is decided or withdrawn: " + string(open.ID))
	}
	return err
}

// DisputesDue puts disputes that the merchant has not answered in time before the staff. It runs again and again under
// a lease.
func (p *Payments) DisputesDue(ctx context.Context) error {
	due, err := p.readDisputes(ctx, "state = 'open' AND answer_by <= $1 ORDER BY answer_by LIMIT $2",
		clock.Micros(p.Clock.Now()), expireBatch)
	if err != nil {
		return err
	}
	var failed []error
	for i := range due {
		failed = append(failed, p.disputeDue(ctx, due[i].ID))
	}
	return errors.Join(failed...)
}

func (p *Payments) disputeDue(ctx context.Context, name id.Dispute) error {
	key := p.disputes.Key(string(name))
	return p.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		d, found, err := p.disputes.Get(tx, key)
		if err != nil || !found || d.State != DisputeOpen {
			return err // somebody was faster
		}
		if d.State, err = d.State.Move(DisputeInReview); err != nil {
			return err
		}
		p.disputes.Put(tx, d)
		return p.Outbox.Add(tx, d.event(), d.shown())
	})
}
