// Package signednote signs notes (C2SP signed-note) by an Ed25519 key that may live elsewhere: the ledger's checkpoints
// and the heads of the audit chain.
package signednote

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Signer signs notes under one name. It is a note.Signer and a note.Verifier, safe for many goroutines where its key
// is.
type Signer struct {
	note.Verifier
	key    string
	signer crypto.Signer
}

// ErrNotEd25519 says that a key is of another kind.
var ErrNotEd25519 = errors.New("signednote: this is not an Ed25519 key")

// New returns the signer of a name, which has no spaces and no plus signs. Errors: ErrNotEd25519, and those of a bad
// name.
func New(name string, key crypto.Signer) (*Signer, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, ErrNotEd25519
	}
	text, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return nil, fmt.Errorf("name a signer of notes: %w", err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("name a signer of notes: %w", err)
	}
	return &Signer{Verifier: verifier, key: text, signer: key}, nil
}

// Key returns the verifier key, `name+hash+key`: what others trust.
func (s *Signer) Key() string { return s.key }

// Sign signs a note's text.
func (s *Signer) Sign(text []byte) ([]byte, error) {
	return s.signer.Sign(rand.Reader, text, crypto.Hash(0))
}
