package api_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/signing"
)

// privateKey makes a key of an algorithm and returns its public half as SPKI in base64.
func privateKey(t testing.TB, algorithm httpsig.Algorithm) (private any, public string) {
	t.Helper()
	key := httpsig.Key{Algorithm: algorithm}
	switch algorithm {
	case httpsig.Ed25519:
		made, secret, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		private, key.Public = secret, made
	case httpsig.ECDSAP256:
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		private, key.Public = made, made.Public()
	case httpsig.RSAPSS, httpsig.RSAPKCS1:
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, err)
		private, key.Public = made, made.Public()
	case httpsig.SM2:
		made, err := httpsig.GenerateSM2()
		must(t, err)
		private, key.Public = made, made.Public()
	}
	der, err := key.MarshalSPKI()
	must(t, err)
	return private, base64.StdEncoding.EncodeToString(der)
}

// signingKey registers a fresh key of a merchant.
func (w *world) signingKey(
	t testing.TB,
	merchant id.Merchant,
	algorithm httpsig.Algorithm,
) (signing.PublicKey, httpsig.Signing) {
	t.Helper()
	private, public := privateKey(t, algorithm)
	key, err := w.Signing.Register(t.Context(), signing.NewKey{
		Merchant: merchant, Name: "till", PublicKey: public, Algorithm: algorithm,
	})
	must(t, err)
	return key, httpsig.Signing{KeyID: string(key.ID), Algorithm: algorithm, Private: private}
}

// signs makes a signed call as a merchant does: its headers and the very bytes of its body.
func (w *world) signs(t testing.TB, call apitest.Request, by httpsig.Signing) apitest.Request {
	t.Helper()
	target, err := url.Parse(w.url + call.Path)
	must(t, err)
	var body []byte
	if call.Body != nil {
		body, err = api.Encode(call.Body)
		must(t, err)
		call.Body = body
	}
	header := http.Header{}
	if call.Key != "" {
		header.Set("Idempotency-Key", call.Key)
	}
	must(t, httpsig.SignRequest(httpsig.Message{
		Method: call.Method, Scheme: "http", Authority: target.Host, Path: target.EscapedPath(), RawQuery: target.RawQuery,
		Header: header, Body: body,
	}, by, w.Clock.Now()))
	call.Header = map[string]string{}
	for name := range header {
		call.Header[name] = header.Get(name)
	}
	return call
}

// TestSignature_EveryAlgorithm registers a key of each algorithm in the portal, requires signatures and pays.
func TestSignature_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{FeeBps: 60})
		owner := w.user(t, s.id, "", party.MerchantOwner)
		rule := func(required bool) apitest.Request {
			return apitest.Request{
				Method: "PUT", Path: "/merchant/v1/signature_rule", Token: owner.token, Body: map[string]any{"required": required},
			}
		}
		w.refused(t, 409, "signing.no_key", rule(true))
		for _, algorithm := range httpsig.Algorithms() {
			private, public := privateKey(t, algorithm)
			var key signing.PublicKey
			register := apitest.Request{
				Method: "POST", Path: "/merchant/v1/signing_keys", Token: owner.token,
				Body: map[string]any{"name": string(algorithm), "public_key": public, "algorithm": algorithm},
			}
			w.ok(t, 201, register, &key)
			w.refused(t, 409, "signing.key_taken", register)
			w.ok(t, 200, rule(true), nil)
			by := httpsig.Signing{KeyID: string(key.ID), Algorithm: algorithm, Private: private}
			order := s.order(w, 100, map[string]any{"reference": string(algorithm)})
			var made payment.Payment
			w.ok(t, 201, w.signs(t, order, by), &made)
			w.ok(t, 200, w.signs(t, get("/v1/payments?reference="+string(algorithm), s.token), by), nil)
			w.ok(t, 200, w.signs(t, s.void(w, made.ID), by), nil)
			w.refused(t, 401, "signature.missing", s.order(w, 100, nil))
			w.refused(t, 401, "signature.missing", get("/v1/payments", s.token))
			w.ok(t, 200, rule(false), nil)
			w.ok(t, 200, get("/v1/payments", s.token), nil)
		}
		if n := w.rows(t, get("/v1/signing_keys", s.token)); n != len(httpsig.Algorithms()) {
			t.Errorf("%d keys", n)
		}
		events := w.texts(t, "SELECT CAST(items AS TEXT) FROM events")
		if all := strings.Join(events, ""); !strings.Contains(all, "signing_key.registered") ||
			!strings.Contains(all, "signature_rule.changed") {
			t.Error("the merchant was not told")
		}
	})
}

// TestSignature_Refused changes a signed request and wants each change refused with nothing written.
func TestSignature_Refused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, other := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{})
		key, by := w.signingKey(t, s.id, httpsig.Ed25519)
		_, foreign := w.signingKey(t, other.id, httpsig.Ed25519)
		order := func() apitest.Request { return s.order(w, 100, nil) }
		w.quiet(t)
		tampered := func(code string, change func(call *apitest.Request)) {
			t.Helper()
			call := w.signs(t, order(), by)
			change(&call)
			w.refused(t, 401, code, call)
		}
		tampered("signature.digest_mismatch", func(c *apitest.Request) { c.Body = []byte(`{"amount":1,"currency":"CNY"}`) })
		tampered("signature.digest_mismatch", func(c *apitest.Request) { c.Body = []byte(``) })
		tampered("signature.wrong", func(c *apitest.Request) { c.Key = w.key(); delete(c.Header, "Idempotency-Key") })
		tampered("signature.component_missing", func(c *apitest.Request) { c.Path += "?dry_run=true" })
		tampered("signature.missing", func(c *apitest.Request) { delete(c.Header, "Signature") })
		tampered("signature.digest_missing", func(c *apitest.Request) { delete(c.Header, "Content-Digest") })
		tampered("signature.malformed", func(c *apitest.Request) { c.Header["Signature-Input"] = "x" })
		tampered("signature.malformed", func(c *apitest.Request) { c.Header["Signature"] = strings.Repeat("x", 9000) })

		w.refused(t, 401, "signature.key_unknown", w.signs(t, order(), foreign))
		swapped := foreign
		swapped.KeyID = by.KeyID
		w.refused(t, 401, "signature.wrong", w.signs(t, order(), swapped))

		old := w.signs(t, order(), by)
		w.Clock.Advance(httpsig.Window + time.Second)
		w.quiet(t)
		w.refused(t, 401, "signature.bad_time", old)

		// A signature is taken once, whatever the request is.
		first := w.signs(t, order(), by)
		w.ok(t, 201, first, nil)
		w.quiet(t)
		w.refused(t, 401, "signature.replayed", first)
		read := w.signs(t, get("/v1/payments", s.token), by)
		w.ok(t, 200, read, nil)
		w.refused(t, 401, "signature.replayed", read)

		// What is sent again is signed again, and gets the stored answer.
		again := first
		again.Header = nil
		sent, ok := first.Body.([]byte)
		if !ok {
			t.Fatalf("a signed call has the bytes of its body, not %T", first.Body)
		}
		again.Body = json.RawMessage(sent)
		if answer := w.ok(t, 201, w.signs(t, again, by), nil); answer.Header.Get("Idempotent-Replayed") != "true" {
			t.Error("not the stored answer")
		}

		// A key that goes on for a while, and then ends.
		_, err := w.Signing.Revoke(t.Context(), s.id, key.ID, time.Minute)
		must(t, err)
		w.ok(t, 200, w.signs(t, get("/v1/payments", s.token), by), nil)
		w.Clock.Advance(2 * time.Minute)
		w.quiet(t)
		w.refused(t, 401, "signature.key_unknown", w.signs(t, order(), by))
		w.ok(t, 201, order(), nil) // unsigned requests go on where nobody requires signatures
	})
}

// TestSignature_ReplayRace sends one signed request many times at once: one of them gets in.
func TestSignature_ReplayRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		_, by := w.signingKey(t, s.id, httpsig.ECDSAP256)
		endpoint := w.silentEndpoint(t, s)
		rotate := w.signs(t, apitest.Request{
			Method: "POST", Path: "/v1/webhook_endpoints/" + endpoint + "/rotate_secret", Token: s.token, Body: map[string]any{},
		}, by)
		var (
			group sync.WaitGroup
			mu    sync.Mutex
			got   = map[int]int{}
		)
		for range 8 {
			group.Go(func() {
				_, answer := w.send(t, rotate)
				mu.Lock()
				defer mu.Unlock()
				got[answer.Status]++
			})
		}
		group.Wait()
		if got[200] != 1 || got[401] != 7 {
			t.Errorf("answers: %v", got)
		}
	})
}

// TestSignature_Keys refuses what is no key, and who may not register one.
func TestSignature_Keys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		owner, viewer := w.user(t, s.id, "", party.MerchantOwner), w.user(t, s.id, "", party.MerchantViewer)
		register := func(token string, body map[string]any) apitest.Request {
			return apitest.Request{Method: "POST", Path: "/merchant/v1/signing_keys", Token: token, Body: body}
		}
		_, public := privateKey(t, httpsig.ECDSAP256)
		w.refused(
			t,
			403,
			"auth.permission_missing",
			register(viewer.token, map[string]any{"name": "n", "public_key": public}),
		)
		w.refused(t, 401, "auth.session_invalid", register(s.token, map[string]any{"name": "n", "public_key": public}))
		w.refused(t, 400, "signing.bad_key", register(owner.token, map[string]any{"name": "n", "public_key": "AAAA"}))
		w.refused(t, 400, "signing.bad_key", register(owner.token, map[string]any{
			"name": "n", "public_key": public, "algorithm": "rsa-pss-sha512",
		}))
		problem := w.refused(t, 400, "signing.private_key", register(owner.token, map[string]any{
			"name": "n", "public_key": `{"kty":"OKP","crv":"Ed25519","x":"AA","d":"nWGxne_9Wm8"}`,
		}))
		if strings.Contains(problem.Detail, "nWGxne") {
			t.Error("the refusal shows the private key")
		}
		for range signing.KeysMax {
			w.signingKey(t, s.id, httpsig.Ed25519)
		}
		w.refused(t, 409, "signing.too_many_keys", register(owner.token, map[string]any{"name": "n", "public_key": public}))

		keys, err := w.Signing.List(t.Context(), s.id)
		must(t, err)
		path := "/merchant/v1/signing_keys/" + string(keys[0].ID) + "/revoke"
		var ended, later signing.PublicKey
		w.ok(t, 200, apitest.Request{Method: "POST", Path: path, Token: owner.token, Body: map[string]any{}}, &ended)
		w.ok(t, 200, apitest.Request{
			Method: "POST", Path: path, Token: owner.token, Body: map[string]any{"after_seconds": 3600},
		}, &later)
		if ended.ValidUntil.IsZero() || !later.ValidUntil.Equal(ended.ValidUntil) {
			t.Errorf("an end was put off: %s, %s", ended.ValidUntil, later.ValidUntil)
		}
	})
}

// TestSignature_Debug asks the debugger by members and by the whole request, while signatures are required.
func TestSignature_Debug(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		key, by := w.signingKey(t, s.id, httpsig.RSAPSS)
		must(t, w.Signing.Require(t.Context(), s.id, true))
		w.quiet(t)
		before := w.snapshot(t)
		order := w.signs(t, s.order(w, 100, nil), by)
		body, _ := order.Body.([]byte)
		debug := func(question map[string]any) (report httpsig.Diagnosis) {
			t.Helper()
			w.ok(t, 200, apitest.Request{Method: "POST", Path: "/v1/signatures/debug", Token: s.token, Body: question}, &report)
			return report
		}
		question := func() map[string]any {
			return map[string]any{"method": "POST", "url": w.url + order.Path, "headers": order.Header, "body": string(body)}
		}
		good := debug(question())
		if !good.Valid || good.KeyID != string(key.ID) || good.Algorithm != httpsig.RSAPSS || len(good.Lines) != 5 {
			t.Errorf("%+v", good)
		}
		wire := bytes.Buffer{}
		fmt.Fprintf(&wire, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", order.Path, w.url[7:], s.token)
		for name, value := range order.Header {
			fmt.Fprintf(&wire, "%s: %s\r\n", name, value)
		}
		fmt.Fprintf(&wire, "\r\n%s", body)
		if report := debug(map[string]any{"http": wire.String()}); !report.Valid {
			t.Errorf("%+v", report.Problems)
		}
		for name, test := range map[string]struct {
			change func(q map[string]any)
			says   string
		}{
			"Body":    {func(q map[string]any) { q["body"] = `{"amount": 100}` }, good.Digest[:8]},
			"Method":  {func(q map[string]any) { q["method"] = "PUT" }, "not of this request"},
			"Base":    {func(q map[string]any) { q["signature_base"] = "\"@method\": post" }, "line 1"},
			"Unknown": {func(q map[string]any) { q["headers"] = map[string]any{} }, "missing"},
		} {
			changed := question()
			test.change(changed)
			report := debug(changed)
			text, err := json.Marshal(report.Problems)
			must(t, err)
			if report.Valid || !strings.Contains(string(text), test.says) {
				t.Errorf("%s: %s", name, text)
			}
		}
		refuse := func(code string, question map[string]any) {
			t.Helper()
			w.refused(t, 400, code, apitest.Request{
				Method: "POST", Path: "/v1/signatures/debug", Token: s.token, Body: question,
			})
		}
		refuse("request.missing_field", map[string]any{"method": "POST"})
		refuse("request.missing_field", map[string]any{"http": "x", "method": "POST", "url": "https://x"})
		refuse("signature.request_unreadable", map[string]any{"http": "nonsense"})
		refuse("signature.request_unreadable", map[string]any{"method": "POST", "url": "/v1/payments"})
		before.same(t, w.snapshot(t), "the debugger")
		w.ok(t, 201, order, nil) // the nonce was not taken
	})
}

// TestSignature_TargetURI signs the whole address, chunked, and with the other digest.
func TestSignature_TargetURI(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		_, by := w.signingKey(t, s.id, httpsig.SM2)
		body := `{"amount":100,"currency":"CNY"}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/payments?dry_run=true",
			io.NopCloser(strings.NewReader(body)))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+s.token)
		request.Header.Set("Idempotency-Key", w.key())
		request.Header.Set("Signature-Input", fmt.Sprintf(`a=("@method" "@target-uri" "authorization" "content-digest"`+
			` "idempotency-key");created=%d;keyid="%s";nonce="n1"`, w.Clock.Now().Unix(), by.KeyID))
		sum := sha512Of(body)
		request.Header.Set("Content-Digest", "sha-512=:"+sum+":")
		base := fmt.Sprintf("\"@method\": POST\n\"@target-uri\": %s/v1/payments?dry_run=true\n\"authorization\": Bearer %s\n"+
			"\"content-digest\": sha-512=:%s:\n\"idempotency-key\": %s\n\"@signature-params\": %s", w.url, s.token, sum,
			request.Header.Get("Idempotency-Key"), request.Header.Get("Signature-Input")[2:])
		signature, err := httpsig.SignWith(by.Private, by.Algorithm, []byte(base))
		must(t, err)
		request.Header.Set("Signature", "a=:"+base64.StdEncoding.EncodeToString(signature)+":")
		response, err := w.client.Do(request)
		must(t, err)
		defer response.Body.Close()
		if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusCreated {
			t.Errorf("%d %s", response.StatusCode, text)
		}
	})
}

func sha512Of(text string) string {
	sum := sha512.Sum512([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}
