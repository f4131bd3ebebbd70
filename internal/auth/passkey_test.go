package auth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/auth/authtest"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// withPasskey registers a passkey of a customer.
func (f *fixture) withPasskey(t testing.TB, customer id.Customer) *authtest.Passkey {
	t.Helper()
	key := authtest.New("localhost", origin)
	key.User = string(customer)
	if err := f.SetPIN(t.Context(), auth.PINChange{Customer: customer, Password: password, NewPIN: safePIN}); err != nil {
		t.Fatal(err)
	}
	asked, _, err := f.ChallengePasskey(t.Context(), customer, password, safePIN)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.AddPasskey(t.Context(), customer, "Finger", auth.PasskeyAnswer{
		Challenge: asked.ID, Credential: []byte(key.Create(asked.Challenge)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPasskeyNeedsPIN: who knows only the login password makes no passkey, neither by a PIN that it has just reset.
func TestPasskeyNeedsPIN(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		customer := f.register(t).ID
		ask := func(password, pin string) func() error {
			return func() error {
				_, _, err := f.ChallengePasskey(t.Context(), customer, password, pin)
				return err
			}
		}
		f.refused(t, "auth.pin_not_set", ask(password, safePIN))
		f.withPasskey(t, customer)
		f.refused(t, "auth.bad_pin", ask(password, ""))
		f.counted(t, "auth.pin_wrong", ask(password, "739403"))
		f.counted(t, "auth.bad_credentials", ask("another word", safePIN))
		change := auth.PINChange{Customer: customer, Password: password, NewPIN: "840513"}
		if err := f.SetPIN(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		f.refused(t, "auth.cooling_off", ask(password, "840513"))
		f.clock.Advance(24 * time.Hour)
		if err := ask(password, "840513")(); err != nil {
			t.Error(err)
		}
	})
}

func TestPasskeyConfirm(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := t.Context()
		customer := f.register(t)
		key := f.withPasskey(t, customer.ID)
		intent := auth.Intent{
			Act: auth.ActPayment, ID: "pay_1", Payee: "mer_1", Amount: money.Amount{Minor: 9_999_00, Currency: "CNY"},
		}
		ask := func() auth.PasskeyChallenge {
			c, keys, err := f.ChallengeConfirm(ctx, customer.ID, intent)
			if err != nil || len(keys) != 1 {
				t.Fatalf("%v, %d keys", err, len(keys))
			}
			return c
		}
		confirm := func(who id.Customer, i auth.Intent, c id.Challenge, answer string) (auth.Factors, error) {
			return f.confirm(t, auth.Confirmation{Customer: who, Intent: i, Proof: auth.Proof{
				Passkey: auth.PasskeyAnswer{Challenge: c, Credential: []byte(answer)},
			}})
		}
		asked := ask()
		answer := key.Get(asked.Challenge)
		factors, err := confirm(customer.ID, intent, asked.ID, answer)
		if err != nil || !factors.Signature || factors.Count() != 2 {
			t.Fatalf("%+v, %v", factors, err)
		}
		f.refused(t, "auth.passkey_challenge_over", func() error { // replayed
			_, err := confirm(customer.ID, intent, asked.ID, answer)
			return err
		})
		asked = ask()
		dearer, elsewhere, another := intent, intent, intent
		dearer.Amount.Minor++
		elsewhere.Payee = "mer_2"
		another.ID = "pay_2"
		stranger, err := f.parties.RegisterCustomer(
			ctx,
			party.Registration{Phone: "13800000002", Name: "李四", PasswordHash: "!"},
		)
		if err != nil {
			t.Fatal(err)
		}
		lie := func(change func(*authtest.Passkey)) string {
			liar := key.Twin()
			change(liar)
			return liar.Get(asked.Challenge)
		}
		for name, try := range map[string]struct {
			who    id.Customer
			intent auth.Intent
			answer string
		}{
			"Dearer":    {customer.ID, dearer, lie(func(*authtest.Passkey) {})},
			"Elsewhere": {customer.ID, elsewhere, lie(func(*authtest.Passkey) {})},
			"Another":   {customer.ID, another, lie(func(*authtest.Passkey) {})},
			"Stranger":  {stranger.ID, intent, lie(func(*authtest.Passkey) {})},
			"Forged":    {customer.ID, intent, key.Rekey().Get(asked.Challenge)},
			"Unknown":   {customer.ID, intent, authtest.New("localhost", origin).Get(asked.Challenge)},
			"Origin":    {customer.ID, intent, lie(func(p *authtest.Passkey) { p.Origin = "http://localhost:8081" })},
			"Evil":      {customer.ID, intent, lie(func(p *authtest.Passkey) { p.Origin = "https://evil.example" })},
			"RP":        {customer.ID, intent, lie(func(p *authtest.Passkey) { p.RP = "evil.example" })},
			"Frame":     {customer.ID, intent, lie(func(p *authtest.Passkey) { p.CrossOrigin = true })},
			"Unseen":    {customer.ID, intent, lie(func(p *authtest.Passkey) { p.Flags = authtest.UserPresent })},
			"Absent":    {customer.ID, intent, lie(func(p *authtest.Passkey) { p.Flags = authtest.UserVerified })},
			"Handle":    {customer.ID, intent, lie(func(p *authtest.Passkey) { p.User = string(stranger.ID) })},
			"Nonce":     {customer.ID, intent, key.Twin().Get(asked.Nonce)},
		} {
			t.Log(name)
			f.refused(t, "auth.passkey_refused", func() error {
				_, err := confirm(try.who, try.intent, asked.ID, try.answer)
				return err
			})
		}
		_, err = confirm(customer.ID, intent, asked.ID, `{"id":"x"}`)
		wants(t, "auth.passkey_bad_answer", err)
		late := key.Get(asked.Challenge)
		f.clock.Advance(2 * time.Minute)
		f.refused(t, "auth.passkey_challenge_over", func() error {
			_, err := confirm(customer.ID, intent, asked.ID, late)
			return err
		})
		// One challenge, many connections: one is taken.
		asked = ask()
		var taken, over int
		var mu sync.Mutex
		var all sync.WaitGroup
		answer = key.Get(asked.Challenge)
		for range 20 {
			all.Go(func() {
				_, err := confirm(customer.ID, intent, asked.ID, answer)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					taken++
				} else if fault.CodeOf(err) == "auth.passkey_challenge_over" {
					over++
				}
			})
		}
		all.Wait()
		if taken != 1 || over != 19 {
			t.Errorf("%d taken, %d over", taken, over)
		}
		// A copy counts backwards.
		asked = ask()
		copied := key.Twin()
		copied.Count -= 2
		_, err = confirm(customer.ID, intent, asked.ID, copied.Get(asked.Challenge))
		wants(t, "auth.passkey_cloned", err)
		asked = ask()
		f.refused(t, "auth.passkey_refused", func() error {
			_, err := confirm(customer.ID, intent, asked.ID, key.Get(asked.Challenge))
			return err
		})
	})
}

func TestPasskeySignIn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := t.Context()
		customer := f.register(t)
		key := f.withPasskey(t, customer.ID)
		asked, err := f.ChallengeSignIn(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		request := auth.PasskeySignIn{
			Answer: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))},
		}
		in, err := f.SignInByPasskey(ctx, request)
		if err != nil || in.Session.Customer() != customer.ID {
			t.Fatalf("%+v, %v", in.Session, err)
		}
		f.refused(t, "auth.passkey_challenge_over", func() error { _, err := f.SignInByPasskey(ctx, request); return err })
		// A challenge to sign in confirms nothing.
		asked, err = f.ChallengeSignIn(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		f.refused(t, "auth.passkey_refused", func() error {
			_, err := f.confirm(t, auth.Confirmation{
				Customer: customer.ID, Intent: auth.Intent{Act: auth.ActTopUp, Amount: money.Amount{Minor: 1, Currency: "CNY"}},
				Proof: auth.Proof{Passkey: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))}},
			})
			return err
		})
		keys, err := f.ListPasskeys(ctx, customer.ID)
		if err != nil || len(keys) != 1 || keys[0].Name != "Finger" {
			t.Fatalf("%+v, %v", keys, err)
		}
		f.refused(t, "auth.passkey_not_found", func() error { return f.RemovePasskey(ctx, "cus_other", keys[0].ID) })
		if err := f.RenamePasskey(ctx, customer.ID, keys[0].ID, "Face"); err != nil {
			t.Error(err)
		}
		if err := f.RemovePasskey(ctx, customer.ID, keys[0].ID); err != nil {
			t.Error(err)
		}
		f.refused(t, "auth.passkey_refused", func() error {
			_, err := f.SignInByPasskey(ctx, auth.PasskeySignIn{
				Answer: auth.PasskeyAnswer{Challenge: asked.ID, Credential: []byte(key.Get(asked.Challenge))},
			})
			return err
		})
	})
}
