package auth_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/message/smshttp"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	phone     = "13800000001"
	password  = "correct horse"
	phoneMax  = 60 // texts a day
	appSecret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

type fixture struct {
	*auth.Auth
	inbox     *smsc.Server
	parties   *party.Parties
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
	vault     *vault.Vault
}

func start(tb testing.TB, db *sqldb.DB) *fixture {
	tb.Helper()
	v, err := vault.Create(filepath.Join(tb.TempDir(), "vault.key"))
	if err != nil {
		tb.Fatal(err)
	}
	return node(tb, db, v)
}

// node starts one more node on a database.
func node(tb testing.TB, db *sqldb.DB, v *vault.Vault) *fixture {
	tb.Helper()
	clk := &clock.Clock{}
	c := commit.New(db, clk, commit.Options{})
	events := outbox.New(c, db)
	jobs := job.New(c, db, clk, slog.New(slog.DiscardHandler))
	p := party.New(c, db, clk)
	centre, err := smsc.Start(tb.Context(), smsc.Config{Key: "key", Clock: clk})
	if err != nil {
		tb.Fatal(err)
	}
	sender, err := smshttp.New(smshttp.Config{
		BaseURL: centre.URL(), Key: "key", Client: &http.Client{Timeout: time.Second},
	})
	if err != nil {
		tb.Fatal(err)
	}
	texts := message.New(
		message.Parts{Committer: c, DB: db, Clock: clk, Jobs: jobs, Vault: v, Sender: sender, PhoneMax: phoneMax},
	)
	f := &fixture{parties: p, committer: c, db: db, clock: clk, vault: v, inbox: centre, Auth: auth.New(auth.Parts{
		Committer: c, DB: db, Clock: clk, Vault: v, Parties: p, Messages: texts, Outbox: events,
		RelyingParty: auth.RelyingParty{ID: "localhost", Origins: []string{"http://localhost:8080"}},
	})}
	if err := c.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		jobs.Run(ctx)
	}()
	tb.Cleanup(func() {
		stop()
		<-done
		c.Close()
		if err := centre.Close(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

func (f *fixture) register(tb testing.TB) party.Customer {
	tb.Helper()
	customer, err := f.Register(tb.Context(), auth.Registration{Phone: phone, Name: "张三", Password: password})
	if err != nil {
		tb.Fatal(err)
	}
	return customer
}

func (f *fixture) signIn(t *testing.T, device auth.DeviceRequest) auth.SignedIn {
	t.Helper()
	in, err := f.SignIn(t.Context(), auth.SignInRequest{
		Phone: phone, Password: password, Device: device, Code: f.code(t, phone, auth.PurposeSignIn),
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// trying returns a sign-in that is to be refused.
func (f *fixture) trying(t *testing.T, number, secret string) func() error {
	t.Helper()
	return func() error {
		_, err := f.SignIn(t.Context(), auth.SignInRequest{Phone: number, Password: secret})
		return err
	}
}

// written counts the rows of all tables that auth can change, and the commits.
func (f *fixture) written(t *testing.T) [7]int64 {
	t.Helper()
	var n [7]int64
	err := f.db.Read.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM customers),
		(SELECT count(*) FROM staff), (SELECT count(*) FROM pins), (SELECT count(*) FROM devices),
		(SELECT count(*) FROM sessions), (SELECT count(*) FROM api_keys), (SELECT count(*) FROM commit_groups)`).
		Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// refused checks that act fails with code and writes nothing.
func (f *fixture) refused(t *testing.T, code string, act func() error) {
	t.Helper()
	f.quiet(t)
	before := f.written(t)
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %s", err, code)
	}
	if after := f.written(t); after != before {
		t.Errorf("%s wrote: %v, before %v", code, after, before)
	}
}

// counted checks that act fails with code and writes no row but a counter.
func (f *fixture) counted(t *testing.T, code string, act func() error) {
	t.Helper()
	f.quiet(t)
	before := f.written(t)
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %s", err, code)
	}
	after := f.written(t)
	if before[6]++; after != before {
		t.Errorf("%s: rows %v, want %v", code, after, before)
	}
}

const (
	origin  = "http://localhost:8080"
	safePIN = "739402"
)

// code asks for a code and reads it from the phone's inbox.
func (f *fixture) code(
	t *testing.T,
	number string, //nolint:unparam // reads better
	purpose auth.Purpose,
) auth.CodeAnswer {
	t.Helper()
	sent, err := f.SendCode(t.Context(), auth.CodeWish{Phone: number, Purpose: purpose})
	if err != nil {
		t.Fatal(err)
	}
	return auth.CodeAnswer{ID: sent.ID, Digits: f.read(t, number)}
}

// quiet waits until no text is on its way.
func (f *fixture) quiet(t *testing.T) {
	t.Helper()
	for range 2000 {
		if f.count(t, "SELECT count(*) FROM jobs WHERE state = 'ready'") == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("texts do not leave")
}

// read waits for the newest code of a phone that was not read before.
func (f *fixture) read(t *testing.T, number string) string {
	t.Helper()
	e164, err := party.ParsePhone(number)
	if err != nil {
		t.Fatal(err)
	}
	f.quiet(t)
	inbox := f.inbox.Inbox(e164)
	for _, i := range slices.Backward(inbox) {
		if code := smsc.CodeIn(i.Text); code != "" {
			return code
		}
	}
	t.Fatalf("no code came to %s", number)
	return ""
}

func (f *fixture) count(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	if err := f.db.Read.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wants checks that an act is refused with a code.
func wants(t *testing.T, code string, err error) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %q", err, code)
	}
}

func other(digits string) string {
	return map[bool]string{true: "000001", false: "000000"}[digits == "000000"]
}

// confirm decides a confirmation, as a payment would.
func (f *fixture) confirm(t *testing.T, c auth.Confirmation) (auth.Factors, error) {
	t.Helper()
	confirming, err := f.Confirm(t.Context(), c)
	if err != nil {
		return auth.Factors{}, err
	}
	err = f.committer.Do(t.Context(), confirming.Keys(), func(tx *commit.Tx) error {
		return confirming.Require(tx, limit.Today{})
	})
	return c.Proof.Offers(), err
}
