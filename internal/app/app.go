// Package app wires an instance: it is the only package that knows all others.
package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
)

// LogOrigin names the ledger's log on receipts of a sandbox or live instance.
func LogOrigin(mode config.Mode) string { return "feiqian.org/" + string(mode) + "/ledger" }

// sequencerTTL is how long the log waits when the node that sequences it dies.
const sequencerTTL = 3 * time.Second

// App is one running instance.
type App struct {
	Config    config.Config
	Clock     *clock.Clock
	DB        *sqldb.DB
	Vault     *vault.Vault
	Committer *commit.Committer
	Ledger    *ledger.Ledger
	Log       *ledger.Log
	Parties   *party.Parties
	Limits    *limit.Limits
	Auth      *auth.Auth
	Identity  *identity.Identities
	Payments  *payment.Payments
	Payouts   *payout.Payouts
	Attempts  *attempt.Attempts
	Jobs      *job.Jobs
	Server    *api.Server

	log      *slog.Logger
	services *api.Services
	keys     *idempotency.Keys
	channels []channel.Channel
	closers  []func()
}

// New opens the database, wires all packages and starts the committer. Close undoes it. Channels are the
// ways out that the caller has started or configured.
func New(
	ctx context.Context,
	cfg config.Config,
	clk *clock.Clock,
	version string,
	channels ...channel.Channel,
) (*App, error) {
	a := &App{Config: cfg, Clock: clk, log: slog.Default(), channels: channels}
	if err := a.open(ctx); err != nil {
		a.Close()
		return nil, err
	}
	if err := a.wire(ctx, version); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *App) open(ctx context.Context) error {
	var err error
	if err := os.MkdirAll(filepath.Dir(a.Config.VaultKeyFile), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if a.DB, err = sqldb.Open(ctx, a.Config.Database); err != nil {
		return err
	}
	a.closers = append(a.closers, a.DB.Close)
	if err := a.checkVaultKey(ctx); err != nil {
		return err
	}
	a.Vault, err = vault.OpenOrCreate(a.Config.VaultKeyFile)
	return err
}

// checkVaultKey refuses to draw new keys for a database that was made with others: every PIN and every phone's
// secret would
// be wrong.
func (a *App) checkVaultKey(ctx context.Context) error {
	if _, err := os.Stat(a.Config.VaultKeyFile); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var used bool
	if err := a.DB.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM devices) OR EXISTS (SELECT 1 FROM pins)"+
		" OR EXISTS (SELECT 1 FROM identities)").Scan(&used); err != nil {
		return fmt.Errorf("look for keys in use: %w", err)
	}
	if !used {
		return nil
	}
	return fault.New(fault.Invalid, "vault.key_missing",
		"the vault key file is missing, and this database was made with it").
		WithHint("put the backup of " + a.Config.VaultKeyFile + " back, or name its place with --vault-key-file")
}

// wire makes the domains in the order of their ranks. The order in which they register tables is the
// order in which rows are locked.
func (a *App) wire(ctx context.Context, version string) error {
	zone, err := a.Config.Location()
	if err != nil {
		return err
	}
	c := commit.New(a.DB, a.Clock, commit.Options{GroupMax: a.Config.GroupMax, QueueMax: a.Config.QueueMax})
	a.Committer = c
	events := outbox.New(c, a.DB)
	a.keys = idempotency.New(c, a.DB, events)
	a.Jobs = job.New(c, a.DB, a.Clock, a.log)
	a.Parties = party.New(c, a.DB, a.Clock)
	a.Auth = auth.New(auth.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Vault: a.Vault, Parties: a.Parties, Mode: string(a.Config.Mode),
	})
	a.Identity = identity.New(identity.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Vault: a.Vault, Jobs: a.Jobs, Outbox: events,
		Parties: a.Parties, Zone: zone,
	})
	currencies := []money.Currency{a.Config.Currency}
	if a.Limits, err = a.limits(zone, currencies); err != nil {
		return err
	}
	a.Ledger = ledger.New(c, a.DB, zone)
	wallets := wallet.New(wallet.Parts{
		Committer: c, Clock: a.Clock, Vault: a.Vault, Auth: a.Auth, Parties: a.Parties, Ledger: a.Ledger,
		Currencies: currencies,
	})
	a.Attempts = attempt.New(attempt.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Jobs: a.Jobs, Ledger: a.Ledger, Channels: a.channels,
	})
	accounts := attempt.NewBankAccounts(a.Attempts, a.keys)
	stripe, release, err := a.Jobs.Slot(ctx)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, release)
	a.Payments = payment.New(payment.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Ledger: a.Ledger, Outbox: events, Keys: a.keys, Parties: a.Parties,
		Auth: a.Auth, Wallets: wallets, Attempts: a.Attempts, BankAccounts: accounts, Currencies: currencies,
		Limits: a.Limits, Stripe: stripe,
	})
	a.Payouts = payout.New(payout.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Ledger: a.Ledger, Outbox: events, Keys: a.keys, Auth: a.Auth,
		Limits: a.Limits, Attempts: a.Attempts, BankAccounts: accounts, Stripe: stripe,
		CheckAmount: func(amount money.Amount) error { return payment.CheckAmount(amount, currencies) },
	})
	if err := a.startBooks(ctx); err != nil {
		return err
	}
	a.closers = append(a.closers, c.Close)
	a.services = &api.Services{
		Mode:          a.Config.Mode,
		Clock:         a.Clock,
		ClockMoved:    a.keepClock,
		Currencies:    currencies,
		Auth:          a.Auth,
		Parties:       a.Parties,
		Wallets:       wallets,
		Ledger:        a.Ledger,
		Log:           a.Log,
		Payments:      a.Payments,
		Payouts:       a.Payouts,
		Attempts:      a.Attempts,
		BankAccounts:  accounts,
		Outbox:        events,
		Jobs:          a.Jobs,
		Limits:        api.NewLimits(a.Clock),
		PaymentLimits: a.Limits,
		Identity:      a.Identity,
	}
	return a.serve(ctx, version)
}

func (a *App) limits(zone *time.Location, currencies []money.Currency) (*limit.Limits, error) {
	return limit.New(limit.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Zone: zone, Jurisdiction: a.Config.Jurisdiction,
		Currencies: currencies,
	})
}

// startBooks opens the log and starts the committer; all tables are registered by now.
func (a *App) startBooks(ctx context.Context) (err error) {
	a.Log, err = ledger.NewLog(a.DB, a.Clock, ledger.LogOptions{
		Origin: LogOrigin(a.Config.Mode), Key: a.Vault.SigningKey("ledger.log"), Log: a.log,
	})
	if err != nil {
		return err
	}
	return a.Committer.Start(ctx)
}

// serve builds the HTTP door.
func (a *App) serve(ctx context.Context, version string) error {
	proxies, err := a.Config.Proxies()
	if err != nil {
		return err
	}
	tracer, stop, err := api.NewTracing(ctx, a.Config.OTLPEndpoint, version)
	if err != nil {
		return err
	}
	if stop != nil {
		a.closers = append(a.closers, func() { _ = stop(context.WithoutCancel(ctx)) })
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(a.Committer.Metrics.Collectors()...)
	registry.MustRegister(a.Jobs.Metrics.Collectors()...)
	a.Server = api.New(api.Options{
		Title:           "Feiqian API",
		Version:         version,
		Clock:           a.Clock,
		Log:             a.log,
		Verifiers:       a.services.Verifiers(),
		Endpoints:       a.services.Endpoints(),
		Mounts:          a.mounts(),
		Metrics:         registry,
		Tracer:          tracer,
		Ready:           []api.ReadyCheck{{Name: "database", Run: a.DB.Read.PingContext}},
		TrustedProxies:  proxies,
		BodyMaxBytes:    a.Config.BodyMaxBytes,
		RequestTimeout:  a.Config.RequestTimeout,
		ShutdownTimeout: a.Config.ShutdownTimeout,
	})
	return nil
}

// mounts are the doors for channels' notices.
func (a *App) mounts() map[string]http.Handler {
	mounts := map[string]http.Handler{}
	for _, c := range a.channels {
		if reader, ok := c.(channel.NoticeReader); ok {
			name := c.Capabilities().Name
			mounts["POST /channels/"+name+"/notices"] = a.services.Notices(name, reader)
		}
	}
	return mounts
}

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
		func(ctx context.Context) { a.Jobs.Hold(ctx, ledger.SequencerLease, sequencerTTL, a.Log.Run) },
		every("attempt.sweep", attempt.Period(), a.Attempts.Sweep),
		every("identity.expire", identity.ExpirePeriod(), a.Identity.Expire),
		every("payment.expire", time.Second, a.Payments.ExpireDue),
		every("ledger.expire_holds", time.Second, a.expireHolds),
		every("idempotency.forget", time.Hour, func(ctx context.Context) error {
			_, err := a.keys.Forget(ctx, a.Clock.Now())
			return err
		}),
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

func (a *App) keepClock(ahead time.Duration) error { return KeepClock(a.Config, ahead) }

func (a *App) expireHolds(ctx context.Context) error {
	for {
		n, err := a.Ledger.ExpireHolds(ctx, a.Clock.Now())
		if n == 0 || err != nil {
			return err
		}
	}
}

// Close ends what New began, in reverse.
func (a *App) Close() {
	for _, closer := range slices.Backward(a.closers) {
		closer()
	}
	a.closers = nil
}

// LogKey returns the public key that verifies receipts of this instance.
func (a *App) LogKey() (string, error) {
	key, ok := a.Vault.SigningKey("ledger.log").Public().(ed25519.PublicKey)
	if !ok || len(key) == 0 {
		return "", errors.New("the log's key is not an Ed25519 key")
	}
	return a.Log.Key(), nil
}
