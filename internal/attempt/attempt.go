// Package attempt sends orders to channels and finds out what became of them.
//
// An attempt is written in the decision that wants the money moved, with the reference the channel will
// see, and a job that sends it. Sending is one commit before the call (the attempt is sent) and one after it
// (the answer). A time-out leaves the attempt unknown; the sweeper asks until it knows. Late,
// repeated and contradictory answers change nothing twice: the moves are channel.AttemptState's one
// table, and what a final state means for the books is the domain's Handler, run in the same commit.
//
// An order by card counts within the card's agreement in the commit that writes its attempt, and is given back in the
// one that knows that nothing was debited.
//
// The tour: attempt.go has the row and what domains hand in, account.go where orders go to, send.go the way out,
// sweep.go the way back to certainty, arrive.go the bank's statement.
package attempt

import (
	"context"
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Attempt is one try of an order on one channel.
type Attempt struct {
	ID        id.Attempt   `json:"id"`
	Kind      channel.Kind `json:"kind"`
	Subject   string       `json:"subject"`
	Customer  id.Customer  `json:"customer_id"`
	Channel   string       `json:"channel"`
	BankToken string       `json:"-"`
	// Card is the card that is debited or credited; UsedOn the day of its agreement that a debit counts for.
	Card   id.Card    `json:"card_id,omitempty"`
	UsedOn clock.Date `json:"-"`
	// Original is the pay-in that a refund gives back.
	Original         id.Attempt           `json:"original_id,omitempty"`
	Amount           money.Amount         `json:"amount"`
	State            channel.AttemptState `json:"state"`
	DeclineCode      string               `json:"decline_code,omitempty"`
	ChannelReference string               `json:"channel_reference,omitempty"`
	// Problem is what a person must look at: a contradiction, or why we do not know.
	Problem string `json:"problem,omitempty"`
	// Queries counts how often we asked; QueryAt is when the sweeper asks next.
	Queries   int64     `json:"queries"`
	QueryAt   time.Time `json:"query_at"`
	SentAt    time.Time `json:"sent_at"`
	Stripe    string    `json:"-"`
	ArrivedAt time.Time `json:"arrived_at"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Step is part of a decision: the rows it reads, and what it does when the attempt has moved.
type Step struct {
	Keys   []commit.Key
	Decide func(tx *commit.Tx, a Attempt) error
}

// Handler says what an attempt's moves mean for its subject. Its functions prepare a Step outside the decision, where
// ids are made and rows are looked at. Sent may be nil.
type Handler struct {
	// Sent is decided in the commit before the first call.
	Sent func(a Attempt) Step
	// Settle is decided once, in the commit that makes the state final.
	Settle func(ctx context.Context, a Attempt) Step
}

// Attempts sends, queries and settles.
type Attempts struct {
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
	log       *slog.Logger
	jobs      *job.Jobs
	ledger    *ledger.Ledger
	cards     *card.Cards
	table     *commit.Table[Attempt]
	channels  map[string]channel.Channel
	handlers  map[channel.Kind]Handler
}

const jobSend = "attempt.send"

// Parts are what Attempts is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Log       *slog.Logger
	Jobs      *job.Jobs
	Ledger    *ledger.Ledger
	Cards     *card.Cards
	Channels  []channel.Channel
}

// New returns Attempts on its parts, and registers its table and its job.
func New(p Parts) *Attempts {
	a := &Attempts{
		committer: p.Committer,
		db:        p.DB,
		clock:     p.Clock,
		log:       p.Log,
		jobs:      p.Jobs,
		ledger:    p.Ledger,
		cards:     p.Cards,
		table: attemptsTable(
			p.Committer,
		),
		channels: make(map[string]channel.Channel),
		handlers: make(map[channel.Kind]Handler),
	}
	for _, c := range p.Channels {
		a.channels[c.Capabilities().Name] = c
	}
	p.Jobs.Handle(jobSend, job.Policy{AttemptsMax: 20}, a.send)
	return a
}

// Register says what attempts of a kind mean. Call it before the jobs run.
func (a *Attempts) Register(kind channel.Kind, handler Handler) { a.handlers[kind] = handler }

// Channel returns the channel of that name. Errors: channel.not_supported, and channel.not_configured where there
// is none at all.
func (a *Attempts) Channel(name string) (channel.Channel, error) {
	if len(a.channels) == 0 {
		return nil, notConfigured()
	}
	c, ok := a.channels[name]
	if !ok {
		return nil, fault.New(fault.Invalid, channel.CodeNotSupported, "this channel is not available here").
			WithParam("channel")
	}
	return c, nil
}

func notConfigured() error {
	return fault.New(fault.Conflict, channel.CodeNotConfigured,
		"no channel to a bank is set up here: money can't come in or go out").
		WithHint("ask the operator; payments and transfers between wallets go on")
}

// StartKeys names the rows that Start reads.
func (a *Attempts) StartKeys(attempt Attempt) []commit.Key {
	if attempt.Card == "" || attempt.Kind == channel.KindRefund {
		return nil
	}
	return a.cards.UseKeys(attempt.use())
}

func (a Attempt) use() card.Use {
	return card.Use{Customer: a.Customer, Card: a.Card, Amount: a.Amount}
}

// Start writes an attempt and the job that sends it, inside a decision that declared StartKeys. Ids are made before it.
// A debit of a card counts within the limits of its agreement. Errors: those of card.UseAgreement and card.CreditToken.
func (a *Attempts) Start(tx *commit.Tx, attempt Attempt, work id.Job) error {
	var err error
	switch {
	case attempt.Card == "", attempt.Kind == channel.KindRefund: // a refund names the pay-in
	case attempt.Kind == channel.KindPayIn:
		attempt.BankToken, attempt.UsedOn, err = a.cards.UseAgreement(tx, attempt.use())
	default:
		attempt.BankToken, err = a.cards.CreditToken(tx, attempt.use())
	}
	if err != nil {
		return err
	}
	attempt.State, attempt.CreatedAt, attempt.UpdatedAt = channel.AttemptCreated, tx.Now(), tx.Now()
	a.table.Put(tx, attempt)
	a.jobs.Enqueue(tx, job.Work{ID: work, Kind: jobSend, Subject: string(attempt.ID)})
	return nil
}

func attemptsTable(c *commit.Committer) *commit.Table[Attempt] {
	return commit.AddTable(c, "attempts",
		commit.Text("id", func(a *Attempt) *string { return (*string)(&a.ID) }),
		commit.Text("kind", func(a *Attempt) *string { return (*string)(&a.Kind) }),
		commit.Text("subject", func(a *Attempt) *string { return &a.Subject }),
		commit.Text("customer_id", func(a *Attempt) *string { return (*string)(&a.Customer) }),
		commit.Text("channel", func(a *Attempt) *string { return &a.Channel }),
		commit.Text("bank_token", func(a *Attempt) *string { return &a.BankToken }),
		commit.Text("card_id", func(a *Attempt) *string { return (*string)(&a.Card) }),
		commit.Text("used_on", func(a *Attempt) *string { return (*string)(&a.UsedOn) }),
		commit.Text("original_id", func(a *Attempt) *string { return (*string)(&a.Original) }),
		commit.Int("amount_minor", func(a *Attempt) *int64 { return &a.Amount.Minor }),
		commit.Text("currency", func(a *Attempt) *string { return (*string)(&a.Amount.Currency) }),
		commit.Text("state", func(a *Attempt) *string { return (*string)(&a.State) }).Mutable(),
		commit.Text("decline_code", func(a *Attempt) *string { return &a.DeclineCode }).Mutable(),
		commit.Text("channel_reference", func(a *Attempt) *string { return &a.ChannelReference }).Mutable(),
		commit.Text("problem", func(a *Attempt) *string { return &a.Problem }).Mutable(),
		commit.Int("queries", func(a *Attempt) *int64 { return &a.Queries }).Mutable(),
		commit.Instant("query_at", func(a *Attempt) *time.Time { return &a.QueryAt }).Mutable(),
		commit.Instant("sent_at", func(a *Attempt) *time.Time { return &a.SentAt }).Mutable(),
		commit.Text("stripe", func(a *Attempt) *string { return &a.Stripe }),
		commit.Instant("arrived_at", func(a *Attempt) *time.Time { return &a.ArrivedAt }).Mutable(),
		commit.Instant("created_at", func(a *Attempt) *time.Time { return &a.CreatedAt }),
		commit.Instant("updated_at", func(a *Attempt) *time.Time { return &a.UpdatedAt }).Mutable(),
	)
}
