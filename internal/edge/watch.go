package edge

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// Sighting is one thing that an intruder does, as the doors saw it.
type Sighting struct {
	Sign Sign
	// Address is the caller's; an address that can't be blamed for it is left out.
	Address netip.Addr
	// Caller is who called, as Blocked is asked for it: key_…, cus_…; "" for strangers.
	Caller string
	// Login is what somebody signed in with. It is counted by its hash and kept nowhere.
	Login string
	// Detail tells signs apart: the path, the object.
	Detail string
}

const (
	watchedMax  = 4_096 // subjects a rule and generation
	alarmsMax   = 256   // that wait to be written; more are only counted
	refreshes   = time.Second
	alarmWrites = 10 * time.Second
)

// Watch counts signs in memory, on this node, and announces and blocks where a rule is met.
type Watch struct {
	rules  []Rule
	blocks *Blocks
	clock  *clock.Clock
	log    *slog.Logger
	seed   maphash.Seed
	alarms chan alarm
	events *prometheus.CounterVec

	mu    sync.Mutex
	seen  []*party.Bounded[string, *signs] // by rule
	tried *party.Bounded[uint64, *signs]   // failed sign-ins by login
}

// signs are the newest signs of one subject; at most as many as its rule counts.
type signs struct{ list []sign }

type sign struct {
	at   time.Time
	what uint64
}

// alarm is a rule that was met.
type alarm struct {
	rule    Rule
	subject Subject
	address string // where the last sign came from, "" where nobody is to blame
	at      time.Time
}

// NewWatch returns the detectors of a table of rules; blocks may be nil where nothing is to be stored.
func NewWatch(rules []Rule, blocks *Blocks, clk *clock.Clock, log *slog.Logger) *Watch {
	w := &Watch{
		rules: rules, blocks: blocks, clock: clk, log: log, seed: maphash.MakeSeed(), alarms: make(chan alarm, alarmsMax),
		tried: party.NewBounded[uint64, *signs](watchedMax),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "feiqian_edge_alarms_total", Help: "Rules of intrusion detection that were met.",
		}, []string{"rule"}),
	}
	for _, rule := range rules {
		w.seen = append(w.seen, party.NewBounded[string, *signs](watchedMax))
		w.events.WithLabelValues(rule.Name)
	}
	return w
}

// Collectors are the metrics of the package.
func (w *Watch) Collectors() []prometheus.Collector { return []prometheus.Collector{w.events} }

// SignedIn notes a good sign-in: one that follows many bad ones is a sign by itself.
func (w *Watch) SignedIn(s Sighting) {
	const window, bad = 15 * time.Minute, 5
	now := w.clock.Now()
	w.mu.Lock()
	tried, there := w.tried.Get(maphash.String(w.seed, s.Login))
	suspicious := there && tried.within(now, window) >= bad
	w.mu.Unlock()
	if suspicious {
		s.Sign = SignLateLogin
		w.Saw(s)
	}
}

// Saw counts one sign. It never waits.
func (w *Watch) Saw(s Sighting) {
	now := w.clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	login := maphash.String(w.seed, s.Login)
	if s.Sign == SignBadLogin {
		tried, there := w.tried.Get(login)
		if !there {
			tried = &signs{}
			w.tried.Put(login, tried)
		}
		tried.add(sign{now, 0}, Rule{Count: 16, Window: 15 * time.Minute})
	}
	for i, rule := range w.rules {
		if rule.Sign != s.Sign {
			continue
		}
		subject, what, ok := w.subjectOf(rule, s, login)
		if !ok {
			continue
		}
		key := subject.String()
		if rule.By == ByLogin {
			key = strconv.FormatUint(login, 36)
		}
		known, there := w.seen[i].Get(key)
		if !there {
			known = &signs{}
			w.seen[i].Put(key, known)
		}
		if known.add(sign{now, what}, rule) {
			w.seen[i].Delete(key)
			met := alarm{rule: rule, subject: subject, at: now}
			if s.Address.IsValid() {
				met.address = nameOf(PrefixOf(s.Address))
			}
			w.alarm(met)
		}
	}
}

// subjectOf returns whom a rule counts a sighting for, and what tells it from others.
func (w *Watch) subjectOf(rule Rule, s Sighting, login uint64) (Subject, uint64, bool) {
	switch rule.By {
	case ByAddress:
		what := maphash.String(w.seed, s.Detail)
		if s.Login != "" {
			what = login
		}
		return AddressSubject(s.Address), what, s.Address.IsValid()
	case ByCaller:
		what := maphash.String(w.seed, s.Detail)
		if s.Caller == "" {
			return AddressSubject(s.Address), what, s.Address.IsValid()
		}
		return CallerSubject(s.Caller), what, true
	case ByLogin: // the event names the caller where there is one, and never the login that was typed
		return CallerSubject(s.Caller), maphash.String(w.seed, s.Address.String()), s.Login != ""
	}
	return Subject{}, 0, false
}

func (w *Watch) alarm(a alarm) {
	w.events.WithLabelValues(a.rule.Name).Inc()
	select {
	case w.alarms <- a:
	default: // a flood of alarms: the metric has counted it
	}
}

// Run writes alarms and keeps the list of blocks fresh until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	ticker := time.NewTicker(refreshes)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-w.alarms:
			w.raise(ctx, a)
		case <-ticker.C:
			if err := w.blocks.Refresh(ctx); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "the list of blocks can't be read; the last one goes on", slog.Any("error", err))
			}
		}
	}
}

// raise logs and stores one alarm.
func (w *Watch) raise(ctx context.Context, a alarm) {
	w.log.WarnContext(ctx, "security event", slog.String("rule", a.rule.Name), slog.String("subject", a.subject.String()),
		slog.Duration("block", a.rule.Block))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), alarmWrites)
	defer cancel()
	if err := w.blocks.raise(ctx, a); err != nil {
		w.log.ErrorContext(ctx, "a security event can't be stored",
			slog.String("rule", a.rule.Name), slog.String("code", fault.CodeOf(err)), slog.Any("error", err))
	}
}

// add takes a sign and reports whether the rule is met.
func (s *signs) add(one sign, rule Rule) bool {
	kept := s.list[:0]
	for _, old := range s.list {
		if one.at.Sub(old.at) < rule.Window && (!rule.Distinct || old.what != one.what) {
			kept = append(kept, old)
		}
	}
	if len(kept) >= rule.Count { // a list without a rule keeps the newest
		kept = append(kept[:0], kept[1:]...)
	}
	s.list = append(kept, one)
	return len(s.list) >= rule.Count
}

// within counts the signs of a window.
func (s *signs) within(now time.Time, window time.Duration) (n int) {
	for _, one := range s.list {
		if now.Sub(one.at) < window {
			n++
		}
	}
	return n
}
