package auth

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	livePrefix    = "sk_live_"
	sandboxPrefix = "sk_sandbox_"
	keyShown      = 4 // last characters of a masked key
)

// APIKey is a merchant's secret key as it is stored; Masked is sk_live_****abcd. RevokedAt is zero
// while it is valid.
type APIKey struct {
	ID         id.APIKey   `json:"id"`
	Merchant   id.Merchant `json:"merchant_id"`
	Name       string      `json:"name"`
	SecretHash string      `json:"-"`
	Masked     string      `json:"masked"`
	CreatedAt  time.Time   `json:"created_at"`
	RevokedAt  time.Time   `json:"revoked_at,omitzero"`
}

// KeyHolder is what a secret key proves. MustSign says that the merchant wants no request without a signature.
type KeyHolder struct {
	Merchant id.Merchant
	Key      id.APIKey
	MustSign bool
}

func (a *Auth) keyPrefixes() (ours, others string) {
	if a.live {
		return livePrefix, sandboxPrefix
	}
	return sandboxPrefix, livePrefix
}

// CreateKey makes a secret key for a merchant. The secret is returned this once and not stored.
// Errors: party.merchant_not_found, party.bad_name, auth.closed.
func (a *Auth) CreateKey(ctx context.Context, merchant id.Merchant, name string) (APIKey, string, error) {
	known, err := a.parties.Merchant(ctx, merchant)
	if err != nil {
		return APIKey{}, "", err
	}
	if known.State == party.StateClosed {
		return APIKey{}, "", fault.New(fault.Forbidden, "auth.closed", "this merchant is closed")
	}
	name, err = party.ParseName(name)
	if err != nil {
		return APIKey{}, "", err
	}
	prefix, _ := a.keyPrefixes()
	secret := vault.Token(prefix)
	key := APIKey{
		ID: id.New[id.APIKey](a.clock.Now()), Merchant: merchant, Name: name,
		SecretHash: vault.HashToken(secret), Masked: prefix + "****" + secret[len(secret)-keyShown:],
	}
	err = a.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		key.CreatedAt = tx.Now()
		a.keyTable.Put(tx, key)
		return a.Trail.Add(ctx, tx, audit.Act{Kind: "key.created", Subject: string(merchant), After: key})
	})
	if err != nil {
		return APIKey{}, "", fault.Wrap(err, "create key for "+string(merchant))
	}
	return key, secret, nil
}

// ListKeys returns the keys of a merchant, newest first, at most 100.
func (a *Auth) ListKeys(ctx context.Context, merchant id.Merchant) ([]APIKey, error) {
	return a.readKeys(ctx, merchant)
}

// RevokeKey ends a merchant's key, at once on this node and within two seconds on others. To revoke a
// revoked one is no error. Errors: auth.key_not_found.
func (a *Auth) RevokeKey(ctx context.Context, merchant id.Merchant, name id.APIKey) error {
	key := a.keyTable.Key(string(name))
	err := a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := a.keyTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.Merchant != merchant {
			return fault.New(fault.NotFound, "auth.key_not_found", "there is no such key")
		}
		if row.RevokedAt.IsZero() {
			before := row
			row.RevokedAt = tx.Now()
			a.keyTable.Put(tx, row)
			return a.Trail.Add(ctx, tx, audit.Act{Kind: "key.revoked", Subject: string(merchant), Before: before, After: row})
		}
		return nil
	})
	a.keys.ForgetAll()
	return fault.Wrap(err, "revoke "+string(name))
}

// ForgetKeys lets the next request read anew what secret keys prove, on this node; others know within two seconds.
func (a *Auth) ForgetKeys() { a.keys.ForgetAll() }

// AuthenticateKey returns the merchant whom a secret key proves, and which key it is. What it knows is
// at most two seconds old. Errors: auth.key_invalid, auth.key_wrong_mode (both Unauthenticated).
func (a *Auth) AuthenticateKey(ctx context.Context, secret string) (KeyHolder, error) {
	ours, others := a.keyPrefixes()
	if strings.HasPrefix(secret, others) {
		return KeyHolder{}, fault.Newf(fault.Unauthenticated, "auth.key_wrong_mode",
			"this is a key of another mode; here keys begin with %s", ours)
	}
	if !strings.HasPrefix(secret, ours) || len(secret) != len(ours)+52 {
		return KeyHolder{}, keyInvalid()
	}
	hash := vault.HashToken(secret)
	return a.keys.Get(hash, func() (KeyHolder, error) { return a.readKeyHolder(ctx, hash) })
}

func keyInvalid() error {
	return fault.New(fault.Unauthenticated, "auth.key_invalid", "this key is not valid").
		WithHint("send `Authorization: Bearer sk_…` with a key that is not revoked")
}
