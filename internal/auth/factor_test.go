package auth_test

import (
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestStepUp(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t)
		if err := f.SetPIN(
			t.Context(),
			auth.PINChange{Customer: customer.ID, Password: password, NewPIN: safePIN},
		); err != nil {
			t.Fatal(err)
		}
		old := auth.Payer{DeviceSince: f.clock.Now().Add(-48 * time.Hour)}
		confirm := func(by auth.Payer, minor int64, p auth.Proof) error {
			_, err := f.confirm(t, auth.Confirmation{
				Customer: customer.ID, By: by, Proof: p, Intent: auth.Intent{
					Act: auth.ActTransfer, Payee: "cus_1", Amount: money.Amount{Minor: minor, Currency: "CNY"},
				},
			})
			return err
		}
		justPIN := auth.Proof{PIN: safePIN}
		for _, test := range []struct {
			by    auth.Payer
			minor int64
			proof auth.Proof
			code  string
		}{
			{old, 1_000_00, justPIN, ""},
			{old, 1_000_01, justPIN, "auth.step_up_required"},
			{old, 5_000_01, auth.Proof{PIN: safePIN, TOTP: "123456"}, "auth.step_up_required"},
			{auth.Payer{DeviceSince: f.clock.Now()}, 500_01, justPIN, "auth.step_up_required"},
			{auth.Payer{DeviceSince: f.clock.Now()}, 500_00, justPIN, ""},
			{old, 100, auth.Proof{TOTP: "123456"}, "auth.proof_required"},
			{old, 1_000_01, auth.Proof{PIN: safePIN, TOTP: "123456"}, "auth.totp_not_set"},
		} {
			if test.code == "" {
				wants(t, "", confirm(test.by, test.minor, test.proof))
				continue
			}
			f.refused(t, test.code, func() error { return confirm(test.by, test.minor, test.proof) })
		}
		// With a code, which holds for this payee and amount only.
		intent := auth.Intent{
			Act:       auth.ActTransfer,
			Payee:     "cus_1",
			PayeeName: "王*",
			Amount:    money.Amount{Minor: 2_000_00, Currency: "CNY"},
		}
		sent, err := f.SendPayCode(t.Context(), customer.ID, intent)
		if err != nil {
			t.Fatal(err)
		}
		p := auth.Proof{PIN: safePIN, Code: auth.CodeAnswer{ID: sent.ID, Digits: f.read(t, phone)}}
		f.refused(t, "auth.code_invalid", func() error { return confirm(old, 2_000_01, p) })
		wants(t, "", confirm(old, 2_000_00, p))
		f.refused(t, "auth.code_invalid", func() error { return confirm(old, 2_000_00, p) })
	})
}
