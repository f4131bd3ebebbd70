package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// sealVersion is the version of the key that seals today; it stands in front of what is sealed.
const sealVersion = 1

// errSealed says no more, since what was sealed is secret.
var errSealed = errors.New("vault: this was not sealed here, for this purpose and place, or it was changed")

// Seal encrypts plain with AES-256-GCM under the key of purpose. Place says where the result is kept, such as
// `CUSTOMER/document`: it is authenticated and not stored, so that what is moved to another place does not open.
// The result is one byte of key version, 12 of nonce, and the ciphertext with its tag of 16: 29 bytes more than plain.
func (v *Vault) Seal(purpose, place string, plain []byte) []byte {
	sealer := v.sealer(purpose, sealVersion)
	return sealer.Seal([]byte{sealVersion}, nil, plain, []byte(place)) //nolint:gosec // G407: it draws the nonce itself
}

// Open decrypts what Seal made for the same purpose and place. Errors: it was made elsewhere, or changed.
func (v *Vault) Open(purpose, place string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, errSealed
	}
	plain, err := v.sealer(purpose, int64(sealed[0])).Open(nil, nil, sealed[1:], []byte(place))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// sealer returns the cipher of a purpose; it draws a nonce for each message and puts it in front.
func (v *Vault) sealer(purpose string, version int64) cipher.AEAD {
	key := v.key("seal", version, purpose)
	block, err := aes.NewCipher(key[:])
	if err == nil {
		if sealer, err := cipher.NewGCMWithRandomNonce(block); err == nil {
			return sealer
		}
	}
	panic("vault: AES-256-GCM is not there") // only a key of another size can fail
}

// MAC returns a keyed hash of text under the key of purpose, HMAC-SHA-256 in base64url: equal texts are found by it,
// and nobody without the key can try numbers against it.
func (v *Vault) MAC(purpose, text string) string {
	key := v.key("mac", 1, purpose)
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
