package auth_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// BenchmarkSessionAndPIN is what a session and a PIN add to a payment beside its own commit: to find the session, and to
// prepare the confirmation.
func BenchmarkSessionAndPIN(b *testing.B) {
	f := start(b, sqldbtest.Open(b, "sqlite"))
	customer := f.register(b)
	in, err := f.StartSession(b.Context(), customer.ID, auth.DeviceRequest{})
	if err != nil {
		b.Fatal(err)
	}
	c := auth.Confirmation{
		Customer: customer.ID, Proof: auth.Proof{PIN: safePIN},
		Intent: auth.Intent{Act: auth.ActPayment, ID: "pay_1", Amount: money.Amount{Minor: 100, Currency: "CNY"}},
	}
	for b.Loop() {
		session, err := f.Authenticate(b.Context(), in.Token)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Admit(b.Context(), session); err != nil {
			b.Fatal(err)
		}
		if _, err := f.Confirm(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPasskeyConfirm is what a passkey adds: two reads and the check of its signature.
func BenchmarkPasskeyConfirm(b *testing.B) {
	f := start(b, sqldbtest.Open(b, "sqlite"))
	customer := f.register(b)
	key := f.withPasskey(b, customer.ID)
	intent := auth.Intent{Act: auth.ActPayment, ID: "pay_1", Amount: money.Amount{Minor: 100, Currency: "CNY"}}
	asked, _, err := f.ChallengeConfirm(b.Context(), customer.ID, intent)
	if err != nil {
		b.Fatal(err)
	}
	c := auth.Confirmation{Customer: customer.ID, Intent: intent, Proof: auth.Proof{
		Passkey: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))},
	}}
	for b.Loop() {
		if _, err := f.Confirm(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
