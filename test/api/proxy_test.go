package api_test

import (
	"fmt"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/config"
)

// TestProxy: the limits by address count whom a trusted proxy names; without one, all behind it count as one.
func TestProxy(t *testing.T) {
	t.Parallel()
	// register tries to register, with a number that is none, from the n-th address; what stands left of it is invented.
	register := func(t *testing.T, w *world, n int) int {
		t.Helper()
		answer := w.call(t, apitest.Request{
			Method: "POST", Path: "/wallet/v1/register",
			Header: map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d, 203.0.113.%d", w.next()%250, n)},
			Body:   `{"phone":"12345","name":"x","password":"correct horse","code_id":"none","code":"000000"}`,
		})
		if answer.Status == 429 {
			answer.Problem(t, 429, "request.too_many")
		} else {
			answer.Problem(t, 400, "party.bad_phone")
		}
		return answer.Status
	}
	limited := func(t *testing.T, w *world, address func(try int) int) bool {
		t.Helper()
		before := w.snapshot(t)
		defer func() { before.same(t, w.snapshot(t), "registrations that are refused") }()
		for try := range 200 {
			if register(t, w, address(try)) == 429 {
				return true
			}
		}
		return false
	}
	one, many := func(int) int { return 250 }, func(try int) int { return try }
	t.Run("Trusted", func(t *testing.T) {
		t.Parallel()
		each(t, func(t *testing.T, w *world) {
			if !limited(t, w, one) || limited(t, w, many) {
				t.Error("one address is limited, and only it")
			}
		}, func(c *config.Config) { c.TrustedProxies = "127.0.0.0/8" })
	})
	t.Run("NotTrusted", func(t *testing.T) {
		t.Parallel()
		each(t, func(t *testing.T, w *world) {
			if !limited(t, w, many) {
				t.Error("a header that nobody vouches for is believed")
			}
		})
	})
}
