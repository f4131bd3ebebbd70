// Package identity finds out who a customer is: real-name verification (实名认证).
//
// A customer shows a document; checks run against outside channels; the number of distinct channels that a customer has
// passed sets the payment account class I, II or III (PBOC 2015 No. 43 art. 11). Two customers with one document, and
// whatever else a machine should not decide, wait in a review queue for staff.
//
// A check is durable: it is written with the job that asks the channel. No answer, or one that can't be trusted, is
// unknown and stays unknown until the channel says one thing or the other; only a definite yes counts. Whatever changes
// a class is decided over the customer's row, the row of the document and the rows of all the customer's checks at
// once, so that no race makes a class too high, nor two class III accounts of one person.
//
// What a document says is stored encrypted (vault.Seal), bound to its row. In clear stand
// only masked forms and keyed hashes. None of it is in errors, logs, events or jobs.
//
// The tour: document.go and its neighbours read documents and companies, verifier.go is the port to the channels,
// state.go has the two tables of moves, class.go the one rule from checks to classes; submit.go, image.go, check.go,
// run.go, review.go (with act.go for two people) and expire.go are the acts, view.go what is shown, store.go the SQL of
// reads.
package identity

import (
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// What we seal, by purpose of the vault's data keys; numberMAC names the key of look-ups.
const (
	purposeDocument = "identity.document"
	purposeCheck    = "identity.check"
	purposeImage    = "identity.image"
	numberMAC       = "identity"
)

// Sealed lists what identities seal in the database, for the vault.
func Sealed() []vault.Sealed {
	return []vault.Sealed{
		{Purpose: purposeDocument, Table: "identities", Key: "customer_id", Column: "sealed"},
		{Purpose: purposeCheck, Table: "identity_checks", Key: "id", Column: "sealed"},
		{Purpose: purposeImage, Table: "identity_images", Key: "id", Column: "sealed"},
	}
}

// record is a customer's verification as it is stored.
type record struct { //nolint:recvcheck // values are read, pointers change
	Customer         id.Customer
	State            State
	Reason           string
	Note             string // why staff decided; for staff only
	DecidedBy        id.Staff
	Kind             Kind
	Country          string
	MaskedName       string
	MaskedNumber     string
	DocumentMAC      string // of kind, country and number
	SubjectMAC       string // of those and the name
	PersonMAC        string // of number and name alone; see same.go
	VerifiedMAC      string // PersonMAC as it was when checks were last passed
	Sealed           []byte // the Document
	Sides            string // of the images there are, joined by commas
	Images           int64  // since staff last decided
	Later            bool   // not the person's first account here
	ExpiresAt        time.Time
	NoticedAt        time.Time
	DueAt            time.Time // when Expire must look again
	Submissions      int64
	SubmissionsSince time.Time
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// holder is a document that somebody has shown: who was first, and which of the person's accounts has class III.
type holder struct {
	MAC       string
	Customer  id.Customer
	Third     id.Customer
	CreatedAt time.Time
}

// check is a customer's check on one channel as it is stored.
type check struct { //nolint:recvcheck // values are read, pointers change
	ID          string // CUSTOMER/CHANNEL
	Customer    id.Customer
	Channel     Channel
	Reference   id.IdentityCheck // of this try
	State       CheckState
	Reason      string
	Masked      string // of card or account
	Sealed      []byte // the inputs; nothing once it is final
	Answers     int64  // how often the person answered
	Starts      int64
	StartsSince time.Time
	ValidUntil  time.Time // zero: no end of its own
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// image is a stored image of a document.
type image struct {
	ID        id.IdentityImage
	Customer  id.Customer
	Side      Side
	Media     string
	Size      int64
	Sealed    []byte
	CreatedAt time.Time
}

// Identities verifies customers.
type Identities struct {
	// Trail takes what staff do; nil keeps nothing.
	Trail *audit.Trail

	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
	log       *slog.Logger
	vault     *vault.Vault
	jobs      *job.Jobs
	outbox    *outbox.Outbox
	parties   *party.Parties
	zone      *time.Location
	verifiers map[Channel]Verifier
	classes   []ClassTerms

	records   *commit.Table[record]
	documents *commit.Table[holder]
	checks    *commit.Table[check]
	images    *commit.Table[image]
}

// Parts are what Identities is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Log       *slog.Logger
	Vault     *vault.Vault
	Jobs      *job.Jobs
	Outbox    *outbox.Outbox
	Parties   *party.Parties
	// Zone is the operator's: a day, a birthday and an expiry are days there.
	Zone *time.Location
	// Rules are those of the jurisdiction, to show what each class allows.
	Rules []limit.Rule
}

const (
	jobCheck = "identity.check"
	// jobAttempts at a quarter of an hour are about ten days of a channel that does not answer.
	jobAttempts  = 1000
	jobFirstWait = time.Second
	jobMostWait  = 15 * time.Minute
)

// New returns Identities on its parts, and registers its tables and its job.
func New(p Parts) *Identities {
	s := &Identities{
		committer: p.Committer, db: p.DB, clock: p.Clock, log: p.Log, vault: p.Vault, jobs: p.Jobs, outbox: p.Outbox,
		parties: p.Parties, zone: p.Zone, verifiers: make(map[Channel]Verifier), classes: terms(p.Rules),
		records: recordTable(p.Committer), documents: holderTable(p.Committer), checks: checkTable(p.Committer),
		images: imageTable(p.Committer),
	}
	p.Jobs.Handle(jobCheck, job.Policy{
		AttemptsMax: jobAttempts, Backoff: job.Doubling(jobFirstWait, jobMostWait),
	}, s.run)
	return s
}

// Register adds channels. Call it before the jobs run; the last one of a channel counts.
func (s *Identities) Register(verifiers ...Verifier) {
	for _, v := range verifiers {
		s.verifiers[v.Channel()] = v
	}
}

func recordTable(c *commit.Committer) *commit.Table[record] {
	return commit.AddTable(c, "identities",
		commit.Text("customer_id", func(r *record) *string { return (*string)(&r.Customer) }),
		commit.Text("state", func(r *record) *string { return (*string)(&r.State) }).Mutable(),
		commit.Text("reason", func(r *record) *string { return &r.Reason }).Mutable(),
		commit.Text("note", func(r *record) *string { return &r.Note }).Mutable(),
		commit.Text("decided_by", func(r *record) *string { return (*string)(&r.DecidedBy) }).Mutable(),
		commit.Text("kind", func(r *record) *string { return (*string)(&r.Kind) }).Mutable(),
		commit.Text("country", func(r *record) *string { return &r.Country }).Mutable(),
		commit.Text("masked_name", func(r *record) *string { return &r.MaskedName }).Mutable(),
		commit.Text("masked_number", func(r *record) *string { return &r.MaskedNumber }).Mutable(),
		commit.Text("document_mac", func(r *record) *string { return &r.DocumentMAC }).Mutable(),
		commit.Text("subject_mac", func(r *record) *string { return &r.SubjectMAC }).Mutable(),
		commit.Text("person_mac", func(r *record) *string { return &r.PersonMAC }).Mutable(),
		commit.Text("verified_mac", func(r *record) *string { return &r.VerifiedMAC }).Mutable(),
		commit.Bytes("sealed", func(r *record) *[]byte { return &r.Sealed }).Mutable(),
		commit.Text("sides", func(r *record) *string { return &r.Sides }).Mutable(),
		commit.Int("images", func(r *record) *int64 { return &r.Images }).Mutable(),
		commit.Bool("later", func(r *record) *bool { return &r.Later }).Mutable(),
		commit.Instant("expires_at", func(r *record) *time.Time { return &r.ExpiresAt }).Mutable(),
		commit.Instant("noticed_at", func(r *record) *time.Time { return &r.NoticedAt }).Mutable(),
		commit.Instant("due_at", func(r *record) *time.Time { return &r.DueAt }).Mutable(),
		commit.Int("submissions", func(r *record) *int64 { return &r.Submissions }).Mutable(),
		commit.Instant("submissions_since", func(r *record) *time.Time { return &r.SubmissionsSince }).Mutable(),
		commit.Instant("created_at", func(r *record) *time.Time { return &r.CreatedAt }),
		commit.Instant("updated_at", func(r *record) *time.Time { return &r.UpdatedAt }).Mutable(),
	)
}

func holderTable(c *commit.Committer) *commit.Table[holder] {
	return commit.AddTable(c, "identity_documents",
		commit.Text("mac", func(r *holder) *string { return &r.MAC }),
		commit.Text("customer_id", func(r *holder) *string { return (*string)(&r.Customer) }).Mutable(),
		commit.Text("third_customer", func(r *holder) *string { return (*string)(&r.Third) }).Mutable(),
		commit.Instant("created_at", func(r *holder) *time.Time { return &r.CreatedAt }),
	)
}

func checkTable(c *commit.Committer) *commit.Table[check] {
	return commit.AddTable(c, "identity_checks",
		commit.Text("id", func(r *check) *string { return &r.ID }),
		commit.Text("customer_id", func(r *check) *string { return (*string)(&r.Customer) }),
		commit.Text("channel", func(r *check) *string { return (*string)(&r.Channel) }),
		commit.Text("reference", func(r *check) *string { return (*string)(&r.Reference) }).Mutable(),
		commit.Text("state", func(r *check) *string { return (*string)(&r.State) }).Mutable(),
		commit.Text("reason", func(r *check) *string { return &r.Reason }).Mutable(),
		commit.Text("masked", func(r *check) *string { return &r.Masked }).Mutable(),
		commit.Bytes("sealed", func(r *check) *[]byte { return &r.Sealed }).Mutable(),
		commit.Int("answers", func(r *check) *int64 { return &r.Answers }).Mutable(),
		commit.Int("starts", func(r *check) *int64 { return &r.Starts }).Mutable(),
		commit.Instant("starts_since", func(r *check) *time.Time { return &r.StartsSince }).Mutable(),
		commit.Instant("valid_until", func(r *check) *time.Time { return &r.ValidUntil }).Mutable(),
		commit.Instant("created_at", func(r *check) *time.Time { return &r.CreatedAt }),
		commit.Instant("updated_at", func(r *check) *time.Time { return &r.UpdatedAt }).Mutable(),
	)
}

func imageTable(c *commit.Committer) *commit.Table[image] {
	return commit.AddTable(c, "identity_images",
		commit.Text("id", func(r *image) *string { return (*string)(&r.ID) }),
		commit.Text("customer_id", func(r *image) *string { return (*string)(&r.Customer) }),
		commit.Text("side", func(r *image) *string { return (*string)(&r.Side) }),
		commit.Text("media", func(r *image) *string { return &r.Media }),
		commit.Int("size_bytes", func(r *image) *int64 { return &r.Size }),
		commit.Bytes("sealed", func(r *image) *[]byte { return &r.Sealed }),
		commit.Instant("created_at", func(r *image) *time.Time { return &r.CreatedAt }),
	)
}
