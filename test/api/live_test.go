package api_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

func live(c *config.Config) { c.Mode, c.SandboxListen = config.Live, "" }

// liveCustomer is a customer without a bank account.
func (w *world) liveCustomer(t *testing.T) person {
	t.Helper()
	p := person{phone: fmt.Sprintf("+86139%08d", w.next())}
	customer, err := w.Auth.Register(t.Context(), auth.Registration{Phone: p.phone, Name: "Live", Password: password})
	must(t, err)
	in, err := w.Auth.StartSession(t.Context(), customer.ID, auth.DeviceRequest{Name: "phone"})
	must(t, err)
	p.id, p.token, p.device = customer.ID, in.Token, in.Device
	must(t, w.Parties.ChangeClass(t.Context(), p.id, party.ClassMax))
	must(t, w.Auth.SetPIN(t.Context(), auth.PINChange{Customer: p.id, Password: password, NewPIN: pin}))
	return p
}

// TestLiveWithoutChannel: no money comes in or goes out, which is said so; all else works.
func TestLiveWithoutChannel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.liveCustomer(t), w.liveCustomer(t)
		const none = "channel.not_configured"
		w.refused(t, 409, none, apitest.Request{
			Method: "POST", Path: "/wallet/v1/bank_accounts", Token: p.token,
			Body: map[string]any{"number": "6200000000000001", "holder_name": "Live"},
		})
		p.bankAccount = "ba_01kanq4j3qf8yt0v5d7r2m9xce"
		refused := func(p person, code string, status int) {
			t.Helper()
			for _, path := range []string{"/wallet/v1/top_ups", "/wallet/v1/withdrawals"} {
				problem := w.refused(t, status, code, p.bankMoney(w, path, 100))
				if code == none && (problem.Retryable || !strings.Contains(problem.Detail, "no channel to a bank")) {
					t.Errorf("%s: %+v", path, problem)
				}
				dry := p.bankMoney(w, path, 100)
				dry.Path += "?dry_run=true"
				w.refused(t, status, code, dry)
			}
		}
		refused(p, none, 409)
		// An account that was linked when there was a channel.
		must(t, w.DB.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO bank_accounts
				(id, customer_id, channel, bank_token, bank_name, masked, currency, state, created_at)
				VALUES ($1, $2, 'bank', 'x', 'Bank', '****0001', 'CNY', 'active', 0)`, string(p.bankAccount), string(p.id))
			return err
		}))
		refused(p, none, 409)
		if n := w.rows(t, get("/wallet/v1/bank_accounts", p.token)); n != 1 {
			t.Errorf("%d bank accounts", n)
		}

		w.post(t, ledger.Line{
			Reason: "test", Debit: "1101:CNY:bank.n00", Credit: ledger.AccountID("2001:CNY:" + string(p.id)), Amount: cny(5_000),
		})
		s := w.shop(t, party.NewMerchant{FeeBps: 60})
		if !strings.HasPrefix(s.token, "sk_live_") {
			t.Errorf("a key of the other mode: %s", s.token[:8])
		}
		w.paid(t, s, p, 1_000)
		w.ok(t, 201, p.transfer(w, other, 100), nil)
		w.ok(t, 201, s.order(w, 100, map[string]any{"payment_code": w.code(t, p)}), nil)
		w.ok(t, 200, get("/ops/v1/attempts", w.staff(t, party.RoleAdmin)), nil)
		w.refused(t, 404, "request.unknown_route", apitest.Request{
			Method: "POST", Path: "/ops/v1/sandbox/clock", Token: w.staff(t, party.RoleAdmin), Body: `{"seconds":1}`,
		})
	}, live)
}

// TestNodesStartAtOnce starts several nodes at once on an empty database.
func TestNodesStartAtOnce(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	live(&cfg)
	cfg.DataDir, cfg.Database = t.TempDir(), sqldbtest.URL(t, "postgres")
	cfg.VaultKeyFile = filepath.Join(cfg.DataDir, "vault.key")
	_, err := vault.Create(cfg.VaultKeyFile)
	must(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			node, err := app.New(t.Context(), cfg, &clock.Clock{}, "test")
			if err != nil {
				t.Errorf("a node does not start: %v", err)
				return
			}
			defer node.Close()
			_, err = node.Auth.Register(t.Context(), auth.Registration{Phone: "13900000001", Name: "Node", Password: password})
			if err != nil && fault.CodeOf(err) != "party.phone_taken" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
