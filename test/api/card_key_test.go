package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
	"github.com/feiqian/feiqian/internal/vault"
)

// TestDataKeys rotates the key of card numbers through the staff's door while cards are bound.
func TestDataKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, admin := w.person(t, 0), w.staff(t, party.RoleAdmin)
		w.bound(t, p, w.debit(t, p, 0))
		why := map[string]any{"reason": "once a year"}
		rotate := apitest.Request{Method: "POST", Path: "/ops/v1/keys/card.pan/rotations", Token: admin, Body: why}
		retire := apitest.Request{Method: "POST", Path: "/ops/v1/keys/card.pan/versions/1/retire", Token: admin, Body: why}
		w.refused(t, 409, "vault.key_active", retire)
		var key vault.Key
		w.done(t, 201, rotate, &key)
		if key.Version != 2 || key.State != vault.KeyActive || key.Store != vault.LocalStore {
			t.Errorf("%+v", key)
		}
		w.bound(t, p, w.debit(t, p, 0))
		w.call(t, retire).Problem(t, 409, "vault.key_too_fresh")
		w.Clock.Advance(vault.RetireAfter)
		var list struct {
			Data []vault.Key `json:"data"`
		}
		eventually(t, "the old key is free", func() bool {
			keys, err := w.Vault.Keys(t.Context())
			must(t, err)
			list.Data = slices.DeleteFunc(keys, func(k vault.Key) bool { return k.Purpose != "card.pan" }) // others seal too
			return len(list.Data) > 1 && list.Data[0].Rows == 0 && list.Data[1].Rows == 2
		})
		w.ok(t, 200, get("/ops/v1/keys", admin), &list)
		if len(list.Data) < 2 {
			t.Errorf("%+v", list.Data)
		}
		w.done(t, 200, retire, &key)
		if key.State != vault.KeyRetired {
			t.Errorf("%+v", key)
		}
		w.refused(
			t,
			404,
			"vault.key_not_found",
			apitest.Request{Method: "POST", Path: "/ops/v1/keys/card.pan/versions/9/retire", Token: admin, Body: why},
		)
		w.refused(
			t,
			404,
			"vault.purpose_unknown",
			apitest.Request{Method: "POST", Path: "/ops/v1/keys/nothing/rotations", Token: admin, Body: why},
		)
		w.refused(t, 409, "vault.key_retired", retire)
	}, alone)
}

// captured collects log lines.
type captured struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *captured) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// collector takes traces as OTLP over HTTP (protobuf, in which texts stand as they are) and keeps their bytes.
func collector(t *testing.T) (endpoint string, kept *captured) {
	t.Helper()
	kept = &captured{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(kept, r.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1/traces", kept
}

// TestNumberNowhere plays everything that a card can go through and then looks for its number, document and code: in
// every cell of every table, in the log at debug level, in every trace, in every answer. It sets the log of the whole process and so
// does not run beside other tests.
//
//nolint:paralleltest // see above
func TestNumberNowhere(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			log := &captured{}
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			defer slog.SetDefault(before)
			endpoint, traces := collector(t)
			w := start(t, engine, func(c *config.Config) { c.OTLPEndpoint = endpoint })
			numbers, answers := w.playCards(t)
			if len(numbers) < 10 || log.String() == "" && len(answers) == 0 {
				t.Fatalf("%d numbers, %d answers", len(numbers), len(answers))
			}
			w.send(t, get("/wallet/v1/the-last-one", ""))
			eventually(t, "the last trace", func() bool { return strings.Contains(traces.String(), "the-last-one") })
			stored := w.everything(t)
			for _, secret := range numbers {
				for where, text := range map[string]string{
					"table": stored, "answers": strings.Join(answers, "\n"), "log": log.String(), "traces": traces.String(),
				} {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("%s stands in the %s: …%s…", secret, where, text[max(0, at-80):min(len(text), at+80)])
					}
				}
			}
			if !strings.Contains(stored, "622202") {
				t.Error("the masks were not found: what is looked through is not what is stored")
			}
		})
	}
}

// playCards binds, mistypes, confirms, unbinds and meets every fault; it returns what must stand nowhere, and all answers.
func (w *world) playCards(t *testing.T) (secrets, answers []string) {
	t.Helper()
	send := func(call apitest.Request) {
		_, answer := w.send(t, call)
		answers = append(answers, string(answer.Body), fmt.Sprint(answer.Header))
	}
	for _, magic := range []int{0, 901, 904, 905, 913, 914, 915, 922} {
		p := w.person(t, 0)
		plastic := w.debit(t, p, magic)
		secrets = append(secrets, plastic.Number, plastic.Number[6:15])
		spaced := plastic
		spaced.Number = plastic.Number[:4] + " " + plastic.Number[4:]
		wrong := plastic
		wrong.Holder = "Somebody Else"
		mistyped := plastic
		mistyped.Number = plastic.Number + "x"
		long := plastic
		long.Number = strings.Repeat(plastic.Number, 3)
		for _, other := range []issuer.Card{wrong, mistyped, long, spaced} {
			send(p.bindCard(other))
		}
		for _, broken := range []string{`{"number":%q`, `{"number":{"a":%q}}`, `{%q:1}`, `[%q]`} {
			call := p.bindCard(plastic)
			call.Body = fmt.Sprintf(broken, plastic.Number)
			send(call)
		}
		cards := struct {
			Data []card.Card `json:"data"`
		}{}
		w.ok(t, 200, get("/wallet/v1/cards", p.token), &cards)
		if len(cards.Data) == 0 {
			continue
		}
		name := cards.Data[0].ID
		send(p.card("POST", name, "/confirm", map[string]any{"code": "0000"}))
		send(w.confirmCard(t, p, name))
		send(p.bindCard(plastic))
		w.Clock.Advance(11 * time.Second)
		time.Sleep(50 * time.Millisecond)
		if magic != 0 {
			send(p.card("DELETE", name, "", nil))
		}
		send(p.card("GET", name, "", nil))
		send(p.card("GET", name, "/agreement", nil))
	}
	return append(secrets, "11010519491231002X"), answers
}

// everything returns every cell of every table, blobs as they are and as hex.
func (w *world) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for table, columns := range w.tables(t) {
		rows, err := w.DB.Read.QueryContext(
			context.WithoutCancel(t.Context()),
			"SELECT "+strings.Join(columns, ", ")+" FROM "+table,
		)
		must(t, err)
		defer rows.Close()
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			must(t, rows.Scan(into...))
			for _, value := range values {
				if blob, isBlob := value.([]byte); isBlob {
					fmt.Fprintf(&all, "%s\n%x\n", blob, blob)
				} else {
					fmt.Fprintf(&all, "%v\n", value)
				}
			}
		}
		must(t, rows.Err())
	}
	return all.String()
}
