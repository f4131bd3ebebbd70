package auth_test

import (
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

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
		if _, err := f.SignIn(t.Context(), auth.SignInRequest{
			Phone: phone, Password: "battery staple", Code: f.code(t, phone, auth.PurposeSignIn),
		}); err != nil {
			t.Errorf("with the new one: %v", err)
		}
	})
}

func TestCommonPasswords(t *testing.T) {
	t.Parallel()
	f := start(t, sqldbtest.Open(t, "sqlite"))
	for _, weak := range []string{"password123", "PassWord123", "woaini1314", "1qaz2wsx", "19900101", "zxcvbnm123", "5201314520"} {
		_, err := f.HashPassword(t.Context(), weak)
		wants(t, "auth.weak_password", err)
	}
	for _, good := range []string{password, "battery staple", "飞钱飞钱飞钱飞钱不飞"} {
		if _, err := f.HashPassword(t.Context(), good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
