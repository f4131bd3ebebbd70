package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"log/slog"

	"github.com/feiqian/feiqian/internal/fault"
)

// KeyStore is the port to what protects data keys: only it can unwrap what it wrapped. Its own key never leaves it.
//
// Errors of both methods: vault.key_store_failed (Unavailable), vault.bad_wrapped_key (not wrapped by this store, for
// this name, or changed since).
type KeyStore interface {
	// Name is stored beside every key that the store wraps, and finds it again: `local`, `pkcs11:feiqian`.
	Name() string
	// Wrap encrypts a data key; name is bound to it.
	Wrap(ctx context.Context, name string, key []byte) ([]byte, error)
	// Unwrap is the inverse of Wrap.
	Unwrap(ctx context.Context, name string, wrapped []byte) ([]byte, error)
}

// LocalStore is the name of the store that the root secret protects.
const LocalStore = "local"

// local wraps with AES-256-GCM under a key that is derived from the root secret.
type local struct{ aead cipher.AEAD }

func (v *Vault) newLocal() (*local, error) {
	key := v.key("wrap", 1, "")
	aead, err := newAEAD(key[:])
	return &local{aead: aead}, err
}

// Name implements KeyStore.
func (*local) Name() string { return LocalStore }

// Wrap implements KeyStore.
func (l *local) Wrap(_ context.Context, name string, key []byte) ([]byte, error) {
	return l.aead.Seal(nil, nil, key, wrapData(name)), nil //nolint:gosec // G407: it draws the nonce
}

// Unwrap implements KeyStore.
func (l *local) Unwrap(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	key, err := l.aead.Open(nil, nil, wrapped, wrapData(name))
	if err != nil {
		return nil, badWrapped(LocalStore, name)
	}
	return key, nil
}

// wrapData is what is bound to a wrapped key.
func wrapData(name string) []byte { return []byte("feiqian/data-key/1/" + name) }

func badWrapped(store, name string) error {
	return fault.Newf(fault.Internal, "vault.bad_wrapped_key", "data key %s can't be unwrapped by the key store %s",
		name, store).WithHint("the root secret or the key store is another one than when the key was made, " +
		"or the database was changed; put the right key file or token back")
}

// newAEAD returns AES-256-GCM that draws a random nonce for each message and puts it in front (NIST SP 800-38D §8.2.2:
// up to 2³² messages a key).
func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a data key has %d bytes", KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make AES-256: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make AES-256-GCM: %w", err)
	}
	return aead, nil
}

// appendSized appends a part with its length in front, so that no two lists of parts read the same.
func appendSized(b []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(part))), part...)
}

// PKCS11 names a token with the key that wraps data keys (OASIS PKCS #11 2.40): a hardware security module, or
// SoftHSM2. The program needs the build tag pkcs11.
type PKCS11 struct {
	// Module is the library of the token's maker.
	Module string
	// Token is the token's label.
	Token string
	// PIN is the user's.
	PIN string
}

// LogValue returns the settings without the PIN.
func (p PKCS11) LogValue() slog.Value { return slog.StringValue(p.Module + " " + p.Token) }

// Format writes the settings without the PIN for every verb.
func (p PKCS11) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s %s", p.Module, p.Token) }
