package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/feiqian/feiqian/internal/edge"
)

// AddressOf returns the network address that the request of ctx is counted by; "" outside a request. Of IPv6 it is the
// /64: a household has all addresses of one, and would otherwise have as many tries. What a proxy says of it
// (X-Forwarded-For) is believed of trusted proxies only, see Options.TrustedProxies.
func AddressOf(ctx context.Context) string {
	c, ok := ctx.Value(contextKey{}).(*requestContext)
	if !ok {
		return ""
	}
	text := addressOf(c.exchange.request, c.exchange.server.options.TrustedProxies)
	if address, err := netip.ParseAddr(text); err == nil && address.Is6() {
		return edge.PrefixOf(address).String()
	}
	return text
}

// addressOf walks from our peer towards the caller for as long as trusted proxies tell the way. Each proxy adds
// whom it heard to the right of X-Forwarded-For, so what a caller invented stands further left than the
// first address that is not trusted, and is never reached.
func addressOf(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	address = plainAddress(address)
	said := strings.Join(r.Header["X-Forwarded-For"], ",") // several headers are one list, RFC 9110 §5.3
	for said != "" && isTrusted(address, trusted) {
		last := strings.LastIndexByte(said, ',')
		next, ok := parseForwarded(said[last+1:])
		if !ok {
			break // nobody we trust says where it came from before
		}
		address, said = next, said[:max(last, 0)]
	}
	return address.String()
}

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseForwarded reads one element of X-Forwarded-For: an address, which some proxies give with a port.
func parseForwarded(element string) (netip.Addr, bool) {
	element = strings.Trim(element, " \t")
	if withPort, err := netip.ParseAddrPort(element); err == nil {
		return plainAddress(withPort.Addr()), true
	}
	if inner, ok := strings.CutPrefix(element, "["); ok {
		element = strings.TrimSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(element)
	return plainAddress(address), err == nil
}

// plainAddress gives the forms of one address the same text: ::ffff:10.0.0.1 is 10.0.0.1, and a zone is left out.
func plainAddress(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }
