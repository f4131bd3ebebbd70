package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/identity/authorityhttp"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/message/smshttp"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
)

// World is the small world around a sandbox instance: who lives in it, with secrets drawn at the
// first start. It is kept in a file of the data folder that only its owner may read, never in git.
type World struct { //nolint:recvcheck // values are read, pointers change
	Customers []WorldCustomer `json:"customers"`
	Merchants []WorldMerchant `json:"merchants"`
	Staff     []WorldStaff    `json:"staff"`
	Bank      bank.Keys       `json:"bank_keys"`
	Authority authority.Keys  `json:"authority_keys"`
	Issuer    issuer.Keys     `json:"issuer_keys"`
	// SMSKey is the platform's key at the SMS centre.
	SMSKey string `json:"sms_key"`
}

// SandboxTOTP is the secret of the authenticator apps of all staff and merchants' users of a sandbox. Everybody knows
// it; a live instance never takes it.
const SandboxTOTP = "FEIQIANSANDBOXSTAFFTOTPSECRETKEY"

// WorldCustomer is a demo customer with an account at the sandbox bank.
type WorldCustomer struct {
	Name        string `json:"name"`
	Phone       string `json:"phone"`
	Password    string `json:"password"`
	PIN         string `json:"pin"`
	BankAccount string `json:"bank_account"`
}

// WorldMerchant is a demo merchant with its secret key and its owner, who signs in to the merchant's door.
type WorldMerchant struct {
	Name          string `json:"name"`
	ID            string `json:"id"`
	FeeBps        int64  `json:"fee_bps"`
	Key           string `json:"key"`
	OwnerEmail    string `json:"owner_email"`
	OwnerPassword string `json:"owner_password"`
}

// WorldStaff is a demo person of the operator.
type WorldStaff struct {
	Name     string     `json:"name"`
	Email    string     `json:"email"`
	Role     party.Role `json:"role"`
	Password string     `json:"password"`
}

const (
	worldFile        = "world.json"
	bankFile         = "bank.db"
	authorityFile    = "authority.json"
	clockFile        = "clock"
	bankTimeout      = 3 * time.Second
	authorityTimeout = 3 * time.Second
)

// KeepClock keeps how far the sandbox's clock was moved.
func KeepClock(cfg config.Config, ahead time.Duration) error {
	name := filepath.Join(WorldDir(cfg), clockFile)
	if err := os.WriteFile(name, []byte(ahead.String()), 0o600); err != nil {
		return fmt.Errorf("keep the sandbox's clock: %w", err)
	}
	return nil
}

// RestoreClock moves clk as far as KeepClock kept: time in a sandbox does not go back at a restart.
func RestoreClock(cfg config.Config, clk *clock.Clock) error {
	text, err := os.ReadFile(filepath.Join(WorldDir(cfg), clockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the sandbox's clock: %w", err)
	}
	ahead, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read the sandbox's clock: %w", err)
	}
	clk.Advance(ahead)
	return nil
}

// WorldDir is the folder of an instance's sandbox world: one for each database, so that the bank's
// books and ours belong together.
func WorldDir(cfg config.Config) string {
	sum := sha256.Sum256([]byte(cfg.Database))
	return filepath.Join(cfg.DataDir, "sandbox-"+hex.EncodeToString(sum[:4]))
}

// LoadWorld reads the world of an instance. Errors: fs.ErrNotExist where there is none yet.
func LoadWorld(cfg config.Config) (World, error) {
	var world World
	text, err := os.ReadFile(filepath.Join(WorldDir(cfg), worldFile))
	if err != nil {
		return world, err
	}
	if err := json.Unmarshal(text, &world); err != nil {
		return world, fmt.Errorf("read the sandbox world: %w", err)
	}
	return world, nil
}

func (w World) save(cfg config.Config) error {
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return fmt.Errorf("write the sandbox world: %w", err)
	}
	name := filepath.Join(WorldDir(cfg), worldFile)
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return fmt.Errorf("write the sandbox world: %w", err)
	}
	return os.Rename(name+".new", name)
}

// complete gives a world of an earlier version what it does not have yet.
func (w *World) complete(cfg config.Config) error {
	drawn, err := w.drawKeys()
	hired, owned := w.hire(), w.drawOwners()
	if err != nil || (!drawn && !hired && !owned) {
		return err
	}
	return w.save(cfg)
}

// drawOwners draws the owners of merchants who have none.
func (w *World) drawOwners() (drawn bool) {
	for i := range w.Merchants {
		if m := &w.Merchants[i]; m.OwnerEmail == "" {
			m.OwnerEmail, m.OwnerPassword = fmt.Sprintf("owner%d@feiqian.test", i+1), secretWord()
			drawn = true
		}
	}
	return drawn
}

// hire draws the staff who are missing: two people of each role that decides for others, so that whatever one of them
// proposes, the other can approve.
func (w *World) hire() (hired bool) {
	for _, role := range []party.Role{party.RoleAdmin, party.RoleFinance, party.RoleRisk, party.RoleCompliance} {
		for _, name := range []string{string(role), string(role) + "2"} {
			if slices.ContainsFunc(w.Staff, func(p WorldStaff) bool { return p.Name == name }) {
				continue
			}
			w.Staff = append(w.Staff, WorldStaff{
				Name: name, Email: name + "@feiqian.test", Role: role, Password: secretWord(),
			})
			hired = true
		}
	}
	return hired
}

// drawKeys draws the keys of outside parties that have none.
func (w *World) drawKeys() (drawn bool, err error) {
	if w.Authority.Check() != nil {
		if w.Authority, err = authority.GenerateKeys(); err != nil {
			return false, err
		}
		drawn = true
	}
	if w.Issuer.Issuer.Check() != nil {
		if w.Issuer, err = issuer.GenerateKeys(); err != nil {
			return false, err
		}
		drawn = true
	}
	if w.SMSKey == "" {
		w.SMSKey, drawn = rand.Text(), true
	}
	return drawn, nil
}

// OpenWorld reads the world or draws a new one.
func OpenWorld(cfg config.Config) (World, error) {
	world, err := LoadWorld(cfg)
	if err == nil {
		return world, world.complete(cfg)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return world, err
	}
	if err := os.MkdirAll(WorldDir(cfg), 0o700); err != nil {
		return world, fmt.Errorf("make the sandbox folder: %w", err)
	}
	if world.Bank, err = bank.GenerateKeys(); err != nil {
		return world, err
	}
	if _, err := world.drawKeys(); err != nil {
		return world, err
	}
	accounts := bank.SeedAccounts()
	for i := range 3 {
		world.Customers = append(world.Customers, WorldCustomer{
			Name: accounts[i].HolderName, Phone: fmt.Sprintf("+861380000000%d", i+1), Password: secretWord(), PIN: secretPIN(),
			BankAccount: accounts[i].Number,
		})
	}
	world.Merchants = []WorldMerchant{{Name: "四海茶馆", FeeBps: 60}, {Name: "Harbor Coffee", FeeBps: 38}}
	world.hire()
	world.drawOwners()
	return world, world.save(cfg)
}

// secretWord draws a password of 80 bits.
func secretWord() string { return rand.Text()[:16] }

// secretPIN draws a PIN that is not easily guessed.
func secretPIN() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000)) //nolint:mnd // six digits
	if err != nil {
		return "739402" // never: crypto/rand ends the program instead
	}
	pin := fmt.Sprintf("%06d", n)
	if auth.TrivialPIN(pin) {
		return secretPIN()
	}
	return pin
}

// StartBank starts the sandbox bank of the world and returns the channel to it.
func StartBank(
	ctx context.Context,
	cfg config.Config,
	world World,
	clk *clock.Clock,
) (*bank.Server, channel.Channel, error) {
	server, err := bank.Start(ctx, bank.Config{
		Listen: cfg.SandboxListen, DatabasePath: filepath.Join(WorldDir(cfg), bankFile), Keys: world.Bank, Clock: clk,
		NotifyURL: "http://" + cfg.Listen + "/channels/bank/notices",
	})
	if err != nil {
		return nil, nil, err
	}
	route, err := bankhttp.New(bankhttp.Config{
		BaseURL: server.URL(), Key: world.Bank.Platform, BankKey: world.Bank.Bank.Public(), Clock: clk,
		Client: &http.Client{Timeout: bankTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	})
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return server, route, nil
}

// StartAuthority starts the sandbox's channels that know people, and returns the ways to them.
func StartAuthority(
	ctx context.Context,
	cfg config.Config,
	world World,
	clk *clock.Clock,
) (*authority.Server, []identity.Verifier, error) {
	server, err := authority.Start(ctx, authority.Config{
		Listen: cfg.AuthorityListen, StatePath: filepath.Join(WorldDir(cfg), authorityFile), Keys: world.Authority,
		Clock: clk,
	})
	if err != nil {
		return nil, nil, err
	}
	client := &http.Client{Timeout: authorityTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var verifiers []identity.Verifier
	for _, name := range identity.Channels() {
		verifier, err := authorityhttp.New(authorityhttp.Config{
			Channel: name, BaseURL: server.URL(), Key: world.Authority.Platform,
			AuthorityKey: world.Authority.Authority.Public(), Client: client, Clock: clk,
		})
		if err != nil {
			return nil, nil, errors.Join(err, server.Close()) //nolint:contextcheck // closing takes no context
		}
		verifiers = append(verifiers, verifier)
	}
	return server, verifiers, nil
}

// StartSMS starts the sandbox SMS centre of the world and returns the sender to it.
func StartSMS(
	ctx context.Context,
	cfg config.Config,
	world World,
	clk *clock.Clock,
) (*smsc.Server, message.Sender, error) {
	server, err := smsc.Start(ctx, smsc.Config{Listen: cfg.SandboxSMSListen, Key: world.SMSKey, Clock: clk})
	if err != nil {
		return nil, nil, err
	}
	sender, err := smshttp.New(smshttp.Config{
		BaseURL: server.URL(), Key: world.SMSKey, Client: &http.Client{Timeout: bankTimeout},
	})
	if err != nil {
		return nil, nil, errors.Join(err, server.Close()) //nolint:contextcheck // it has a time of its own
	}
	return server, sender, nil
}

// Seed puts the world's people into the instance where they are missing, and keeps what it drew.
func (a *App) Seed(ctx context.Context, world *World) error {
	changed := false
	for i := range world.Customers {
		if err := a.seedCustomer(ctx, &world.Customers[i]); err != nil {
			return err
		}
	}
	for i := range world.Merchants {
		made, err := a.seedMerchant(ctx, &world.Merchants[i])
		if err != nil {
			return err
		}
		changed = changed || made
		if err := a.seedOwner(ctx, world.Merchants[i]); err != nil {
			return err
		}
	}
	for _, person := range world.Staff {
		if err := a.seedStaff(ctx, person); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return world.save(a.Config)
}

// seedCustomer makes a verified customer: the world's people may pay.
func (a *App) seedCustomer(ctx context.Context, c *WorldCustomer) error {
	known, err := a.Parties.CustomerByPhone(ctx, c.Phone)
	if err == nil && known.Class == 0 { // made before there were classes
		return a.Parties.ChangeClass(ctx, known.ID, party.ClassMax)
	}
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	customer, err := a.Auth.Register(ctx, auth.Registration{Phone: c.Phone, Name: c.Name, Password: c.Password})
	if err != nil {
		return err
	}
	if err := a.Parties.ChangeClass(ctx, customer.ID, party.ClassMax); err != nil {
		return err
	}
	if err := a.Auth.SetPIN(ctx, auth.PINChange{Customer: customer.ID, Password: c.Password, NewPIN: c.PIN}); err != nil {
		return err
	}
	_, err = a.services.BankAccounts.Bind(ctx, customer.ID, a.channels[0].Capabilities().Name,
		channel.BindRequest{Number: c.BankAccount, HolderName: c.Name})
	return err
}

func (a *App) seedStaff(ctx context.Context, person WorldStaff) error {
	known, err := a.Auth.CreateStaff(
		ctx,
		auth.NewStaff{Email: person.Email, Name: person.Name, Role: person.Role, Password: person.Password},
	)
	if fault.CodeOf(err) == "party.email_taken" {
		known, err = a.Parties.StaffByEmail(ctx, person.Email)
	}
	if err != nil {
		return err
	}
	return a.Auth.SeedStaffTOTP(ctx, known.ID, SandboxTOTP)
}

// seedOwner makes the owner of a merchant, who may sign in at once.
func (a *App) seedOwner(ctx context.Context, m WorldMerchant) error {
	known, err := a.Parties.CreateUser(ctx, party.NewMerchantUser{
		Merchant: id.Merchant(m.ID), Email: m.OwnerEmail, Name: m.Name, Role: party.MerchantOwner,
	})
	if fault.CodeOf(err) == "party.email_taken" {
		known, err = a.Parties.UserByEmail(ctx, m.OwnerEmail)
	}
	if err == nil && known.Credential.PasswordHash == "" {
		err = a.Auth.SetFirstPassword(ctx, known.ID, m.OwnerPassword)
	}
	if err != nil {
		return err
	}
	return a.Auth.SeedUserTOTP(ctx, known.ID, SandboxTOTP)
}

func (a *App) seedMerchant(ctx context.Context, m *WorldMerchant) (bool, error) {
	if _, err := a.Auth.AuthenticateKey(ctx, m.Key); err == nil {
		return false, nil
	}
	merchant, err := a.Parties.CreateMerchant(ctx, party.NewMerchant{Name: m.Name, FeeBps: m.FeeBps})
	if err != nil {
		return false, err
	}
	_, secret, err := a.Auth.CreateKey(ctx, merchant.ID, "demo")
	if err != nil {
		return false, err
	}
	m.ID, m.Key = string(merchant.ID), secret
	return true, nil
}
