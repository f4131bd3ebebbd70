// Package webhook sends events to merchants' servers, signed by Standard Webhooks
// (https://www.standardwebhooks.com): endpoints with filters and secrets, deliveries with a published retry table, a
// log of every try, resend and replay.
//
// Nothing is written when an event happens: the outbox is the queue. Each endpoint has a cursor into its merchant's
// events, held by one node at a time under a lease; the node reads on from the cursor, sends, and writes log, retries
// and cursor in bulk, many endpoints in one transaction. What was sent and not yet written when a node dies is sent
// again: at least once, never lost.
//
// Read state.go for the moves, endpoint.go and secret.go for the acts of merchants, dispatch.go, runner.go and flush.go
// for the deliveries, schedule.go for the retry table, resend.go for what is sent on demand. Adapter: sendhttp.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

// Endpoint is a merchant's URL for events. Kinds are patterns such as payment.succeeded, payment.* or *. FailingSince
// is the first failure since the last success.
type Endpoint struct {
	ID          id.WebhookEndpoint `json:"id"`
	URL         string             `json:"url"`
	Kinds       []string           `json:"kinds" doc:"Which events are sent: kinds, or patterns such as payment.* and *."`
	APIVersion  string             `json:"api_version" doc:"The dated version in which events are written."`
	Description string             `json:"description,omitempty"`
	State       State              `json:"state" enum:"enabled,disabled"`
	// Reason is why a disabled endpoint is disabled.
	Reason Reason `json:"disabled_reason,omitempty" enum:"merchant,failing,gone" doc:"merchant: by your call; failing: no success for 5 days; gone: it answered 410."`
	// PreviousUntil is how long deliveries are also signed with a secret that was rotated out.
	PreviousUntil time.Time `json:"previous_secret_until,omitzero" doc:"Until then deliveries are signed with the former secret too."`
	FailingSince  time.Time `json:"failing_since,omitzero" doc:"The first failure since the last success."`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`

	merchant id.Merchant
	urlKey   string
	secrets  []byte
}

// String returns the id: the rest does not belong in logs.
func (e Endpoint) String() string { return string(e.ID) }

// cursor is how far an endpoint is, and who delivers to it.
type cursor struct {
	id           id.WebhookEndpoint
	merchant     id.Merchant
	position     id.Event
	failingSince time.Time
	leasedBy     string
	leasedUntil  time.Time
}

// Message is one request to an endpoint. Signature holds one signature for each valid secret.
type Message struct {
	URL        string
	ID         id.Event
	Timestamp  time.Time
	Signature  string
	APIVersion string
	Body       []byte
}

// Answer is what became of a message: a status, or a problem where there was none. Body holds the first bytes of the
// answer; RetryAfter is what the header of that name says.
type Answer struct {
	Status     int
	Problem    Problem
	Body       []byte
	RetryAfter time.Duration
}

// Sender sends one message within the time that ctx leaves, and never to where it must not.
type Sender interface {
	Send(ctx context.Context, m Message) Answer
	// CheckURL refuses a URL to which nothing will ever be sent. Errors: webhook.bad_url.
	CheckURL(url string) error
}

// Parts are what webhooks are made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Log       *slog.Logger
	Vault     *vault.Vault
	Outbox    *outbox.Outbox
	Sender    Sender
}

// Webhooks runs the acts of this package and delivers.
type Webhooks struct {
	Parts
	endpoints *commit.Table[Endpoint]
	cursors   *commit.Table[cursor]
	dispatcher
}

const purposeSecrets = "webhook.secrets"

// Sealed lists what the package seals in the database.
func Sealed() []vault.Sealed {
	return []vault.Sealed{{Purpose: purposeSecrets, Table: "webhook_endpoints", Key: "id", Column: "secrets"}}
}

// New returns the service and registers its tables: webhook_endpoints, webhook_cursors.
func New(p Parts) *Webhooks {
	return &Webhooks{
		Parts:      p,
		dispatcher: newDispatcher(),
		endpoints: commit.AddTable(p.Committer, "webhook_endpoints",
			commit.Text("id", func(r *Endpoint) *string { return (*string)(&r.ID) }),
			commit.Text("merchant_id", func(r *Endpoint) *string { return (*string)(&r.merchant) }),
			commit.Text("url", func(r *Endpoint) *string { return &r.URL }).Mutable(),
			commit.Optional("url_key", func(r *Endpoint) *string { return &r.urlKey }).Mutable().Unique(),
			commit.Coded("kinds", func(r *Endpoint) string { return strings.Join(r.Kinds, " ") },
				func(r *Endpoint, s string) { r.Kinds = strings.Fields(s) }).Mutable(),
			commit.Text("api_version", func(r *Endpoint) *string { return &r.APIVersion }).Mutable(),
			commit.Text("description", func(r *Endpoint) *string { return &r.Description }).Mutable(),
			commit.Text("state", func(r *Endpoint) *string { return (*string)(&r.State) }).Mutable(),
			commit.Text("reason", func(r *Endpoint) *string { return (*string)(&r.Reason) }).Mutable(),
			commit.Bytes("secrets", func(r *Endpoint) *[]byte { return &r.secrets }).Mutable(),
			commit.Instant("previous_until", func(r *Endpoint) *time.Time { return &r.PreviousUntil }).Mutable(),
			commit.Instant("created_at", func(r *Endpoint) *time.Time { return &r.CreatedAt }),
			commit.Instant("updated_at", func(r *Endpoint) *time.Time { return &r.UpdatedAt }).Mutable(),
		),
		cursors: commit.AddTable(p.Committer, "webhook_cursors",
			commit.Text("id", func(r *cursor) *string { return (*string)(&r.id) }),
			commit.Text("merchant_id", func(r *cursor) *string { return (*string)(&r.merchant) }),
			commit.Text("position", func(r *cursor) *string { return (*string)(&r.position) }).Mutable(),
			commit.Instant("failing_since", func(r *cursor) *time.Time { return &r.failingSince }).Mutable(),
			commit.Text("leased_by", func(r *cursor) *string { return &r.leasedBy }).Mutable(),
			commit.Instant("leased_until", func(r *cursor) *time.Time { return &r.leasedUntil }).Mutable(),
		),
	}
}

// urlKey is what is unique among a merchant's endpoints: a merchant that repeats a call that it got no answer to does
// not get every event twice.
func urlKey(merchant id.Merchant, url string) string {
	sum := sha256.Sum256([]byte(string(merchant) + " " + url))
	return hex.EncodeToString(sum[:])
}

func notFound() error {
	return fault.New(fault.NotFound, "webhook.endpoint_not_found", "there is no such webhook endpoint")
}
