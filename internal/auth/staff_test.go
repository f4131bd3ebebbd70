package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

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
		if err := f.SeedStaffTOTP(t.Context(), staff.ID, appSecret); err != nil {
			t.Fatal(err)
		}
		code, err := auth.TOTPCode(appSecret, f.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.SignInStaff(
			t.Context(),
			auth.StaffSignInRequest{Email: "Ann@example.com", Password: password, TOTP: code},
		)
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
		if err := f.parties.SetStaffState(t.Context(), staff.ID, party.StateFrozen, "test"); err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(2 * time.Second)
		if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("frozen staff: %v", err)
		}
		f.counted(t, "auth.closed", signIn("ann@example.com", password)) // the right one ends the count
		f.refused(t, "auth.closed", signIn("ann@example.com", password))
		if err := f.parties.SetStaffState(t.Context(), staff.ID, party.StateActive, "test"); err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(12 * time.Hour)
		if _, err := f.Authenticate(t.Context(), in.Token); fault.CodeOf(err) != "auth.session_invalid" {
			t.Errorf("after 12 hours: %v", err)
		}
	})
}
