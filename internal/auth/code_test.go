package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := t.Context()
		register := func(c auth.CodeAnswer) error {
			_, err := f.RegisterByCode(ctx, auth.Registration{Phone: phone, Name: "张三", Password: password}, c)
			return err
		}
		f.refused(t, "auth.code_invalid", func() error { return register(auth.CodeAnswer{ID: "otp_none", Digits: "123456"}) })
		c := f.code(t, phone, auth.PurposeRegister)
		_, err := f.SendCode(ctx, auth.CodeWish{Phone: phone, Purpose: auth.PurposeRegister})
		wants(t, "auth.code_wait", err)
		for left := 4; left > 0; left-- {
			err := register(auth.CodeAnswer{ID: c.ID, Digits: other(c.Digits)})
			wants(t, "auth.code_wrong", err)
			if !strings.Contains(err.Error(), fmt.Sprintf("%d tries", left)) {
				t.Errorf("%v does not say %d", err, left)
			}
		}
		wants(t, "auth.code_invalid", register(auth.CodeAnswer{ID: c.ID, Digits: other(c.Digits)}))
		f.refused(t, "auth.code_invalid", func() error { return register(c) })

		f.clock.Advance(time.Minute)
		c = f.code(t, phone, auth.PurposeRegister)
		f.clock.Advance(5 * time.Minute)
		f.refused(t, "auth.code_invalid", func() error { return register(c) }) // over
		c = f.code(t, phone, auth.PurposeRegister)
		if err := register(c); err != nil {
			t.Fatal(err)
		}
		f.refused(t, "auth.code_invalid", func() error { return register(c) }) // used

		// For another purpose, or another phone, it does not hold; and who knows the id only can't sign in.
		c = f.code(t, phone, auth.PurposeRegister)
		_, err = f.SignIn(ctx, auth.SignInRequest{Phone: phone, Password: password, Code: c})
		wants(t, "auth.code_invalid", err)
		wants(t, "party.phone_taken", register(c)) // told only with the right code
		f.refused(t, "auth.code_required", func() error {
			_, err := f.SignIn(ctx, auth.SignInRequest{Phone: phone, Password: password})
			return err
		})

		// An unknown phone answers as a known one, and gets no text.
		const stranger = "+8613800000099"
		sent, err := f.SendCode(ctx, auth.CodeWish{Phone: stranger, Purpose: auth.PurposeSignIn})
		if err != nil || sent.ID == "" {
			t.Errorf("an unknown phone: %+v, %v", sent, err)
		}
		_, err = f.SendCode(ctx, auth.CodeWish{Phone: stranger, Purpose: auth.PurposeSignIn})
		wants(t, "auth.code_wait", err)
		if got := f.inbox.Inbox(stranger); len(got) > 0 {
			t.Errorf("a stranger got %d texts", len(got))
		}

		// Neither code nor text is stored.
		if kept := f.count(t, "SELECT count(*) FROM messages WHERE length(sealed) > 0"); kept != 0 {
			t.Errorf("%d messages keep their texts", kept)
		}
		if n := f.count(t, "SELECT count(*) FROM one_time_codes WHERE mac = $1 OR id = $2", c.Digits, c.ID); n != 0 {
			t.Error("a code or its id is stored")
		}
	})
}

func TestCodeLimits(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		for i := range phoneMax {
			if _, err := f.SendCode(t.Context(), auth.CodeWish{Phone: phone, Purpose: auth.PurposeRegister}); err != nil {
				t.Fatalf("code %d: %v", i, err)
			}
			f.clock.Advance(time.Minute)
		}
		if f.clock.Now().UTC().Hour() == 0 {
			t.Skip("the day ended meanwhile")
		}
		f.refused(t, "message.too_many", func() error {
			_, err := f.SendCode(t.Context(), auth.CodeWish{Phone: phone, Purpose: auth.PurposeRegister})
			return err
		})
		f.clock.Advance(24 * time.Hour)
		if _, err := f.SendCode(t.Context(), auth.CodeWish{Phone: phone, Purpose: auth.PurposeRegister}); err != nil {
			t.Error(err)
		}
	})
}
