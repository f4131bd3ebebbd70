package feiqian

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const testKey = "sk_sandbox_0123456789"

// troubled is a server that answers by a list, and a client of it that does not wait.
func troubled(t *testing.T, answers ...http.HandlerFunc) (*Client, *atomic.Int64, *[]string) {
	t.Helper()
	var calls atomic.Int64
	keys := &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1)) - 1
		*keys = append(*keys, r.Header.Get("Idempotency-Key"))
		answers[min(n, len(answers)-1)](w, r)
	}))
	t.Cleanup(server.Close)
	client, err := New(testKey, WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	client.wait = func(int) time.Duration { return 0 }
	return client, &calls, keys
}

func problem(status int, code string, retryable bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"urn:x","title":"t","status":%d,"detail":"d","code":%q,"param":"amount",`+
			`"request_id":"req_1","retryable":%v}`, status, code, retryable)
	}
}

func paid(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"id":"pay_1","state":"succeeded"}`)
}

// drop closes the connection without an answer.
func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func gateway(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "<html>bad gateway", http.StatusBadGateway)
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]http.HandlerFunc{
		"lost answer": drop, "gateway": gateway, "busy": problem(503, "commit.queue_full", true),
		"internal": problem(500, "internal", false), "in flight": problem(409, "idempotency.in_flight", true),
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, calls, keys := troubled(t, trouble, trouble, paid)
			payment, err := client.Payments.Create(t.Context(), NewPayment{Amount: 1, Currency: "CNY"})
			if err != nil || payment.ID != "pay_1" || calls.Load() != 3 {
				t.Fatalf("%v %v after %d calls", payment, err, calls.Load())
			}
			if first := (*keys)[0]; len(first) < 20 || (*keys)[1] != first || (*keys)[2] != first {
				t.Errorf("keys differ from try to try: %q", *keys)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	client, calls, _ := troubled(t, problem(400, "money.not_positive", false))
	_, err := client.Payments.Create(t.Context(), NewPayment{}, Key("order-1"))
	var refused *Error
	if !errors.As(err, &refused) || calls.Load() != 1 || refused.Param != "amount" || refused.RequestID != "req_1" ||
		refused.Retryable || refused.Status != 400 || refused.IdempotencyKey != "order-1" {
		t.Errorf("%#v after %d calls", err, calls.Load())
	}
	if CodeOf(fmt.Errorf("sell: %w", err)) != "money.not_positive" || CodeOf(io.EOF) != "" {
		t.Errorf("code %q", CodeOf(err))
	}
	client, calls, _ = troubled(t, gateway)
	if _, err := client.Payments.Get(t.Context(), "pay_1"); CodeOf(err) != "http.502" || calls.Load() != 4 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	client, calls, keys := troubled(t, drop)
	_, err = client.Payments.Void(t.Context(), "pay_1")
	if unanswered := (*NoAnswerError)(nil); !errors.As(err, &unanswered) || calls.Load() != 4 ||
		unanswered.IdempotencyKey != (*keys)[0] {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

// TestPatience holds what the server asks for, what the context leaves, and what is too long to wait for.
func TestPatience(t *testing.T) {
	t.Parallel()
	busy := func(after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", after)
			problem(503, "commit.queue_full", true)(w, r)
		}
	}
	client, _, _ := troubled(t, busy("1"), paid)
	before := time.Now()
	if _, err := client.Payments.Create(t.Context(), NewPayment{}); err != nil || time.Since(before) < time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
	}
	client, calls, _ := troubled(t, busy("3600"), paid)
	_, err := client.Payments.Create(t.Context(), NewPayment{})
	if refused := (*Error)(nil); !errors.As(err, &refused) || refused.RetryAfter != time.Hour || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	client, calls, _ = troubled(t, busy("30"), paid)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := client.Payments.Create(ctx, NewPayment{}); CodeOf(err) != "commit.queue_full" || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	if ctx.Err() != nil {
		t.Error("it waited for what could not come in time")
	}
	date := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	if wait := retryAfter(date); wait < 59*time.Minute || wait > time.Hour {
		t.Errorf("a date is read as %s", wait)
	}
	for try := range 70 {
		if wait := backoff(try); wait < backoffFirst/2 || wait > backoffMax {
			t.Errorf("backoff(%d) = %s", try, wait)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() }
	client, calls, _ := troubled(t, hang, paid)
	client.timeout = 50 * time.Millisecond
	if _, err := client.Payments.Create(t.Context(), NewPayment{}); err != nil || calls.Load() != 2 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

// TestSecrets keeps the key where it belongs: out of prints, of redirects and of plain connections.
func TestSecrets(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	client, _, _ := troubled(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := client.Payments.Create(t.Context(), NewPayment{})
	if CodeOf(err) != "http.307" {
		t.Errorf("redirected: %v", err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", client, client, client), fmt.Sprint(err)} {
		if strings.Contains(text, testKey) {
			t.Errorf("the key shows: %s", text)
		}
	}
	for _, base := range []string{"http://pay.example.com", "ftp://localhost", "pay.example.com", "https://u:p@x.y", "https://x.y?a=b", ""} {
		if _, err := New(testKey, WithBaseURL(base)); err == nil {
			t.Errorf("base URL %q is taken", base)
		}
	}
	for _, base := range []string{"http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1", "https://pay.example.com/"} {
		if _, err := New(testKey, WithBaseURL(base)); err != nil {
			t.Errorf("base URL %q: %v", base, err)
		}
	}
	for _, key := range []string{"", "pk_1", "sk_1\r\nX: y"} {
		if _, err := New(key); err == nil {
			t.Errorf("key %q is taken", key)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	var asked []string
	client, _, _ := troubled(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = io.WriteString(w, `{"data":[{"id":"pay_1"},{"id":"pay_2"}],"has_more":true,"next_cursor":"c=1"}`)
		case "c=1":
			_, _ = io.WriteString(w, `{"data":[{"id":"pay_3"}],"has_more":false}`)
		}
	})
	var ids []string
	for payment, err := range client.Payments.All(t.Context(), PaymentFilter{
		State: PaymentStateSucceeded, From: time.Unix(1, 0).UTC(), AmountMin: 9007199254740991,
	}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, payment.ID)
	}
	const filter = "amount_min=9007199254740991&"
	rest := "from=1970-01-01T00%3A00%3A01Z&state=succeeded"
	if strings.Join(ids, " ") != "pay_1 pay_2 pay_3" || len(asked) != 2 || asked[0] != filter+rest ||
		asked[1] != filter+"cursor=c%3D1&"+rest {
		t.Errorf("%s by %q", ids, asked)
	}
	if _, err := client.Payments.Get(t.Context(), ""); err == nil {
		t.Error("an empty id is taken")
	}
	for _, id := range []string{"..", "."} {
		if _, err := client.Payments.Void(t.Context(), id); err == nil {
			t.Errorf("id %q is taken", id)
		}
	}
}

// TestFollow loses no event: over trouble it goes on from where it was, and a fresh one from the kept cursor.
func TestFollow(t *testing.T) {
	t.Parallel()
	page := func(cursor string, more bool, ids ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			events := []Event{}
			for _, id := range ids {
				events = append(events, Event{ID: id, Kind: "payment.succeeded", Data: json.RawMessage(`{"id":"pay_1"}`)})
			}
			if r.URL.Query().Get("limit") != "100" {
				t.Errorf("asked for %s", r.URL.RawQuery)
			}
			_ = json.NewEncoder(w).Encode(PageEvent{Data: events, HasMore: more, NextCursor: cursor})
		}
	}
	refused := problem(403, "auth.key_invalid", false)
	client, _, _ := troubled(t, page("a", true, "evt_1", "evt_2"), page("b", false, "evt_3"), refused, page("b", false),
		page("c", false, "evt_4"))
	var ids []string
	kept, troubles := "", 0
	for page, err := range client.Events.Follow(t.Context(), EventFilter{}) {
		if err != nil {
			troubles++
			continue
		}
		for _, event := range page.Data {
			ids = append(ids, event.ID)
			if payment, err := event.Payment(); err != nil || payment.ID != "pay_1" {
				t.Errorf("%v %v", payment, err)
			}
			if _, err := event.Refund(); err == nil {
				t.Error("a payment is read as a refund")
			}
		}
		if kept = page.NextCursor; kept == "c" {
			break
		}
	}
	if strings.Join(ids, " ") != "evt_1 evt_2 evt_3 evt_4" || troubles != 1 {
		t.Errorf("%s with %d troubles", ids, troubles)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for page, err := range client.Events.Follow(ctx, EventFilter{Cursor: kept}) {
		t.Errorf("it goes on after the end: %v %v", page, err)
	}
}

func TestParsePaymentCode(t *testing.T) {
	t.Parallel()
	if code, err := ParsePaymentCode(
		" 9500 0000 0000 0457 8358 9618\n",
	); err != nil ||
		code != "950000000000045783589618" {
		t.Errorf("%s %v", code, err)
	}
	for _, wrong := range []string{"", "950000000000045783589619", "6901234567892", "95000000000004578358961x", "850000000000045783589618"} {
		if _, err := ParsePaymentCode(wrong); !errors.Is(err, ErrNotPaymentCode) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
