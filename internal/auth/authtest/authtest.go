// Package authtest has a passkey in software, for tests: real ES256 keys, real CBOR, and the mistakes that a forger or a
// foreign site makes.
package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// Flags of authenticator data, WebAuthn §6.1.
const (
	UserPresent  = 0x01
	UserVerified = 0x04
	attested     = 0x40
)

// Passkey is an authenticator with one key. Its fields may be changed to make it lie.
type Passkey struct {
	// RP and Origin are where the browser stands.
	RP, Origin string
	// User is the user handle that it remembers.
	User string
	// Count is the signature counter; it goes up by one with each answer unless Still is set.
	Count uint32
	Still bool
	// Flags are what it says of its user.
	Flags byte
	// CrossOrigin says that the page was in a frame of another one.
	CrossOrigin bool

	id  []byte
	key *ecdsa.PrivateKey
}

// New returns a fresh passkey of a site.
func New(rp, origin string) *Passkey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	name := []byte(rand.Text())
	return &Passkey{RP: rp, Origin: origin, Flags: UserPresent | UserVerified, id: name, key: key}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// ID returns the credential's id in base64url.
func (p *Passkey) ID() string { return encode(p.id) }

// Twin returns a copy of the passkey, as a thief of its key has.
func (p *Passkey) Twin() *Passkey { twin := *p; return &twin }

// Rekey gives the passkey another key under the same id, as a forger has.
func (p *Passkey) Rekey() *Passkey {
	forged := *p
	forged.key = New(p.RP, p.Origin).key
	return &forged
}

func (p *Passkey) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{
		"type": kind, "challenge": challenge, "origin": p.Origin, "crossOrigin": p.CrossOrigin,
	})
	if err != nil {
		panic(err) // a map of texts
	}
	return text
}

func (p *Passkey) authenticatorData(flags byte) []byte {
	if !p.Still {
		p.Count++
	}
	host := sha256.Sum256([]byte(p.RP))
	data := append(host[:], p.Flags|flags)
	return binary.BigEndian.AppendUint32(data, p.Count)
}

// Create answers a challenge to register, as JSON.
func (p *Passkey) Create(challenge string) string {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // the curve is P-256
	}
	data := append(p.authenticatorData(attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(p.id)))
	data = append(data, p.id...)
	// COSE key, RFC 9053 §7.1.1: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20)
	data = append(data, point[1:33]...)
	data = append(append(data, 0x22, 0x58, 0x20), point[33:]...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	return p.answer(map[string]any{
		"clientDataJSON": encode(
			p.clientData("webauthn.create", challenge),
		),
		"attestationObject": encode(append(object, data...)),
	})
}

// Get answers a challenge to sign in or to confirm, as JSON.
func (p *Passkey) Get(challenge string) string {
	data, said := p.authenticatorData(0), p.clientData("webauthn.get", challenge)
	hash := sha256.Sum256(said)
	sum := sha256.Sum256(append(slices.Clip(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, p.key, sum[:])
	if err != nil {
		panic(fmt.Sprintf("sign: %v", err))
	}
	return p.answer(map[string]any{
		"clientDataJSON": encode(said), "authenticatorData": encode(data), "signature": encode(signature),
		"userHandle": encode([]byte(p.User)),
	})
}

func (p *Passkey) answer(response map[string]any) string {
	text, err := json.Marshal(map[string]any{
		"id": encode(p.id), "rawId": encode(p.id), "type": "public-key", "response": response,
	})
	if err != nil {
		panic(err) // maps of texts
	}
	return string(text)
}
