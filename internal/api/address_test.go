package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
)

// TestAddress: where a request comes from is what our peer is, or what trusted proxies say, read from the right; of IPv6
// the network that one household has.
func TestAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, test := range map[string]struct {
		trusted []netip.Prefix
		peer    string
		said    []string
		want    string
	}{
		"NoneTrusted":       {nil, "10.0.0.1:4711", []string{"203.0.113.9"}, "10.0.0.1"},
		"NoProxy":           {proxies, "198.51.100.7:4711", nil, "198.51.100.7"},
		"StrangerLies":      {proxies, "198.51.100.7:4711", []string{"203.0.113.9"}, "198.51.100.7"},
		"ProxySaysNothing":  {proxies, "10.0.0.1:4711", nil, "10.0.0.1"},
		"OneProxy":          {proxies, "10.0.0.1:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		"CallerInvents":     {proxies, "10.0.0.1:4711", []string{"192.0.2.1, 10.0.0.3, 203.0.113.9"}, "203.0.113.9"},
		"TwoProxies":        {proxies, "10.0.0.1:4711", []string{"192.0.2.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"SeveralHeaders":    {proxies, "10.0.0.1:4711", []string{"192.0.2.1", "203.0.113.9,10.0.0.2"}, "203.0.113.9"},
		"HeaderOfInventor":  {proxies, "10.0.0.1:4711", []string{"10.0.0.9", "203.0.113.9"}, "203.0.113.9"},
		"AllTrusted":        {proxies, "10.0.0.1:4711", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"Unknown":           {proxies, "10.0.0.1:4711", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"UnknownBehind":     {proxies, "10.0.0.1:4711", []string{"203.0.113.9, nonsense, 10.0.0.2"}, "10.0.0.2"},
		"Empty":             {proxies, "10.0.0.1:4711", []string{""}, "10.0.0.1"},
		"Commas":            {proxies, "10.0.0.1:4711", []string{"203.0.113.9,,"}, "10.0.0.1"},
		"Port":              {proxies, "10.0.0.1:4711", []string{"203.0.113.9:55"}, "203.0.113.9"},
		"IPv6":              {proxies, "[fd00::1]:4711", []string{"2001:db8::0:1"}, "2001:db8::/64"},
		"IPv6Port":          {proxies, "[fd00::1]:4711", []string{"[2001:db8::1]:55"}, "2001:db8::/64"},
		"IPv6Brackets":      {proxies, "[fd00::1]:4711", []string{"[2001:db8::1]"}, "2001:db8::/64"},
		"Mapped":            {proxies, "[::ffff:10.0.0.1]:4711", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"Zone":              {proxies, "[fe80::1%eth0]:4711", []string{"203.0.113.9"}, "fe80::/64"},
		"NoAddress":         {proxies, "@", []string{"203.0.113.9"}, "@"},
		"LongList":          {proxies, "10.0.0.1:4711", []string{strings.Repeat("10.0.0.2,", 1000) + "203.0.113.9"}, "203.0.113.9"},
		"ForeignConvention": {proxies, "10.0.0.1:4711", []string{"for=203.0.113.9"}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := addressSeen(t, addressServer(t, test.trusted), test.peer, test.said); got != test.want {
				t.Errorf("the address is %s, want %s", got, test.want)
			}
		})
	}
	if address := api.AddressOf(t.Context()); address != "" {
		t.Errorf("outside a request: %q", address)
	}
}

// addressServer has a route that answers the address it sees.
func addressServer(t testing.TB, trusted []netip.Prefix) *api.Server {
	t.Helper()
	server, _ := newServer(t, func(o *api.Options) {
		o.TrustedProxies = trusted
		o.Endpoints = []api.Endpoint{api.Handle(api.Route{
			Method: "GET", Path: "/pay/v1/address", Actor: api.ActorPublic, Name: "address", Tag: "Test", Summary: "Address",
		}, func(ctx context.Context, _ *struct{}) (*whoami, error) {
			return &whoami{ID: api.AddressOf(ctx)}, nil
		})}
	})
	return server
}

func addressSeen(t testing.TB, server *api.Server, peer string, said []string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/pay/v1/address", nil)
	request.RemoteAddr, request.Header["X-Forwarded-For"] = peer, said
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	var seen whoami
	if err := json.Unmarshal(recorder.Body.Bytes(), &seen); err != nil {
		t.Fatalf("%s: %v", recorder.Body, err)
	}
	return seen.ID
}
