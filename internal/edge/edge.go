// Package edge guards the doors before anybody's business is looked at: how often who may call (rate.go), who
// behaves like an intruder (watch.go, rules.go) and is kept out for a while (block.go), how many connections
// there may be (listener.go), and, where an operator wants it, a web application firewall (waf.go).
//
// What may happen how often is data: Classes and Rules are the tables, and docs/edge.md shows them.
package edge

import (
	"net/netip"
	"slices"
)

// PrefixOf returns the network that a caller is counted and blocked by: an IPv4 address, and of IPv6 the /64, since
// a household has all addresses of one.
func PrefixOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// nameOf writes a network as it is stored: a single address without its length.
func nameOf(prefix netip.Prefix) string {
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

// Guarded are the networks that are never blocked: loopback, and the operator's proxies, behind which everybody is.
type Guarded []netip.Prefix

// Has reports whether a network is, or holds, or lies within, one that is never blocked.
func (g Guarded) Has(prefix netip.Prefix) bool {
	address := prefix.Addr()
	return !prefix.IsValid() || address.IsLoopback() || address.IsUnspecified() ||
		slices.ContainsFunc(g, func(guarded netip.Prefix) bool { return guarded.Overlaps(prefix) })
}
