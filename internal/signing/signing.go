// Package signing lets merchants sign their requests to /v1 by RFC 9421: it keeps their public keys, checks signatures
// and takes each of them once.
//
// Who has a merchant's secret key could call as the merchant; with signatures the private key must be there too, and it
// never leaves the merchant's machine. So a key is registered by a person in the merchant portal and not by a secret
// key: whoever stole the one could else register another. A merchant that requires signatures is refused without them.
//
// A signature is taken once: its nonce is written in a commit of its own before the request is looked at further, so
// that of two nodes that get it at once one refuses it. Acts that move money are safe without: their Idempotency-Key is
// covered by the signature, and the same key gives the same answer. The nonce is for all others, such as a new webhook
// secret.
//
// Read key.go for the acts of people, check.go for what each signed request goes through, debug.go for the debugger.
package signing

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Limits of a merchant's keys.
const (
	// KeysMax is how many keys may be valid at once.
	KeysMax = 20
	// OverlapMax is how long a key may go on after its end was decided.
	OverlapMax = 30 * 24 * time.Hour
)

const (
	keysRecent = 10_000
	staleMax   = 2 * time.Second
)

// PublicKey is a merchant's public key. ValidUntil is zero while nobody ended it.
type PublicKey struct {
	ID         id.SigningKey     `json:"id" doc:"The keyid of signatures by it."`
	Name       string            `json:"name"`
	Algorithm  httpsig.Algorithm `json:"algorithm" enum:"ed25519,ecdsa-p256-sha256,rsa-pss-sha512,rsa-v1_5-sha256,sm2-sm3"`
	PublicKey  []byte            `json:"public_key" doc:"The key as SPKI, in base64."`
	ValidUntil time.Time         `json:"valid_until,omitzero" doc:"From then on it is not taken; absent while nobody ended it."`
	CreatedAt  time.Time         `json:"created_at"`

	merchant   id.Merchant
	thumbprint string
}

// valid reports whether signatures by the key are taken now.
func (k PublicKey) valid(now time.Time) bool {
	return k.ValidUntil.IsZero() || now.Before(k.ValidUntil)
}

// nonce is a signature that was taken.
type nonce struct {
	id        string
	expiresAt time.Time
}

// Parts are what the service is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Outbox    *outbox.Outbox
	Parties   *party.Parties
	Auth      *auth.Auth
	Trail     *audit.Trail
}

// Signing runs the acts of this package.
type Signing struct {
	Parts
	keys   *commit.Table[PublicKey]
	nonces *commit.Table[nonce]
	recent *party.Recent[id.SigningKey, known]
}

// known is a key as requests are checked by it.
type known struct {
	PublicKey
	public httpsig.Key
}

// New returns the service and registers its tables: signing_keys, signature_nonces.
func New(p Parts) *Signing {
	return &Signing{
		Parts:  p,
		recent: party.NewRecent[id.SigningKey, known](p.Clock, staleMax, keysRecent),
		keys: commit.AddTable(p.Committer, "signing_keys",
			commit.Text("id", func(r *PublicKey) *string { return (*string)(&r.ID) }),
			commit.Text("merchant_id", func(r *PublicKey) *string { return (*string)(&r.merchant) }),
			commit.Text("name", func(r *PublicKey) *string { return &r.Name }),
			commit.Text("algorithm", func(r *PublicKey) *string { return (*string)(&r.Algorithm) }),
			commit.Bytes("public_key", func(r *PublicKey) *[]byte { return &r.PublicKey }),
			commit.Text("thumbprint", func(r *PublicKey) *string { return &r.thumbprint }).Unique(),
			commit.Instant("valid_until", func(r *PublicKey) *time.Time { return &r.ValidUntil }).Mutable(),
			commit.Instant("created_at", func(r *PublicKey) *time.Time { return &r.CreatedAt }),
		),
		nonces: commit.AddTable(p.Committer, "signature_nonces",
			commit.Text("id", func(r *nonce) *string { return &r.id }),
			commit.Instant("expires_at", func(r *nonce) *time.Time { return &r.expiresAt }),
		),
	}
}

// Find returns one of the merchant's keys, ended ones too. Errors: signing.key_not_found.
func (s *Signing) Find(ctx context.Context, merchant id.Merchant, name id.SigningKey) (PublicKey, error) {
	found, err := s.read(ctx, name)
	if err == nil && found.merchant != merchant {
		err = notFound()
	}
	return found.PublicKey, err
}

// read returns a key of anybody, at most two seconds old.
func (s *Signing) read(ctx context.Context, name id.SigningKey) (known, error) {
	return s.recent.Get(name, func() (known, error) { return s.readKey(ctx, name) })
}

func notFound() error {
	return fault.New(fault.NotFound, "signing.key_not_found", "there is no such signing key")
}
