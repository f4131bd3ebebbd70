package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
)

// Check refuses a request of a merchant that is not signed by one of its keys over all that must be, or whose signature
// was taken before. Where it holds, the nonce is taken. Errors: signature.… (Unauthenticated).
func (s *Signing) Check(ctx context.Context, merchant id.Merchant, message httpsig.Message) error {
	var failed error
	signature, wrong := httpsig.CheckRequest(message, s.finder(ctx, merchant, &failed), s.Clock.Now())
	if failed != nil {
		return failed
	}
	if wrong != nil {
		return refusal(wrong)
	}
	return s.take(ctx, signature)
}

func refusal(wrong *httpsig.Flaw) error {
	return fault.New(fault.Unauthenticated, wrong.Code, wrong.Message).WithHint(wrong.Hint)
}

// finder finds a merchant's valid keys; failed is set where the database could not be asked.
func (s *Signing) finder(ctx context.Context, merchant id.Merchant, failed *error) httpsig.FindKey {
	return func(name string) (httpsig.Key, *httpsig.Flaw) {
		key, err := s.read(ctx, id.SigningKey(name))
		switch {
		case err != nil && fault.KindOf(err) != fault.NotFound:
			*failed = err
			fallthrough
		case err != nil || key.merchant != merchant:
			return httpsig.Key{}, &httpsig.Flaw{
				Code: httpsig.CodeKeyUnknown, Message: "you have no signing key with the signature's keyid",
				Hint: "put the id of your registered key, sgk_…, into keyid; register keys in the merchant portal",
			}
		case !key.valid(s.Clock.Now()):
			return httpsig.Key{}, &httpsig.Flaw{
				Code: httpsig.CodeKeyUnknown, Message: "the signing key " + name + " ended at " +
					key.ValidUntil.Format(time.RFC3339),
				Hint: "sign with another key; register one in the merchant portal",
			}
		}
		return key.public, nil
	}
}

// take writes the nonce of a signature, once on all nodes. It is kept as long as the signature could be sent again.
func (s *Signing) take(ctx context.Context, signature httpsig.Labeled) error {
	sum := sha256.Sum256([]byte(signature.KeyID + " " + signature.Nonce))
	row := nonce{id: hex.EncodeToString(sum[:]), expiresAt: signature.Created.Add(2 * httpsig.Window)}
	key := s.nonces.Key(row.id)
	err := s.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		if _, found, err := s.nonces.Get(tx, key); err != nil {
			return err
		} else if found {
			return fault.New(fault.Unauthenticated, "signature.replayed", "a signature with this nonce was taken before").
				WithHint("sign each request anew, also one that is sent again, with a random nonce")
		}
		s.nonces.Put(tx, row)
		return nil
	})
	return fault.Wrap(err, "take a nonce")
}

// Debug says what is wrong with a signed request of the merchant, and what was canonicalised. It takes no nonce.
func (s *Signing) Debug(
	ctx context.Context, merchant id.Merchant, message httpsig.Message, base string,
) (httpsig.Diagnosis, error) {
	all, err := s.List(ctx, merchant)
	if err != nil {
		return httpsig.Diagnosis{}, err
	}
	var others []httpsig.Key
	for _, key := range all {
		if public, err := key.parse(); err == nil {
			others = append(others, public)
		}
	}
	var failed error
	report := httpsig.Diagnose(httpsig.Question{
		Message: message, Base: base, Find: s.finder(ctx, merchant, &failed), Others: others, Now: s.Clock.Now(),
	})
	return report, failed
}

// parse returns the key as it verifies.
func (k PublicKey) parse() (httpsig.Key, error) {
	public, err := httpsig.ParseSPKI(k.PublicKey, k.Algorithm)
	public.ID = string(k.ID)
	return public, err
}
