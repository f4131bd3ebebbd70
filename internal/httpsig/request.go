package httpsig

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// Codes of what is wrong with a signed request; they are error codes of the API.
const (
	CodeMissing          = "signature.missing"
	CodeMalformed        = "signature.malformed"
	CodeKeyUnknown       = "signature.key_unknown"
	CodeAlgorithm        = "signature.wrong_algorithm"
	CodeTime             = "signature.bad_time"
	CodeNonce            = "signature.nonce_missing"
	CodeComponentMissing = "signature.component_missing"
	CodeComponentUnknown = "signature.component_unreadable"
	CodeDigestMissing    = "signature.digest_missing"
	CodeDigestWrong      = "signature.digest_mismatch"
	CodeWrong            = "signature.wrong"
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	componentIdempotency = "idempotency-key"
	digestLong           = "sha-512"
	signaturesMax        = 4
	componentsMax        = 32
)

// Flaw is one thing that is wrong with a signed request, in words for who signed it. Hint says what to do.
type Flaw struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func flaw(code, message, hint string) *Flaw {
	return &Flaw{Code: code, Message: message, Hint: hint}
}

// Labeled is one signature of a message as its headers say it; nothing of it is checked yet.
type Labeled struct {
	Label     string
	KeyID     string
	Algorithm Algorithm // "" where the signer did not say
	Created   time.Time // zero where it is missing
	Expires   time.Time
	Nonce     string
	// Covered are the components, as they stand in Signature-Input without the parameters.
	Covered []string
	Bytes   []byte

	list httpsfv.InnerList
}

// Read returns the signatures of a message, at most four. Errors: a Flaw.
func Read(header http.Header) ([]Labeled, *Flaw) {
	if len(header.Values(headerInput)) == 0 || len(header.Values(headerSignature)) == 0 {
		return nil, flaw(CodeMissing, "Signature-Input and Signature are missing",
			"sign the request, or send neither header")
	}
	malformed := func(err error) *Flaw {
		return flaw(CodeMalformed, err.Error(), "see RFC 9421 §4: both headers are dictionaries under the same label")
	}
	inputs, err := field(header, headerInput)
	if err != nil {
		return nil, malformed(err)
	}
	signatures, err := field(header, headerSignature)
	if err != nil {
		return nil, malformed(err)
	}
	names := inputs.Names()
	if len(names) == 0 || len(names) > signaturesMax {
		return nil, malformed(fmt.Errorf("a request has 1 to %d signatures", signaturesMax))
	}
	found := make([]Labeled, 0, len(names))
	for _, name := range names {
		one, err := readLabeled(inputs, signatures, name)
		if err != nil {
			return nil, malformed(fmt.Errorf("signature %s: %w", name, err))
		}
		found = append(found, one)
	}
	return found, nil
}

func readLabeled(inputs, signatures *httpsfv.Dictionary, name string) (Labeled, error) {
	member, _ := inputs.Get(name)
	list, ok := member.(httpsfv.InnerList)
	if !ok || list.Params == nil {
		return Labeled{}, errors.New("Signature-Input is no list of components in parentheses")
	}
	if len(list.Items) > componentsMax {
		return Labeled{}, fmt.Errorf("more than %d components are covered", componentsMax)
	}
	member, _ = signatures.Get(name)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return Labeled{}, errors.New("Signature has no member of this label")
	}
	bytes, ok := item.Value.([]byte)
	if !ok {
		return Labeled{}, errors.New("Signature is no byte sequence: base64 between colons")
	}
	one := Labeled{Label: name, Bytes: bytes, list: list}
	one.KeyID, _ = text(list.Params, paramKeyID)
	one.Nonce, _ = text(list.Params, paramNonce)
	alg, _ := text(list.Params, paramAlg)
	one.Algorithm = Algorithm(alg)
	if at, ok := integer(list.Params, paramCreated); ok {
		one.Created = time.Unix(at, 0).UTC()
	}
	if at, ok := integer(list.Params, paramExpires); ok {
		one.Expires = time.Unix(at, 0).UTC()
	}
	for _, component := range list.Items {
		shown, err := marshal(component)
		if err != nil {
			return Labeled{}, err
		}
		one.Covered = append(one.Covered, shown)
	}
	return one, nil
}

// Base returns the text that this signature of message is over. Errors: a component that message does not have.
func (l Labeled) Base(message Message) ([]byte, error) { return signatureBase(message, l.list) }

// FindKey returns the key of a keyid that the caller may use now. Errors: a Flaw.
type FindKey func(keyID string) (Key, *Flaw)

// CheckRequest checks that message, a request, is signed by one of the keys that find knows, over all that must be
// signed, within Window of now; whether the nonce is fresh is the caller's to find out. Of several signatures the first
// whose key is known counts. Errors: the first Flaw.
func CheckRequest(message Message, find FindKey, now time.Time) (Labeled, *Flaw) {
	signatures, wrong := Read(message.Header)
	if wrong != nil {
		return Labeled{}, wrong
	}
	chosen, key, wrong := choose(signatures, find)
	if wrong != nil {
		return chosen, wrong
	}
	for _, check := range checks() {
		if wrong := check(message, chosen, key, now); wrong != nil {
			return chosen, wrong
		}
	}
	base, wrong := chosen.base(message)
	if wrong != nil {
		return chosen, wrong
	}
	if !key.Verify(base, chosen.Bytes) {
		return chosen, flaw(CodeWrong, "the signature is not of this request and key",
			"ask POST /v1/signatures/debug what was canonicalised and where it differs")
	}
	return chosen, nil
}

// choose returns the first signature whose key is known.
func choose(signatures []Labeled, find FindKey) (Labeled, Key, *Flaw) {
	var first *Flaw
	for _, one := range signatures {
		if one.KeyID == "" {
			first = firstOf(first, flaw(CodeKeyUnknown, "the signature has no keyid",
				"put the id of your registered key, sgk_…, into keyid"))
			continue
		}
		key, wrong := find(one.KeyID)
		if wrong == nil {
			return one, key, nil
		}
		first = firstOf(first, wrong)
	}
	return signatures[0], Key{}, first
}

func firstOf(first, next *Flaw) *Flaw {
	if first != nil {
		return first
	}
	return next
}

// checks are what must hold before the signature itself is looked at, cheapest first.
func checks() []func(m Message, l Labeled, key Key, now time.Time) *Flaw {
	return []func(m Message, l Labeled, key Key, now time.Time) *Flaw{
		checkAlgorithm, checkTime, checkNonce, checkCovered, checkBodyDigest,
	}
}

func checkAlgorithm(_ Message, l Labeled, key Key, _ time.Time) *Flaw {
	if l.Algorithm == "" || l.Algorithm == key.Algorithm {
		return nil
	}
	return flaw(CodeAlgorithm, fmt.Sprintf("the signature says alg=%q, the key is registered for %s",
		string(l.Algorithm), key.Algorithm),
		"sign by the algorithm that the key is registered for, or leave alg out")
}

func checkTime(_ Message, l Labeled, _ Key, now time.Time) *Flaw {
	if l.Created.IsZero() {
		return flaw(CodeTime, "the signature has no created", "add created with the Unix time in seconds")
	}
	if age := now.Sub(l.Created); age > Window || age < -Window {
		return flaw(CodeTime, fmt.Sprintf("the signature was created at %s, here it is %s; at most %s may lie between",
			l.Created.Format(time.RFC3339), now.UTC().Format(time.RFC3339), Window),
			"set the machine's clock (NTP), and sign each request anew just before it is sent")
	}
	if !l.Expires.IsZero() && !now.Before(l.Expires) {
		return flaw(CodeTime, "the signature expired at "+l.Expires.Format(time.RFC3339), "sign the request anew")
	}
	return nil
}

func checkNonce(_ Message, l Labeled, _ Key, _ time.Time) *Flaw {
	if l.Nonce == "" || len(l.Nonce) > NonceMax {
		return flaw(CodeNonce, fmt.Sprintf("the signature has no nonce of 1 to %d characters", NonceMax),
			"add a nonce, random and new for each request: each is taken once")
	}
	return nil
}

// Required returns what a signature of the request must cover, each as alternatives of which one is enough: the method,
// the whole address or path and query, the digest where there is a body, the idempotency key where there is one.
func Required(message Message) [][]string {
	required := [][]string{{`"@method"`}, {`"@target-uri"`, `"@request-target"`, `"@path"`}}
	if message.RawQuery != "" {
		required = append(required, []string{`"@target-uri"`, `"@request-target"`, `"@query"`})
	}
	if len(message.Body) > 0 {
		required = append(required, []string{`"content-digest"`})
	}
	if len(message.Header.Values(headerIdempotencyKey)) > 0 {
		required = append(required, []string{`"idempotency-key"`})
	}
	return required
}

// missing lists the required components that are not covered.
func (l Labeled) missing(message Message) []string {
	var missing []string
	for _, ways := range Required(message) {
		if !slices.ContainsFunc(ways, func(way string) bool { return slices.Contains(l.Covered, way) }) {
			missing = append(missing, strings.Join(ways, " or "))
		}
	}
	return missing
}

func checkCovered(message Message, l Labeled, _ Key, _ time.Time) *Flaw {
	if missing := l.missing(message); len(missing) > 0 {
		return flaw(CodeComponentMissing, "the signature does not cover "+strings.Join(missing, ", "),
			"add what is missing to the components of Signature-Input and sign again")
	}
	return nil
}

// checkBodyDigest compares Content-Digest with the body: sha-256 or sha-512, and each of the two that is there.
func checkBodyDigest(message Message, _ Labeled, _ Key, _ time.Time) *Flaw {
	if len(message.Body) == 0 && len(message.Header.Values(headerDigest)) == 0 {
		return nil
	}
	long, short := sha512.Sum512(message.Body), sha256.Sum256(message.Body)
	hint := "send Content-Digest: " + digestText(short[:])
	dictionary, err := field(message.Header, headerDigest)
	if err != nil {
		return flaw(CodeDigestMissing, "the body has no Content-Digest that can be read", hint)
	}
	known := false
	for name, sum := range map[string][]byte{digestName: short[:], digestLong: long[:]} {
		member, present := dictionary.Get(name)
		if !present {
			continue
		}
		item, _ := member.(httpsfv.Item)
		given, ok := item.Value.([]byte)
		if !ok || subtle.ConstantTimeCompare(given, sum) != 1 {
			return flaw(
				CodeDigestWrong,
				fmt.Sprintf("the body of %d bytes that arrived has another %s digest",
					len(message.Body), name),
				"digest the very bytes that are sent, not an object that is serialized again; of what arrived: "+digestText(
					short[:],
				),
			)
		}
		known = true
	}
	if !known {
		return flaw(CodeDigestMissing, "Content-Digest has neither sha-256 nor sha-512", hint)
	}
	return nil
}

func digestText(sum []byte) string {
	dictionary := httpsfv.NewDictionary()
	dictionary.Add(digestName, httpsfv.NewItem(sum))
	line, err := marshal(dictionary)
	if err != nil {
		return digestName // never: bytes can be written
	}
	return line
}

func (l Labeled) base(message Message) ([]byte, *Flaw) {
	base, err := l.Base(message)
	if err != nil {
		return nil, flaw(CodeComponentUnknown, err.Error(), "cover only what the request really has")
	}
	return base, nil
}

// Signing is how SignRequest signs: the private key (see SignWith), its id and algorithm.
type Signing struct {
	KeyID     string
	Algorithm Algorithm
	Private   any
}

// SignRequest puts Content-Digest (where there is a body), Signature-Input and Signature into the request's header,
// over all that CheckRequest wants. Errors: the key is not one of the algorithm.
func SignRequest(message Message, by Signing, now time.Time) error {
	covered := []string{"@method", "@path"}
	if message.RawQuery != "" {
		covered = append(covered, "@query")
	}
	if len(message.Body) > 0 {
		sum := sha256.Sum256(message.Body)
		message.Header.Set(headerDigest, digestText(sum[:]))
		covered = append(covered, componentDig)
	}
	if len(message.Header.Values(headerIdempotencyKey)) > 0 {
		covered = append(covered, componentIdempotency)
	}
	return sign(message, by, covered, now)
}

// sign signs message over the components.
func sign(message Message, by Signing, covered []string, now time.Time) error {
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, name := range covered {
		list.Items = append(list.Items, httpsfv.NewItem(name))
	}
	list.Params.Add(paramCreated, now.Unix())
	list.Params.Add(paramKeyID, by.KeyID)
	list.Params.Add(paramNonce, rand.Text())
	return signList(message, by, list)
}

func signList(message Message, by Signing, list httpsfv.InnerList) error {
	base, err := signatureBase(message, list)
	if err != nil {
		return err
	}
	bytes, err := SignWith(by.Private, by.Algorithm, base)
	if err != nil {
		return err
	}
	input, signature := httpsfv.NewDictionary(), httpsfv.NewDictionary()
	input.Add(label, list)
	signature.Add(label, httpsfv.NewItem(bytes))
	return errors.Join(setField(message.Header, headerInput, input), setField(message.Header, headerSignature, signature))
}
