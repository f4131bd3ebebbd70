package webhook

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
)

const (
	windowFirst = 4  // requests to one endpoint at once: to begin with,
	windowMax   = 32 // and at most
	pageTimes   = 32 // events read at once, for each request at once: a slow endpoint's page is small
	retriesPage = 500
	retryLook   = time.Second
)

// runner delivers to one endpoint until it has no work left or the lease is lost.
type runner struct {
	w        *Webhooks
	id       id.WebhookEndpoint
	merchant id.Merchant

	position     id.Event // in memory; the row follows when the outcomes are written
	failingSince time.Time
	window       int
	lookedAt     time.Time // for retries
	ended        bool      // nothing more is to be sent: the endpoint was disabled
	unwritten    sync.WaitGroup
	lost         atomic.Bool // the flusher found that another node has the lease
}

func newRunner(w *Webhooks, c cursor) *runner {
	return &runner{
		w: w, id: c.id, merchant: c.merchant, position: c.position, failingSince: c.failingSince, window: windowFirst,
	}
}

// target is an endpoint as the page that is being sent sees it.
type target struct {
	Endpoint
	secrets []secret
}

// errand is one event to be sent. attempts were made before; retry says that a row waits for it.
type errand struct {
	item     outbox.Item
	cause    Cause
	attempts int64
	retry    bool
	dueAt    time.Time
}

func (r *runner) run(ctx context.Context) {
	defer r.unwritten.Wait() // what was sent is written before another takes over
	for ctx.Err() == nil && !r.lost.Load() && !r.ended {
		more, err := r.page(ctx)
		if err != nil && ctx.Err() == nil {
			r.w.Log.ErrorContext(ctx, "a webhook page can't be sent",
				slog.String("endpoint", string(r.id)), slog.Any("error", err))
		}
		if !more || err != nil {
			return
		}
	}
}

// page sends the next events, and from time to time the retries that are due. It reports whether there was work.
func (r *runner) page(ctx context.Context) (bool, error) {
	to, ok, err := r.look(ctx)
	if !ok || err != nil {
		return false, err
	}
	items, err := r.w.Outbox.Feed(ctx, r.merchant, r.position, pageTimes*r.window)
	if err != nil {
		return false, err
	}
	var errands []errand
	for i := range items {
		if Matches(to.Kinds, items[i].Kind) {
			errands = append(errands, errand{item: items[i], cause: CauseEvent})
		}
	}
	if len(items) > 0 {
		if !r.send(ctx, to, errands) {
			return false, nil
		}
		r.position = id.First(items[len(items)-1].ID)
		r.report(result{position: r.position})
	}
	if len(items) > 0 && r.w.wall.Now().Sub(r.lookedAt) < retryLook {
		return true, nil
	}
	retried, err := r.retry(ctx, to)
	return len(items) > 0 || retried, err
}

// look reads the endpoint anew: what its merchant changed holds from the next page on.
func (r *runner) look(ctx context.Context) (target, bool, error) {
	e, holder, err := r.w.read(ctx, r.id)
	if err != nil || e.State != Enabled || holder != r.w.holder {
		return target{}, false, err
	}
	secrets, err := r.w.openSecrets(&e)
	return target{Endpoint: e, secrets: valid(secrets, r.w.Clock.Now())}, true, err
}

// retry sends what is due again. Outcomes that are not written yet would be read as due once more: it waits for them.
func (r *runner) retry(ctx context.Context, to target) (bool, error) {
	r.unwritten.Wait()
	r.lookedAt = r.w.wall.Now()
	due, err := r.w.dueRetries(ctx, r.id)
	if err != nil || len(due) == 0 {
		return false, err
	}
	names := make([]id.Event, len(due))
	for i := range due {
		names[i] = due[i].item.ID
	}
	items, err := r.w.Outbox.Items(ctx, names)
	if err != nil {
		return false, err
	}
	for i := range due {
		item, there := items[due[i].item.ID]
		if !there {
			return false, fault.Newf(fault.Internal, "webhook.event_gone", "event %s is not there", due[i].item.ID)
		}
		due[i].item = item
	}
	return r.send(ctx, to, due), nil
}

// outcome is an errand that was sent.
type outcome struct {
	errand
	answer Answer
	took   time.Duration
}

// send sends errands, as many at once as the window allows, and reports each outcome. False means that not all were
// sent: the node stops, or the endpoint has ended.
func (r *runner) send(ctx context.Context, to target, errands []errand) bool {
	done := make(chan outcome)
	begun, underWay := 0, 0
	for begun < len(errands) || underWay > 0 {
		if begun < len(errands) && underWay < r.window && ctx.Err() == nil && !r.ended && !r.lost.Load() {
			go func(e errand) { done <- r.w.deliver(ctx, to, e) }(errands[begun])
			begun++
			underWay++
			continue
		}
		if underWay == 0 {
			return false
		}
		o := <-done
		underWay--
		if ctx.Err() == nil || o.answer.Status != 0 { // a request that our own end cut off was none
			r.learn(ctx, o)
		}
	}
	return ctx.Err() == nil && !r.ended && !r.lost.Load()
}

// learn reports an outcome and what follows from it: the window, the next try, the end of the endpoint.
func (r *runner) learn(ctx context.Context, o outcome) {
	now := r.w.Clock.Now()
	d := o.delivery(r.id, now)
	res := result{delivery: &d, retry: o.retry, dueAt: o.dueAt}
	if d.State == Succeeded {
		r.failingSince, r.window = time.Time{}, min(r.window+1, windowMax)
		r.report(res)
		return
	}
	if slows(o.answer) {
		r.window = max(r.window/2, 1)
	}
	if r.failingSince.IsZero() {
		r.failingSince = now
	}
	if after, again := wait(d.Attempt, o.answer.RetryAfter); again {
		d.NextAt = now.Add(after)
	}
	switch {
	case r.ended:
	case d.Status == statusGone:
		r.end(ctx, Gone)
	case now.Sub(r.failingSince) >= FailingMax:
		r.end(ctx, Failing)
	}
	if r.ended {
		d.NextAt = time.Time{}
	}
	r.report(res)
}

// end disables the endpoint: nothing more is sent to it.
func (r *runner) end(ctx context.Context, why Reason) {
	r.ended = true
	_, err := r.w.Disable(ctx, r.merchant, r.id, why)
	if err != nil && fault.KindOf(err) != fault.Conflict && fault.KindOf(err) != fault.NotFound {
		r.w.Log.ErrorContext(ctx, "a webhook endpoint can't be disabled",
			slog.String("endpoint", string(r.id)), slog.Any("error", err))
	}
}

// report hands a result to the flusher; it waits where the database is behind.
func (r *runner) report(res result) {
	res.runner, res.failingSince = r, r.failingSince
	r.unwritten.Add(1)
	r.w.results <- res
}
