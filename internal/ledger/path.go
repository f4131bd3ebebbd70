package ledger

import (
	"math/bits"
	"slices"
	"strings"
)

// A posting is found without an index by account. The account keeps its path: the transfer ids of
// its newest posting n, of posting n with its lowest one-bit cleared, and so on down to a single bit. Each posting
// points to prev (posting n−1) and, where n is even, to jump (posting n with its lowest one-bit
// cleared); for odd n the two are the same. Walking back, a jump is taken where it does not pass the wanted
// place, so any
// earlier posting is reached in O(log² n) steps; a new posting costs the same whatever the history.

// step is one node of a path: an immutable list, newest first, so that taking a decision back is
// free. The nil step is the empty path.
type step struct {
	transfer string
	next     *step
}

// place is where a new posting stands on its account.
type place struct {
	n          int64
	prev, jump string
	path       *step
}

// extend returns the place of posting n+1 on the path of posting n.
func (s *step) extend(n int64, transfer string) place {
	p := place{n: n + 1}
	if s != nil {
		p.prev = s.transfer
	}
	rest := s
	skip := bits.TrailingZeros64(uint64(n + 1)) //nolint:gosec // a posting number is positive
	for range skip {
		rest = rest.next
	}
	if rest != nil && skip > 0 {
		p.jump = rest.transfer
	}
	p.path = &step{transfer: transfer, next: rest}
	return p
}

// String writes the path for storage: transfer ids, newest first, separated by spaces.
func (s *step) String() string {
	var b strings.Builder
	for ; s != nil; s = s.next {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s.transfer)
	}
	return b.String()
}

func parsePath(text string) *step {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, " ")
	var head *step
	for _, part := range slices.Backward(parts) {
		head = &step{transfer: part, next: head}
	}
	return head
}
