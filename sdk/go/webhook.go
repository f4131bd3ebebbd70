package feiqian

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of Standard Webhooks (https://www.standardwebhooks.com).
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// WebhookTolerance is how far a webhook's instant may be from now, before or after.
const WebhookTolerance = 5 * time.Minute

const (
	webhookMax       = 1 << 20
	signaturesMax    = 16
	secretPrefix     = "whsec_"
	signaturePrefix  = "v1,"
	webhookSecretMin = 24 // bytes, Standard Webhooks
	webhookSecretMax = 64
)

// ErrWebhook says that a request is not a webhook of ours, or not a fresh one. Answer 400 and do nothing.
var ErrWebhook = errors.New("feiqian: not a genuine webhook")

// Webhook checks webhooks under the secrets of an endpoint.
type Webhook struct {
	keys [][]byte
	now  func() time.Time
}

// NewWebhook takes the secret of your endpoint, whsec_…, as it was shown when it was made. While a secret is
// rotated each delivery is signed with both, so one is enough; several are taken too. Errors: a secret cannot be
// read.
func NewWebhook(secrets ...string) (*Webhook, error) {
	if len(secrets) == 0 {
		return nil, errors.New("feiqian: a webhook needs its secret")
	}
	w := &Webhook{now: time.Now}
	for _, text := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
		if err != nil || len(key) < webhookSecretMin || len(key) > webhookSecretMax {
			return nil, errors.New("feiqian: this is not a webhook secret (whsec_…)")
		}
		w.keys = append(w.keys, key)
	}
	return w, nil
}

// Verify checks the headers against the body, exactly as it came, and returns its event. The same event may come
// twice: remember its ID, or make what you do repeatable. Errors: ErrWebhook.
func (w *Webhook) Verify(header http.Header, body []byte) (*Event, error) {
	name, instant := header.Get(headerID), header.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(instant, 10, 64)
	if name == "" || err != nil {
		return nil, fmt.Errorf("%w: headers are missing", ErrWebhook)
	}
	if w.now().Sub(time.Unix(seconds, 0)).Abs() > WebhookTolerance {
		return nil, fmt.Errorf("%w: it was sent too long ago, or the clocks differ", ErrWebhook)
	}
	if !w.signed(header.Values(headerSignature), name+"."+instant+".", body) {
		return nil, fmt.Errorf("%w: no signature matches", ErrWebhook)
	}
	var event Event
	if err := json.Unmarshal(body, &event); err != nil || event.ID == "" || event.Kind == "" {
		return nil, fmt.Errorf("%w: it holds no event", ErrWebhook)
	}
	return &event, nil
}

// signed reports whether one of the signatures is by one of the keys. All are compared, each in constant time.
func (w *Webhook) signed(headers []string, head string, body []byte) bool {
	given := strings.Fields(strings.Join(headers, " "))
	if len(given) > signaturesMax {
		return false
	}
	genuine := false
	for _, key := range w.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(head))
		mac.Write(body)
		want := []byte(signaturePrefix + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, signature := range given {
			genuine = hmac.Equal([]byte(signature), want) || genuine
		}
	}
	return genuine
}

// Handler serves an endpoint: it checks each webhook and hands its event to handle. Where handle fails it answers
// 500, and the event comes again by the retry table. Answer within 15 seconds: put long work into a queue of your
// own.
func (w *Webhook) Handler(handle func(ctx context.Context, event *Event) error) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, webhookMax))
		if err != nil {
			http.Error(answer, "the body cannot be read", http.StatusBadRequest)
			return
		}
		event, err := w.Verify(request.Header, body)
		if err != nil {
			http.Error(answer, "not a genuine webhook", http.StatusBadRequest)
			return
		}
		if err := handle(request.Context(), event); err != nil {
			http.Error(answer, "try again", http.StatusInternalServerError)
			return
		}
		answer.WriteHeader(http.StatusNoContent)
	})
}
