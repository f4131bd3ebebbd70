// Package jws signs small documents that others verify offline: JWS in compact form (RFC 7515) with Ed25519 (RFC 8037).
// One algorithm and one form of header: a document whose header is not byte by byte the one that is written here is
// refused, so there is no algorithm to confuse and no key to be led to.
package jws

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid says that a document is not signed by the key, was changed, or is of another type.
var ErrInvalid = errors.New("jws: not signed by this key, changed, or of another type")

// Max is the largest document in bytes that is looked at.
const Max = 8 << 10

// JWK is a key as others get it (JWK, RFC 8037 §2).
type JWK struct {
	Type      string `json:"kty" enum:"OKP"`
	Curve     string `json:"crv" enum:"Ed25519"`
	X         string `json:"x" doc:"The key, base64url." example:"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	ID        string `json:"kid" doc:"Its thumbprint (RFC 7638)." example:"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"`
	Use       string `json:"use" enum:"sig"`
	Algorithm string `json:"alg" enum:"EdDSA"`
}

// KeySet is a set of keys (JWK Set, RFC 7517 §5).
type KeySet struct {
	Keys []JWK `json:"keys"`
}

// Signer signs documents.
type Signer struct {
	key    ed25519.PrivateKey
	public JWK
}

// New returns a signer on a key.
func New(key ed25519.PrivateKey) *Signer {
	x := base64.RawURLEncoding.EncodeToString(key[ed25519.SeedSize:]) // a private key ends in its public one (RFC 8032)
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return &Signer{key: key, public: JWK{
		Type: "OKP", Curve: "Ed25519", X: x, ID: base64.RawURLEncoding.EncodeToString(sum[:]), Use: "sig", Algorithm: "EdDSA",
	}}
}

// Public returns the key that verifies.
func (s *Signer) Public() JWK { return s.public }

// header is the one header of a type.
func (s *Signer) header(kind string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"EdDSA","kid":%q,"typ":%q}`, s.public.ID, kind))
}

// Sign writes claims as a document of a type, such as feiqian-app-request+jwt. Errors: claims can't be written.
func (s *Signer) Sign(kind string, claims any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", kind, err)
	}
	text := s.header(kind) + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, []byte(text))), nil
}

// Verify reads a document of a type into claims. It says nothing of times in them. Errors: ErrInvalid.
func (s *Signer) Verify(kind, document string, claims any) error {
	text, end, found := cutLast(document, '.')
	if !found || len(document) > Max {
		return ErrInvalid
	}
	body, isOurs := strings.CutPrefix(text, s.header(kind)+".")
	signature, err := base64.RawURLEncoding.Strict().DecodeString(end)
	public, _ := s.key.Public().(ed25519.PublicKey)
	if !isOurs || err != nil || !ed25519.Verify(public, []byte(text), signature) {
		return ErrInvalid
	}
	content, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return ErrInvalid
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(claims); err != nil {
		return ErrInvalid
	}
	return nil
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	at := strings.LastIndexByte(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}
