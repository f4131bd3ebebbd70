package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Limits of RSA keys: shorter ones are too weak (NIST SP 800-131A), longer ones cost too much at each request.
const (
	rsaBitsMin     = 2048
	rsaBitsMax     = 4096
	rsaExponentMin = 65537
)

// KeyTextMax is the longest text of a key that ParseKey looks at.
const KeyTextMax = 8 << 10

// Key is a public key with the algorithm that it is for: one key, one algorithm, so that nobody can choose a weaker
// one.
type Key struct {
	ID        string
	Algorithm Algorithm
	Public    crypto.PublicKey
}

// ErrPrivateKey says that a text holds a private key, which must never be handed out: make a new pair.
var ErrPrivateKey = errors.New("this is a private key, which nobody else may ever see: throw it away, " +
	"make a new pair and send the public half")

// ParseKey reads a public key: PEM (PUBLIC KEY, RSA PUBLIC KEY), the base64 of an SPKI (RFC 5280 §4.1), or a JWK
// (RFC 7517, RFC 8037) as JSON. algorithm may be "" where the key has only one; RSA keys without one are for
// rsa-pss-sha512. Errors: ErrPrivateKey, and texts for who sent the key.
func ParseKey(text string, algorithm Algorithm) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > KeyTextMax {
		return Key{}, fmt.Errorf("a public key is a text of 1 to %d bytes", KeyTextMax)
	}
	var (
		public crypto.PublicKey
		err    error
	)
	switch {
	case strings.HasPrefix(text, "{"):
		public, err = parseJWK(text)
	case strings.HasPrefix(text, "-----BEGIN"):
		public, err = parsePEM(text)
	default:
		var der []byte
		if der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
			public, err = parseSPKI(der)
		} else {
			err = errors.New("this is no PEM, no JWK and no base64")
		}
	}
	if err != nil {
		return Key{}, err
	}
	return newKey(public, algorithm)
}

// ParseSPKI reads a public key as MarshalSPKI wrote it.
func ParseSPKI(der []byte, algorithm Algorithm) (Key, error) {
	public, err := parseSPKI(der)
	if err != nil {
		return Key{}, err
	}
	return newKey(public, algorithm)
}

// newKey checks a key's strength and that it is one of its algorithm.
func newKey(public crypto.PublicKey, algorithm Algorithm) (Key, error) {
	natural := algorithmOf(public)
	if natural == "" {
		return Key{}, errors.New("keys are RSA, Ed25519, ECDSA on P-256, or SM2")
	}
	if key, ok := public.(*rsa.PublicKey); ok {
		if bits := key.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax {
			return Key{}, fmt.Errorf("an RSA key has %d to %d bits; this one has %d", rsaBitsMin, rsaBitsMax, bits)
		}
		if key.E < rsaExponentMin || key.N.Bit(0) == 0 {
			return Key{}, fmt.Errorf("an RSA key has an odd modulus and an exponent of %d or more", rsaExponentMin)
		}
		if algorithm == RSAPKCS1 {
			natural = RSAPKCS1
		}
	}
	if algorithm == "" {
		algorithm = natural
	}
	if algorithm != natural {
		return Key{}, fmt.Errorf("this is a key for %s, not for %s", natural, algorithm)
	}
	return Key{Algorithm: algorithm, Public: public}, nil
}

// algorithmOf returns the algorithm of a kind of key, "" for none. An RSA key's is rsa-pss-sha512.
func algorithmOf(public crypto.PublicKey) Algorithm {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return Ed25519
	case *rsa.PublicKey:
		return RSAPSS
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return ECDSAP256
		}
		if isSM2(key) {
			return SM2
		}
	}
	return ""
}

// MarshalSPKI returns the key as SubjectPublicKeyInfo.
func (k Key) MarshalSPKI() ([]byte, error) {
	if k.Algorithm == SM2 {
		return marshalSM2(k.Public)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("write a public key: %w", err)
	}
	return der, nil
}

// Thumbprint is the SHA-256 of the key's SPKI in hex: two keys with the same one are one key.
func (k Key) Thumbprint() (string, error) {
	der, err := k.MarshalSPKI()
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), err
}

func parsePEM(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the PEM cannot be read")
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, ErrPrivateKey
	}
	if len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("there is something after the key's PEM block")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return parseSPKI(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM holds no RSA public key")
		}
		return key, nil
	}
	return nil, errors.New("the PEM block must be a PUBLIC KEY; a certificate's key: openssl x509 -pubkey -noout")
}

func parseSPKI(der []byte) (crypto.PublicKey, error) {
	if public, err := x509.ParsePKIXPublicKey(der); err == nil {
		return public, nil
	}
	if public, err := parseSM2(der); err == nil {
		return public, nil
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return nil, ErrPrivateKey
	}
	return nil, errors.New("these bytes hold no public key (SubjectPublicKeyInfo)")
}

// jwk is what is read of a JSON Web Key: RFC 7518 §6, RFC 8037 §2.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
	D   string `json:"d"`
	K   string `json:"k"`
}

const coordinateSize = 32

func parseJWK(text string) (crypto.PublicKey, error) {
	var k jwk
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return nil, errors.New("the JWK is no JSON")
	}
	if k.D != "" || k.K != "" {
		return nil, ErrPrivateKey
	}
	part := func(value string, size int) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || len(raw) == 0 || (size > 0 && len(raw) != size) {
			return nil
		}
		return raw
	}
	switch k.Kty + " " + k.Crv {
	case "OKP Ed25519":
		if x := part(k.X, ed25519.PublicKeySize); x != nil {
			return ed25519.PublicKey(x), nil
		}
	case "EC P-256":
		x, y := part(k.X, coordinateSize), part(k.Y, coordinateSize)
		if x != nil && y != nil {
			return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		}
	case "EC SM2":
		x, y := part(k.X, coordinateSize), part(k.Y, coordinateSize)
		if x != nil && y != nil {
			return pointSM2(x, y)
		}
	case "RSA ":
		n, e := part(k.N, 0), part(k.E, 0)
		if n != nil && e != nil && len(e) <= 4 {
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
		}
	default:
		return nil, errors.New("a JWK here is RSA, OKP with Ed25519, or EC with P-256 or SM2")
	}
	return nil, errors.New("members of the JWK are missing or have the wrong length")
}
