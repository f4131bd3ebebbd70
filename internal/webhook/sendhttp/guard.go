package sendhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
)

// errRefused is why a dial ended before it began.
var errRefused = errors.New("nothing is sent to this address")

// guard checks the address that is really dialled, name servers or no.
func guard(sandbox bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if network != "tcp4" && network != "tcp6" {
			return errRefused
		}
		port, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(port.Addr(), sandbox) {
			return errRefused
		}
		return nil
	}
}

// refused are the networks that are not the public internet, or lead around it: the IANA special-purpose registries
// (RFC 6890 and its updates), and the one metadata address that is outside them.
var refused = prefixes( //nolint:gochecknoglobals // a table
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure's wire server
	"::/96",            // unspecified, loopback, IPv4-compatible
	"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// allowed reports whether something may be sent to an address. An IPv4 address in IPv6 clothes is the IPv4 address.
func allowed(address netip.Addr, sandbox bool) bool {
	address = address.Unmap().WithZone("")
	if sandbox && address.IsLoopback() {
		return true
	}
	for _, network := range refused {
		if network.Contains(address) {
			return false
		}
	}
	return address.IsValid()
}

// newBody makes a body that can be sent again where a kept connection was closed under it.
func newBody(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
