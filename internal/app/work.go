package app

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/vault"
)

// sequencerTTL is how long the log waits when the node that sequences it dies.
const sequencerTTL = 3 * time.Second

// Run serves on listener and works in the background until ctx ends; then it finishes what is under way.
func (a *App) Run(ctx context.Context, listener net.Listener) error {
	working, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for _, work := range a.work() {
		workers.Go(func() { work(working) })
	}
	err := a.Server.Serve(ctx, listener)
	stop()
	workers.Wait()
	return err
}

// work lists what runs beside the requests; each periodic task runs on one node at a time.
func (a *App) work() []func(context.Context) {
	every := func(name string, period time.Duration, fn func(context.Context) error) func(context.Context) {
		return func(ctx context.Context) { a.Jobs.Every(ctx, name, period, protect(fn)) }
	}
	work := []func(context.Context){
		a.Jobs.Run,
		a.services.Outbox.Run,
		a.Watch.Run, // on every node: each keeps its own list of blocks fresh
		func(ctx context.Context) { a.Jobs.Hold(ctx, ledger.SequencerLease, sequencerTTL, a.Log.Run) },
		func(ctx context.Context) { a.Jobs.Hold(ctx, audit.ChainLease, sequencerTTL, a.Chain.Run) },
		a.Trail.RunNotes,
		a.Webhooks.Run, // on every node: leases share out the endpoints
		every("privacy.finish", time.Hour, a.Privacy.FinishDue),
		every("attempt.sweep", attempt.Period(), a.Attempts.Sweep),
		every("identity.expire", identity.ExpirePeriod(), a.Identity.Expire),
		every("payment.expire", time.Second, a.Payments.ExpireDue),
		every("payment.release", time.Second, a.Payments.ReleaseDue),
		every("dispute.due", time.Second, a.Payments.DisputesDue),
		every("card.sweep", time.Second, a.Cards.Sweep),
		every("card.tidy", time.Hour, a.Cards.Tidy),
		every("vault.reseal", vault.ResealSeconds*time.Second, a.Vault.Reseal),
		every("idempotency.forget", time.Hour, func(ctx context.Context) error {
			_, err := a.keys.Forget(ctx, a.Clock.Now())
			return err
		}),
		every("auth.forget", time.Hour, a.Auth.Forget),
		every("message.forget", time.Hour, a.Messages.Forget),
		every("webhook.forget", time.Hour, a.Webhooks.Forget),
		every("signing.forget", time.Hour, a.Signing.Forget),
	}
	for _, c := range a.channels {
		name := c.Capabilities().Name
		for _, terms := range c.Capabilities().Terms {
			work = append(
				work,
				every("channel.arrive."+name+"."+string(terms.Currency), time.Second, func(ctx context.Context) error {
					return a.Attempts.Arrive(ctx, name, terms.Currency)
				}),
			)
		}
	}
	return work
}

// protect turns a panic of a periodic task into its own failure: it runs again a period later, and the
// requests go on.
func protect(fn func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return fn(ctx)
	}
}
