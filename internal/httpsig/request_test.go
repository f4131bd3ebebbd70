package httpsig_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/httpsig"
)

// signings are one key of each algorithm; RSA keys take long to make.
var signings = sync.OnceValue(func() map[httpsig.Algorithm]httpsig.Signing {
	_, ed, err1 := ed25519.GenerateKey(rand.Reader)
	ec, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, err3 := rsa.GenerateKey(rand.Reader, 2048)
	sm, err4 := httpsig.GenerateSM2()
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			panic(err)
		}
	}
	out := make(map[httpsig.Algorithm]httpsig.Signing)
	for algorithm, private := range map[httpsig.Algorithm]any{
		httpsig.Ed25519: ed, httpsig.ECDSAP256: ec, httpsig.RSAPSS: rs, httpsig.RSAPKCS1: rs, httpsig.SM2: sm,
	} {
		out[algorithm] = httpsig.Signing{KeyID: "sgk_" + string(algorithm), Algorithm: algorithm, Private: private}
	}
	return out
})

func publicOf(tb testing.TB, by httpsig.Signing) httpsig.Key {
	tb.Helper()
	key := httpsig.Key{ID: by.KeyID, Algorithm: by.Algorithm}
	switch private := by.Private.(type) {
	case ed25519.PrivateKey:
		key.Public = private.Public()
	case *ecdsa.PrivateKey:
		key.Public = private.Public()
	case *rsa.PrivateKey:
		key.Public = private.Public()
	case httpsig.SM2Signer:
		key.Public = private.Public()
	default:
		tb.Fatalf("no public half of %T", private)
	}
	return key
}

func finder(tb testing.TB) httpsig.FindKey {
	tb.Helper()
	known := map[string]httpsig.Key{}
	for _, by := range signings() {
		known[by.KeyID] = publicOf(tb, by)
	}
	return func(name string) (httpsig.Key, *httpsig.Flaw) {
		if key, ok := known[name]; ok {
			return key, nil
		}
		return httpsig.Key{}, &httpsig.Flaw{Code: httpsig.CodeKeyUnknown, Message: "unknown"}
	}
}

func plain() httpsig.Message {
	return httpsig.Message{
		Method: "POST", Scheme: "https", Authority: "pay.example", Path: "/v1/payments", RawQuery: "dry_run=true",
		Header: http.Header{"Idempotency-Key": {"order-1"}, "Authorization": {"Bearer sk_secret"}},
		Body:   []byte(`{"amount":1}`),
	}
}

func signed(tb testing.TB, algorithm httpsig.Algorithm) httpsig.Message {
	tb.Helper()
	message := plain()
	if err := httpsig.SignRequest(message, signings()[algorithm], now); err != nil {
		tb.Fatal(err)
	}
	return message
}

func TestCheckRequest_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, algorithm := range httpsig.Algorithms() {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			message := signed(t, algorithm)
			got, wrong := httpsig.CheckRequest(message, finder(t), now)
			if wrong != nil || got.KeyID != "sgk_"+string(algorithm) || got.Nonce == "" {
				t.Fatalf("%+v, %v", got, wrong)
			}
			message.Body = []byte(`{"amount":2}`)
			if _, wrong := httpsig.CheckRequest(message, finder(t), now); wrong == nil || wrong.Code != httpsig.CodeDigestWrong {
				t.Errorf("another body: %v", wrong)
			}
			message = signed(t, algorithm)
			message.Path = "/v1/refunds"
			if _, wrong := httpsig.CheckRequest(message, finder(t), now); wrong == nil || wrong.Code != httpsig.CodeWrong {
				t.Errorf("another path: %v", wrong)
			}
		})
	}
}

// TestCheckRequest_Refused changes one thing each and wants the code that says which.
func TestCheckRequest_Refused(t *testing.T) {
	t.Parallel()
	input := func(old, with string) func(m *httpsig.Message) {
		return func(m *httpsig.Message) {
			before := m.Header.Get("Signature-Input")
			if !strings.Contains(before, old) {
				panic(before + " has no " + old)
			}
			m.Header.Set("Signature-Input", strings.Replace(before, old, with, 1))
		}
	}
	for name, test := range map[string]struct {
		change func(m *httpsig.Message)
		code   string
	}{
		"Unsigned":            {func(m *httpsig.Message) { m.Header.Del("Signature-Input") }, httpsig.CodeMissing},
		"NoSignature":         {func(m *httpsig.Message) { m.Header.Del("Signature") }, httpsig.CodeMissing},
		"NotADictionary":      {func(m *httpsig.Message) { m.Header.Set("Signature-Input", "sig=(") }, httpsig.CodeMalformed},
		"NotBytes":            {func(m *httpsig.Message) { m.Header.Set("Signature", "sig=1") }, httpsig.CodeMalformed},
		"NotAList":            {func(m *httpsig.Message) { m.Header.Set("Signature-Input", "sig=1") }, httpsig.CodeMalformed},
		"OtherLabel":          {input("sig=", "other="), httpsig.CodeMalformed},
		"UnknownKey":          {input("sgk_ed25519", "sgk_nobody"), httpsig.CodeKeyUnknown},
		"NoKeyID":             {input(`;keyid="sgk_ed25519"`, ""), httpsig.CodeKeyUnknown},
		"OtherAlgorithm":      {input(";keyid", `;alg="rsa-v1_5-sha256";keyid`), httpsig.CodeAlgorithm},
		"NoCreated":           {input("created=", "made="), httpsig.CodeTime},
		"Expired":             {input(";keyid", ";expires=1;keyid"), httpsig.CodeTime},
		"NoNonce":             {input(";nonce=", ";once="), httpsig.CodeNonce},
		"MethodUncovered":     {input(`"@method" `, ""), httpsig.CodeComponentMissing},
		"PathUncovered":       {input(`"@path" `, ""), httpsig.CodeComponentMissing},
		"QueryUncovered":      {input(`"@query" `, ""), httpsig.CodeComponentMissing},
		"DigestUncovered":     {input(`"content-digest" `, ""), httpsig.CodeComponentMissing},
		"KeyUncovered":        {input(` "idempotency-key"`, ""), httpsig.CodeComponentMissing},
		"TwiceCovered":        {input(`"@method" `, `"@method" "@method" `), httpsig.CodeComponentUnknown},
		"AbsentField":         {input(`"@method" `, `"@method" "x-none" `), httpsig.CodeComponentUnknown},
		"UnknownParameter":    {input(`"@method" `, `"@method" "idempotency-key";bs `), httpsig.CodeComponentUnknown},
		"NoDigest":            {func(m *httpsig.Message) { m.Header.Del("Content-Digest") }, httpsig.CodeDigestMissing},
		"WeakDigest":          {func(m *httpsig.Message) { m.Header.Set("Content-Digest", "md5=:AAAA:") }, httpsig.CodeDigestMissing},
		"OtherDigest":         {func(m *httpsig.Message) { m.Header.Set("Content-Digest", "sha-512=:AAAA:") }, httpsig.CodeDigestWrong},
		"OtherMethod":         {func(m *httpsig.Message) { m.Method = "PUT" }, httpsig.CodeWrong},
		"OtherQuery":          {func(m *httpsig.Message) { m.RawQuery = "dry_run=false" }, httpsig.CodeWrong},
		"OtherKeyOfCaller":    {input("sgk_ed25519", "sgk_ecdsa-p256-sha256"), httpsig.CodeWrong},
		"OtherIdempotencyKey": {func(m *httpsig.Message) { m.Header.Set("Idempotency-Key", "order-2") }, httpsig.CodeWrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := signed(t, httpsig.Ed25519)
			test.change(&message)
			_, wrong := httpsig.CheckRequest(message, finder(t), now)
			if wrong == nil || wrong.Code != test.code {
				t.Fatalf("got %+v, want %s", wrong, test.code)
			}
			report := httpsig.Diagnose(httpsig.Question{Message: message, Find: finder(t), Now: now})
			if report.Valid || !slices.ContainsFunc(report.Problems, func(p httpsig.Flaw) bool { return p.Code == test.code }) {
				t.Errorf("the report does not name it: %+v", report.Problems)
			}
		})
	}
}

func TestCheckRequest_Window(t *testing.T) {
	t.Parallel()
	message := signed(t, httpsig.Ed25519)
	for _, test := range []struct {
		after time.Duration
		ok    bool
	}{
		{httpsig.Window, true},
		{httpsig.Window + time.Second, false},
		{-httpsig.Window, true},
		{-httpsig.Window - time.Second, false},
	} {
		if _, wrong := httpsig.CheckRequest(message, finder(t), now.Add(test.after)); (wrong == nil) != test.ok {
			t.Errorf("after %s: %v", test.after, wrong)
		}
	}
}

// A proxy's signature may stand beside the merchant's.
func TestCheckRequest_SeveralSignatures(t *testing.T) {
	t.Parallel()
	message := signed(t, httpsig.RSAPSS)
	message.Header.Set(
		"Signature-Input",
		`proxy=("@method");created=1;keyid="elsewhere", `+message.Header.Get("Signature-Input"),
	)
	message.Header.Set("Signature", "proxy=:AAAA:, "+message.Header.Get("Signature"))
	if _, wrong := httpsig.CheckRequest(message, finder(t), now); wrong != nil {
		t.Error(wrong)
	}
}

// TestCheckRequest_NoBody wants no digest where there is nothing to digest.
func TestCheckRequest_NoBody(t *testing.T) {
	t.Parallel()
	message := plain()
	message.Method, message.Body, message.RawQuery, message.Header = "GET", nil, "", http.Header{}
	if err := httpsig.SignRequest(message, signings()[httpsig.ECDSAP256], now); err != nil {
		t.Fatal(err)
	}
	if message.Header.Get("Content-Digest") != "" {
		t.Error("a digest of nothing")
	}
	if _, wrong := httpsig.CheckRequest(message, finder(t), now); wrong != nil {
		t.Error(wrong)
	}
}

// FuzzDiagnose feeds the parsers of all that a signer sends. Nothing may crash them, and nothing but what was signed
// may pass.
func FuzzDiagnose(f *testing.F) {
	message := signed(f, httpsig.Ed25519)
	f.Add(message.Header.Get("Signature-Input"), message.Header.Get("Signature"), message.Header.Get("Content-Digest"),
		message.RawQuery, "base")
	f.Add(
		`a=("@query-param";name="x" "@target-uri";req);keyid="sgk_rsa-pss-sha512"`,
		`a=:AA==:`,
		`sha-256=1`,
		"x=%zz",
		"\n\n",
	)
	find := finder(f)
	f.Fuzz(func(t *testing.T, input, signature, digest, query, base string) {
		changed := message
		changed.Header, changed.RawQuery = maps.Clone(message.Header), query
		changed.Header.Set("Signature-Input", input)
		changed.Header.Set("Signature", signature)
		changed.Header.Set("Content-Digest", digest)
		report := httpsig.Diagnose(httpsig.Question{Message: changed, Base: base, Find: find, Now: now})
		got, wrong := httpsig.CheckRequest(changed, find, now)
		if wrong == nil && (query != message.RawQuery || got.KeyID != "sgk_ed25519") {
			t.Fatalf("passed: %+v", got)
		}
		if report.Valid && wrong != nil {
			t.Fatalf("the report says valid, the check %v", wrong)
		}
	})
}
