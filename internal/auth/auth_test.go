package auth_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	phone    = "13800000001"
	password = "correct horse"
)

type fixture struct {
	*auth.Auth
	parties   *party.Parties
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
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
	p := party.New(c, db, clk)
	f := &fixture{parties: p, committer: c, db: db, clock: clk, Auth: auth.New(auth.Parts{
		Committer: c, DB: db, Clock: clk, Vault: v, Parties: p,
	})}
	if err := c.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
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
	in, err := f.SignIn(t.Context(), auth.SignInRequest{Phone: phone, Password: password, Device: device})
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
	before := f.written(t)
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %s", err, code)
	}
	after := f.written(t)
	if before[6]++; after != before {
		t.Errorf("%s: rows %v, want %v", code, after, before)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		in := f.signIn(t, auth.DeviceRequest{Name: "Phone"})
		if in.Session.Customer() != customer.ID || in.Session.Staff() != "" || in.Session.DeviceID != in.Device.ID {
			t.Errorf("signed in %+v", in)
		}
		if !strings.HasPrefix(in.Token, "st_") || len(in.Device.Handle) != 10 || in.Device.Name != "Phone" {
			t.Errorf("signed in %+v", in)
		}
		session, err := f.Authenticate(t.Context(), in.Token)
		if err != nil || session != in.Session {
			t.Errorf("%+v, %v, want %+v", session, err, in.Session)
		}
		var stored int64
		err = db.Read.QueryRowContext(t.Context(),
			"SELECT count(*) FROM sessions WHERE token_hash = $1", in.Token).Scan(&stored)
		if err != nil || stored != 0 {
			t.Errorf("the token itself is stored: %v", err)
		}
		f.refused(t, "auth.session_invalid", func() error {
			_, err := f.Authenticate(t.Context(), vault.Token("st_"))
			return err
		})
		f.clock.Advance(30 * 24 * time.Hour)
		if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("after 30 days: %v", err)
		}
	})
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.register(t)
		for _, test := range []struct {
			code string
			auth.Registration
		}{
			{"party.phone_taken", auth.Registration{Phone: phone, Name: "李四", Password: password}},
			{"party.bad_phone", auth.Registration{Phone: "1", Name: "李四", Password: password}},
			{"party.bad_name", auth.Registration{Phone: "13800000002", Password: password}},
			{"auth.weak_password", auth.Registration{Phone: "13800000002", Name: "李四", Password: "short"}},
			{"auth.weak_password", auth.Registration{Phone: "13800000002", Name: "李四", Password: "aaaaaaaaaaaa"}},
			{"auth.weak_password", auth.Registration{Phone: "13800000002", Name: "李四", Password: strings.Repeat("ab", 65)}},
		} {
			f.refused(t, test.code, func() error { _, err := f.Register(t.Context(), test.Registration); return err })
		}
	})
}

// TestSignInLocks walks through the lockout, for a known and an unknown number alike.
func TestSignInLocks(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.register(t)
		for _, test := range []struct {
			number string
			check  func(t *testing.T, code string, act func() error)
		}{{phone, f.counted}, {"13800000009", f.refused}} {
			for range 4 {
				test.check(t, "auth.bad_credentials", f.trying(t, test.number, "wrong horse"))
			}
			test.check(t, "auth.login_locked", f.trying(t, test.number, "wrong horse"))
			f.refused(t, "auth.login_locked", f.trying(t, test.number, password)) // even the right one
			f.clock.Advance(14 * time.Minute)
			err := f.trying(t, test.number, password)()
			after := fault.From(err).RetryAfter
			if fault.KindOf(err) != fault.Limited || after <= 0 || after > time.Minute ||
				!strings.Contains(err.Error(), "in 1 minute") {
				t.Errorf("after 14 minutes: %v, RetryAfter %v", err, after)
			}
			f.clock.Advance(time.Minute)
			for range 4 {
				test.check(t, "auth.bad_credentials", f.trying(t, test.number, "wrong horse"))
			}
			f.clock.Advance(10 * time.Minute) // the rate limit, not the lock
			test.check(t, "auth.login_locked", f.trying(t, test.number, "wrong horse"))
			f.clock.Advance(59 * time.Minute)
			f.refused(t, "auth.login_locked", f.trying(t, test.number, password))
			f.clock.Advance(time.Minute)
		}
		f.signIn(t, auth.DeviceRequest{}) // and begins again at zero
		for range 4 {
			f.counted(t, "auth.bad_credentials", f.trying(t, phone, "wrong horse"))
		}
	})
}

// TestWrongPasswordsAtOnce sends many wrong passwords and the right one behind them, all compared
// before any is counted: the count is exact.
func TestWrongPasswordsAtOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		codes := make(chan string, 12)
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() { codes <- fault.CodeOf(f.VerifyPassword(t.Context(), customer.ID, "wrong horse")) })
		}
		wg.Wait()
		close(codes)
		seen := map[string]int{}
		for code := range codes {
			seen[code]++
		}
		if seen["auth.bad_credentials"] != 4 || seen["auth.login_locked"] != 8 {
			t.Errorf("answers %v", seen)
		}
		known, err := f.parties.Customer(t.Context(), customer.ID)
		if err != nil || known.Credential.Failures != 5 {
			t.Errorf("%d failures, %v", known.Credential.Failures, err)
		}
	})
}

func TestSignInRate(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, "sqlite")
	f := start(t, db)
	f.register(t)
	for range 10 {
		f.signIn(t, auth.DeviceRequest{})
	}
	f.refused(t, "auth.too_many_sign_ins", f.trying(t, phone, password))
	f.clock.Advance(30 * time.Second)
	f.signIn(t, auth.DeviceRequest{})
}

func TestDevices(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		one := f.signIn(t, auth.DeviceRequest{Name: "One"})
		again := f.signIn(t, auth.DeviceRequest{ID: one.Device.ID, Name: "Ignored"})
		if again.Device != one.Device {
			t.Errorf("not the same device: %+v, %+v", again.Device, one.Device)
		}
		two := f.signIn(t, auth.DeviceRequest{ID: "dev_none", Name: "Two"})
		if two.Device.ID == one.Device.ID || two.Device.ID == "dev_none" {
			t.Errorf("device %s", two.Device.ID)
		}
		other, err := f.Register(t.Context(), auth.Registration{Phone: "13800000002", Name: "李四", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		thief, err := f.StartSession(t.Context(), other.ID, auth.DeviceRequest{ID: one.Device.ID, Name: "Thief"})
		if err != nil || thief.Device.ID == one.Device.ID {
			t.Errorf("another customer got the device: %+v, %v", thief, err)
		}
		f.refused(t, "auth.device_not_found", func() error { return f.RevokeDevice(t.Context(), other.ID, one.Device.ID) })
		f.refused(t, "auth.bad_device_name", func() error {
			_, err := f.StartSession(t.Context(), other.ID, auth.DeviceRequest{Name: "a\nb"})
			return err
		})
		if err := f.RevokeDevice(t.Context(), customer.ID, one.Device.ID); err != nil {
			t.Fatal(err)
		}
		for _, in := range []auth.SignedIn{one, again} {
			if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
				t.Errorf("session of a revoked device: %v", err)
			}
		}
		listed, err := f.ListDevices(t.Context(), customer.ID)
		if err != nil || len(listed) != 1 || listed[0] != two.Device {
			t.Errorf("devices %+v, %v", listed, err)
		}
		if in := f.signIn(t, auth.DeviceRequest{ID: one.Device.ID}); in.Device.ID == one.Device.ID {
			t.Error("a revoked device was used again")
		}
		found, err := f.DeviceByHandle(t.Context(), one.Device.Handle)
		if err != nil || found.State != auth.DeviceRevoked {
			t.Errorf("by handle: %+v, %v", found, err)
		}
	})
}

// TestSignOut ends a session on one node: there at once, on the other within two seconds.
func TestSignOut(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		here, there := start(t, db), start(t, db)
		here.register(t)
		in := here.signIn(t, auth.DeviceRequest{})
		for _, f := range []*fixture{here, there} {
			if _, err := f.Authenticate(t.Context(), in.Token); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.SignOut(t.Context(), in.Session); err != nil {
			t.Fatal(err)
		}
		here.refused(t, "auth.session_invalid", func() error {
			_, err := here.Authenticate(t.Context(), in.Token)
			return err
		})
		there.clock.Advance(2 * time.Second)
		there.refused(t, "auth.session_invalid", func() error {
			_, err := there.Authenticate(t.Context(), in.Token)
			return err
		})
		if device, err := here.Device(t.Context(), in.Device.ID); err != nil || device.State != auth.DeviceRevoked {
			t.Errorf("device %+v, %v", device, err)
		}
		here.refused(t, "", func() error { return here.SignOut(t.Context(), in.Session) }) // again: nothing to do
		here.refused(t, "auth.session_invalid", func() error {
			return here.SignOut(t.Context(), auth.Session{ID: "ses_none"})
		})
	})
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.register(t)
		kept, other := f.signIn(t, auth.DeviceRequest{}), f.signIn(t, auth.DeviceRequest{})
		if _, err := f.Authenticate(t.Context(), other.Token); err != nil {
			t.Fatal(err)
		}
		change := func(old, fresh string) func() error {
			return func() error {
				return f.ChangePassword(t.Context(), auth.PasswordChange{Session: kept.Session, Old: old, New: fresh})
			}
		}
		f.counted(t, "auth.bad_credentials", change("wrong horse", "battery staple"))
		f.refused(t, "auth.weak_password", change(password, "short"))
		if err := change(password, "battery staple")(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Authenticate(t.Context(), kept.Token); err != nil {
			t.Errorf("the session that changed it: %v", err)
		}
		if _, err := f.Authenticate(t.Context(), other.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("another session: %v", err)
		}
		f.counted(t, "auth.bad_credentials", f.trying(t, phone, password))
		if _, err := f.SignIn(t.Context(), auth.SignInRequest{Phone: phone, Password: "battery staple"}); err != nil {
			t.Errorf("with the new one: %v", err)
		}
	})
}

func TestStates(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		in := f.signIn(t, auth.DeviceRequest{})
		for _, state := range []party.State{party.StateFrozen, party.StateClosed} {
			err := f.committer.Do(t.Context(), []commit.Key{f.parties.CustomerKey(customer.ID)}, func(tx *commit.Tx) error {
				return f.parties.MoveCustomer(tx, customer.ID, state)
			})
			if err != nil {
				t.Fatal(err)
			}
			f.clock.Advance(2 * time.Second)
			session, err := f.Authenticate(t.Context(), in.Token)
			if state == party.StateFrozen && (err != nil || !session.Frozen) {
				t.Errorf("frozen: %+v, %v", session, err)
			}
			if state == party.StateClosed && fault.CodeOf(err) != "auth.session_invalid" {
				t.Errorf("closed: %v", err)
			}
		}
		f.refused(t, "auth.closed", f.trying(t, phone, password))
		f.refused(t, "auth.closed", func() error {
			_, err := f.StartSession(t.Context(), customer.ID, auth.DeviceRequest{})
			return err
		})
		f.refused(t, "auth.bad_credentials", func() error {
			_, err := f.StartSession(t.Context(), "cus_none", auth.DeviceRequest{})
			return err
		})
	})
}

func TestStaff(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		for _, weak := range []string{"", "correct", "correct hor", strings.Repeat("abcd", 4), strings.Repeat("x", 129)} {
			f.refused(t, "auth.weak_password", func() error {
				_, err := f.CreateStaff(t.Context(),
					auth.NewStaff{Email: "ann@example.com", Name: "Ann", Role: party.RoleFinance, Password: weak})
				return err
			})
		}
		staff, err := f.CreateStaff(t.Context(),
			auth.NewStaff{Email: "ann@example.com", Name: "Ann", Role: party.RoleFinance, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		signIn := func(email, secret string) func() error {
			return func() error {
				_, err := f.SignInStaff(t.Context(), auth.StaffSignInRequest{Email: email, Password: secret})
				return err
			}
		}
		in, err := f.SignInStaff(t.Context(), auth.StaffSignInRequest{Email: "Ann@example.com", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		if s := in.Session; s.Staff() != staff.ID || s.Role != party.RoleFinance || s.Customer() != "" {
			t.Errorf("session %+v", s)
		}
		f.counted(t, "auth.bad_credentials", signIn("ann@example.com", "wrong horse"))
		f.refused(t, "auth.bad_credentials", signIn("bob@example.com", password))
		f.refused(t, "party.bad_email", signIn("ann", password))
		f.refused(t, "auth.weak_password", func() error {
			return f.ChangePassword(t.Context(), auth.PasswordChange{Session: in.Session, Old: password, New: "battery"})
		})
		f.refused(t, "auth.weak_password", func() error { // good enough for a customer
			return f.ChangePassword(t.Context(), auth.PasswordChange{Session: in.Session, Old: password, New: "battery sta"})
		})
		if err := f.parties.SetStaffState(t.Context(), staff.ID, party.StateFrozen); err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(2 * time.Second)
		if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("frozen staff: %v", err)
		}
		f.counted(t, "auth.closed", signIn("ann@example.com", password)) // the right one ends the count
		f.refused(t, "auth.closed", signIn("ann@example.com", password))
		if err := f.parties.SetStaffState(t.Context(), staff.ID, party.StateActive); err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(12 * time.Hour)
		if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("after 12 hours: %v", err)
		}
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		here, there := start(t, db), start(t, db)
		merchant, err := here.parties.CreateMerchant(t.Context(), party.NewMerchant{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		key, secret, err := here.CreateKey(t.Context(), merchant.ID, "till 1")
		if err != nil || !strings.HasPrefix(secret, "sk_sandbox_") {
			t.Fatalf("%v", err)
		}
		if key.Masked != "sk_sandbox_****"+secret[len(secret)-4:] || strings.Contains(key.SecretHash, secret) {
			t.Errorf("key %+v", key)
		}
		for _, f := range []*fixture{here, there} {
			if m, k, err := f.AuthenticateKey(t.Context(), secret); err != nil || m != merchant.ID || k != key.ID {
				t.Errorf("%s, %s, %v", m, k, err)
			}
		}
		for _, test := range []struct{ secret, code string }{
			{"sk_live_" + secret[len("sk_sandbox_"):], "auth.key_wrong_mode"},
			{vault.Token("sk_sandbox_"), "auth.key_invalid"},
			{secret + "0", "auth.key_invalid"},
			{"", "auth.key_invalid"},
			{"st_1", "auth.key_invalid"},
		} {
			here.refused(t, test.code, func() error { _, _, err := here.AuthenticateKey(t.Context(), test.secret); return err })
		}
		here.refused(t, "auth.key_not_found", func() error { return here.RevokeKey(t.Context(), "mer_other", key.ID) })
		here.refused(t, "party.merchant_not_found", func() error {
			_, _, err := here.CreateKey(t.Context(), "mer_other", "till 1")
			return err
		})
		if err := here.RevokeKey(t.Context(), merchant.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		there.clock.Advance(2 * time.Second)
		for _, f := range []*fixture{here, there} {
			f.refused(t, "auth.key_invalid", func() error { _, _, err := f.AuthenticateKey(t.Context(), secret); return err })
		}
		listed, err := here.ListKeys(t.Context(), merchant.ID)
		if err != nil || len(listed) != 1 || listed[0].RevokedAt.IsZero() || listed[0].SecretHash != "" {
			t.Errorf("keys %+v, %v", listed, err)
		}
	})
}

func TestCan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		role       party.Role
		permission auth.Permission
		can        bool
	}{
		{party.RoleAdmin, auth.WriteStaff, true},
		{party.RoleAdmin, auth.CorrectLedger, false},
		{party.RoleFinance, auth.CorrectLedger, true},
		{party.RoleFinance, auth.WriteStaff, false},
		{party.RoleSupport, auth.RefundPayments, true},
		{party.RoleSupport, auth.ReadLedger, false},
		{"", auth.ReadPayments, false},
		{"root", auth.ReadPayments, false},
	} {
		if got := auth.Can(test.role, test.permission); got != test.can {
			t.Errorf("Can(%s, %s) = %v", test.role, test.permission, got)
		}
	}
	for _, role := range party.Roles() {
		if !auth.Can(role, auth.ReadPayments) {
			t.Errorf("%s is not in the table", role)
		}
	}
	for _, permission := range []auth.Permission{
		auth.WriteCustomers, auth.WriteMerchants, auth.RefundPayments, auth.CorrectLedger, auth.WriteSettlement,
		auth.WriteStaff, auth.Operate,
	} {
		if auth.Can(party.RoleAuditor, permission) {
			t.Errorf("an auditor can %s", permission)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	clk := &clock.Clock{}
	l := auth.NewLimiter(clk, auth.Rate{Every: time.Hour, Burst: 3}, 10)
	for range 3 {
		if l.Wait("a") != 0 {
			t.Error("must wait too early")
		}
		if ok, _ := l.Allow("a"); !ok {
			t.Error("refused within the burst")
		}
	}
	for range 2 { // a refused act takes nothing
		if ok, after := l.Allow("a"); ok || after <= 0 || after > time.Hour {
			t.Errorf("allowed %v, after %v", ok, after)
		}
	}
	if wait := l.Wait("a"); wait <= 0 || wait > time.Hour {
		t.Errorf("wait %v", wait)
	}
	if ok, _ := l.Allow("b"); !ok {
		t.Error("another key is refused")
	}
	clk.Advance(time.Hour)
	if ok, _ := l.Allow("a"); !ok {
		t.Error("refused after the time")
	}
	if ok, _ := auth.NewLimiter(clk, auth.Rate{Every: time.Hour}, 10).Allow("a"); ok {
		t.Error("a burst of 0 allows")
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	f := start(b, sqldbtest.Open(b, "sqlite"))
	customer := f.register(b)
	in, err := f.StartSession(b.Context(), customer.ID, auth.DeviceRequest{})
	if err != nil {
		b.Fatal(err)
	}
	var last id.Session
	for b.Loop() {
		session, err := f.Authenticate(b.Context(), in.Token)
		if err != nil {
			b.Fatal(err)
		}
		last = session.ID
	}
	_ = last
}
