package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

// SecretPrefix begins every signing secret, Standard Webhooks §Signature scheme.
const SecretPrefix = "whsec_"

const (
	secretSize = 32 // Standard Webhooks: 24 to 64 bytes
	secretsMax = 3  // that sign at once
)

// secret is one signing key; Until is the end of one that was rotated out, in microseconds.
type secret struct {
	Key   []byte `json:"key"`
	Until int64  `json:"until,omitempty"`
}

// NewSecret draws a signing secret as it is shown.
func NewSecret() string {
	key := make([]byte, secretSize)
	_, _ = rand.Read(key) // never fails: it ends the program instead (crypto/rand)
	return FormatSecret(key)
}

// FormatSecret writes a key as a secret is shown.
func FormatSecret(key []byte) string { return SecretPrefix + base64.StdEncoding.EncodeToString(key) }

// Sign returns the signature of a message under a key: `v1,` and base64 of HMAC-SHA256 over id, timestamp and body with
// points between (Standard Webhooks §Signature scheme).
func Sign(key []byte, name string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	mac.Write([]byte{'.'})
	mac.Write(strconv.AppendInt(nil, at.Unix(), 10))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signAll signs with every secret that is valid at an instant, the newest first.
func signAll(secrets []secret, name id.Event, at time.Time, body []byte) string {
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = Sign(s.Key, string(name), at, body)
	}
	return strings.Join(signatures, " ")
}

// valid returns the secrets that still sign at an instant.
func valid(secrets []secret, now time.Time) []secret {
	var kept []secret
	for _, s := range secrets {
		if s.Until == 0 || s.Until > now.UnixMicro() {
			kept = append(kept, s)
		}
	}
	return kept
}

func secretsPlace(name id.WebhookEndpoint) []byte {
	return vault.RowAAD("webhook_endpoints", "secrets", string(name))
}

func (w *Webhooks) sealSecrets(name id.WebhookEndpoint, secrets []secret) ([]byte, error) {
	plain, err := json.Marshal(secrets)
	if err != nil {
		return nil, fault.Wrap(err, "write the secrets of "+string(name))
	}
	sealed, err := w.Vault.Seal(purposeSecrets, secretsPlace(name), plain)
	clear(plain)
	return sealed, fault.Wrap(err, "seal the secrets of "+string(name))
}

func (w *Webhooks) openSecrets(e *Endpoint) ([]secret, error) {
	plain, err := w.Vault.Open(purposeSecrets, secretsPlace(e.ID), e.secrets)
	if err != nil {
		return nil, fault.Wrap(err, "open the secrets of "+string(e.ID))
	}
	var secrets []secret
	err = json.Unmarshal(plain, &secrets)
	clear(plain)
	return secrets, fault.Wrap(err, "read the secrets of "+string(e.ID))
}

// errChanged says that a row changed between the look at it and the decision.
var errChanged = errors.New("the endpoint changed meanwhile")

const rotateTries = 5

// Rotate gives an endpoint a fresh secret, shown this once. The former one signs on for overlap, 0 to SecretOverlap: 0
// for a secret that others know. Errors: webhook.endpoint_not_found, .too_many_secrets.
func (w *Webhooks) Rotate(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, overlap time.Duration,
) (Endpoint, string, error) {
	shown := NewSecret()
	for range rotateTries {
		e, err := w.rotate(ctx, merchant, name, rotation{shown: shown, overlap: min(max(overlap, 0), SecretOverlap)})
		if !errors.Is(err, errChanged) {
			return e, shown, fault.Wrap(err, "rotate the secret of "+string(name))
		}
	}
	return Endpoint{}, "", fault.New(fault.Conflict, "webhook.changed", "the endpoint was changed at the same time").
		WithHint("ask again")
}

type rotation struct {
	shown   string
	overlap time.Duration
}

func (w *Webhooks) rotate(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, r rotation,
) (Endpoint, error) {
	before, err := w.Get(ctx, merchant, name)
	if err != nil {
		return Endpoint{}, err
	}
	old, err := w.openSecrets(&before)
	if err != nil {
		return Endpoint{}, err
	}
	now := w.Clock.Now()
	fresh := rotated(valid(old, now), r, now)
	if len(fresh) > secretsMax {
		return Endpoint{}, fault.Newf(fault.Conflict, "webhook.too_many_secrets",
			"%d secrets of this endpoint sign already", secretsMax).
			WithHint("wait until previous_secret_until, or rotate with overlap_seconds 0 to end all others at once")
	}
	sealed, err := w.sealSecrets(name, fresh)
	if err != nil {
		return Endpoint{}, err
	}
	return w.change(ctx, merchant, name, change{kind: "secret_rotated", decide: func(_ *commit.Tx, e *Endpoint) error {
		if !bytes.Equal(e.secrets, before.secrets) {
			return errChanged
		}
		e.secrets, e.PreviousUntil = sealed, time.Time{}
		if len(fresh) > 1 {
			e.PreviousUntil = now.Add(r.overlap)
		}
		return nil
	}})
}

// rotated puts a fresh secret in front; the one that signed until now ends after the overlap, all at once where it
// is 0.
func rotated(old []secret, r rotation, now time.Time) []secret {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.shown, SecretPrefix)) // NewSecret wrote it
	fresh := []secret{{Key: key}}
	if r.overlap == 0 {
		return fresh
	}
	until := now.Add(r.overlap).UnixMicro()
	for _, s := range old {
		if s.Until == 0 || s.Until > until {
			s.Until = until
		}
		fresh = append(fresh, s)
	}
	return fresh
}
