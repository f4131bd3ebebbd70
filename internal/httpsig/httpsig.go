// Package httpsig signs and verifies HTTP messages by RFC 9421. Two kinds of parties use it:
//
// Channels and banks, by Ed25519 (Sign, Verify, Peer):
//
//   - a request or notice is signed over "@method", "@path", "@query" and "content-digest";
//   - an answer is signed over "@status", "content-digest" and the request's own signature, so that
//     it cannot be the answer to another request (RFC 9421 §2.4);
//   - parameters are created, keyid and nonce. The body's digest is SHA-256 (RFC 9530).
//
// Merchants who call the API, by any of Algorithms (CheckRequest in request.go, SignRequest), where Diagnose says of
// a signature that does not hold what is wrong with it (diagnose.go, guess.go).
//
// Messages are plain values, and now is handed in: a sandbox's clock may be ahead of the machine's.
// That, and the binding of answers, is why this is not one of the public libraries.
package httpsig

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/dunglas/httpsfv"
)

// Window is how far a signature's created may be from now, in both directions.
const Window = 5 * time.Minute

// HeaderMax is the most bytes of each signature header that Verify reads.
const HeaderMax = 8 << 10

// NonceMax is the longest nonce that Verify takes.
const NonceMax = 128

const (
	headerDigest    = "Content-Digest"
	headerInput     = "Signature-Input"
	headerSignature = "Signature"

	digestName    = "sha-256"
	label         = "sig"
	paramCreated  = "created"
	paramExpires  = "expires"
	paramNonce    = "nonce"
	paramKeyID    = "keyid"
	paramAlg      = "alg"
	componentSig  = "signature"
	componentDig  = "content-digest"
	componentStat = "@status"

	componentParam = "@query-param"
)

// PrivateKey is an Ed25519 key with the id by which the other side finds its public half. As JSON
// it holds the secret, for a file that only its owner may read; it prints and logs without it.
type PrivateKey struct {
	ID  string             `json:"id"`
	Key ed25519.PrivateKey `json:"key"`
}

// PublicKey is the public half of a PrivateKey.
type PublicKey struct {
	ID  string            `json:"id"`
	Key ed25519.PublicKey `json:"key"`
}

// GenerateKey returns a fresh key with the given id.
func GenerateKey(id string) (PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate an Ed25519 key: %w", err)
	}
	return PrivateKey{ID: id, Key: private}, nil
}

// Check reports a key without id or of the wrong length.
func (k PrivateKey) Check() error {
	if k.ID == "" || len(k.Key) != ed25519.PrivateKeySize {
		return errors.New("not an Ed25519 private key with an id")
	}
	return nil
}

// Check reports a key without id or of the wrong length.
func (k PublicKey) Check() error {
	if k.ID == "" || len(k.Key) != ed25519.PublicKeySize {
		return errors.New("not an Ed25519 public key with an id")
	}
	return nil
}

// Public returns the public half. The key must have passed Check.
func (k PrivateKey) Public() PublicKey {
	public := make(ed25519.PublicKey, ed25519.PublicKeySize)
	copy(public, k.Key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	return PublicKey{ID: k.ID, Key: public}
}

// Format writes the id for every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "private key %q", k.ID) }

// LogValue returns the id.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// Message is an HTTP message as plain values. A request has Method, Path (escaped) and RawQuery as
// they stand in the request line; an answer has Status and the Request it answers, with the
// headers it was sent with. Scheme and Authority, the host in lower case without a default port, are read only
// where a signer covers them. Header keys are canonical.
type Message struct {
	Method    string
	Scheme    string
	Authority string
	Path      string
	RawQuery  string
	Status    int
	Header    http.Header
	Body      []byte
	Request   *Message
}

// Signature says who signed a verified message, when, and with which nonce.
type Signature struct {
	KeyID   string
	Created time.Time
	Nonce   string
}

// Sign puts Content-Digest, Signature-Input and Signature into message.Header, which must not be
// nil. An answer needs its signed Request.
func Sign(message Message, key PrivateKey, now time.Time) error {
	if err := key.Check(); err != nil {
		return err
	}
	digest, err := contentDigest(message.Body)
	if err != nil {
		return err
	}
	message.Header.Set(headerDigest, digest)
	parameters := httpsfv.NewParams()
	parameters.Add(paramCreated, now.Unix())
	parameters.Add(paramKeyID, key.ID)
	parameters.Add(paramNonce, rand.Text())
	covered := httpsfv.InnerList{Items: required(message), Params: parameters}
	return signList(message, Signing{KeyID: key.ID, Algorithm: Ed25519, Private: key.Key}, covered)
}

// Verify checks that message is signed by key over at least what Sign covers, that the signature
// was created within Window of now, and that the digest is the body's. The error is for the log;
// it holds no part of the body.
func Verify(message Message, key PublicKey, now time.Time) (Signature, error) {
	if err := key.Check(); err != nil {
		return Signature{}, err
	}
	found, err := findSignature(message.Header, key.ID)
	if err != nil {
		return Signature{}, err
	}
	if err := covers(found.covered, required(message)); err != nil {
		return Signature{}, err
	}
	base, err := signatureBase(message, found.covered)
	if err != nil {
		return Signature{}, err
	}
	if !ed25519.Verify(key.Key, base, found.bytes) {
		return Signature{}, errors.New("the signature is not of this message and key")
	}
	if err := checkDigest(message); err != nil {
		return Signature{}, err
	}
	return checkParameters(found.covered.Params, key.ID, now)
}

// required returns the components that must be signed.
func required(message Message) []httpsfv.Item {
	if message.Status == 0 {
		return []httpsfv.Item{
			httpsfv.NewItem("@method"), httpsfv.NewItem("@path"), httpsfv.NewItem("@query"), httpsfv.NewItem(componentDig),
		}
	}
	request := httpsfv.NewItem(componentSig)
	request.Params.Add("req", true)
	request.Params.Add("key", label)
	return []httpsfv.Item{httpsfv.NewItem(componentStat), httpsfv.NewItem(componentDig), request}
}

// checkParameters reads created, expires, nonce, keyid and alg (RFC 9421 §2.3).
func checkParameters(p *httpsfv.Params, keyID string, now time.Time) (Signature, error) {
	created, ok := integer(p, paramCreated)
	if !ok {
		return Signature{}, errors.New("the signature has no created")
	}
	at := time.Unix(created, 0).UTC()
	if age := now.Sub(at); age > Window || age < -Window {
		return Signature{}, fmt.Errorf("the signature was created at %s, now is %s",
			at.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if _, present := p.Get(paramExpires); present {
		if expires, ok := integer(p, paramExpires); !ok || now.Unix() >= expires {
			return Signature{}, errors.New("the signature has expired")
		}
	}
	if value, present := p.Get(paramAlg); present && value != string(Ed25519) {
		return Signature{}, errors.New("the signature names another algorithm than ed25519")
	}
	nonce, ok := text(p, paramNonce)
	if !ok || nonce == "" || len(nonce) > NonceMax {
		return Signature{}, errors.New("the signature has no nonce, or one too long")
	}
	return Signature{KeyID: keyID, Created: at, Nonce: nonce}, nil
}

func contentDigest(body []byte) (string, error) {
	sum := sha256.Sum256(body)
	dictionary := httpsfv.NewDictionary()
	dictionary.Add(digestName, httpsfv.NewItem(sum[:]))
	return marshal(dictionary)
}

// checkDigest compares the sha-256 member of Content-Digest with the body; other members may stand
// beside it (RFC 9530 §2).
func checkDigest(message Message) error {
	dictionary, err := field(message.Header, headerDigest)
	if err != nil {
		return err
	}
	member, _ := dictionary.Get(digestName)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return errors.New("no sha-256 in Content-Digest")
	}
	want, ok := item.Value.([]byte)
	sum := sha256.Sum256(message.Body)
	if !ok || subtle.ConstantTimeCompare(want, sum[:]) != 1 {
		return errors.New("Content-Digest is not the body's")
	}
	return nil
}
