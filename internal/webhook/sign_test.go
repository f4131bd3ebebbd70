package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/webhook"
)

// TestSign_vectors holds testdata/signatures.json, which every SDK checks too. The first vector is the one that
// libraries of Standard Webhooks publish.
func TestSign_vectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/signatures.json")
	must(t, err)
	var vectors []struct {
		Name, Secret, ID, Body, Signature string
		Timestamp                         int64
	}
	must(t, json.Unmarshal(text, &vectors))
	if len(vectors) < 4 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v.Secret, webhook.SecretPrefix))
		must(t, err)
		at := time.Unix(v.Timestamp, 0)
		if got := webhook.Sign(key, v.ID, at, []byte(v.Body)); got != v.Signature {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Signature)
		}
		header := func() http.Header {
			return http.Header{
				"Webhook-Id": {v.ID}, "Webhook-Timestamp": {strconv.FormatInt(v.Timestamp, 10)},
				"Webhook-Signature": {"v1,AAAA " + v.Signature + " v2,BBBB"},
			}
		}
		if err := verify(v.Secret, header(), v.Body, at); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		for name, change := range map[string]func(h http.Header) string{
			"Body": func(http.Header) string { return v.Body + " " },
			"ID":   func(h http.Header) string { h.Set("Webhook-Id", v.ID+"0"); return v.Body },
			"Timestamp": func(h http.Header) string {
				h.Set("Webhook-Timestamp", strconv.FormatInt(v.Timestamp+1, 10))
				return v.Body
			},
			"Signature": func(h http.Header) string { h.Set("Webhook-Signature", "v1,"+v.Signature[4:]); return v.Body },
			"Version":   func(h http.Header) string { h.Set("Webhook-Signature", "v1a"+v.Signature[2:]); return v.Body },
			"None":      func(h http.Header) string { h.Del("Webhook-Signature"); return v.Body },
			"Boundary": func(h http.Header) string { // id and timestamp can't flow into each other
				h.Set("Webhook-Id", v.ID+"."+strconv.FormatInt(v.Timestamp, 10))
				return v.Body
			},
		} {
			changed := header()
			body := change(changed)
			if verify(v.Secret, changed, body, at) == nil {
				t.Errorf("%s: a changed %s passes", v.Name, name)
			}
		}
		for _, off := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
			if verify(v.Secret, header(), v.Body, at.Add(off)) == nil {
				t.Errorf("%s: replayed %v later it passes", v.Name, off)
			}
		}
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	one, two := webhook.NewSecret(), webhook.NewSecret()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "whsec_"))
	if err != nil || len(key) != 32 || one == two || webhook.FormatSecret(key) != one {
		t.Errorf("%d bytes, %v", len(key), err)
	}
}
