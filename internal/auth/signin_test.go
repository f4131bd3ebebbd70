package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

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

func TestStates(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		in := f.signIn(t, auth.DeviceRequest{})
		for _, state := range []party.State{party.StateFrozen, party.StateClosed} {
			err := f.committer.Do(t.Context(), []commit.Key{f.parties.CustomerKey(customer.ID)}, func(tx *commit.Tx) error {
				return f.parties.MoveCustomer(t.Context(), tx, customer.ID, state)
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

func TestKnownDevice(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.register(t)
		in := f.signIn(t, auth.DeviceRequest{Name: "Phone", Proves: true})
		secret := f.vault.DeviceSecret(in.Device.ID, 1)
		try := func(change func(*auth.DeviceProof)) error {
			p := auth.DeviceProof{At: f.clock.Now().Unix()}
			p.MAC = auth.DeviceMAC(secret[:], "sign_in", "+86"+phone, p.At)
			change(&p)
			again, err := f.SignIn(t.Context(), auth.SignInRequest{
				Phone: phone, Password: password, Device: auth.DeviceRequest{ID: in.Device.ID}, Proof: p,
			})
			if err == nil && again.Device.ID != in.Device.ID {
				t.Errorf("another device: %s", again.Device.ID)
			}
			return err
		}
		if err := try(func(*auth.DeviceProof) {}); err != nil {
			t.Error(err)
		}
		for name, change := range map[string]func(*auth.DeviceProof){
			"None": func(p *auth.DeviceProof) { p.MAC = "" },
			"Old": func(p *auth.DeviceProof) {
				p.At -= 100
				p.MAC = auth.DeviceMAC(secret[:], "sign_in", "+86"+phone, p.At)
			},
			"Moved": func(p *auth.DeviceProof) { p.At++ },
			"Other": func(p *auth.DeviceProof) { p.MAC = auth.DeviceMAC(secret[:], "confirm", "+86"+phone, p.At) },
		} {
			t.Log(name)
			f.refused(t, "auth.code_required", func() error { return try(change) })
		}
		// The promise holds for confirmations.
		intent := auth.Intent{Act: auth.ActTransfer, Payee: "cus_x", Amount: money.Amount{Minor: 100, Currency: "CNY"}}
		if err := f.SetPIN(
			t.Context(),
			auth.PINChange{Customer: in.Session.Customer(), Password: password, NewPIN: safePIN},
		); err != nil {
			t.Fatal(err)
		}
		session, err := f.Authenticate(t.Context(), in.Token)
		if err != nil || !session.DeviceProves || session.DeviceSince.IsZero() {
			t.Fatalf("%+v, %v", session, err)
		}
		confirm := func(p auth.DeviceProof) error {
			_, err := f.confirm(t, auth.Confirmation{
				Customer: session.Customer(), Intent: intent, Proof: auth.Proof{PIN: safePIN, Device: p},
				By: auth.Payer{Device: session.DeviceID, DeviceSince: session.DeviceSince, DeviceProves: true},
			})
			return err
		}
		f.refused(t, "auth.device_proof_missing", func() error { return confirm(auth.DeviceProof{}) })
		at := f.clock.Now().Unix()
		if err := confirm(
			auth.DeviceProof{At: at, MAC: auth.DeviceMAC(secret[:], "confirm", intent.Text(), at)},
		); err != nil {
			t.Error(err)
		}
	})
}

func TestNewDeviceNotice(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.register(t)
		f.signIn(t, auth.DeviceRequest{Name: "Old phone\nof mine"[:9]})
		for range 1000 {
			for _, text := range f.inbox.Inbox("+86" + phone) {
				if strings.Contains(text.Text, "Old phone") {
					return
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Error("no notice of the new device came")
	})
}
