package ledger

import (
	"maps"
	"slices"
	"time"
)

// chain is an account as its postings make it. They come in the order of their transfers' ids, which is not
// that of their numbers (ids are made before the commit, on many nodes), so postings that come
// early wait for those before them.
type chain struct {
	n               int64
	balance         int64 // on the normal side, as the newest posting has it
	debits, credits int64
	path            path
	at              time.Time
	waiting         map[int64]sided
	broken          bool // a gap was found: sums are still taken, the chain is not followed
	pendingDebits   int64
	pendingCredits  int64
}

// link is one side of a transfer: a posting with its pointers.
type link struct {
	transfer   string
	at         time.Time
	amount     int64
	n, balance int64
	prev, jump string
}

type sided struct {
	link

	side Side
}

// waitingMax bounds the postings of one account that wait for an earlier one.
const waitingMax = 200_000

func (v *verification) chainOf(account AccountID) *chain {
	c := v.accounts[account]
	if c == nil {
		c = &chain{}
		v.accounts[account] = c
	}
	return c
}

// post adds one posting to its account and follows the chain as far as it goes.
func (v *verification) post(account AccountID, side Side, l link) {
	c := v.chainOf(account)
	if side == Debit {
		c.debits += l.amount
	} else {
		c.credits += l.amount
	}
	if c.broken {
		return
	}
	normal := v.chart[account.Code()].Side
	if l.n == c.n+1 {
		v.follow(account, c, normal, sided{link: l, side: side})
		for len(c.waiting) > 0 {
			next, there := c.waiting[c.n+1]
			if !there {
				break
			}
			delete(c.waiting, c.n+1)
			v.follow(account, c, normal, next)
		}
		return
	}
	if other, twice := c.waiting[l.n]; twice || l.n <= c.n {
		v.fail("chain", string(account), "posting %d is there twice, as transfers %q and %s", l.n, other.transfer, l.transfer)
		c.broken = true
		return
	}
	if c.waiting == nil {
		c.waiting = map[int64]sided{}
	}
	c.waiting[l.n] = sided{link: l, side: side}
	if len(c.waiting) > waitingMax {
		v.breakChain(account, c)
	}
}

// follow checks the next posting of an account. Where the stored balance differs it goes on from that, so that one
// wrong posting is one failure.
func (v *verification) follow(account AccountID, c *chain, normal Side, l sided) {
	delta := l.amount
	if l.side != normal {
		delta = -delta
	}
	want := c.path.extend(c.n, l.transfer)
	if l.balance != c.balance+delta {
		v.fail("chain", l.transfer, "posting %d of %s has balance %d, %d follows from the postings before",
			l.n, account, l.balance, c.balance+delta)
	}
	if l.prev != want.prev {
		v.fail("chain", l.transfer, "posting %d of %s points back to %q, not to %q", l.n, account, l.prev, want.prev)
	}
	if l.jump != want.jump {
		v.fail("chain", l.transfer, "posting %d of %s jumps to %q, not to %q", l.n, account, l.jump, want.jump)
	}
	if l.at.Before(c.at) {
		v.fail("chain", l.transfer, "posting %d of %s is older than the one before it", l.n, account)
	}
	c.n, c.balance, c.path, c.at = want.n, l.balance, want.path, l.at
}

// breakChain reports the posting that the waiting ones wait for, and how many came before it: with waitingMax of them
// it may yet come, by an id that is far out of the order of time.
func (v *verification) breakChain(account AccountID, c *chain) {
	first := slices.Min(slices.Collect(maps.Keys(c.waiting)))
	v.fail("chain", string(account),
		"posting %d is missing; the next one is %d, transfer %s; later ones that came first: %d",
		c.n+1, first, c.waiting[first].transfer, len(c.waiting))
	c.broken, c.waiting = true, nil
}
