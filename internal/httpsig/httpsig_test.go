package httpsig_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/httpsig"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKey(tb testing.TB) httpsig.PrivateKey {
	tb.Helper()
	key, err := httpsig.GenerateKey("platform")
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func request(tb testing.TB, key httpsig.PrivateKey) httpsig.Message {
	tb.Helper()
	message := httpsig.Message{
		Method: "POST", Path: "/bank/v1/pay_in", RawQuery: "a=1", Header: http.Header{}, Body: []byte(`{"amount":1}`),
	}
	if err := httpsig.Sign(message, key, now); err != nil {
		tb.Fatal(err)
	}
	return message
}

func TestVerify(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	signature, err := httpsig.Verify(request(t, key), key.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	if signature.KeyID != "platform" || !signature.Created.Equal(now) || signature.Nonce == "" {
		t.Errorf("got %+v", signature)
	}
}

func TestVerify_Refused(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	cases := map[string]func(m *httpsig.Message){
		"OtherMethod": func(m *httpsig.Message) { m.Method = "PUT" },
		"OtherPath":   func(m *httpsig.Message) { m.Path = "/bank/v1/pay_out" },
		"OtherQuery":  func(m *httpsig.Message) { m.RawQuery = "a=2" },
		"OtherBody":   func(m *httpsig.Message) { m.Body = []byte(`{"amount":2}`) },
		"AsAnswer":    func(m *httpsig.Message) { m.Status = 200 },
		"NoSignature": func(m *httpsig.Message) { m.Header.Del("Signature") },
		"NoInput":     func(m *httpsig.Message) { m.Header.Del("Signature-Input") },
		"NoDigest":    func(m *httpsig.Message) { m.Header.Del("Content-Digest") },
		"InputTooLong": func(m *httpsig.Message) {
			m.Header.Add("Signature-Input", strings.Repeat("a", httpsig.HeaderMax))
		},
		"InputNotAList": func(m *httpsig.Message) {
			m.Header.Set("Signature-Input", `sig="x";created=1;keyid="platform"`)
		},
		"InputBroken":      func(m *httpsig.Message) { m.Header.Set("Signature-Input", `sig=("@method"`) },
		"SignatureNoBytes": func(m *httpsig.Message) { m.Header.Set("Signature", `sig=1`) },
		"SignatureOther":   func(m *httpsig.Message) { m.Header.Set("Signature", `sig=:AAAA:`) },
		"DigestTwice": func(m *httpsig.Message) {
			m.Header.Add("Content-Digest", m.Header.Get("Content-Digest"))
		},
		"LessCovered": func(m *httpsig.Message) {
			m.Header.Set("Signature-Input", strings.Replace(m.Header.Get("Signature-Input"), ` "@query"`, "", 1))
		},
		"OtherCreated": func(m *httpsig.Message) {
			m.Header.Set("Signature-Input", strings.Replace(m.Header.Get("Signature-Input"), "created=1", "created=2", 1))
		},
		"OtherKeyID": func(m *httpsig.Message) {
			m.Header.Set("Signature-Input", strings.Replace(m.Header.Get("Signature-Input"), "platform", "someone", 1))
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := request(t, key)
			change(&message)
			if _, err := httpsig.Verify(message, key.Public(), now); err == nil {
				t.Fatal("verified")
			}
		})
	}
}

func TestVerify_OtherKey(t *testing.T) {
	t.Parallel()
	if _, err := httpsig.Verify(request(t, newKey(t)), newKey(t).Public(), now); err == nil {
		t.Fatal("verified")
	}
}

func TestVerify_Window(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	message := request(t, key)
	for _, tc := range []struct {
		at time.Time
		ok bool
	}{
		{now.Add(httpsig.Window), true},
		{now.Add(httpsig.Window + time.Second), false},
		{now.Add(-httpsig.Window), true},
		{now.Add(-httpsig.Window - time.Second), false},
	} {
		if _, err := httpsig.Verify(message, key.Public(), tc.at); (err == nil) != tc.ok {
			t.Errorf("at %s: %v", tc.at, err)
		}
	}
}

// An answer is good for its own request only, even when both requests are equal.
func TestVerify_AnswerBelongsToRequest(t *testing.T) {
	t.Parallel()
	platform, bank := newKey(t), newKey(t)
	first, second := request(t, platform), request(t, platform)
	answer := httpsig.Message{Status: 200, Header: http.Header{}, Body: []byte(`{}`), Request: &first}
	if err := httpsig.Sign(answer, bank, now); err != nil {
		t.Fatal(err)
	}
	if _, err := httpsig.Verify(answer, bank.Public(), now); err != nil {
		t.Fatal(err)
	}
	moved := answer
	moved.Request = &second
	if _, err := httpsig.Verify(moved, bank.Public(), now); err == nil {
		t.Error("the answer was taken for another request")
	}
	changed := answer
	changed.Status = 201
	if _, err := httpsig.Verify(changed, bank.Public(), now); err == nil {
		t.Error("the status was changed")
	}
	alone := answer
	alone.Request = nil
	if _, err := httpsig.Verify(alone, bank.Public(), now); err == nil {
		t.Error("the answer was taken without a request")
	}
}

func TestPrivateKey_NeverPrinted(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", slog.Any("key", key))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		_, _ = fmt.Fprintf(&out, verb, struct{ K httpsig.PrivateKey }{key})
	}
	for _, secret := range []string{hex.EncodeToString(key.Key), base64.StdEncoding.EncodeToString(key.Key), "["} {
		if strings.Contains(out.String(), secret) {
			t.Error("the secret is in the output")
		}
	}
}

// FuzzVerify feeds the parser of the signature headers. No header may crash it, and none but the
// signed ones may pass.
func FuzzVerify(f *testing.F) {
	key := newKey(f)
	signed := request(f, key)
	f.Add(signed.Header.Get("Signature-Input"), signed.Header.Get("Signature"), signed.Header.Get("Content-Digest"))
	f.Add(`sig=("@method";req "x";key="a");created="1";keyid="platform"`, `sig=:AA==:`, `sha-256=1`)
	f.Add(`a=(), sig=("@status");created=-1;expires=1;alg=ed25519;nonce=?1`, `sig`, ``)
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		message := signed
		message.Header = maps.Clone(signed.Header)
		message.Header.Set("Signature-Input", input)
		message.Header.Set("Signature", signature)
		message.Header.Set("Content-Digest", digest)
		got, err := httpsig.Verify(message, key.Public(), now)
		if err == nil && (got.KeyID != key.ID || !got.Created.Equal(now)) {
			t.Fatalf("verified %+v", got)
		}
	})
}

// TestNonces takes a nonce once, and again only when its signature is no longer accepted.
func TestNonces(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var nonces httpsig.Nonces
	for _, test := range []struct {
		nonce string
		after time.Duration
		ok    bool
	}{
		{"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"a", httpsig.Window, false}, {"b", httpsig.Window + 1, true},
	} {
		err := nonces.Take(httpsig.Signature{Nonce: test.nonce, Created: created}, created.Add(test.after))
		if (err == nil) != test.ok {
			t.Errorf("%s after %s: %v", test.nonce, test.after, err)
		}
	}
}
