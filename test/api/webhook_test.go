package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/webhook"
)

// firstEvent is the id of a shop's oldest event.
func (w *world) firstEvent(t testing.TB, s shop) string {
	t.Helper()
	var page api.Page[outbox.Event]
	w.ok(t, 200, get("/v1/events?limit=1&wait=25", s.token), &page)
	return string(page.Data[0].ID)
}

// silentEndpoint is one that gets nothing: deliveries would write beside the requests of a test.
func (w *world) silentEndpoint(t testing.TB, s shop) string {
	t.Helper()
	made, _, err := w.Webhooks.Create(t.Context(), webhook.NewEndpoint{Merchant: s.id, URL: "https://127.0.0.1:9/"})
	must(t, err)
	_, err = w.Webhooks.Disable(t.Context(), s.id, made.ID, webhook.ByMerchant)
	must(t, err)
	return string(made.ID)
}

func (s shop) hook(method, path string, body any) apitest.Request {
	return apitest.Request{Method: method, Path: "/v1/webhook_endpoints" + path, Token: s.token, Body: body}
}

// receiver is a merchant's server that checks what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	bodies []string
	wrong  int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, key)
		h := request.Header
		mac.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(body)))
		if !strings.Contains(h.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
			r.wrong++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.bodies = append(r.bodies, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// TestWebhook takes a merchant from the first endpoint to the last over HTTP; the log matches what its server got, and
// what it got matches the list of events.
func TestWebhook(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, payer, server := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 50_000), newReceiver(t)
		var made api.WebhookWithSecret
		w.ok(t, 201, s.hook("POST", "", map[string]any{
			"url": server.URL, "kinds": []string{"payment.*", "refund.succeeded"}, "description": "till",
		}), &made)
		server.mu.Lock()
		server.secret = made.Secret
		server.mu.Unlock()
		path := "/" + string(made.ID)
		one := w.ok(t, 200, s.hook("GET", path, nil), nil)
		list := w.ok(t, 200, s.hook("GET", "", nil), nil)
		if strings.Contains(string(one.Body)+string(list.Body), "whsec_") ||
			!strings.Contains(string(list.Body), string(made.ID)) {
			t.Errorf("%s %s", one.Body, list.Body)
		}
		paid := w.paid(t, s, payer, 10_000)
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 100}), nil)
		eventually(t, "the webhooks", func() bool { return len(server.got()) >= 3 })
		var events api.Page[json.RawMessage]
		w.ok(t, 200, get("/v1/events", s.token), &events)
		for _, event := range events.Data {
			if !slices.Contains(server.got(), string(event)) {
				t.Errorf("the server did not get %s", event)
			}
		}
		var log api.Page[webhook.Delivery]
		eventually(t, "the log", func() bool {
			w.ok(t, 200, s.hook("GET", path+"/deliveries?state=succeeded", nil), &log)
			return len(log.Data) == 3
		})
		w.ok(t, 200, s.hook("GET", path+"/deliveries?kind=payment.created&event_id="+string(log.Data[2].Event), nil), &log)
		support := w.staff(t, party.RoleSupport)
		if n := w.rows(t, get("/ops/v1/webhook_endpoints/"+string(made.ID)+"/deliveries", support)); n != 3 {
			t.Errorf("support sees %d deliveries", n)
		}
		if n := w.rows(t, get("/ops/v1/merchants/"+string(s.id)+"/webhook_endpoints", support)); n != 1 {
			t.Errorf("support sees %d endpoints", n)
		}
		w.ok(t, 200, get("/v1/events/"+w.firstEvent(t, s), s.token), nil)

		// Sent again, one and all.
		var queued webhook.Queued
		w.ok(t, 202, s.hook("POST", path+"/events/"+w.firstEvent(t, s)+"/resend", nil), &queued)
		eventually(t, "the resend", func() bool { return len(server.got()) == 4 })
		w.ok(t, 202, s.hook("POST", path+"/replay", map[string]any{"from": "2020-01-01T00:00:00Z"}), &queued)
		if queued.Queued != 3 {
			t.Errorf("%+v", queued)
		}
		eventually(t, "the replay", func() bool { return len(server.got()) == 7 })
		var sent webhook.Delivery
		w.ok(t, 200, s.hook("POST", path+"/test", nil), &sent)
		if sent.State != webhook.Succeeded {
			t.Errorf("%+v", sent)
		}

		// A secret that others know ends at once.
		var rotated api.WebhookWithSecret
		w.ok(t, 200, s.hook("POST", path+"/rotate_secret", map[string]any{"overlap_seconds": 0}), &rotated)
		w.ok(t, 200, s.hook("POST", path+"/test", nil), &sent)
		if sent.State != webhook.Failed || sent.Status != 401 || rotated.Secret == made.Secret {
			t.Errorf("%+v", sent)
		}
		w.ok(t, 200, s.hook("POST", path+"/rotate_secret", map[string]any{}), &rotated)
		if rotated.PreviousUntil.IsZero() {
			t.Errorf("%+v", rotated)
		}
		w.ok(t, 200, s.hook("POST", path+"/disable", nil), nil)
		w.ok(t, 200, s.hook("PATCH", path, map[string]any{"kinds": []string{"*"}, "url": "http://127.0.0.1:1/"}), nil)
		w.quiet(t)
		time.Sleep(300 * time.Millisecond) // what is under way is written
		w.refusals(t, s, path)
		w.ok(t, 200, s.hook("POST", path+"/enable", map[string]any{"catch_up": true}), nil)
		w.ok(t, 204, s.hook("DELETE", path, nil), nil)
		w.call(t, s.hook("GET", path, nil)).Problem(t, 404, "webhook.endpoint_not_found")
	})
}

// refusals asks a disabled endpoint what it can't do.
func (w *world) refusals(t *testing.T, s shop, path string) {
	t.Helper()
	w.refused(t, 409, "webhook.state_conflict", s.hook("POST", path+"/disable", nil))
	w.refused(t, 409, "webhook.endpoint_disabled", s.hook("POST", path+"/events/"+w.firstEvent(t, s)+"/resend", nil))
	w.refused(
		t,
		409,
		"webhook.endpoint_disabled",
		s.hook("POST", path+"/replay", map[string]any{"from": "2020-01-01T00:00:00Z"}),
	)
	w.refused(t, 409, "webhook.url_taken", s.hook("POST", "", map[string]any{"url": "http://127.0.0.1:1/"}))
	w.refused(t, 400, "webhook.bad_url", s.hook("POST", "", map[string]any{"url": "http://10.0.0.1/"}))
	w.refused(t, 400, "webhook.bad_url", s.hook("PATCH", path, map[string]any{"url": "ftp://shop.example"}))
	w.refused(t, 400, "webhook.bad_kind", s.hook("PATCH", path, map[string]any{"kinds": []string{"everything"}}))
	w.refused(t, 400, "webhook.unknown_version", s.hook("PATCH", path, map[string]any{"api_version": "2020-01-01"}))
	w.refused(t, 400, "request.missing_field", s.hook("PATCH", path, map[string]any{}))
	w.refused(t, 404, "outbox.not_found", get("/v1/events/evt_01kanq4j3qf8yt0v5d7r2m9xce", s.token))
}

// TestWebhook_live sends to nothing but public addresses over TLS.
func TestWebhook_live(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		for _, url := range []string{
			"http://shop.example/", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://169.254.169.254/",
		} {
			w.refused(t, 400, "webhook.bad_url", s.hook("POST", "", map[string]any{"url": url}))
		}
		var made api.WebhookWithSecret
		w.ok(t, 201, s.hook("POST", "", map[string]any{"url": "https://localhost/"}), &made)
		var sent webhook.Delivery
		w.ok(t, 200, s.hook("POST", "/"+string(made.ID)+"/test", nil), &sent)
		if sent.State != webhook.Failed || sent.Problem != webhook.AddressRefused {
			t.Errorf("%+v", sent)
		}
	}, func(c *config.Config) { c.Mode = config.Live })
}

// TestEvents_wait holds a request until there is an event, and begins with what comes.
func TestEvents_wait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		var page api.Page[outbox.Event]
		w.ok(t, 200, get("/v1/events?start=now", s.token), &page)
		if len(page.Data) != 0 || page.NextCursor != "" {
			t.Errorf("%+v", page)
		}
		w.created(t, s, 100)
		w.firstEvent(t, s)
		w.ok(t, 200, get("/v1/events?start=now", s.token), &page)
		if len(page.Data) != 0 || page.NextCursor == "" {
			t.Errorf("%+v", page)
		}
		go func() {
			time.Sleep(300 * time.Millisecond)
			w.send(t, s.order(w, 200, nil))
		}()
		begun := time.Now()
		w.ok(t, 200, get("/v1/events?wait=25&cursor="+page.NextCursor, s.token), &page)
		if len(page.Data) != 1 || time.Since(begun) > 20*time.Second {
			t.Errorf("%+v after %v", page, time.Since(begun))
		}
		w.ok(t, 200, get("/v1/events?wait=1&cursor="+page.NextCursor, s.token), &page)
		if len(page.Data) != 0 || page.NextCursor == "" {
			t.Errorf("%+v", page)
		}
	})
}
