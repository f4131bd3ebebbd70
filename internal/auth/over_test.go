package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// TestOver holds that nothing works that is over: each credential is made, seen working, ended in each way that there is,
// and tried again.
func TestOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *fixture, party.Customer){
		"Session": overSession, "Device": overDevice, "Passkey": overPasskey, "App": overApp, "Code": overCode,
		"Gesture": overGesture,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
				f := start(t, db)
				test(t, f, f.register(t))
			})
		})
	}
}

// sessionOf opens a session on a new device, and sees it working.
func (f *fixture) sessionOf(t *testing.T, customer party.Customer) auth.SignedIn {
	t.Helper()
	in, err := f.StartSession(t.Context(), customer.ID, auth.DeviceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), in.Token); err != nil {
		t.Fatal(err)
	}
	return in
}

func overSession(t *testing.T, f *fixture, customer party.Customer) {
	ctx := t.Context()
	ends := map[string]func(in auth.SignedIn) error{
		"SignedOut":  func(in auth.SignedIn) error { return f.SignOut(ctx, in.Session) },
		"DeviceGone": func(in auth.SignedIn) error { return f.RevokeDevice(ctx, customer.ID, in.Device.ID) },
		"Password": func(auth.SignedIn) error {
			kept := f.sessionOf(t, customer)
			err := f.ChangePassword(ctx, auth.PasswordChange{Session: kept.Session, Old: password, New: "battery staple"})
			if err == nil {
				_, err = f.Authenticate(ctx, kept.Token)
			}
			return err
		},
		"Forgotten": func(auth.SignedIn) error {
			code := f.code(t, phone, auth.PurposeReset)
			return f.ResetPassword(ctx, auth.PasswordReset{Phone: phone, New: "another staple", Code: code})
		},
		"Expired": func(auth.SignedIn) error { f.clock.Advance(30 * 24 * time.Hour); return nil },
	}
	for _, name := range []string{"SignedOut", "DeviceGone", "Password", "Forgotten", "Expired"} {
		in := f.sessionOf(t, customer)
		if err := ends[name](in); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.refused(t, "auth.session_invalid", func() error { _, err := f.Authenticate(ctx, in.Token); return err })
		// Another node, which knew it, learns it within two seconds; a new session is none of the old ones.
		f.sessionOf(t, customer)
		f.refused(t, "auth.session_invalid", func() error { _, err := f.Authenticate(ctx, in.Token); return err })
	}
}

func overDevice(t *testing.T, f *fixture, customer party.Customer) {
	ctx := t.Context()
	in := f.signIn(t, auth.DeviceRequest{Name: "Phone", Proves: true})
	secret := f.vault.DeviceSecret(in.Device.ID, 1)
	try := func() error {
		at := f.clock.Now().Unix()
		_, err := f.SignIn(ctx, auth.SignInRequest{
			Phone: phone, Password: password, Device: auth.DeviceRequest{ID: in.Device.ID},
			Proof: auth.DeviceProof{At: at, MAC: auth.DeviceMAC(secret[:], "sign_in", "+86"+phone, at)},
		})
		return err
	}
	wants(t, "", try())
	if err := f.RevokeDevice(ctx, customer.ID, in.Device.ID); err != nil {
		t.Fatal(err)
	}
	f.refused(t, "auth.code_required", try)
	again, err := f.StartSession(ctx, customer.ID, auth.DeviceRequest{ID: in.Device.ID})
	if err != nil || again.Device.ID == in.Device.ID {
		t.Errorf("a revoked device signs in again: %+v, %v", again.Device, err)
	}
}

func overPasskey(t *testing.T, f *fixture, customer party.Customer) {
	ctx := t.Context()
	key := f.withPasskey(t, customer.ID)
	intent := auth.Intent{Act: auth.ActPayment, ID: "pay_1", Amount: money.Amount{Minor: 1, Currency: "CNY"}}
	signIn := func() error {
		asked, err := f.ChallengeSignIn(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.SignInByPasskey(ctx, auth.PasskeySignIn{
			Answer: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))},
		})
		return err
	}
	wants(t, "", signIn())
	asked, _, err := f.ChallengeConfirm(ctx, customer.ID, intent)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := f.ListPasskeys(ctx, customer.ID)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%+v, %v", keys, err)
	}
	if err := f.RemovePasskey(ctx, customer.ID, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	wants(t, "auth.passkey_refused", signIn())
	f.refused(t, "auth.passkey_refused", func() error { // asked for while it was there
		_, err := f.confirm(t, auth.Confirmation{Customer: customer.ID, Intent: intent, Proof: auth.Proof{
			Passkey: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))},
		}})
		return err
	})
	f.refused(t, "auth.passkey_not_found", func() error {
		return f.RenamePasskey(ctx, customer.ID, keys[0].ID, "Back again")
	})
}

func overApp(t *testing.T, f *fixture, customer party.Customer) {
	ctx := t.Context()
	begin := func() (code func() string) {
		enrolment, err := f.BeginTOTP(ctx, customer.ID, password)
		if err != nil {
			t.Fatal(err)
		}
		return func() string {
			f.clock.Advance(time.Minute) // each step once
			digits, err := auth.TOTPCode(enrolment.Secret, f.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return digits
		}
	}
	if err := f.SetPIN(ctx, auth.PINChange{Customer: customer.ID, Password: password, NewPIN: safePIN}); err != nil {
		t.Fatal(err)
	}
	confirm := func(code string) error {
		_, err := f.confirm(t, auth.Confirmation{
			Customer: customer.ID, Proof: auth.Proof{PIN: safePIN, TOTP: code},
			Intent: auth.Intent{Act: auth.ActTransfer, Amount: money.Amount{Minor: 1, Currency: "CNY"}},
		})
		return err
	}
	old := begin()
	f.refused(t, "auth.totp_not_set", func() error { return confirm(old()) }) // not confirmed yet
	recovery, err := f.ConfirmTOTP(ctx, customer.ID, old())
	if err != nil {
		t.Fatal(err)
	}
	digits := old()
	wants(t, "", confirm(digits))
	wants(t, "auth.totp_wrong", confirm(digits)) // used
	late := old()
	f.clock.Advance(2 * time.Minute)
	wants(t, "auth.totp_wrong", confirm(late)) // over
	wants(t, "", confirm(recovery[0]))
	wants(t, "auth.totp_wrong", confirm(recovery[0])) // used
	if err := f.RemoveTOTP(ctx, customer.ID, password, old()); err != nil {
		t.Fatal(err)
	}
	f.refused(t, "auth.totp_not_set", func() error { return confirm(old()) })
	f.refused(t, "auth.totp_not_set", func() error { return confirm(recovery[1]) })
	fresh := begin()
	if _, err := f.ConfirmTOTP(ctx, customer.ID, fresh()); err != nil {
		t.Fatal(err)
	}
	wants(t, "auth.totp_wrong", confirm(old()))
	wants(t, "auth.totp_wrong", confirm(recovery[1]))
	wants(t, "", confirm(fresh()))
}

func overCode(t *testing.T, f *fixture, _ party.Customer) {
	ctx := t.Context()
	try := func(purpose auth.Purpose, c auth.CodeAnswer) error {
		if purpose == auth.PurposeReset {
			return f.ResetPassword(ctx, auth.PasswordReset{Phone: phone, New: password, Code: c})
		}
		_, err := f.SignIn(ctx, auth.SignInRequest{Phone: phone, Password: password, Code: c})
		return err
	}
	for _, test := range []struct {
		purpose auth.Purpose
		refusal string
	}{{auth.PurposeSignIn, "auth.code_invalid"}, {auth.PurposeReset, "auth.recovery_refused"}} {
		purpose, refusal := test.purpose, test.refusal
		expired := f.code(t, phone, purpose)
		f.clock.Advance(5 * time.Minute)
		used := f.code(t, phone, purpose)
		for _, elsewhere := range []auth.Purpose{auth.PurposeSignIn, auth.PurposeReset} {
			if elsewhere != purpose {
				if err := try(elsewhere, used); err == nil {
					t.Errorf("a code for %s is good for %s", purpose, elsewhere)
				}
			}
		}
		wants(t, "", try(purpose, used))
		for _, over := range []auth.CodeAnswer{expired, used} {
			f.refused(t, refusal, func() error { return try(purpose, over) })
		}
		f.clock.Advance(5 * time.Minute)
	}
}

func overGesture(t *testing.T, f *fixture, customer party.Customer) {
	ctx := t.Context()
	lock := func() auth.SignedIn {
		in := f.sessionOf(t, customer)
		if err := f.SetGesture(ctx, in.Session, password, "14789"); err != nil {
			t.Fatal(err)
		}
		if err := f.Lock(ctx, in.Session); err != nil {
			t.Fatal(err)
		}
		return in
	}
	for name, end := range map[string]func(context.Context, auth.SignedIn) error{
		"SignedOut": func(ctx context.Context, in auth.SignedIn) error { return f.SignOut(ctx, in.Session) },
		"DeviceGone": func(ctx context.Context, in auth.SignedIn) error {
			return f.RevokeDevice(ctx, customer.ID, in.Device.ID)
		},
	} {
		in := lock()
		if err := end(ctx, in); err != nil {
			t.Fatal(err)
		}
		if err := f.Unlock(ctx, in.Session, "14789"); err == nil && name == "SignedOut" {
			t.Error("a session that was signed out unlocks")
		}
		f.refused(t, "auth.session_invalid", func() error { _, err := f.Authenticate(ctx, in.Token); return err })
	}
	// The gesture of one device unlocks no other, and one that was set anew leaves nothing of the old.
	in, other := lock(), f.sessionOf(t, customer)
	f.refused(t, "auth.gesture_not_set", func() error { return f.Unlock(ctx, other.Session, "14789") })
	if err := f.SetGesture(ctx, in.Session, password, "3214"); err != nil {
		t.Fatal(err)
	}
	if err := f.Unlock(ctx, in.Session, "14789"); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("the old gesture: %v", err)
	}
}
