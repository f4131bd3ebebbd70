package auth_test

import (
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890")) // RFC 6238 appendix B, last six digits
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 20000000000: "353130"} {
		if got, err := auth.TOTPCode(secret, time.Unix(at, 0)); got != want || err != nil {
			t.Errorf("at %d: %s, %v, want %s", at, got, err, want)
		}
	}
}

func TestStaffTOTP(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := t.Context()
		const long = "correct horse battery"
		r := auth.StaffSignInRequest{Email: "ann@example.com", Password: long}
		if _, err := f.CreateStaff(
			ctx,
			auth.NewStaff{Email: r.Email, Name: "Ann", Role: party.RoleAdmin, Password: long},
		); err != nil {
			t.Fatal(err)
		}
		in := func(code string) (auth.SignedIn, error) {
			f.clock.Advance(time.Minute / 2) // so that the rate of sign-ins is no hindrance; a step later the code still holds
			r.TOTP = code
			return f.SignInStaff(ctx, r)
		}
		f.refused(t, "auth.totp_enrolment_required", func() error { _, err := in(""); return err })
		_, err := f.BeginStaffTOTP(ctx, auth.StaffSignInRequest{Email: r.Email, Password: "another password"})
		wants(t, "auth.bad_credentials", err)
		enrolment, err := f.BeginStaffTOTP(ctx, auth.StaffSignInRequest{Email: r.Email, Password: long})
		if err != nil {
			t.Fatal(err)
		}
		now := func(ahead time.Duration) string {
			code, err := auth.TOTPCode(enrolment.Secret, f.clock.Now().Add(ahead))
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		f.refused(t, "auth.totp_required", func() error { _, err := in(""); return err })
		code := now(time.Minute / 2)
		first, err := in(code)
		if err != nil || len(first.RecoveryCodes) != 8 {
			t.Fatalf("%+v, %v", first.RecoveryCodes, err)
		}
		f.refused(t, "auth.totp_set", func() error {
			_, err := f.BeginStaffTOTP(ctx, auth.StaffSignInRequest{Email: r.Email, Password: long})
			return err
		})
		_, err = in(code) // each step once
		wants(t, "auth.totp_wrong", err)
		f.clock.Advance(time.Minute)
		if second, err := in(now(time.Minute / 2)); err != nil || second.RecoveryCodes != nil {
			t.Errorf("%+v, %v", second, err)
		}
		if _, err := in(strings.ToLower(first.RecoveryCodes[3])); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
		_, err = in(first.RecoveryCodes[3])
		wants(t, "auth.totp_wrong", err)
		for range 3 {
			_, err = in(other(now(0)))
			wants(t, "auth.totp_wrong", err)
		}
		_, err = in(other(now(0)))
		wants(t, "auth.totp_locked", err)
		f.clock.Advance(time.Minute)
		f.refused(t, "auth.totp_locked", func() error { _, err := in(now(time.Minute / 2)); return err })
	})
}
