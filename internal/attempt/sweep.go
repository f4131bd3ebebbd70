package attempt

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
)

const (
	sweepPeriod = 250 * time.Millisecond
	sweepBatch  = 64
	sweepMax    = 8 // calls at once
	queryFirst  = 500 * time.Millisecond
	queryMost   = 5 * time.Minute
)

// queryWait is the wait before query n: half a second, doubled up to five minutes.
func queryWait(n int64) time.Duration {
	return min(queryFirst<<min(n, 10), queryMost)
}

// Sweep asks the channels about every attempt that is due, up to a batch. It runs again and again
// under a lease.
func (a *Attempts) Sweep(ctx context.Context) error {
	due, err := a.due(ctx, clock.Micros(a.clock.Now()), sweepBatch)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, sweepMax)
	for _, attempt := range due {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if err := a.ask(ctx, attempt); err != nil {
				a.log.WarnContext(
					ctx,
					"could not settle an attempt",
					slog.String("attempt", string(attempt.ID)),
					slog.Any("error", err),
				)
			}
		})
	}
	wg.Wait()
	return nil
}

// ask queries one attempt and records the answer. Not found is believed after the channel's grace.
func (a *Attempts) ask(ctx context.Context, attempt Attempt) error {
	route, err := a.Channel(attempt.Channel)
	if err != nil {
		return err
	}
	terms := route.Capabilities()
	callContext, cancel := context.WithTimeout(ctx, terms.Timeout)
	defer cancel()
	result, callErr := route.Query(
		callContext,
		channel.Query{Reference: attempt.ID, Kind: attempt.Kind, Amount: attempt.Amount},
	)
	if result.Outcome == channel.OutcomeNotFound && !terms.NotFoundTrusted(attempt.SentAt, a.clock.Now()) {
		result = channel.Result{Message: "not found, not yet believed"}
	}
	return a.record(ctx, attempt, result, callErr)
}

// Period is how often Sweep wants to run.
func Period() time.Duration { return sweepPeriod }

// Capabilities returns what the channel of that name can do. Errors: channel.not_supported.
func (a *Attempts) Capabilities(name string) (channel.Capabilities, error) {
	route, err := a.Channel(name)
	if err != nil {
		return channel.Capabilities{}, err
	}
	return route.Capabilities(), nil
}

// Check says whether an order may be sent, before an attempt is written. Errors: as of
// channel.Capabilities.Check.
func (a *Attempts) Check(name string, kind channel.Kind, order Attempt) error {
	terms, err := a.Capabilities(name)
	if err != nil {
		return err
	}
	return fault.Wrap(terms.Check(kind, order.Amount), "check order")
}
