package job

import (
	"context"
	"log/slog"
	"time"
)

const (
	everyTTLMax  = 30 * time.Second
	everyWaitMin = 10 * time.Millisecond
)

// Every runs fn once a period on one of the nodes, until ctx ends. The period is kept in the lease and so
// over restarts, and goes by the clock, which a sandbox may move. A node that crashes inside fn is
// replaced after at most 30 s. An error is logged; fn runs again a period later.
func (j *Jobs) Every(ctx context.Context, name string, period time.Duration, fn func(ctx context.Context) error) {
	holder, leaseName, ttl := newHolder(j.clock.Now()), "every."+name, min(period, everyTTLMax)
	for ctx.Err() == nil {
		ends, err := j.readLease(ctx, leaseName)
		now := j.clock.Now()
		if err == nil && ends.After(now) {
			sleep(ctx, max(min(ends.Sub(now), leaseWaitMax), everyWaitMin))
			continue
		}
		var held bool
		if err == nil {
			held, err = j.takeLease(ctx, leaseName, holder, ttl)
		}
		if held {
			err = j.once(ctx, leaseName, holder, period, fn)
		} else {
			sleep(ctx, min(leaseWaitMax, ttl))
		}
		if err != nil && ctx.Err() == nil {
			j.log.ErrorContext(ctx, "a periodic task failed", slog.String("task", name), slog.Any("error", err))
		}
	}
}

// once runs fn under the lease, then lets the lease stand until the period is over.
func (j *Jobs) once(
	ctx context.Context, name, holder string, period time.Duration, fn func(context.Context) error,
) error {
	begun := j.clock.Now()
	ttl := min(period, everyTTLMax)
	var failed error
	j.during(ctx, name, holder, ttl, func(work context.Context) { failed = fn(work) })
	if period <= ttl && j.clock.Now().Before(begun.Add(ttl/3)) {
		return failed // the lease as it was taken is the period
	}
	if _, err := j.setLease(context.WithoutCancel(ctx), name, holder, begun.Add(period)); err != nil {
		return err
	}
	return failed
}
