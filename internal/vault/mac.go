package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// MAC returns a keyed MAC, HMAC-SHA-256 in base64url, of several texts under the key of a purpose: for secrets so short
// that a plain hash of them could be guessed back. Each text is preceded by its length, so no two lists are alike.
func (v *Vault) MAC(purpose string, texts ...string) string {
	return v.keyed("mac", purpose, texts)
}

// Fingerprint returns a keyed name of a secret, always the same one, made as MAC is under a key of its own. It
// finds duplicates of what is sealed, and tells nothing to whom has not the root secret. Its key does not rotate: all
// that was ever stored would be lost to look-ups.
func (v *Vault) Fingerprint(purpose string, parts ...string) string {
	return v.keyed("fingerprint", purpose, parts)
}

func (v *Vault) keyed(kind, purpose string, texts []string) string {
	key := v.key(kind, 1, purpose)
	var all []byte
	for _, text := range texts {
		all = appendSized(all, text)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(all)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
