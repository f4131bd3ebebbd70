package feiqian

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The example of the standard's own libraries: its secret, id, instant, body and signature.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleInstant   = 1614265330
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	eventBody        = `{"id":"evt_1","kind":"payment.succeeded","subject":"pay_1","created_at":"2026-11-23T00:00:00Z","data":{"id":"pay_1"}}`
)

func signed(secret string, at int64, body string) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(exampleID + "." + strconv.FormatInt(at, 10) + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func headers(at int64, signatures ...string) http.Header {
	header := http.Header{}
	header.Set("webhook-id", exampleID)
	header.Set("webhook-timestamp", strconv.FormatInt(at, 10))
	header["Webhook-Signature"] = signatures
	return header
}

func TestWebhookVector(t *testing.T) {
	t.Parallel()
	if got := signed(exampleSecret, exampleInstant, exampleBody); got != exampleSignature {
		t.Errorf("the standard's example is signed %s", got)
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of 32 bytes......"))
	now := time.Unix(exampleInstant, 0)
	good := signed(exampleSecret, exampleInstant, eventBody)
	for _, test := range []struct {
		name   string
		header http.Header
		body   string
		fine   bool
	}{
		{"genuine", headers(exampleInstant, good), eventBody, true},
		{"rotation: the other secret first", headers(exampleInstant, signed(other, exampleInstant, eventBody)+" "+good), eventBody, true},
		{"beside an asymmetric one", headers(exampleInstant, "v1a,AAAA "+good), eventBody, true},
		{"in two headers", headers(exampleInstant, "v1,AAAA", good), eventBody, true},
		{"five minutes old", headers(exampleInstant-300, signed(exampleSecret, exampleInstant-300, eventBody)), eventBody, true},
		{"replayed later", headers(exampleInstant-301, signed(exampleSecret, exampleInstant-301, eventBody)), eventBody, false},
		{"from the future", headers(exampleInstant+301, signed(exampleSecret, exampleInstant+301, eventBody)), eventBody, false},
		{"another instant", headers(exampleInstant+1, good), eventBody, false},
		{"tampered", headers(exampleInstant, good), strings.Replace(eventBody, "pay_1", "pay_2", 1), false},
		{"under another secret", headers(exampleInstant, signed(other, exampleInstant, eventBody)), eventBody, false},
		{"without its version", headers(exampleInstant, strings.TrimPrefix(good, "v1,")), eventBody, false},
		{"asymmetric version of it", headers(exampleInstant, strings.Replace(good, "v1", "v1a", 1)), eventBody, false},
		{"no signature", headers(exampleInstant), eventBody, false},
		{"a thousand signatures", headers(exampleInstant, strings.Repeat("v1,x ", 1000)+good), eventBody, false},
		{"no headers", http.Header{}, eventBody, false},
		{"no event", headers(exampleInstant, signed(exampleSecret, exampleInstant, exampleBody)), exampleBody, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hook, err := NewWebhook(exampleSecret)
			if err != nil {
				t.Fatal(err)
			}
			hook.now = func() time.Time { return now }
			event, err := hook.Verify(test.header, []byte(test.body))
			if test.fine != (err == nil) || (err != nil && !errors.Is(err, ErrWebhook)) || (event != nil) != test.fine {
				t.Errorf("%v %v", event, err)
			}
		})
	}
	for _, secret := range []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"} {
		if _, err := NewWebhook(secret); err == nil {
			t.Errorf("secret %q is taken", secret)
		}
	}
	if _, err := NewWebhook(); err == nil {
		t.Error("no secret is taken")
	}
}

func TestWebhookHandler(t *testing.T) {
	t.Parallel()
	hook, err := NewWebhook(exampleSecret)
	if err != nil {
		t.Fatal(err)
	}
	var fail error
	var seen []string
	handler := hook.Handler(func(_ context.Context, event *Event) error {
		seen = append(seen, event.ID)
		return fail
	})
	send := func(header http.Header, body string) int {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		request.Header = header
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Code
	}
	at := time.Now().Unix()
	genuine := headers(at, signed(exampleSecret, at, eventBody))
	if got := send(genuine, eventBody); got != http.StatusNoContent {
		t.Errorf("genuine: %d", got)
	}
	if got := send(genuine, eventBody+" "); got != http.StatusBadRequest || len(seen) != 1 {
		t.Errorf("tampered: %d, %v", got, seen)
	}
	if got := send(genuine, strings.Repeat("x", webhookMax+1)); got != http.StatusBadRequest {
		t.Errorf("too long: %d", got)
	}
	fail = errors.New("our database is away")
	if got := send(genuine, eventBody); got != http.StatusInternalServerError {
		t.Errorf("unhandled: %d", got)
	}
}
