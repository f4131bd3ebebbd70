package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

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
			if got, err := f.AuthenticateKey(t.Context(), secret); err != nil || got.Merchant != merchant.ID || got.Key != key.ID {
				t.Errorf("%+v, %v", got, err)
			}
		}
		for _, test := range []struct{ secret, code string }{
			{"sk_live_" + secret[len("sk_sandbox_"):], "auth.key_wrong_mode"},
			{vault.Token("sk_sandbox_"), "auth.key_invalid"},
			{secret + "0", "auth.key_invalid"},
			{"", "auth.key_invalid"},
			{"st_1", "auth.key_invalid"},
		} {
			here.refused(t, test.code, func() error { _, err := here.AuthenticateKey(t.Context(), test.secret); return err })
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
			f.refused(t, "auth.key_invalid", func() error { _, err := f.AuthenticateKey(t.Context(), secret); return err })
		}
		listed, err := here.ListKeys(t.Context(), merchant.ID)
		if err != nil || len(listed) != 1 || listed[0].RevokedAt.IsZero() || listed[0].SecretHash != "" {
			t.Errorf("keys %+v, %v", listed, err)
		}
	})
}
