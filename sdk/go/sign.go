package feiqian

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Algorithms of request signatures (RFC 9421). A key is registered for one of them.
const (
	AlgorithmEd25519   = "ed25519"
	AlgorithmECDSAP256 = "ecdsa-p256-sha256"
	AlgorithmRSAPSS    = "rsa-pss-sha512"
	AlgorithmRSAPKCS1  = "rsa-v1_5-sha256"
	// AlgorithmSM2 is SM2 with SM3. This package has no SM2: give it a SignerFunc.
	AlgorithmSM2 = "sm2-sm3"
)

const signatureHalf = 32 // bytes of r and of s

// Signer signs requests by one registered key. NewSigner and ParseSigner make one from a private key; a key in an HSM,
// or an SM2 key, is a SignerFunc.
type Signer interface {
	// KeyID is the id of the registered key, sgk_….
	KeyID() string
	// Sign signs a signature base as the key's algorithm says (RFC 9421 §3.3): ECDSA and SM2 as r and s of 32 bytes each.
	Sign(base []byte) ([]byte, error)
}

// SignerFunc is a Signer of a function.
type SignerFunc struct {
	ID   string
	Func func(base []byte) ([]byte, error)
}

// KeyID returns the ID.
func (f SignerFunc) KeyID() string { return f.ID }

// Sign calls the function.
func (f SignerFunc) Sign(base []byte) ([]byte, error) { return f.Func(base) }

// WithSigner signs every request.
func WithSigner(signer Signer) Option {
	return func(c *Client) error {
		if name := signer.KeyID(); name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || r == '"' || r == '\\'
		}) {
			return errors.New("feiqian: the id of a signing key looks like sgk_…")
		}
		c.signer = signer
		return nil
	}
}

// ParseSigner reads a private key as PEM (PKCS #8, or the older forms of EC and RSA keys), such as openssl writes it.
// algorithm may be "" but for RSA keys that sign rsa-v1_5-sha256. Errors: the text holds no such key; they never show
// it.
func ParseSigner(keyID, text, algorithm string) (Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("feiqian: the private key is no PEM")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return NewSigner(keyID, key, algorithm)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return NewSigner(keyID, key, algorithm)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("feiqian: the PEM holds no private key that this package knows")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("feiqian: the PEM holds no key that signs")
	}
	return NewSigner(keyID, key, algorithm)
}

// NewSigner takes an Ed25519, P-256 or RSA key, also one that is in hardware. algorithm as in ParseSigner.
func NewSigner(keyID string, key crypto.Signer, algorithm string) (Signer, error) {
	var sign func(base []byte) ([]byte, error)
	natural := ""
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
		natural = AlgorithmEd25519
		sign = func(base []byte) ([]byte, error) { return key.Sign(rand.Reader, base, crypto.Hash(0)) }
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("feiqian: ECDSA keys are on P-256")
		}
		natural = AlgorithmECDSAP256
		sign = func(base []byte) ([]byte, error) { return signECDSA(key, base) }
	case *rsa.PublicKey:
		natural = AlgorithmRSAPSS
		sign = func(base []byte) ([]byte, error) {
			sum := sha512.Sum512(base)
			return key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: sha512.Size, Hash: crypto.SHA512})
		}
		if algorithm == AlgorithmRSAPKCS1 {
			natural = AlgorithmRSAPKCS1
			sign = func(base []byte) ([]byte, error) {
				sum := sha256.Sum256(base)
				return key.Sign(rand.Reader, sum[:], crypto.SHA256)
			}
		}
	}
	if natural == "" || (algorithm != "" && algorithm != natural) {
		return nil, fmt.Errorf("feiqian: this is no key for %q", algorithm)
	}
	return SignerFunc{ID: keyID, Func: sign}, nil
}

// signECDSA returns r and s, as RFC 9421 §3.3.4 wants them, of what Go writes as ASN.1.
func signECDSA(key crypto.Signer, base []byte) ([]byte, error) {
	sum := sha256.Sum256(base)
	der, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("feiqian: sign: %w", err)
	}
	var point struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &point); err != nil || len(rest) > 0 {
		return nil, errors.New("feiqian: the key made no ASN.1 signature")
	}
	raw := make([]byte, 2*signatureHalf)
	point.R.FillBytes(raw[:signatureHalf])
	point.S.FillBytes(raw[signatureHalf:])
	return raw, nil
}

// sign puts Content-Digest, Signature-Input and Signature into a request (RFC 9421, RFC 9530). Each try is signed anew:
// a signature is taken once.
func sign(request *http.Request, body []byte, by Signer, now time.Time) error {
	var base, covered strings.Builder
	cover := func(name, value string) {
		fmt.Fprintf(&base, "%q: %s\n", name, value)
		if covered.Len() > 0 {
			covered.WriteByte(' ')
		}
		fmt.Fprintf(&covered, "%q", name)
	}
	cover("@method", request.Method)
	cover("@path", request.URL.EscapedPath())
	if request.URL.RawQuery != "" {
		cover("@query", "?"+request.URL.RawQuery)
	}
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
		request.Header.Set("Content-Digest", digest)
		cover("content-digest", digest)
	}
	if key := request.Header.Get("Idempotency-Key"); key != "" {
		cover("idempotency-key", strings.Trim(key, " \t"))
	}
	parameters := fmt.Sprintf(`(%s);created=%d;keyid="%s";nonce="%s"`, &covered, now.Unix(), by.KeyID(), rand.Text())
	base.WriteString(`"@signature-params": ` + parameters)
	signature, err := by.Sign([]byte(base.String()))
	if err != nil {
		return fmt.Errorf("feiqian: sign the request: %w", err)
	}
	request.Header.Set("Signature-Input", "sig="+parameters)
	request.Header.Set("Signature", "sig=:"+base64.StdEncoding.EncodeToString(signature)+":")
	return nil
}
