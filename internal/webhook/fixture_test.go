package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/webhook"
	"github.com/feiqian/feiqian/internal/webhook/sendhttp"
)

const shop = id.Merchant("mer_shop")

// node is one node of an instance.
type node struct {
	*webhook.Webhooks
	outbox *outbox.Outbox
	clock  *clock.Clock
	db     *sqldb.DB
}

// newNode makes a node that does not deliver yet. Nodes of one instance share keys.
func newNode(t testing.TB, db *sqldb.DB, keys string) *node {
	t.Helper()
	v, err := vault.OpenOrCreate(keys)
	must(t, err)
	n := &node{clock: &clock.Clock{}, db: db}
	c := commit.New(db, n.clock, commit.Options{})
	n.outbox = outbox.New(c, db)
	n.Webhooks = webhook.New(webhook.Parts{
		Committer: c, DB: db, Clock: n.clock, Log: slog.New(slog.DiscardHandler), Vault: v, Outbox: n.outbox,
		Sender: sendhttp.New(true),
	})
	must(t, c.Start(t.Context()))
	t.Cleanup(c.Close)
	return n
}

func keysIn(t testing.TB) string { t.Helper(); return filepath.Join(t.TempDir(), "vault.key") }

// deliver runs the node until the test ends.
func (n *node) deliver(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// start is a node that delivers.
func start(t testing.TB, db *sqldb.DB) *node {
	t.Helper()
	n := newNode(t, db, keysIn(t))
	n.deliver(t)
	return n
}

// endpoint makes one for url.
func (n *node) endpoint(t testing.TB, url string, kinds ...string) (webhook.Endpoint, string) {
	t.Helper()
	e, secret, err := n.Create(t.Context(), webhook.NewEndpoint{Merchant: shop, URL: url, Kinds: kinds})
	must(t, err)
	return e, secret
}

// happen announces events, each in a decision of its own, and returns their ids.
func (n *node) happen(t testing.TB, kind string, count int) []id.Event {
	t.Helper()
	var out []id.Event
	for i := range count {
		must(t, n.Committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
			subject := fmt.Sprintf("pay_%d", i)
			a, err := n.outbox.Announce(tx, outbox.Event{Kind: kind, Merchant: shop, Subject: subject},
				map[string]string{"id": subject, "description": "茶 \"for\" two"})
			if err == nil {
				out = append(out, a.Event)
			}
			return err
		}))
	}
	return out
}

// log returns an endpoint's deliveries, newest first.
func (n *node) log(t testing.TB, e webhook.Endpoint) []webhook.Delivery {
	t.Helper()
	list, _, err := n.Deliveries(t.Context(), webhook.DeliveryQuery{Endpoint: e.ID, Limit: 10_000})
	must(t, err)
	return list
}

// logged waits until the log has count deliveries.
func (n *node) logged(t testing.TB, e webhook.Endpoint, count int) []webhook.Delivery {
	t.Helper()
	var list []webhook.Delivery
	eventually(t, func() bool { list = n.log(t, e); return len(list) >= count }, func() string {
		return fmt.Sprintf("%d deliveries of %d: %+v", len(list), count, list)
	})
	if len(list) != count {
		t.Fatalf("%d deliveries, want %d: %+v", len(list), count, list)
	}
	return list
}

// is waits until an endpoint is in a state.
func (n *node) is(t testing.TB, e webhook.Endpoint, want webhook.State, why webhook.Reason) webhook.Endpoint {
	t.Helper()
	var now webhook.Endpoint
	eventually(t, func() bool {
		var err error
		now, err = n.Get(t.Context(), shop, e.ID)
		must(t, err)
		return now.State == want && now.Reason == why
	}, func() string { return fmt.Sprintf("%+v", now) })
	return now
}

// count returns the number that a query counts.
func (n *node) count(t testing.TB, query string) int {
	t.Helper()
	var rows int
	must(t, n.db.Read.QueryRowContext(t.Context(), query).Scan(&rows))
	return rows
}

func eventually(t testing.TB, done func() bool, what func() string) {
	t.Helper()
	for range 1500 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come: " + what())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, code string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// call is one request as a merchant's server sees it.
type call struct {
	header http.Header
	body   string
}

func (c call) id() id.Event { return id.Event(c.header.Get("Webhook-Id")) }

// sink is a merchant's server.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

// newSink serves answer, 204 where it is nil.
func newSink(t testing.TB, answer http.HandlerFunc) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.calls = append(s.calls, call{header: r.Header.Clone(), body: string(body)})
		s.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) all() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call{}, s.calls...)
}

func (s *sink) got(t testing.TB, count int) []call {
	t.Helper()
	eventually(t, func() bool { return len(s.all()) >= count }, func() string {
		return fmt.Sprintf("%d calls of %d", len(s.all()), count)
	})
	return s.all()
}

// verify is what a receiver does (Standard Webhooks, "Verifying webhook authenticity").
func verify(secret string, header http.Header, body string, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, webhook.SecretPrefix))
	if err != nil {
		return err
	}
	var seconds int64
	if _, err := fmt.Sscan(header.Get("Webhook-Timestamp"), &seconds); err != nil {
		return err
	}
	at := time.Unix(seconds, 0)
	if now.Sub(at).Abs() > 5*time.Minute {
		return errors.New("too old or too new")
	}
	want := webhook.Sign(key, header.Get("Webhook-Id"), at, []byte(body))
	for signature := range strings.FieldsSeq(header.Get("Webhook-Signature")) {
		if signature == want {
			return nil
		}
	}
	return errors.New("no signature holds")
}
