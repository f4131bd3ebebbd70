// Package payout moves money out: a customer's withdrawal to a linked bank account or a bound card.
//
// A withdrawal sets the money aside (2001 → 2002) in the commit that writes it, puts it in transit (2002 → 1102) in the
// commit before the bank is called, and leaves the reserve or comes back in the commit that knows the bank's word.
// While that is unknown, the money stays in transit.
package payout

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// State says where a payout stands.
type State string

const (
	// Pending payouts wait for the bank's word; the channel acts next, then the sweeper.
	Pending State = "pending"
	// Succeeded payouts have left the reserve. Final.
	Succeeded State = "succeeded"
	// Declined payouts came back to the wallet, for a reason in decline_code. Final.
	Declined State = "declined"
)

// States returns all states, in the order of a payout's life.
func States() []State { return []State{Pending, Succeeded, Declined} }

// Move returns the new state. Errors: payout.already_succeeded, payout.already_declined.
func (s State) Move(to State) (State, error) {
	if s == Pending && (to == Succeeded || to == Declined) {
		return to, nil
	}
	return s, fault.Newf(fault.Conflict, "payout.already_"+string(s), "the payout is %s already", s)
}

// Payout is a customer's withdrawal.
type Payout struct {
	ID          id.Payout      `json:"id"`
	Customer    id.Customer    `json:"customer_id"`
	BankAccount id.BankAccount `json:"bank_account_id,omitempty"`
	Card        id.Card        `json:"card_id,omitempty"`
	money.Amount
	State       State      `json:"state" enum:"pending,succeeded,declined"`
	DeclineCode string     `json:"decline_code,omitempty"`
	Attempt     id.Attempt `json:"attempt_id"`
	Entry       id.Entry   `json:"entry_id,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	CompletedAt time.Time  `json:"completed_at,omitzero"`
}

// Parts are what Payouts is made of; see payment.Parts.
type Parts struct {
	Committer    *commit.Committer
	DB           *sqldb.DB
	Clock        *clock.Clock
	Ledger       *ledger.Ledger
	Outbox       *outbox.Outbox
	Keys         *idempotency.Keys
	Auth         *auth.Auth
	Limits       *limit.Limits
	Attempts     *attempt.Attempts
	BankAccounts *attempt.BankAccounts
	Stripe       string
	// CheckAmount refuses amounts that this instance does not take.
	CheckAmount func(money.Amount) error
}

// Payouts runs withdrawals.
type Payouts struct {
	Parts
	flows ledger.Flows
	table *commit.Table[Payout]
}

// New returns Payouts on its parts, and registers its table.
func New(parts Parts) *Payouts {
	p := &Payouts{Parts: parts, flows: ledger.Flows{Stripe: parts.Stripe}, table: payoutsTable(parts.Committer)}
	parts.Attempts.Register(channel.KindPayOut, attempt.Handler{Sent: p.sent, Settle: p.settle})
	return p
}

// Order asks for a withdrawal to a linked bank account or a bound card. Nothing of the proof is kept.
type Order struct {
	Customer    id.Customer
	BankAccount id.BankAccount
	Card        id.Card
	Amount      money.Amount
	By          auth.Payer
	Proof       auth.Proof
	Once        idempotency.Request
}

// Withdraw sets the money aside, writes the attempt, and answers pending. Errors: those of
// CheckAmount and attempt.Find, channel.amount_out_of_range, channel.not_configured, those of
// auth.Confirming.Require, limit.exceeded, payment.insufficient_funds, ledger.account_*, those of attempt.Start,
// idempotency.key_reused.
func (p *Payouts) Withdraw(ctx context.Context, order Order) (idempotency.Answer, error) {
	if err := p.CheckAmount(order.Amount); err != nil {
		return idempotency.Answer{}, err
	}
	account, err := p.BankAccounts.Find(ctx, order.Customer, attempt.Named{
		BankAccount: order.BankAccount, Card: order.Card,
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	confirming, err := p.Auth.Confirm(ctx, auth.Confirmation{
		Customer: order.Customer, By: order.By, Proof: order.Proof, Intent: auth.Intent{
			Act: auth.ActWithdrawal, Payee: account.Payee(), PayeeName: account.Masked, Amount: order.Amount,
		},
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	ask, err := p.Limits.Ask(ctx, actOf(order.Customer, order.Amount))
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	payout := Payout{
		ID: id.New[id.Payout](now), Customer: order.Customer, BankAccount: account.BankAccount, Card: account.Card,
		Amount: order.Amount, State: Pending, Attempt: id.New[id.Attempt](now),
	}
	try := attempt.Attempt{
		ID:        payout.Attempt,
		Kind:      channel.KindPayOut,
		Subject:   string(payout.ID),
		Customer:  order.Customer,
		Channel:   account.Channel,
		BankToken: account.Token,
		Card:      account.Card,
		Amount:    order.Amount,
		Stripe:    p.Stripe,
	}
	refusal := p.Attempts.Check(account.Channel, channel.KindPayOut, try)
	entry := ledger.NewEntry(now, string(payout.ID), p.flows.Withdrawal(string(order.Customer), order.Amount)...)
	work := id.New[id.Job](now)
	event := outbox.Event{Kind: "payout.created", Subject: string(payout.ID)}
	keys := append(p.Ledger.KeysOf(entry.Lines), confirming.Keys()...)
	keys = append(append(keys, ask.Keys()...), p.Attempts.StartKeys(try)...)
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		// Within the decision: what was answered is answered as it was, whatever has become of the channel.
		if refusal != nil {
			return 0, nil, refusal
		}
		if err := confirming.Require(tx, limit.Today{}); err != nil {
			return 0, nil, err
		}
		counted, err := ask.Check(tx)
		if err != nil {
			return 0, nil, err
		}
		if err := p.Ledger.Post(tx, entry); err != nil {
			return 0, nil, lowBalance(err)
		}
		counted.Put(tx)
		row := payout
		row.CreatedAt, row.Entry = tx.Now(), entry.ID
		p.table.Put(tx, row)
		if err := p.Attempts.Start(tx, try, work); err != nil {
			return 0, nil, err
		}
		body, err := p.Outbox.Announce(tx, event, row)
		return 201, body, err
	})
}

// actOf is a withdrawal as the limits see it. It is counted without regard to factors.
func actOf(customer id.Customer, amount money.Amount) limit.Act {
	return limit.Act{Customer: customer, Amount: amount, Method: limit.Withdrawal}
}

func lowBalance(err error) error {
	if fault.CodeOf(err) == "ledger.insufficient_funds" {
		return fault.New(fault.Conflict, "payment.insufficient_funds", "your balance is too low for this").WithCause(err)
	}
	return err
}

// sent puts the money in transit, in the commit before the bank is called.
func (p *Payouts) sent(try attempt.Attempt) attempt.Step {
	flows := ledger.Flows{Stripe: try.Stripe}
	entry := ledger.NewEntry(
		p.Clock.Now(),
		try.Subject,
		flows.WithdrawalSent(string(try.Customer), try.Channel, try.Amount)...)
	return attempt.Step{Keys: p.Ledger.KeysOf(entry.Lines), Decide: func(tx *commit.Tx, _ attempt.Attempt) error {
		return p.Ledger.Post(tx, entry)
	}}
}

// settle is decided when the bank's word is final.
func (p *Payouts) settle(_ context.Context, try attempt.Attempt) attempt.Step {
	now, key, flows := p.Clock.Now(), p.table.Key(try.Subject), ledger.Flows{Stripe: try.Stripe}
	event := outbox.Event{Subject: try.Subject}
	cost, err := p.cost(try)
	if err != nil {
		return attempt.Step{Decide: func(*commit.Tx, attempt.Attempt) error { return err }}
	}
	paid := ledger.NewEntry(now, try.Subject, flows.WithdrawalPaid(try.Channel, try.Amount, cost)...)
	returned := ledger.NewEntry(
		now,
		try.Subject,
		flows.WithdrawalReturned(string(try.Customer), try.Channel, try.Amount)...)
	act := actOf(try.Customer, try.Amount)
	keys := append(append(p.Ledger.KeysOf(paid.Lines), p.Ledger.KeysOf(returned.Lines)...), key)
	keys = append(append(keys, p.Limits.BackKeys(act)...), p.Auth.PINKey(try.Customer))
	return attempt.Step{Keys: keys, Decide: func(tx *commit.Tx, a attempt.Attempt) error {
		row, found, err := p.table.Get(tx, key)
		if err != nil || !found || row.State != Pending {
			return err
		}
		to, entry := Declined, returned
		if a.State == channel.AttemptSucceeded {
			to, entry = Succeeded, paid
		} else if err := p.giveBack(tx, row, act); err != nil {
			return err
		}
		if row.State, err = row.State.Move(to); err != nil {
			return err
		}
		row.DeclineCode, row.Entry, row.CompletedAt = a.DeclineCode, entry.ID, tx.Now()
		if err := p.Ledger.Post(tx, entry); err != nil {
			return err
		}
		p.table.Put(tx, row)
		event.Kind = "payout." + string(to)
		return p.Outbox.Add(tx, event, row)
	}}
}

// giveBack takes a withdrawal that was not made out of what limits and a wallet that cools off have counted.
func (p *Payouts) giveBack(tx *commit.Tx, row Payout, act limit.Act) error {
	if err := p.Limits.Back(tx, limit.Done{Act: act, At: row.CreatedAt}); err != nil {
		return err
	}
	return p.Auth.ReturnSettled(tx, row.Customer, row.Amount, row.CreatedAt)
}

func (p *Payouts) cost(try attempt.Attempt) (money.Amount, error) {
	terms, err := p.Attempts.Capabilities(try.Channel)
	if err != nil {
		return money.Amount{}, err
	}
	return terms.Cost(try.Amount)
}

// Of returns a customer's payout. Errors: payout.not_found, also for another customer's.
func (p *Payouts) Of(ctx context.Context, customer id.Customer, name id.Payout) (Payout, error) {
	var (
		row                Payout
		created, completed int64
	)
	err := p.DB.Read.QueryRowContext(ctx, `SELECT id, customer_id, bank_account_id, card_id, amount_minor, currency,
		state, decline_code, attempt_id,
		entry_id, created_at, completed_at FROM payouts WHERE id = $1`, string(name)).
		Scan(&row.ID, &row.Customer, &row.BankAccount, &row.Card, &row.Amount.Minor, &row.Amount.Currency,
			&row.State, &row.DeclineCode, &row.Attempt,
			&row.Entry, &created, &completed)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && row.Customer != customer) {
		return Payout{}, fault.New(fault.NotFound, "payout.not_found", "there is no such withdrawal")
	}
	row.CreatedAt, row.CompletedAt = clock.FromMicros(created), clock.FromMicros(completed)
	return row, fault.Wrap(err, "read payout "+string(name))
}

func payoutsTable(c *commit.Committer) *commit.Table[Payout] {
	return commit.AddTable(c, "payouts",
		commit.Text("id", func(t *Payout) *string { return (*string)(&t.ID) }),
		commit.Text("customer_id", func(t *Payout) *string { return (*string)(&t.Customer) }),
		commit.Text("bank_account_id", func(t *Payout) *string { return (*string)(&t.BankAccount) }),
		commit.Text("card_id", func(t *Payout) *string { return (*string)(&t.Card) }),
		commit.Int("amount_minor", func(t *Payout) *int64 { return &t.Amount.Minor }),
		commit.Text("currency", func(t *Payout) *string { return (*string)(&t.Amount.Currency) }),
		commit.Text("state", func(t *Payout) *string { return (*string)(&t.State) }).Mutable(),
		commit.Text("decline_code", func(t *Payout) *string { return &t.DeclineCode }).Mutable(),
		commit.Text("attempt_id", func(t *Payout) *string { return (*string)(&t.Attempt) }),
		commit.Text("entry_id", func(t *Payout) *string { return (*string)(&t.Entry) }).Mutable(),
		commit.Instant("created_at", func(t *Payout) *time.Time { return &t.CreatedAt }),
		commit.Instant("completed_at", func(t *Payout) *time.Time { return &t.CompletedAt }).Mutable(),
	)
}
