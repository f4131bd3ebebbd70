package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// NewKey is what Register is asked for. Algorithm may be "" where the key has only one.
type NewKey struct {
	Merchant  id.Merchant
	Name      string
	PublicKey string
	Algorithm httpsig.Algorithm
}

// Register keeps a merchant's public key; from now on it signs requests. A rotation is a second key beside the first,
// and then the end of the first. Errors: signing.bad_key, signing.private_key, signing.key_taken,
// signing.too_many_keys, party.bad_name.
func (s *Signing) Register(ctx context.Context, n NewKey) (PublicKey, error) {
	name, err := party.ParseName(n.Name)
	if err != nil {
		return PublicKey{}, err
	}
	public, err := httpsig.ParseKey(n.PublicKey, n.Algorithm)
	if errors.Is(err, httpsig.ErrPrivateKey) {
		return PublicKey{}, fault.New(fault.Invalid, "signing.private_key", err.Error()).WithParam("public_key")
	}
	if err != nil {
		return PublicKey{}, fault.New(fault.Invalid, "signing.bad_key", err.Error()).WithParam("public_key")
	}
	der, err := public.MarshalSPKI()
	if err != nil {
		return PublicKey{}, fault.Wrap(err, "register a signing key")
	}
	// Counted outside: the limit protects us, so that one or two too many at once do no harm.
	if all, err := s.List(ctx, n.Merchant); err != nil {
		return PublicKey{}, err
	} else if s.countValid(all) >= KeysMax {
		return PublicKey{}, fault.Newf(fault.Conflict, "signing.too_many_keys",
			"a merchant has at most %d valid signing keys", KeysMax).
			WithHint("end one that you do not need")
	}
	sum := sha256.Sum256([]byte(string(n.Merchant) + " " + string(der)))
	key := PublicKey{
		ID: id.New[id.SigningKey](s.Clock.Now()), Name: name, Algorithm: public.Algorithm, PublicKey: der,
		merchant: n.Merchant, thumbprint: hex.EncodeToString(sum[:]),
	}
	taken := s.keys.KeyBy("thumbprint", key.thumbprint)
	err = s.Committer.Do(ctx, []commit.Key{taken}, func(tx *commit.Tx) error {
		if other, found, err := s.keys.Get(tx, taken); err != nil {
			return err
		} else if found {
			return fault.Newf(fault.Conflict, "signing.key_taken", "you registered this key before, as %s", other.ID).
				WithHint("use it, or make a new pair if it was ended").WithParam("public_key")
		}
		key.CreatedAt = tx.Now()
		s.keys.Put(tx, key)
		return s.tell(ctx, tx, "registered", PublicKey{}, key)
	})
	return key, fault.Wrap(err, "register a signing key")
}

func (s *Signing) countValid(all []PublicKey) (n int) {
	for _, key := range all {
		if key.valid(s.Clock.Now()) {
			n++
		}
	}
	return n
}

// Revoke ends a key after a time, 0 for at once: on this node at once, on others within two seconds. An earlier end
// is not put off. Errors: signing.key_not_found.
func (s *Signing) Revoke(
	ctx context.Context,
	merchant id.Merchant,
	name id.SigningKey,
	after time.Duration,
) (PublicKey, error) {
	key := s.keys.Key(string(name))
	var ended PublicKey
	err := s.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := s.keys.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.merchant != merchant {
			return notFound()
		}
		before, end := row, tx.Now().Add(min(after, OverlapMax))
		if ended = row; !row.valid(end) {
			return nil
		}
		row.ValidUntil = end
		ended = row
		s.keys.Put(tx, row)
		tx.After(func() { s.recent.Forget(name) })
		return s.tell(ctx, tx, "revoked", before, row)
	})
	return ended, fault.Wrap(err, "revoke "+string(name))
}

// Require says whether requests with a merchant's secret keys must be signed. To require it, the merchant must have a
// valid key. Errors: party.merchant_not_found, signing.no_key.
func (s *Signing) Require(ctx context.Context, merchant id.Merchant, required bool) error {
	if required {
		all, err := s.List(ctx, merchant)
		if err != nil {
			return err
		}
		if s.countValid(all) == 0 {
			return fault.New(fault.Conflict, "signing.no_key", "you have no valid signing key, so nobody could call").
				WithHint("register a key and sign with it first")
		}
	}
	err := s.Committer.Do(ctx, []commit.Key{s.Parties.MerchantKey(merchant)}, func(tx *commit.Tx) error {
		row, err := s.Parties.LockedMerchant(tx, merchant)
		if err != nil || row.RequiresSignature == required {
			return err
		}
		row.RequiresSignature = required
		s.Parties.PutMerchant(tx, row)
		tx.After(s.Auth.ForgetKeys)
		rule := SignatureRule{Required: required}
		if err := s.Outbox.Add(tx, outbox.Event{
			Kind: "signature_rule.changed", Merchant: merchant, Subject: string(merchant),
		}, rule); err != nil {
			return err
		}
		return s.Trail.Add(ctx, tx, audit.Act{
			Kind: "signature_rule.changed", Subject: string(merchant), Before: SignatureRule{Required: !required}, After: rule,
		})
	})
	return fault.Wrap(err, "require signatures of "+string(merchant))
}

// SignatureRule says whether a merchant's requests must be signed.
type SignatureRule struct {
	Required bool `json:"required" doc:"Refuse requests to /v1 that are not signed by one of your keys, though the secret key is right."`
}

// RuleOf returns a merchant's rule. Errors: party.merchant_not_found.
func (s *Signing) RuleOf(ctx context.Context, merchant id.Merchant) (SignatureRule, error) {
	found, err := s.Parties.Merchant(ctx, merchant)
	return SignatureRule{Required: found.RequiresSignature}, err
}

// tell announces a change of a key and records it.
func (s *Signing) tell(ctx context.Context, tx *commit.Tx, what string, before, after PublicKey) error {
	if err := s.Outbox.Add(tx, outbox.Event{
		Kind: "signing_key." + what, Merchant: after.merchant, Subject: string(after.ID),
	}, after); err != nil {
		return err
	}
	act := audit.Act{Kind: "signing_key." + what, Subject: string(after.merchant), After: after}
	if before.ID != "" {
		act.Before = before
	}
	return s.Trail.Add(ctx, tx, act)
}
