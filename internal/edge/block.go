package edge

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Subject is whom a block keeps out: a network, or a caller by its id.
type Subject struct {
	network netip.Prefix
	caller  string
}

// AddressSubject is everybody at an address; see PrefixOf.
func AddressSubject(address netip.Addr) Subject { return Subject{network: PrefixOf(address)} }

// CallerSubject is one caller: a key (key_…), a customer, a merchant's user or a person of the staff.
func CallerSubject(name string) Subject { return Subject{caller: name} }

// String writes a subject as it is stored: address:203.0.113.7, caller:key_….
func (s Subject) String() string {
	switch {
	case s.network.IsValid():
		return "address:" + nameOf(s.network)
	case s.caller != "":
		return "caller:" + s.caller
	}
	return ""
}

// ParseSubject reads a subject. Errors: edge.bad_subject.
func ParseSubject(text string) (Subject, error) {
	bad := fault.New(fault.Invalid, "edge.bad_subject", "a subject is address:ADDRESS, address:NETWORK or caller:ID").
		WithParam("subject")
	if name, ok := strings.CutPrefix(text, "caller:"); ok {
		for _, parse := range []func(string) error{
			parsed[id.APIKey], parsed[id.Customer], parsed[id.MerchantUser], parsed[id.Application], parsed[id.Staff],
		} {
			if parse(name) == nil {
				return CallerSubject(name), nil
			}
		}
		return Subject{}, bad
	}
	name, ok := strings.CutPrefix(text, "address:")
	if !ok {
		return Subject{}, bad
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return AddressSubject(address), nil
	}
	network, err := netip.ParsePrefix(name)
	least := networkBits4Min
	if err == nil && network.Addr().Is6() {
		least = networkBits6Min
	}
	if err != nil || network.Addr().Is4In6() || network.Bits() < least {
		return Subject{}, bad
	}
	return Subject{network: network.Masked()}, nil
}

func parsed[T id.Kind](text string) error { _, err := id.Parse[T](text); return err }

// The largest networks that are blocked at once: a slip of a digit must not shut half the world out.
const (
	networkBits4Min = 16
	networkBits6Min = 32
	blockForMax     = 366 * 24 * time.Hour
	blocksMax       = 10_000 // in force at once, as a node keeps them in memory
	blocksShown     = 200
)

// Block keeps a subject out until an instant. There is one row for each subject; what was before is in the events.
type Block struct {
	ID      id.Block `json:"id"`
	Subject string   `json:"subject"`
	// Rule is the detector that met it, or "staff".
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"` // the person of the staff
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// BlockedByStaff is the rule of blocks by hand.
const BlockedByStaff = "staff"

// BlockRequest is a block by hand.
type BlockRequest struct {
	Subject string
	Reason  string
	Until   time.Time
	By      id.Staff
}

// Parts are what blocks are made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Outbox    *outbox.Outbox
	// Trail takes the records of blocks and of security events; nil keeps none.
	Trail *audit.Trail
	// Guarded is never blocked, nor is loopback.
	Guarded Guarded
}

// Blocks are who is kept out, on all nodes.
type Blocks struct {
	Parts
	table   *commit.Table[Block]
	active  atomic.Pointer[activeBlocks]
	refused prometheus.Counter
}

// activeBlocks is what a node knows; never changed in place.
type activeBlocks struct {
	exact    map[string]time.Time // by Subject.String
	networks []activeNetwork      // those larger than PrefixOf's
}

type activeNetwork struct {
	network netip.Prefix
	until   time.Time
}

// NewBlocks returns the blocks and registers their table: edge_blocks.
func NewBlocks(p Parts) *Blocks {
	b := &Blocks{Parts: p, table: commit.AddTable(p.Committer, "edge_blocks",
		commit.Text("id", func(r *Block) *string { return (*string)(&r.ID) }),
		commit.Text("subject", func(r *Block) *string { return &r.Subject }).Unique(),
		commit.Text("rule", func(r *Block) *string { return &r.Rule }).Mutable(),
		commit.Text("reason", func(r *Block) *string { return &r.Reason }).Mutable(),
		commit.Text("blocked_by", func(r *Block) *string { return &r.By }).Mutable(),
		commit.Instant("since", func(r *Block) *time.Time { return &r.Since }).Mutable(),
		commit.Instant("until", func(r *Block) *time.Time { return &r.Until }).Mutable(),
	), refused: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "feiqian_edge_blocked_total", Help: "Requests refused because their address or caller is blocked.",
	})}
	b.active.Store(&activeBlocks{})
	return b
}

// Collectors are the metrics of blocks.
func (b *Blocks) Collectors() []prometheus.Collector { return []prometheus.Collector{b.refused} }

// Any reports whether anybody is blocked at all: who is not asked for costs nothing.
func (b *Blocks) Any() bool {
	active := b.active.Load()
	return len(active.exact) > 0 || len(active.networks) > 0
}

// CheckAddress refuses a blocked address; what it knows is at most two seconds old. Errors: edge.blocked.
func (b *Blocks) CheckAddress(address netip.Addr) error {
	active, now := b.active.Load(), b.Clock.Now()
	subject := AddressSubject(address)
	if b.Guarded.Has(subject.network) {
		return nil
	}
	until := active.exact[subject.String()]
	for _, n := range active.networks {
		if n.network.Contains(address) && n.until.After(until) {
			until = n.until
		}
	}
	return b.refusal(until, now)
}

// CheckCaller refuses a blocked caller, as CheckAddress does. Errors: edge.blocked.
func (b *Blocks) CheckCaller(caller string) error {
	return b.refusal(b.active.Load().exact[CallerSubject(caller).String()], b.Clock.Now())
}

func (b *Blocks) refusal(until, now time.Time) error {
	if !until.After(now) {
		return nil
	}
	b.refused.Inc()
	return fault.New(fault.Forbidden, "edge.blocked", "this address or caller is kept out for a while").
		WithHint("wait, or ask the operator's support").WithRetryAfter(until.Sub(now))
}

// Refresh reads the blocks in force.
func (b *Blocks) Refresh(ctx context.Context) error {
	rows, err := b.readActive(ctx, blocksMax)
	if err != nil {
		return err
	}
	active := &activeBlocks{exact: make(map[string]time.Time, len(rows))}
	for _, row := range rows {
		subject, err := ParseSubject(row.Subject)
		if err != nil {
			continue // of a newer version
		}
		active.exact[row.Subject] = row.Until
		if subject.network.IsValid() && subject.network != PrefixOf(subject.network.Addr()) {
			active.networks = append(active.networks, activeNetwork{subject.network, row.Until})
		}
	}
	b.active.Store(active)
	return nil
}

// Block keeps a subject out by hand. Errors: edge.bad_subject, edge.guarded, edge.self_block, edge.bad_end,
// party.bad_reason.
func (b *Blocks) Block(ctx context.Context, r BlockRequest) (Block, error) {
	subject, err := ParseSubject(r.Subject)
	if err != nil {
		return Block{}, err
	}
	reason, err := party.ParseReason(r.Reason)
	if err != nil {
		return Block{}, err
	}
	if now := b.Clock.Now(); !r.Until.After(now) || r.Until.Sub(now) > blockForMax {
		return Block{}, fault.New(fault.Invalid, "edge.bad_end", "a block ends within a year from now").WithParam("until")
	}
	if subject.network.IsValid() && b.Guarded.Has(subject.network) {
		return Block{}, fault.New(fault.Invalid, "edge.guarded",
			"loopback and the operator's proxies can't be blocked: everybody is behind them").WithParam("subject")
	}
	if r.By != "" && subject.caller == string(r.By) {
		return Block{}, fault.New(fault.Invalid, "edge.self_block", "nobody blocks themselves: who would lift it?").
			WithParam("subject")
	}
	return b.put(ctx, Block{
		Subject: subject.String(), Rule: BlockedByStaff, Reason: reason, By: string(r.By), Until: r.Until.UTC(),
	})
}

// put stores a block and announces it. One that ends later stays.
func (b *Blocks) put(ctx context.Context, block Block) (Block, error) {
	block.ID = id.New[id.Block](b.Clock.Now())
	block.Until = block.Until.Truncate(time.Microsecond)
	key := b.table.KeyBy("subject", block.Subject)
	stored := block
	err := b.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		stored = block
		stored.Since = tx.Now()
		old, found, err := b.table.Get(tx, key)
		if err != nil {
			return err
		}
		if found {
			stored.ID = old.ID
			if old.Until.After(stored.Until) && stored.Rule != BlockedByStaff {
				stored = old
				return nil
			}
		}
		b.table.Put(tx, stored)
		act := audit.Act{Kind: "security.blocked", Subject: stored.Subject, Reason: stored.Reason, After: stored}
		if found {
			act.Before = old
		}
		if err := b.Trail.Add(ctx, tx, act); err != nil {
			return err
		}
		return b.Outbox.Add(tx, outbox.Event{Kind: "security.blocked", Subject: stored.Subject}, stored)
	})
	if err != nil {
		return Block{}, fault.Wrap(err, "block")
	}
	return stored, b.Refresh(ctx)
}

// Lift ends a block before its time. To lift what is over is no error. Errors: edge.block_not_found,
// party.bad_reason.
func (b *Blocks) Lift(ctx context.Context, name id.Block, by id.Staff, reason string) error {
	reason, err := party.ParseReason(reason)
	if err != nil {
		return err
	}
	key := b.table.Key(string(name))
	err = b.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		block, found, err := b.table.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "edge.block_not_found", "there is no such block")
		}
		if !block.Until.After(tx.Now()) {
			return nil
		}
		before := block
		block.Until, block.By, block.Reason = tx.Now(), string(by), reason
		b.table.Put(tx, block)
		err = b.Trail.Add(ctx, tx, audit.Act{
			Kind: "security.block_lifted", Subject: block.Subject, Reason: reason, Before: before, After: block,
		})
		if err != nil {
			return err
		}
		return b.Outbox.Add(tx, outbox.Event{Kind: "security.block_lifted", Subject: block.Subject}, block)
	})
	if err != nil {
		return fault.Wrap(err, "lift "+string(name))
	}
	return b.Refresh(ctx)
}

// SecurityEvent is what a detector announces.
type SecurityEvent struct {
	Rule    string    `json:"rule"`
	Subject string    `json:"subject,omitempty"`
	Count   int       `json:"count"`
	Seconds int64     `json:"window_seconds"`
	At      time.Time `json:"at"`
}

// raise announces and records an alarm, and blocks whom its rule blocks.
func (b *Blocks) raise(ctx context.Context, a alarm) error {
	ctx = audit.With(ctx, audit.Origin{Kind: audit.System, Address: a.address})
	event := SecurityEvent{
		Rule: a.rule.Name, Subject: a.subject.String(), Count: a.rule.Count,
		Seconds: int64(a.rule.Window / time.Second), At: a.at,
	}
	err := b.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
		act := audit.Act{Kind: "security." + a.rule.Name, Subject: event.Subject, After: event}
		if err := b.Trail.Add(ctx, tx, act); err != nil {
			return err
		}
		return b.Outbox.Add(tx, outbox.Event{Kind: "security." + a.rule.Name, Subject: event.Subject}, event)
	})
	if err != nil {
		return fault.Wrap(err, "announce "+a.rule.Name)
	}
	if a.rule.Block <= 0 || a.subject == (Subject{}) || a.subject.network.IsValid() && b.Guarded.Has(a.subject.network) {
		return nil
	}
	_, err = b.put(ctx, Block{
		Subject: a.subject.String(), Rule: a.rule.Name, Reason: "met the rule " + a.rule.Name,
		Until: b.Clock.Now().Add(a.rule.Block),
	})
	return err
}
