package ledger

import (
	"math/bits"
	"strings"
)

// A posting is found without an index by account. The account keeps its path: the transfer ids of its newest posting n,
// of posting n with its lowest one-bit cleared, and so on down to a single bit. Each posting points to prev (posting
// n−1) and, where n is even, to jump (posting n with its lowest one-bit cleared); for odd n the two are the same.
// Walking back, a jump is taken where it does not pass the wanted place, so any earlier posting is reached in O(log² n)
// steps; a new posting costs the same whatever the history.

// path is the path of an account as it is stored: transfer ids, newest first, separated by spaces.
type path string

// place is where a new posting stands on its account.
type place struct {
	n          int64
	prev, jump string
	path       path
}

// extend returns the place of posting n+1 on the path of posting n.
func (p path) extend(n int64, transfer string) place {
	at := place{n: n + 1}
	at.prev, _ = p.cut()
	rest := p
	skip := bits.TrailingZeros64(uint64(n + 1)) //nolint:gosec // a posting number is positive
	for range skip {
		_, rest = rest.cut()
	}
	if skip > 0 {
		at.jump, _ = rest.cut()
	}
	at.path = path(transfer)
	if rest != "" {
		at.path += " " + rest
	}
	return at
}

// cut returns the newest transfer of a path and the path behind it; both are "" at its end.
func (p path) cut() (newest string, rest path) {
	first, behind, _ := strings.Cut(string(p), " ")
	return first, path(behind)
}
