package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/party"
	feiqian "github.com/feiqian/feiqian/sdk/go"
)

func dated(call apitest.Request, version string) apitest.Request {
	call.Header = map[string]string{apiversion.Header: version}
	return call
}

// TestVersions answers in the form that a merchant asks for: acts, replays, lists, events and webhooks alike. Nothing is
// done in a version that there is not.
func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s := w.shop(t, party.NewMerchant{})
		const oldest, zero = "2026-11-23", `"uses_max":0`
		if feiqian.APIVersion != apiversion.Newest() {
			t.Errorf("the SDK is made for %s", feiqian.APIVersion)
		}
		create := apitest.Request{
			Method: "POST", Path: "/v1/payment_links", Token: s.token, Key: w.key(), Body: map[string]any{"description": "<茶>"},
		}
		w.quiet(t)
		for _, unknown := range []string{"2026-11-24", "latest", ""} {
			w.refused(t, 400, "request.unknown_version", dated(create, unknown))
		}
		var mu sync.Mutex
		var got []string
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
			body, err := io.ReadAll(request.Body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, request.Header.Get(apiversion.Header)+" "+string(body))
		}))
		t.Cleanup(hook.Close)
		for _, version := range apiversion.Versions() {
			w.ok(t, 201, s.hook("POST", "", map[string]any{
				"url": hook.URL + "/" + version, "kinds": []string{"payment_link.created"}, "api_version": version,
			}), nil)
		}
		newest := w.ok(t, 201, create, nil)
		_, before := w.send(t, dated(create, oldest)) // the same act again, in the older form
		if before.Status != 201 || before.Header.Get("Idempotent-Replayed") != "true" ||
			before.Header.Get(apiversion.Header) != oldest || !strings.Contains(string(before.Body), zero) ||
			!strings.Contains(string(before.Body), `"amount":0`) || !strings.Contains(string(before.Body), "<茶>") {
			t.Errorf("%d %v %s", before.Status, before.Header, before.Body)
		}
		if strings.Contains(string(newest.Body), zero) || newest.Header.Get(apiversion.Header) != apiversion.Newest() {
			t.Errorf("%v %s", newest.Header, newest.Body)
		}
		w.ok(t, 201, dated(create, apiversion.Newest()), nil)
		for _, path := range []string{"/v1/payment_links", "/v1/events?kind=payment_link.created"} {
			if _, list := w.send(t, dated(get(path, s.token), oldest)); !strings.Contains(string(list.Body), zero) {
				t.Errorf("%s in the older form: %s", path, list.Body)
			}
			if list := w.ok(t, 200, get(path, s.token), nil); strings.Contains(string(list.Body), zero) {
				t.Errorf("%s in the newest form: %s", path, list.Body)
			}
		}
		eventually(t, "the webhooks", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == len(apiversion.Versions())
		})
		mu.Lock()
		defer mu.Unlock()
		for _, text := range got {
			version, body, _ := strings.Cut(text, " ")
			_, polled := w.send(t, dated(get("/v1/events?kind=payment_link.created", s.token), version))
			var events api.Page[json.RawMessage]
			must(t, json.Unmarshal(polled.Body, &events))
			if strings.Contains(body, zero) != (version == oldest) || string(events.Data[0]) != body {
				t.Errorf("the webhook of %s says %s, the list %s", version, body, events.Data[0])
			}
		}
	})
}
