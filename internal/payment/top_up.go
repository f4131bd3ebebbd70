package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
)

// TopUpPending means that the bank has not decided yet, as far as we know; the channel acts next,
// then the sweeper. It ends succeeded or declined.
const TopUpPending State = "pending"

// TopUp is a customer's money in, from a linked bank account or a bound card.
type TopUp struct {
	ID          id.TopUp       `json:"id"`
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

// TopUpOrder asks for a top-up from a linked bank account or a bound card; the default card where it names neither.
// Nothing of the proof is kept.
type TopUpOrder struct {
	Customer    id.Customer
	BankAccount id.BankAccount
	Card        id.Card
	Amount      money.Amount
	By          auth.Payer
	Proof       auth.Proof
	Once        idempotency.Request
}

// TopUp writes the wish and the attempt, and answers pending; the bank's word comes later. Errors:
// those of CheckAmount and attempt.Find, channel.amount_out_of_range, channel.not_configured,
// party.customer_not_active, those of auth.Confirming.Require, limit.exceeded, those of attempt.Start,
// idempotency.key_reused.
func (p *Payments) TopUp(ctx context.Context, order TopUpOrder) (idempotency.Answer, error) {
	if err := p.checkAmount(order.Amount); err != nil {
		return idempotency.Answer{}, err
	}
	account, err := p.BankAccounts.Find(ctx, order.Customer, attempt.Named{
		BankAccount: order.BankAccount, Card: order.Card, OrDefault: true,
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	confirming, err := p.confirmTopUp(ctx, order, account)
	if err != nil {
		return idempotency.Answer{}, err
	}
	ask, err := p.askTopUp(ctx, order.Customer, order.Amount)
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	topUp := TopUp{
		ID: id.New[id.TopUp](
			now,
		),
		Customer:    order.Customer,
		BankAccount: account.BankAccount,
		Card:        account.Card,
		Amount:      order.Amount,
		State:       TopUpPending,
		Attempt:     id.New[id.Attempt](now),
	}
	try := attempt.Attempt{
		ID:        topUp.Attempt,
		Kind:      channel.KindPayIn,
		Subject:   string(topUp.ID),
		Customer:  order.Customer,
		Channel:   account.Channel,
		BankToken: account.Token,
		Card:      account.Card,
		Amount:    order.Amount,
		Stripe:    p.Stripe,
	}
	refusal := p.Attempts.Check(account.Channel, channel.KindPayIn, try)
	work := id.New[id.Job](now)
	event := outbox.Event{Kind: "top_up.created", Subject: string(topUp.ID)}
	keys := append(confirming.Keys(), p.Parties.CustomerKey(order.Customer))
	keys = append(append(keys, ask.Keys()...), p.Attempts.StartKeys(try)...)
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		// Within the decision: what was answered is answered as it was, whatever has become of the channel.
		if refusal != nil {
			return 0, nil, refusal
		}
		// A session may not know yet that the wallet was closed, and a closed one could not take the money.
		if err := p.Parties.RequireActive(tx, order.Customer); err != nil {
			return 0, nil, err
		}
		if err := confirming.Require(tx, limit.Today{}); err != nil {
			return 0, nil, err
		}
		counted, err := ask.Check(tx)
		if err != nil {
			return 0, nil, err
		}
		counted.Put(tx)
		row := topUp
		row.CreatedAt = tx.Now()
		p.topUps.Put(tx, row)
		if err := p.Attempts.Start(tx, try, work); err != nil {
			return 0, nil, err
		}
		body, err := p.Outbox.Announce(tx, event, row)
		return statusCreated, body, err
	})
}

func (p *Payments) confirmTopUp(
	ctx context.Context, order TopUpOrder, account attempt.Account,
) (*auth.Confirming, error) {
	return p.Auth.Confirm(ctx, auth.Confirmation{
		Customer: order.Customer, By: order.By, Proof: order.Proof, Intent: auth.Intent{
			Act: auth.ActTopUp, Payee: account.Payee(), PayeeName: account.Masked, Amount: order.Amount,
		},
	})
}

// settleTopUp is decided when the bank's word is final.
func (p *Payments) settleTopUp(try attempt.Attempt) attempt.Step {
	now := p.Clock.Now()
	key := p.topUps.Key(try.Subject)
	event := outbox.Event{Subject: try.Subject}
	entry := ledger.NewEntry(now, try.Subject)
	fail := func(err error) attempt.Step {
		return attempt.Step{Decide: func(*commit.Tx, attempt.Attempt) error { return err }}
	}
	terms, err := p.Attempts.Capabilities(try.Channel)
	if err != nil {
		return fail(err)
	}
	cost, err := terms.Cost(try.Amount)
	if err != nil {
		return fail(err)
	}
	entry.Lines = ledger.Flows{Stripe: try.Stripe}.TopUp(string(try.Customer), try.Channel, try.Amount, cost)
	act := topUpAct(try.Customer, try.Amount)
	return attempt.Step{
		Keys: append(append(p.Ledger.KeysOf(entry.Lines), key), p.Limits.BackKeys(act)...),
		Decide: func(tx *commit.Tx, a attempt.Attempt) error {
			row, found, err := p.topUps.Get(tx, key)
			if err != nil || !found || row.State != TopUpPending {
				return err
			}
			row.CompletedAt = tx.Now()
			if a.State == channel.AttemptSucceeded {
				row.State, row.Entry = Succeeded, entry.ID
				if err := p.Ledger.Post(tx, entry); err != nil {
					return fault.Wrap(err, "credit top-up "+try.Subject)
				}
			} else {
				row.State, row.DeclineCode = Declined, a.DeclineCode
				if err := p.Limits.Back(tx, limit.Done{Act: act, At: row.CreatedAt}); err != nil {
					return err
				}
			}
			p.topUps.Put(tx, row)
			event.Kind = "top_up." + string(row.State)
			return p.Outbox.Add(tx, event, row)
		},
	}
}
