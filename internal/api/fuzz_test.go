package api_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
)

// FuzzBody sends any bytes as a body: the answer is always 201 or a refusal as documented, and what passes
// is what the plain JSON reader sees too.
func FuzzBody(f *testing.F) {
	server, _ := newServer(f)
	for _, seed := range []string{
		goodBody, "", "{}", "[]", `{"amount":1e3}`, `{"amount":1,"amount":2}`, `{"lines":[{"x":[[[[]]]]}]}`,
		`{"amount":1,"currency":"JPY","reference":"\ud83d\ude00","metadata":{"a":"b"},"note":null}`,
		"{\"amount\":1,\"currency\":\"\xff\"}", strings.Repeat("[", 5000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := apitest.Call(t, server, post(body))
		switch answer.Status {
		case 400, 413:
		case 201:
			var sent struct {
				Amount    int64  `json:"amount"`
				Currency  string `json:"currency"`
				Reference string `json:"reference"`
			}
			var got receipt
			answer.JSON(t, &got)
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatalf("accepted what is not JSON: %v", err)
			}
			if got.Minor != sent.Amount || string(got.Currency) != sent.Currency || got.Reference != sent.Reference {
				t.Fatalf("%s was read as %s", body, answer.Body)
			}
			if got.Minor < 1 || got.Reference == "" || bytes.Contains(answer.Body, []byte(`\u0000`)) {
				t.Fatalf("accepted %s", body)
			}
		default:
			t.Fatalf("status %d: %s", answer.Status, answer.Body)
		}
	})
}

// FuzzCursor reads any text as a cursor: what passes writes itself again.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "!", "AAA", api.Cursor("pay_01kanq4j3qf8yt0v5d7r2m9xce").String()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var cursor api.Cursor
		if err := cursor.UnmarshalText([]byte(text)); err != nil {
			if cursor != "" {
				t.Fatalf("%q: %q beside an error", text, cursor)
			}
			return
		}
		var back api.Cursor
		if err := back.UnmarshalText([]byte(cursor.String())); err != nil || back != cursor {
			t.Fatalf("%q → %q → %q, %v", text, cursor, back, err)
		}
	})
}

// FuzzQuery sends any query: the answer is always 200 or a refusal as documented.
func FuzzQuery(f *testing.F) {
	server, _ := newServer(f)
	for _, seed := range []string{"", "limit=1", "limit=%31&cursor=YQ", "from=2026-11-22T00:00:00Z", "a=%ff;b", "%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/receipts", nil)
		request.Header.Set("Authorization", "Bearer merchant")
		request.URL = &url.URL{Path: "/v1/receipts", RawQuery: query}
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		answer := apitest.Answer{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.Bytes()}
		if err := apitest.Verify(server.OpenAPI(), request, answer); err != nil {
			t.Fatal(err)
		}
		if recorder.Code != 200 && recorder.Code != 400 {
			t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
		}
	})
}

// FuzzForwarded invents any X-Forwarded-For: to the left of what our proxy adds, none of it is believed.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "10.0.0.2", "192.0.2.1, 10.0.0.2", "[::1]:5,", "unknown", "::ffff:10.0.0.1%eth0", ",,,"} {
		f.Add(seed)
	}
	server := addressServer(f, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	f.Fuzz(func(t *testing.T, invented string) {
		if got := addressSeen(t, server, "10.0.0.1:4711", []string{invented, "203.0.113.9, 10.0.0.2"}); got != "203.0.113.9" {
			t.Errorf("behind %q: %s", invented, got)
		}
		if got := addressSeen(t, server, "198.51.100.7:1", []string{invented}); got != "198.51.100.7" {
			t.Errorf("a stranger says %q: %s", invented, got)
		}
	})
}
