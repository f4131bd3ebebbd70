package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/party"
)

// Rate is Burst acts at once, then one Every so often.
type Rate struct {
	Every time.Duration
	Burst int
}

// Limiter bounds how often something happens for one key: a phone number, an address, a merchant. It
// counts on this node only. It holds a bounded number of keys and forgets those not asked for lately, so
// keys that strangers choose freely need a second limit on what they cannot choose. It is safe for
// many goroutines.
type Limiter struct {
	clock *clock.Clock
	rate  Rate

	mu      sync.Mutex
	buckets *party.Bounded[string, *rate.Limiter]
}

// NewLimiter returns a limiter that holds about keys to twice keys buckets.
func NewLimiter(clk *clock.Clock, r Rate, keys int) *Limiter {
	return &Limiter{clock: clk, rate: r, buckets: party.NewBounded[string, *rate.Limiter](keys)}
}

// Allow takes one act of key, or says how long to wait for it.
func (l *Limiter) Allow(key string) (ok bool, retryAfter time.Duration) { return l.take(key, true) }

// Wait says how long to wait for the next act of key, without taking it: for limits that count only
// failures, which call Allow after each.
func (l *Limiter) Wait(key string) time.Duration {
	_, wait := l.take(key, false)
	return wait
}

func (l *Limiter) take(key string, keep bool) (ok bool, wait time.Duration) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, there := l.buckets.Get(key)
	if !there {
		bucket = rate.NewLimiter(rate.Every(l.rate.Every), l.rate.Burst)
		l.buckets.Put(key, bucket)
	}
	reservation := bucket.ReserveN(now, 1)
	if !reservation.OK() { // a burst of 0 allows nothing, ever
		return false, l.rate.Every
	}
	wait = reservation.DelayFrom(now)
	if wait > 0 || !keep {
		reservation.CancelAt(now)
	}
	return wait == 0, wait
}
