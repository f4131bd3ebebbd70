package limit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Limits asks the rules, counts, and keeps the staff's changes.
type Limits struct {
	committer    *commit.Committer
	db           *sqldb.DB
	clock        *clock.Clock
	zone         *time.Location
	currencies   []money.Currency
	capped       bool // a rule caps a day by factors
	preset       Preset
	counterTable *commit.Table[counters]
	classTable   *commit.Table[holder]
	changeTable  *commit.Table[Change]
	headTable    *commit.Table[head]

	known   atomic.Pointer[snapshot]
	reading sync.Mutex // one reads, the others wait or go on with what is fresh enough
	epoch   atomic.Int64
}

// snapshot is the rules as they were read at an instant.
type snapshot struct {
	rules   []compiled
	changes []Change
	at      time.Time
	epoch   int64 // of the changes made on this node
}

// What was read is used for staleMax at most and read anew after refreshAfter, so that only one request waits for it.
const (
	staleMax     = 2 * time.Second
	refreshAfter = time.Second
)

// holder is a customer as the rules see it. It is read from the row that party keeps and never written: within the
// decision, after the counters are locked, so that no two payments see the class in another order than the counters.
type holder struct {
	customer id.Customer
	class    int64
}

// Parts are what Limits is made of. Zone is that of business dates; Currencies are those of the wallets.
type Parts struct {
	Committer    *commit.Committer
	DB           *sqldb.DB
	Clock        *clock.Clock
	Zone         *time.Location
	Jurisdiction string
	Currencies   []money.Currency
}

// New returns the limits of a jurisdiction and registers their tables: limit_counters, customers (to read the class),
// limit_changes, limit_heads. Errors: no such jurisdiction; its figures are in a currency in which no wallet is kept,
// so that they would cap nothing.
func New(parts Parts) (*Limits, error) {
	preset, err := ReadPreset(parts.Jurisdiction)
	if err != nil {
		return nil, err
	}
	if err := CheckCurrencies(preset, parts.Currencies); err != nil {
		return nil, err
	}
	return newLimits(parts, preset), nil
}

func newLimits(parts Parts, preset Preset) *Limits {
	c := parts.Committer
	return &Limits{
		committer: c, db: parts.DB, clock: parts.Clock, zone: parts.Zone, currencies: parts.Currencies, preset: preset,
		capped: slices.ContainsFunc(preset.Rules, func(r Rule) bool {
			return r.Period == Day && len(r.Factors) < strengthCount
		}),
		counterTable: countersTable(c),
		classTable: commit.AddTable(c, "customers", // no mutable column: read without a lock
			commit.Text("id", func(r *holder) *string { return (*string)(&r.customer) }),
			commit.Int("account_class", func(r *holder) *int64 { return &r.class }),
		),
		changeTable: changesTable(c),
		headTable:   headsTable(c),
	}
}

// CheckCurrencies refuses a preset whose figures are in another currency than the wallets'.
func CheckCurrencies(p Preset, wallets []money.Currency) error {
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Currency == "" || r.Minor == nil {
			continue
		}
		for _, currency := range wallets {
			if currency != r.Currency {
				return fmt.Errorf("jurisdiction: the limits of %s are in %s and would not cap wallets in %s; "+
					"keep wallets in %s or choose the jurisdiction plain", p.Jurisdiction, r.Currency, currency, r.Currency)
			}
		}
	}
	return nil
}

// Jurisdiction names the preset.
func (l *Limits) Jurisdiction() string { return l.preset.Jurisdiction }

// rules returns the rules with the staff's changes, at most two seconds old.
func (l *Limits) rules(ctx context.Context) ([]compiled, error) {
	known, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return known.rules, nil
}

func (l *Limits) snapshot(ctx context.Context) (*snapshot, error) {
	known := l.known.Load()
	age := l.age(known)
	if age < refreshAfter {
		return known, nil
	}
	if age >= staleMax {
		l.reading.Lock()
	} else if !l.reading.TryLock() {
		return known, nil // another request is reading, and this is fresh enough
	}
	defer l.reading.Unlock()
	if known = l.known.Load(); l.age(known) < refreshAfter {
		return known, nil // read while we waited
	}
	epoch, at := l.epoch.Load(), l.clock.Now()
	changes, err := l.readChanges(ctx, "")
	if err != nil {
		return nil, err
	}
	known = &snapshot{rules: compile(&l.preset, changes), changes: changes, at: at, epoch: epoch}
	l.known.Store(known)
	return known, nil
}

// age returns how old a snapshot is; what was changed on this node since, or read by a clock that went back, is too
// old.
func (l *Limits) age(known *snapshot) time.Duration {
	if known == nil || known.epoch != l.epoch.Load() {
		return staleMax
	}
	if age := l.clock.Now().Sub(known.at); age >= 0 {
		return age
	}
	return staleMax
}

// rule returns one rule of the preset. Errors: limit.rule_not_found.
func (l *Limits) rule(name string) (*Rule, error) {
	i := slices.IndexFunc(l.preset.Rules, func(r Rule) bool { return r.ID == name })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "limit.rule_not_found", "there is no such rule in this jurisdiction")
	}
	return &l.preset.Rules[i], nil
}
