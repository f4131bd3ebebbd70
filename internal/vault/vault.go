// Package vault is the only holder of keys. One root secret of 32 bytes lies in a file that only the
// operator's account can read; every other key is derived from it and is never stored.
//
// Derivation is HKDF-SHA-256 (RFC 5869): extract with the salt `feiqian/vault/1`, expand to 32 bytes
// with the info `PURPOSE/VERSION/SUBJECT`. A purpose holds no slash, so no two keys share an info.
//
//	purpose   version  subject      key
//	pin       1        –            HMAC key of the payment PINs
//	device    n        device id    secret of one device's payment codes
//	sign      1        purpose      seed of an Ed25519 key
//	fingerprint  1        purpose      HMAC key of look-ups of what is sealed
//	wrap         1        –            the local key store's key, which wraps data keys
//	seal         0        purpose      data key where no database is attached
//	mac          1        purpose      HMAC key of other short secrets: codes, gestures
//
// What must be read again is sealed under data keys (envelope.go): random, by purpose and version, stored in the
// database and wrapped by a key store (keystore.go), so that they can be rotated and destroyed (rotate.go, reseal.go).
//
// Whoever loses the root secret loses every payment PIN, every device's codes, the signatures'
// continuity and all that is sealed, so it belongs in the backup, apart from the database.
package vault

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/feiqian/feiqian/internal/id"
)

// KeySize is the size of the root secret and of every derived key in bytes.
const KeySize = 32

const (
	salt       = "feiqian/vault/1"
	alphabet   = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford base 32, as in ids
	tokenChars = 52                                 // 260 bits hold the 256 random ones
	tokenBits  = 5
)

// Vault derives keys from the root secret. It is safe for many goroutines and prints nothing secret.
type Vault struct {
	// Metrics are the vault's own measurements; register them where metrics are served.
	Metrics *Metrics

	keys *keys // behind a pointer, so that no verb of fmt reaches them
	ring *keyring
}

type keys struct {
	root []byte // the pseudo-random key that HKDF expands
	pin  []byte
}

// derived returns a vault on a root secret.
func derived(root []byte) (*Vault, error) {
	prk, err := hkdf.Extract(sha256.New, root, []byte(salt))
	if err != nil {
		return nil, fmt.Errorf("extract the root key: %w", err)
	}
	v := &Vault{keys: &keys{root: prk}}
	pin := v.key("pin", 1, "")
	v.keys.pin = pin[:]
	v.Metrics = newMetrics()
	v.ring = &keyring{purposes: map[string]*purposeKeys{}}
	return v, nil
}

// key derives one key.
func (v *Vault) key(purpose string, version int64, subject string) [KeySize]byte {
	info := purpose + "/" + strconv.FormatInt(version, 10) + "/" + subject
	out, err := hkdf.Expand(sha256.New, v.keys.root, info, KeySize)
	if err != nil {
		panic("vault: " + err.Error()) // only a key longer than 255 hashes can fail
	}
	return [KeySize]byte(out)
}

// PINMAC returns the keyed MAC of a customer's payment PIN, as it is stored: HMAC-SHA-256 over the
// customer's id, a zero byte and the PIN, in base64url. The same PIN of two customers has two MACs.
func (v *Vault) PINMAC(customer id.Customer, pin string) string {
	mac := hmac.New(sha256.New, v.keys.pin)
	mac.Write([]byte(customer))
	mac.Write([]byte{0})
	mac.Write([]byte(pin))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// DeviceSecret returns the secret with which a device makes payment codes. A new version gives the
// same device another secret.
func (v *Vault) DeviceSecret(device id.Device, version int64) [KeySize]byte {
	return v.key("device", version, string(device))
}

// SigningKey returns the Ed25519 key (RFC 8032) of a purpose, always the same one: `ledger.log` signs
// the log, `bank` our requests to the bank's channel.
func (v *Vault) SigningKey(purpose string) ed25519.PrivateKey {
	seed := v.key("sign", 1, purpose)
	return ed25519.NewKeyFromSeed(seed[:])
}

// String says that this is a vault, and no more.
func (v *Vault) String() string { return "vault" }

// GoString says that this is a vault, and no more.
func (v *Vault) GoString() string { return "vault.Vault{}" }

// LogValue says that this is a vault, and no more.
func (v *Vault) LogValue() slog.Value { return slog.StringValue("vault") }

// Token returns prefix and 52 random characters: 260 bits, more than anybody can guess.
func Token(prefix string) string {
	var raw [tokenChars]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead (crypto/rand)
	for i, b := range raw {
		raw[i] = alphabet[b&(1<<tokenBits-1)]
	}
	return prefix + string(raw[:])
}

// HashToken returns the form in which a token is stored and looked up: SHA-256 in base64url. A token is
// random enough that no slow or keyed hash is needed, and a look-up by hash tells nothing by its time.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
