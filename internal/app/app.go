// Package app wires an instance: it is the only package that knows all others.
package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/inapp"
	"github.com/feiqian/feiqian/internal/instruction"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/privacy"
	"github.com/feiqian/feiqian/internal/qr"
	"github.com/feiqian/feiqian/internal/signing"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
	"github.com/feiqian/feiqian/internal/webhook"
	"github.com/feiqian/feiqian/internal/webhook/sendhttp"
)

// LogOrigin names the ledger's log on receipts of a sandbox or live instance.
func LogOrigin(mode config.Mode) string { return "feiqian.org/" + string(mode) + "/ledger" }

// AuditOrigin names the audit trail's chain of a sandbox or live instance.
func AuditOrigin(mode config.Mode) string { return "feiqian.org/" + string(mode) + "/audit" }

// App is one running instance.
type App struct {
	Config       config.Config
	Clock        *clock.Clock
	DB           *sqldb.DB
	Vault        *vault.Vault
	Committer    *commit.Committer
	Ledger       *ledger.Ledger
	Log          *ledger.Log
	Parties      *party.Parties
	Limits       *limit.Limits
	Messages     *message.Messages
	Auth         *auth.Auth
	Identity     *identity.Identities
	Payments     *payment.Payments
	Payouts      *payout.Payouts
	Attempts     *attempt.Attempts
	Cards        *card.Cards
	Jobs         *job.Jobs
	Trail        *audit.Trail
	Chain        *audit.Chain
	Approvals    *approval.Approvals
	Privacy      *privacy.Privacy
	Blocks       *edge.Blocks
	Watch        *edge.Watch
	Codes        *qr.Codes
	Checkouts    *checkout.Checkouts
	AppRequests  *inapp.Requests
	Instructions *instruction.Instructions
	Webhooks     *webhook.Webhooks
	Signing      *signing.Signing
	Server       *api.Server

	log      *slog.Logger
	services *api.Services
	keys     *idempotency.Keys
	channels []channel.Channel
	sender   message.Sender
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
	return NewWith(ctx, cfg, clk, version, Outside{Channels: channels})
}

// Outside is what the caller has started or configured around an instance. Without a Sender no text reaches a phone.
type Outside struct {
	Channels []channel.Channel
	Sender   message.Sender
}

// NewWith is New with all that is outside.
func NewWith(ctx context.Context, cfg config.Config, clk *clock.Clock, version string, outside Outside) (*App, error) {
	a := &App{Config: cfg, Clock: clk, log: slog.Default(), channels: outside.Channels, sender: outside.Sender}
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
	if a.Vault, err = vault.OpenOrCreate(a.Config.VaultKeyFile); err != nil {
		return err
	}
	closeStore, err := AttachVault(ctx, a.Config, a.Vault, a.DB, a.Clock)
	a.closers = append(a.closers, closeStore)
	return err
}

// checkVaultKey refuses to draw new keys for a database that was made with others: every PIN and every phone's secret
// would be wrong.
func (a *App) checkVaultKey(ctx context.Context) error {
	if _, err := os.Stat(a.Config.VaultKeyFile); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var used bool
	if err := a.DB.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM devices) OR EXISTS (SELECT 1 FROM pins)"+
		" OR EXISTS (SELECT 1 FROM identities) OR EXISTS (SELECT 1 FROM data_keys)").Scan(&used); err != nil {
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
func (a *App) wire(ctx context.Context, version string) error { //nolint:funlen // one list, in the order of ranks
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
	if err := a.wireAuth(c, events); err != nil {
		return err
	}
	preset, err := limit.ReadPreset(a.Config.Jurisdiction)
	if err != nil {
		return err
	}
	a.Identity = identity.New(identity.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Vault: a.Vault, Jobs: a.Jobs, Outbox: events,
		Parties: a.Parties, Zone: zone, Rules: preset.Rules,
	})
	currencies := []money.Currency{a.Config.Currency}
	if a.Limits, err = a.limits(zone, currencies); err != nil {
		return err
	}
	a.Ledger = ledger.New(c, a.DB, zone)
	entry := onboarding.New(onboarding.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Vault: a.Vault, Outbox: events, Parties: a.Parties, Auth: a.Auth,
	})
	if err := a.wireEdge(events); err != nil {
		return err
	}
	wallets := wallet.New(wallet.Parts{
		Committer: c, Clock: a.Clock, Vault: a.Vault, Auth: a.Auth, Parties: a.Parties, Ledger: a.Ledger,
		Currencies: currencies,
	})
	a.Cards = card.New(card.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Vault: a.Vault, Jobs: a.Jobs, Outbox: events, Auth: a.Auth,
		Parties: a.Parties, Zone: zone, SamePerson: a.Identity.RequireSame,
	})
	a.Attempts = attempt.New(attempt.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Jobs: a.Jobs, Ledger: a.Ledger, Cards: a.Cards,
		Channels: a.channels,
	})
	accounts := attempt.NewBankAccounts(a.Attempts, a.keys, a.Cards)
	stripe, release, err := a.Jobs.Slot(ctx)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, release)
	a.Payments = payment.New(payment.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Ledger: a.Ledger, Outbox: events, Keys: a.keys, Parties: a.Parties,
		Auth: a.Auth, Wallets: wallets, Attempts: a.Attempts, BankAccounts: accounts, Currencies: currencies,
		Cards: a.Cards, Limits: a.Limits, Stripe: stripe, Vault: a.Vault,
	})
	a.Payouts = payout.New(payout.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Ledger: a.Ledger, Outbox: events, Keys: a.keys, Auth: a.Auth,
		Limits: a.Limits, Attempts: a.Attempts, BankAccounts: accounts, Stripe: stripe,
		CheckAmount: func(amount money.Amount) error { return payment.CheckAmount(amount, currencies) },
	})
	a.wireCheckout(events, zone, currencies)
	a.Webhooks = webhook.New(webhook.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Log: a.log, Vault: a.Vault, Outbox: events,
		Sender: sendhttp.New(a.Config.Mode == config.Sandbox),
	})
	a.Trail = audit.New(c, a.DB, a.Clock)
	a.Parties.Trail, a.Auth.Trail, a.Identity.Trail, a.Payments.Trail = a.Trail, a.Trail, a.Trail, a.Trail
	a.Checkouts.Trail = a.Trail
	a.Auth.Papers = a.Identity.Papers
	a.Blocks.Trail, entry.Trail = a.Trail, a.Trail
	a.Signing = signing.New(signing.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Outbox: events, Parties: a.Parties, Auth: a.Auth, Trail: a.Trail,
	})
	a.wireApprovals(events)
	a.Privacy = privacy.New(privacy.Parts{
		DB: a.DB, Clock: a.Clock, Parties: a.Parties, Trail: a.Trail, Jurisdiction: a.Config.Jurisdiction,
		Identity: a.Identity, Cards: a.Cards, Onboarding: entry, Payments: a.Payments,
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
		Cards:         a.Cards,
		Vault:         a.Vault,
		Trail:         a.Trail,
		AuditChain:    a.Chain,
		Approvals:     a.Approvals,
		Privacy:       a.Privacy,
		Onboarding:    entry,
		Blocks:        a.Blocks,
		Codes:         a.Codes,
		Checkouts:     a.Checkouts,
		AppRequests:   a.AppRequests,
		Instructions:  a.Instructions,
		Webhooks:      a.Webhooks,
		Signing:       a.Signing,
	}
	return a.serve(ctx, version)
}

func (a *App) limits(zone *time.Location, currencies []money.Currency) (*limit.Limits, error) {
	return limit.New(limit.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Zone: zone, Jurisdiction: a.Config.Jurisdiction,
		Currencies: currencies,
	})
}

// wireApprovals registers the acts that two people decide.
func (a *App) wireApprovals(events *outbox.Outbox) {
	a.Approvals = approval.New(approval.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Parties: a.Parties, Outbox: events, Trail: a.Trail,
		Keys: a.keys, TwoPeople: a.Config.TwoPeople(),
	})
	a.Approvals.Register(approval.StaffActs(a.Parties, a.Auth, a.Vault)...)
	a.Approvals.Register(approval.TOTPActs(a.Auth)...)
	a.Approvals.Register(approval.MerchantActs(a.Parties)...)
	a.Approvals.Register(approval.LedgerAct(a.Ledger, a.Clock), a.Payments.RefundAct(a.Config.RefundAloneMax),
		a.Payments.DisputeAct(a.Config.RefundAloneMax))
	a.Approvals.Register(approval.KeyActs(a.Committer, a.Vault)...)
	a.Approvals.Register(approval.LimitAct(a.Limits), a.Identity.ApproveAct())
}

// startBooks opens the log and starts the committer; all tables are registered by now.
func (a *App) startBooks(ctx context.Context) (err error) {
	a.Log, err = ledger.NewLog(a.DB, a.Clock, ledger.LogOptions{
		Origin: LogOrigin(a.Config.Mode), Key: a.Vault.SigningKey("ledger.log"), Log: a.log,
	})
	if err != nil {
		return err
	}
	a.Chain, err = audit.NewChain(a.DB, a.Clock, audit.ChainOptions{
		Origin: AuditOrigin(a.Config.Mode), Key: a.Vault.SigningKey("audit.chain"), Log: a.log,
	})
	if err != nil {
		return err
	}
	for _, kind := range a.Config.TwoPeople() {
		if !slices.ContainsFunc(a.Approvals.Acts(), func(act approval.Act) bool { return act.Kind == kind }) {
			return fmt.Errorf("four_eyes: there is no act %q; docs/audit.md lists the kinds", kind)
		}
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
	registry.MustRegister(a.Vault.Metrics.Collectors()...)
	guards, err := a.guards(ctx, registry)
	if err != nil {
		return err
	}
	a.Server = api.New(api.Options{
		Title:           "Feiqian API",
		Version:         version,
		Clock:           a.Clock,
		Log:             a.log,
		Verifiers:       a.services.Verifiers(),
		CheckSignature:  a.Signing.Check,
		Endpoints:       a.services.Endpoints(),
		Pages:           a.pages(),
		OnShutdown:      sync.OnceFunc(a.Checkouts.Stop),
		Mounts:          a.mounts(),
		Metrics:         registry,
		Trail:           a.Trail,
		Tracer:          tracer,
		Ready:           []api.ReadyCheck{{Name: "database", Run: a.DB.Read.PingContext}},
		TrustedProxies:  proxies,
		Edge:            guards,
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

func (a *App) keepClock(ahead time.Duration) error { return KeepClock(a.Config, ahead) }

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
