// Package onboarding brings merchants in (know your business, KYB): an application with company, people, settlement
// account and documents, a review by staff with reasons, and with the approval a merchant and its first user.
//
// Who applies has no account: the application's token, shown once, opens it and nothing else. What is personal
// (names, numbers of people, the settlement account) and the documents are sealed by package vault, and masked
// where they are shown to anybody but the reviewer.
//
// Read state.go for the moves, details.go for what is asked, apply.go, document.go and review.go for the acts.
package onboarding

import (
	"context"
	"encoding/json"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// Application is a company that wants to be a merchant. USCCValid says whether the code's check character is
// right: if not, the reviewer looks twice, since some codes in real use have a wrong one.
type Application struct {
	ID        id.Application `json:"id"`
	State     State          `json:"state" enum:"draft,submitted,more_needed,approved,refused"`
	Company   string         `json:"company"`
	USCC      party.USCC     `json:"uscc"`
	USCCValid bool           `json:"uscc_check_ok"`
	Category  string         `json:"category" doc:"Merchant category code, ISO 18245."`
	Email     string         `json:"email"`
	Documents []Document     `json:"documents"`
	// Reason is what the reviewer says to the applicant.
	Reason     string          `json:"reason,omitempty"`
	ReviewedBy id.Staff        `json:"reviewed_by,omitempty"`
	Merchant   id.Merchant     `json:"merchant_id,omitempty"`
	Owner      id.MerchantUser `json:"owner_id,omitempty"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	DecidedAt  time.Time       `json:"decided_at,omitzero"`

	tokenHash string
	private   []byte
}

// String returns the id: the rest does not belong in logs.
func (a Application) String() string { return string(a.ID) }

// Parts are what onboarding is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Vault     *vault.Vault
	Outbox    *outbox.Outbox
	// Trail takes the records of reviews; nil keeps none.
	Trail   *audit.Trail
	Parties *party.Parties
	Auth    *auth.Auth
}

// Onboarding runs the acts of this package.
type Onboarding struct {
	Parts
	applications *commit.Table[Application]
	contents     *commit.Table[content]
}

// content is what a document holds, sealed.
type content struct {
	ID          id.ApplicationDocument
	Application id.Application
	Sealed      []byte
	CreatedAt   time.Time
}

const (
	tokenPrefix = "apl_"

	purposePrivate  = "onboarding.private"
	purposeDocument = "onboarding.document"
)

// Sealed lists what the package seals in the database.
func Sealed() []vault.Sealed {
	return []vault.Sealed{
		{Purpose: purposePrivate, Table: "merchant_applications", Key: "id", Column: "private"},
		{Purpose: purposeDocument, Table: "merchant_documents", Key: "id", Column: "sealed"},
	}
}

// TokenFor is how long a token opens its application, since the last change of it. What is then still a draft is erased
// by package privacy.
const TokenFor = 180 * 24 * time.Hour

func privatePlace(name id.Application) []byte {
	return vault.RowAAD("merchant_applications", "private", string(name))
}

func documentPlace(name id.ApplicationDocument) []byte {
	return vault.RowAAD("merchant_documents", "sealed", string(name))
}

// New returns the service and registers its tables: merchant_applications, merchant_documents.
func New(p Parts) *Onboarding {
	return &Onboarding{
		Parts: p,
		applications: commit.AddTable(p.Committer, "merchant_applications",
			commit.Text("id", func(r *Application) *string { return (*string)(&r.ID) }),
			commit.Text("token_hash", func(r *Application) *string { return &r.tokenHash }),
			commit.Text("state", func(r *Application) *string { return (*string)(&r.State) }).Mutable(),
			commit.Text("company", func(r *Application) *string { return &r.Company }).Mutable(),
			commit.Coded("uscc", func(r *Application) string { return string(r.USCC) },
				func(r *Application, s string) { r.USCC = party.USCC(s); r.USCCValid = r.USCC.CheckDigitOK() }).Mutable(),
			commit.Text("category", func(r *Application) *string { return &r.Category }).Mutable(),
			commit.Text("email", func(r *Application) *string { return &r.Email }).Mutable(),
			commit.Bytes("private", func(r *Application) *[]byte { return &r.private }).Mutable(),
			commit.Coded("documents", encodeDocuments, decodeDocuments).Mutable(),
			commit.Text("reason", func(r *Application) *string { return &r.Reason }).Mutable(),
			commit.Text("reviewed_by", func(r *Application) *string { return (*string)(&r.ReviewedBy) }).Mutable(),
			commit.Text("merchant_id", func(r *Application) *string { return (*string)(&r.Merchant) }).Mutable(),
			commit.Text("owner_id", func(r *Application) *string { return (*string)(&r.Owner) }).Mutable(),
			commit.Instant("created_at", func(r *Application) *time.Time { return &r.CreatedAt }),
			commit.Instant("updated_at", func(r *Application) *time.Time { return &r.UpdatedAt }).Mutable(),
			commit.Instant("decided_at", func(r *Application) *time.Time { return &r.DecidedAt }).Mutable(),
		),
		contents: commit.AddTable(p.Committer, "merchant_documents",
			commit.Text("id", func(r *content) *string { return (*string)(&r.ID) }),
			commit.Text("application_id", func(r *content) *string { return (*string)(&r.Application) }),
			commit.Bytes("sealed", func(r *content) *[]byte { return &r.Sealed }).Mutable(),
			commit.Instant("created_at", func(r *content) *time.Time { return &r.CreatedAt }),
		),
	}
}

func encodeDocuments(a *Application) string {
	if len(a.Documents) == 0 {
		return "[]"
	}
	text, err := json.Marshal(a.Documents)
	if err != nil {
		panic("onboarding: " + err.Error()) // strings and numbers only
	}
	return string(text)
}

// decodeDocuments reads the list; one that cannot be read is empty, and a submission then asks for its documents.
func decodeDocuments(a *Application, text string) {
	a.Documents = []Document{}
	_ = json.Unmarshal([]byte(text), &a.Documents)
}

// change runs one decision on an application that is in one of the states in which the applicant may change it.
func (o *Onboarding) change(
	ctx context.Context, name id.Application, more []commit.Key, decide func(tx *commit.Tx, a *Application) error,
) (Application, error) {
	key := o.applications.Key(string(name))
	var changed Application
	err := o.Committer.Do(ctx, append([]commit.Key{key}, more...), func(tx *commit.Tx) error {
		a, found, err := o.applications.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return notFound()
		}
		// Rows that decisions share are not changed in place: the list is.
		a.Documents = append([]Document{}, a.Documents...)
		if err := decide(tx, &a); err != nil {
			return err
		}
		a.UpdatedAt = tx.Now()
		o.applications.Put(tx, a)
		changed = a
		return nil
	})
	return changed, err
}

// announce writes the event of a move; it names nobody.
func (o *Onboarding) announce(tx *commit.Tx, a *Application) error {
	return o.Outbox.Add(tx, outbox.Event{Kind: "merchant_application." + string(a.State), Subject: string(a.ID)},
		struct {
			ID       id.Application `json:"id"`
			State    State          `json:"state"`
			Merchant id.Merchant    `json:"merchant_id,omitempty"`
		}{a.ID, a.State, a.Merchant})
}

func notFound() error {
	return fault.New(fault.NotFound, "onboarding.not_found", "there is no such application")
}
