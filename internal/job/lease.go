package job

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/id"
)

const (
	leaseWaitMax = time.Second
	slotTTL      = 30 * time.Second
	slots        = 16
)

// newHolder returns a fresh token for a lease.
func newHolder(now time.Time) string {
	return strings.TrimPrefix(string(id.New[id.Group](now)), "grp_")
}

// Hold runs fn on one node at a time, for singletons such as the sequencer of the log: it waits until the
// lease name is free, runs fn with the lease renewed at a third of ttl, and ends fn's context when the lease
// is lost; then it waits for the lease again. Hold returns when ctx ends, or when fn returns though the
// lease was not lost.
//
// A lease thins out double work; it does not make it impossible (a node may sleep through the end of
// its lease), so what fn writes must be safe under two holders.
func (j *Jobs) Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context)) {
	holder := newHolder(j.clock.Now())
	for ctx.Err() == nil {
		if !j.await(ctx, name, holder, ttl) {
			continue
		}
		lost := j.during(ctx, name, holder, ttl, fn)
		if err := j.dropLease(context.WithoutCancel(ctx), name, holder); err != nil {
			j.log.ErrorContext(ctx, "a lease can't be given back", slog.String("lease", name), slog.Any("error", err))
		}
		if !lost {
			return
		}
		j.log.WarnContext(ctx, "a lease was lost", slog.String("lease", name))
	}
}

// await waits a little for the lease's end, then tries to take it.
func (j *Jobs) await(ctx context.Context, name, holder string, ttl time.Duration) bool {
	ends, err := j.readLease(ctx, name)
	if err == nil && ends.After(j.clock.Now()) {
		sleep(ctx, min(ends.Sub(j.clock.Now()), leaseWaitMax, ttl/3))
		return false
	}
	var held bool
	if err == nil {
		held, err = j.takeLease(ctx, name, holder, ttl)
	}
	if err != nil && ctx.Err() == nil {
		j.log.ErrorContext(ctx, "a lease can't be taken", slog.String("lease", name), slog.Any("error", err))
	}
	if !held {
		sleep(ctx, min(leaseWaitMax, ttl/3))
	}
	return held
}

// during runs fn while the lease is kept renewed, and reports whether the lease was lost.
func (j *Jobs) during(ctx context.Context, name, holder string, ttl time.Duration, fn func(context.Context)) bool {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(work)
	}()
	tick := time.NewTicker(ttl / 3)
	defer tick.Stop()
	ends := j.clock.Now().Add(ttl)
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
		}
		until := j.clock.Now().Add(ttl)
		held, err := j.setLease(ctx, name, holder, until)
		switch {
		case held:
			ends = until
		case err == nil, !j.clock.Now().Before(ends):
			cancel()
			<-done
			return ctx.Err() == nil
		}
	}
}

// Slot takes the lowest free of the names n00 … n15 and keeps it until release is called or ctx ends.
// It names this node's stripes of the accounts that every payment touches. If all are taken it draws one
// at random: two nodes on one stripe wait for each other, and nothing else.
func (j *Jobs) Slot(ctx context.Context) (stripe string, release func(), err error) {
	holder := newHolder(j.clock.Now())
	for n := range slots {
		stripe = fmt.Sprintf("n%02d", n)
		held, err := j.takeLease(ctx, "slot."+stripe, holder, slotTTL)
		if err != nil {
			return "", nil, err
		}
		if held {
			return stripe, j.keepSlot(ctx, "slot."+stripe, holder), nil
		}
	}
	var drawn [1]byte
	_, _ = rand.Read(drawn[:]) // never fails: it ends the program instead (crypto/rand)
	return fmt.Sprintf("n%02d", drawn[0]%slots), func() {}, nil
}

// keepSlot renews the slot in the background; the function it returns gives it back.
func (j *Jobs) keepSlot(ctx context.Context, name, holder string) func() {
	keep, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(keep, slotTTL/3); keep.Err() == nil; sleep(keep, slotTTL/3) {
			if _, err := j.takeLease(keep, name, holder, slotTTL); err != nil && keep.Err() == nil {
				j.log.WarnContext(keep, "a slot can't be renewed", slog.String("lease", name), slog.Any("error", err))
			}
		}
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
		defer stop()
		if err := j.dropLease(last, name, holder); err != nil {
			j.log.WarnContext(last, "a slot can't be given back", slog.String("lease", name), slog.Any("error", err))
		}
	}()
	return func() { cancel(); <-done }
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
