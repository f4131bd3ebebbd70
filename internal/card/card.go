// Package card binds customers' bank cards and keeps their quick pay agreements.
//
// A card is bound by four elements (name, document number, card number, phone) and a one-time code that its issuer
// sends: Bind asks the issuer and stores the card as awaiting_code, Confirm hands the code on. The issuer then gives a
// token of the card and the number of a quick pay agreement (快捷支付协议), under which the card is debited,
// within limits of the issuer and the customer's own (agreement.go).
//
// The number stands in the database sealed by package vault and nowhere else; everybody sees the mask. It is destroyed
// when the card is unbound. Codes, documents and names are handed on and not kept; a CVV is not even asked for.
//
// Read bind.go, confirm.go and unbind.go for the acts, state.go for the moves, sweep.go for what happens when the
// issuer does not answer, bin.go for what a number tells, issuer.go for the port to issuers.
package card

import (
	"context"
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	purposePAN = "card.pan"
	cardsMax   = 20 // of one customer
	cancelJob  = "card.cancel"
)

// Channel is the name of the channel that debits and credits cards by their tokens.
const Channel = "card"

// Card is a bound card as its customer and staff see it.
type Card struct {
	ID       id.Card     `json:"id"`
	Customer id.Customer `json:"customer_id"`
	State    State       `json:"state" enum:"awaiting_code,confirming,bound,unbinding,unbound,declined,expired"`
	Issuer   string      `json:"issuer"`
	IssuerZH string      `json:"issuer_name_zh"`
	IssuerEN string      `json:"issuer_name_en"`
	Type     Type        `json:"type" enum:"debit,credit,prepaid"`
	Scheme   string      `json:"scheme"`
	Last4    string      `json:"last4"`
	// ExpiresOn is a credit card's month, as YYYY-MM.
	ExpiresOn string `json:"expires_on,omitempty"`
	// Default says that this card pays where no other is named.
	Default bool `json:"default"`
	// DeclineCode says why the issuer refused.
	DeclineCode DeclineCode `json:"decline_code,omitempty"`
	// TriesLeft is how many codes may still be tried.
	TriesLeft int64     `json:"tries_left,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	BoundAt   time.Time `json:"bound_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// row is a card as it is stored.
type row struct { //nolint:recvcheck // values are read, pointers change
	ID              id.Card
	Customer        id.Customer
	State           State
	SealedPAN       []byte // nil once the binding has ended
	PANKey          string // fingerprint of customer and number, so that no card is bound twice; "" once ended
	Masked          string
	Issuer          string
	Type            Type
	Scheme          string
	ExpiresOn       string
	Phone           string // masked
	Token           string
	AgreementNumber string
	DeclineCode     DeclineCode
	Tries           int64
	QueryAt         time.Time
	CreatedAt       time.Time
	BoundAt         time.Time
	EndedAt         time.Time
}

// view returns the card as its customer sees it.
func (r row) view(standard id.Card) Card {
	names := IssuerNames(r.Issuer)
	c := Card{
		ID: r.ID, Customer: r.Customer, State: r.State, Issuer: r.Issuer, IssuerZH: names.ZH, IssuerEN: names.EN,
		Type: r.Type, Scheme: r.Scheme, Last4: r.Masked[max(0, len(r.Masked)-4):], ExpiresOn: r.ExpiresOn,
		Default: r.ID == standard, DeclineCode: r.DeclineCode, CreatedAt: r.CreatedAt, BoundAt: r.BoundAt, EndedAt: r.EndedAt,
	}
	if r.State == AwaitingCode {
		c.TriesLeft = codeTriesMax - r.Tries
	}
	return c
}

// end moves a card to a state without a binding: the number is destroyed.
func (r *row) end(to State, now time.Time) error {
	if err := r.move(to); err != nil {
		return err
	}
	r.SealedPAN, r.PANKey, r.EndedAt = nil, "", now
	return nil
}

// holder is what a customer has of cards: those in a state that holds, and the default one.
type holder struct {
	Customer id.Customer
	Cards    int64
	Default  id.Card
}

// Parts are what cards lean on.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Log       *slog.Logger
	Vault     *vault.Vault
	Jobs      *job.Jobs
	Outbox    *outbox.Outbox
	Auth      *auth.Auth
	Parties   *party.Parties
	// Issuer reaches the cards' issuers; nil where none is set up.
	Issuer Issuer
	// SamePerson refuses a name and a document's number that are not the verified customer's; nil asks nobody.
	SamePerson func(ctx context.Context, customer id.Customer, name, number string) error
	// Zone is where the day of agreements ends.
	Zone *time.Location
}

// Cards binds cards and keeps agreements.
type Cards struct {
	Parts
	cards      *commit.Table[row]
	holders    *commit.Table[holder]
	checks     *commit.Table[check]
	agreements *commit.Table[Agreement]
}

// New registers the tables and the job of cards.
func New(parts Parts) *Cards {
	c := &Cards{Parts: parts}
	c.holders = commit.AddTable(parts.Committer, "card_holders",
		commit.Text("id", func(h *holder) *string { return (*string)(&h.Customer) }),
		commit.Int("cards", func(h *holder) *int64 { return &h.Cards }).Mutable(),
		commit.Text("default_card", func(h *holder) *string { return (*string)(&h.Default) }).Mutable(),
	)
	c.checks = commit.AddTable(parts.Committer, "card_checks",
		commit.Text("id", func(k *check) *string { return &k.ID }),
		commit.Instant("since", func(k *check) *time.Time { return &k.Since }).Mutable(),
		commit.Int("tries", func(k *check) *int64 { return &k.Tries }).Mutable(),
	)
	c.cards = addCards(parts.Committer)
	c.agreements = addAgreements(parts.Committer)
	parts.Jobs.Handle(cancelJob, job.Policy{AttemptsMax: 20}, c.cancelAtIssuer)
	return c
}

func addCards(c *commit.Committer) *commit.Table[row] {
	return commit.AddTable(c, "cards",
		commit.Text("id", func(r *row) *string { return (*string)(&r.ID) }),
		commit.Text("customer_id", func(r *row) *string { return (*string)(&r.Customer) }),
		commit.Text("state", func(r *row) *string { return (*string)(&r.State) }).Mutable(),
		commit.Bytes("sealed_pan", func(r *row) *[]byte { return &r.SealedPAN }).Mutable(),
		commit.Optional("pan_key", func(r *row) *string { return &r.PANKey }).Unique().Mutable(),
		commit.Text("masked", func(r *row) *string { return &r.Masked }),
		commit.Text("issuer", func(r *row) *string { return &r.Issuer }),
		commit.Text("card_type", func(r *row) *string { return (*string)(&r.Type) }),
		commit.Text("scheme", func(r *row) *string { return &r.Scheme }),
		commit.Text("expires_on", func(r *row) *string { return &r.ExpiresOn }),
		commit.Text("phone", func(r *row) *string { return &r.Phone }),
		commit.Text("card_token", func(r *row) *string { return &r.Token }).Mutable(),
		commit.Text("agreement_number", func(r *row) *string { return &r.AgreementNumber }).Mutable(),
		commit.Text("decline_code", func(r *row) *string { return (*string)(&r.DeclineCode) }).Mutable(),
		commit.Int("tries", func(r *row) *int64 { return &r.Tries }).Mutable(),
		commit.Instant("query_at", func(r *row) *time.Time { return &r.QueryAt }).Mutable(),
		commit.Instant("created_at", func(r *row) *time.Time { return &r.CreatedAt }),
		commit.Instant("bound_at", func(r *row) *time.Time { return &r.BoundAt }).Mutable(),
		commit.Instant("ended_at", func(r *row) *time.Time { return &r.EndedAt }).Mutable(),
	)
}

// Sealed lists what cards seal in the database, for the vault.
func Sealed() []vault.Sealed {
	return []vault.Sealed{{Purpose: purposePAN, Table: "cards", Key: "id", Column: "sealed_pan"}}
}

func panAAD(name id.Card) []byte { return vault.RowAAD("cards", "sealed_pan", string(name)) }

// issuer returns the port. Errors: card.not_configured.
func (c *Cards) issuer() (Issuer, error) {
	if c.Issuer == nil {
		return nil, fault.New(fault.Conflict, "card.not_configured", "no cards can be bound here").
			WithHint("the operator has no connection to card issuers yet")
	}
	return c.Issuer, nil
}

func notFound() error {
	return fault.New(fault.NotFound, "card.not_found", "there is no such card").WithParam("id")
}
