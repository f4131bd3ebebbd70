package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/wallet"
)

// people are who acts: one hot merchant and many payers with money.
type people struct {
	merchant id.Merchant
	key      string
	payers   []payer
}

type payer struct {
	customer id.Customer
	token    string
	handle   string
	secret   [32]byte
	cursor   *codeCursor
}

const (
	payersCode  = 20_000 // a payer's phone makes ten codes in half a minute
	payersOther = 2_000
	payerPIN    = "739402"
	payerMoney  = 1_000_000_000
	feeBps      = 60
	atOnce      = 512
	codesOfStep = 10
	currency    = money.Currency("CNY")
)

// prepare fills the fresh database through the domains' own code, in this process and before the
// server starts.
func prepare(ctx context.Context, p *place, o Options, sink *sink) (*people, error) {
	cfg := config.Default()
	cfg.Database, cfg.DataDir, cfg.VaultKeyFile = p.url, p.dir, filepath.Join(p.dir, "vault.key")
	cfg.GroupMax = 4 * atOnce
	instance, err := app.New(ctx, cfg, &clock.Clock{}, "bench")
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	fmt.Fprintf(o.Progress, "  preparing %s …\n", p.engine)
	people := &people{payers: make([]payer, payersOther)}
	if o.Scenario == "code-payment" || o.Preload > 0 {
		people.payers = make([]payer, payersCode)
	}
	merchant, err := instance.Parties.CreateMerchant(ctx, party.NewMerchant{Name: "Bench", FeeBps: feeBps})
	if err != nil {
		return nil, err
	}
	people.merchant = merchant.ID
	if _, people.key, err = instance.Auth.CreateKey(ctx, merchant.ID, "bench"); err != nil {
		return nil, err
	}
	if err := each(ctx, len(people.payers), func(ctx context.Context, i int) error {
		return people.add(ctx, instance, i)
	}); err != nil {
		return nil, err
	}
	if err := people.setPINs(ctx, instance); err != nil {
		return nil, err
	}
	if err := sink.backlog(ctx, instance, o.Webhooks); err != nil {
		return nil, err
	}
	if err := people.preload(ctx, instance, o); err != nil {
		return nil, err
	}
	// What making the people left for later is done before anybody measures.
	_, sealed := instance.Log.Seal(ctx)
	return people, errors.Join(sealed, instance.Chain.Seal(ctx))
}

// each runs fn for 0 … n−1, many at once; it stops at the first error.
func each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, n) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// add makes payer i with a session, a device and money. The password is one that nobody knows.
func (p *people) add(ctx context.Context, a *app.App, i int) error {
	customer, err := a.Parties.NewCustomer(party.Registration{
		Phone: fmt.Sprintf("+861390%07d", i), Name: "Payer " + strconv.Itoa(i), PasswordHash: "!",
	})
	if err != nil {
		return err
	}
	customer.Class = party.ClassMax // the limits of a verified payer: 5,000 CNY a day with the PIN, 1,000 by code
	lines := ledger.Flows{
		Stripe: "n00",
	}.TopUp(
		string(customer.ID),
		"bank",
		money.Amount{Minor: payerMoney, Currency: currency},
		money.Zero(currency),
	)
	entry := ledger.NewEntry(a.Clock.Now(), "bench", lines...)
	keys := append(a.Parties.CustomerKeys(customer), a.Ledger.KeysOf(lines)...)
	if err := a.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		return errors.Join(a.Parties.AddCustomer(tx, customer), a.Ledger.Post(tx, entry))
	}); err != nil {
		return err
	}
	in, err := a.Auth.StartSession(ctx, customer.ID, auth.DeviceRequest{Name: "bench"})
	if err != nil {
		return err
	}
	p.payers[i] = payer{
		customer: customer.ID, token: in.Token, handle: in.Device.Handle, secret: a.Vault.DeviceSecret(in.Device.ID, 1),
		cursor: &codeCursor{},
	}
	return nil
}

// setPINs writes everybody's PIN at once; the API's way hashes a password for each.
func (p *people) setPINs(ctx context.Context, a *app.App) error {
	return a.DB.Write(ctx, func(tx *sql.Tx) error {
		for _, payer := range p.payers {
			_, err := tx.ExecContext(
				ctx,
				"INSERT INTO pins (id, mac, failures, locked_until, updated_at) VALUES ($1, $2, 0, 0, 0)",
				string(payer.customer),
				a.Vault.PINMAC(payer.customer, payerPIN),
			)
			if err != nil {
				return fmt.Errorf("set PIN: %w", err)
			}
		}
		return nil
	})
}

// preload pays the merchant o.Preload times, as the API would: payments, entries, events and keys.
func (p *people) preload(ctx context.Context, a *app.App, o Options) error {
	const shown, amounts = 250_000, 200 // small ones: millions stay within a day's limit for codes
	var done atomic.Int64
	var phones sync.Mutex
	// A phone makes ten codes in half a minute: when they are used up, the clock of this process goes on.
	codeOf := func(p *payer) string {
		phones.Lock()
		defer phones.Unlock()
		for {
			if code := p.next(wallet.StepOf(a.Clock.Now())); code != "" {
				return code
			}
			a.Clock.Advance(wallet.StepTime)
		}
	}
	err := each(ctx, o.Preload, func(ctx context.Context, i int) error {
		key := "preload-" + strconv.Itoa(i)
		pay := func() error {
			_, err := a.Payments.Create(ctx, payment.Order{
				Merchant:  p.merchant,
				Amount:    money.Amount{Minor: 100 + int64(i%amounts), Currency: currency},
				Reference: key,
				Code:      codeOf(&p.payers[i%len(p.payers)]),
				Once:      idempotency.Request{Caller: string(p.merchant), Route: "create_payment", Key: key, Body: []byte(key)},
			})
			return err
		}
		err := pay()
		for staleCode(err) {
			err = pay()
		}
		if n := done.Add(1); n%shown == 0 {
			fmt.Fprintf(o.Progress, "  %d payments stored\n", n)
		}
		return err
	})
	if err != nil || o.Preload == 0 {
		return err
	}
	if err := catchUp(ctx, a.Clock); err != nil {
		return err
	}
	for i := range p.payers {
		*p.payers[i].cursor = codeCursor{}
	}
	return a.DB.Write(ctx, func(tx *sql.Tx) error { // back to the time of the clients' phones
		_, err := tx.ExecContext(ctx, "UPDATE devices SET code_step = 0, code_n = 0")
		return err
	})
}

// catchUp waits until the time is what clk says, so that what is measured has later ids than what was stored: the check
// of the books counts on ids that come in the order of time, within the bounds of nodes' clocks.
func catchUp(ctx context.Context, clk *clock.Clock) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(clk.Now())):
		return nil
	}
}

// staleCode reports whether a code waited too long, as on a busy machine: just now, or so long that its step is
// unknown.
func staleCode(err error) bool {
	code := fault.CodeOf(err)
	return code == "wallet.code_expired" || code == "wallet.code_invalid"
}

// codeCursor walks a phone's codes: ten in a step, from the present one to the next.
type codeCursor struct {
	step int64
	n    int
}

// next returns the phone's next payment code, or "" when all that work now are used.
func (p *payer) next(now int64) string {
	c := p.cursor
	if c.step < now { // not the step before: its codes end while they are on their way
		c.step, c.n = now, 0
	}
	if c.n >= codesOfStep {
		c.step, c.n = c.step+1, 0
	}
	if c.step > now+1 {
		return ""
	}
	c.n++
	return wallet.ComputeCode(p.secret, p.handle, c.step, c.n-1)
}
