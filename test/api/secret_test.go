package api_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/wallet"
)

const wrongPIN = "000001"

// withPIN returns the request with another PIN and a fresh key.
func (w *world) withPIN(call apitest.Request, digits string) apitest.Request {
	body, _ := call.Body.(map[string]any)
	changed := map[string]any{}
	maps.Copy(changed, body)
	changed["pin"] = digits
	call.Body, call.Key = changed, w.key()
	return call
}

// guess sends a wrong PIN and expects that nothing but the counter of the PIN has changed.
func (w *world) guess(t *testing.T, status int, code string, call apitest.Request) api.Problem {
	t.Helper()
	before := w.snapshot(t)
	problem := w.call(t, w.withPIN(call, wrongPIN)).Problem(t, status, code)
	if changed := strings.Join(before.changed(w.snapshot(t)), " "); changed != "commit_groups pins" {
		t.Errorf("a wrong PIN changed %q", changed)
	}
	return problem
}

// TestPINGuessing locks after five wrong PINs, whatever they are tried on.
func TestPINGuessing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, payee := w.shop(t, party.NewMerchant{}), w.person(t, 0)
		for _, act := range []string{"Transfer", "TopUp", "Withdrawal", "Confirm", "Mixed", "DryRun"} {
			p := w.person(t, 10_000)
			made := w.created(t, s, 100)
			calls := map[string]apitest.Request{
				"Transfer": p.transfer(w, payee, 100), "TopUp": p.bankMoney(w, "/wallet/v1/top_ups", 100),
				"Withdrawal": p.bankMoney(w, "/wallet/v1/withdrawals", 100), "Confirm": p.confirm(w, made.ID),
			}
			dry := calls["Transfer"]
			dry.Path += "?dry_run=true"
			calls["DryRun"] = dry // a dry run is no way to guess
			mixed := []string{"Transfer", "TopUp", "Withdrawal", "Confirm", "DryRun"}
			at := func(i int) apitest.Request {
				if act == "Mixed" {
					return calls[mixed[i%len(mixed)]]
				}
				return calls[act]
			}
			for i := range 4 {
				if problem := w.guess(t, 403, "auth.pin_wrong", at(i)); !strings.Contains(problem.Detail, strconv.Itoa(4-i)) {
					t.Errorf("%s: %q does not say that %d are left", act, problem.Detail, 4-i)
				}
			}
			if problem := w.guess(t, 429, "auth.pin_locked", at(4)); problem.RetryAfter != 15*60 || !problem.Retryable {
				t.Errorf("%s: locked for %d s", act, problem.RetryAfter)
			}
			for i := range 5 { // locked for the right one too, and nothing more is counted
				w.refused(t, 429, "auth.pin_locked", w.withPIN(at(i), pin))
				w.refused(t, 429, "auth.pin_locked", w.withPIN(at(i), wrongPIN))
			}
			w.refused(t, 429, "auth.pin_locked", apitest.Request{
				Method: "PUT", Path: "/wallet/v1/pin", Token: p.token,
				Body: map[string]any{"pin": "271828", "old_pin": pin},
			})
			w.refused(t, 429, "auth.pin_locked", apitest.Request{
				Method: "PUT", Path: "/wallet/v1/pin", Token: p.token,
				Body: map[string]any{"pin": "271828", "password": password},
			})
		}
		// The lock is over with its time, a right PIN begins again at zero, and five more lock for an hour.
		p := w.person(t, 10_000)
		transfer := p.transfer(w, payee, 100)
		for range 5 {
			w.call(t, w.withPIN(transfer, wrongPIN))
		}
		w.Clock.Advance(14 * time.Minute)
		w.expired(t)
		w.refused(t, 429, "auth.pin_locked", w.withPIN(transfer, pin))
		w.Clock.Advance(time.Minute)
		w.expired(t)
		for range 4 {
			w.guess(t, 403, "auth.pin_wrong", transfer)
		}
		if problem := w.guess(t, 429, "auth.pin_locked", transfer); problem.RetryAfter != 60*60 {
			t.Errorf("locked again for %d s", problem.RetryAfter)
		}
		w.Clock.Advance(hour)
		w.expired(t)
		w.ok(t, 201, w.withPIN(transfer, pin), nil)
		w.guess(t, 403, "auth.pin_wrong", transfer)
		// In parallel five are counted, not more and not fewer.
		other := w.person(t, 10_000)
		locked, wrong := 0, 0
		for _, answer := range w.together(t, 30, func(int) apitest.Request {
			return w.withPIN(other.transfer(w, payee, 100), wrongPIN)
		}) {
			switch answer.Status {
			case 429:
				locked++
			case 403:
				wrong++
			}
		}
		if wrong != 4 || locked != 26 {
			t.Errorf("of 30 wrong PINs at once %d were wrong and %d locked", wrong, locked)
		}
		w.agree(t)
	})
}

// expired lets the sweeper end what is over by the clock, so that it does not do so beside a request.
func (w *world) expired(t testing.TB) {
	t.Helper()
	must(t, w.Payments.ExpireDue(t.Context()))
}

// TestNoPIN refuses who has no PIN yet.
func TestNoPIN(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		customer, err := w.Auth.Register(
			t.Context(),
			auth.Registration{Phone: "+8613812345678", Name: "New", Password: password},
		)
		must(t, err)
		in, err := w.Auth.StartSession(t.Context(), customer.ID, auth.DeviceRequest{})
		must(t, err)
		p := person{id: customer.ID, phone: customer.Phone, token: in.Token}
		w.refused(t, 409, "auth.pin_not_set", p.transfer(w, w.person(t, 0), 100))
		set := func(body map[string]any) apitest.Request {
			return apitest.Request{Method: "PUT", Path: "/wallet/v1/pin", Token: p.token, Body: body}
		}
		w.refused(t, 400, "auth.proof_required", set(map[string]any{"pin": pin}))
		for _, weak := range []string{"123456", "000000", "987654", "345678"} {
			w.refused(t, 400, "auth.weak_pin", set(map[string]any{"pin": weak, "password": password}))
		}
		w.refused(t, 400, "auth.bad_pin", set(map[string]any{"pin": "12345a", "password": password}))
	})
}

// TestCodes: a payment code works once, at its time, and nobody guesses it.
func TestCodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 10_000)
		scan := func(code string) apitest.Request { return s.order(w, 100, map[string]any{"payment_code": code}) }
		before := w.snapshot(t)
		begun := w.Clock.Now() // half a minute later the code is another
		code := w.code(t, p)
		if again := w.code(t, p); again != code && wallet.StepOf(begun) == wallet.StepOf(w.Clock.Now()) {
			t.Error("a code that was not used is not shown again")
		}
		before.same(t, w.snapshot(t), "asking for a code")
		var paid payment.Payment
		w.ok(t, 201, scan(code), &paid)
		if paid.State != payment.Succeeded || paid.Customer != p.id || paid.Flow != payment.ByCode || paid.Fee.Minor != 1 {
			t.Errorf("%+v", paid)
		}
		w.refused(t, 400, "wallet.code_used", scan(code))
		blanks := w.code(t, p)
		w.ok(t, 201, scan(blanks[:6]+" "+blanks[6:12]+" "+blanks[12:18]+" "+blanks[18:]), nil)

		// Guesses: the right handle with other digits, and handles that nobody has. Each has a right check digit.
		var wrong [32]byte
		step := wallet.StepOf(w.Clock.Now())
		for n := range 5 {
			w.refused(t, 400, "wallet.code_invalid", scan(wallet.ComputeCode(wrong, p.device.Handle, step, n)))
			w.refused(t, 400, "wallet.code_invalid", scan(wallet.ComputeCode(wrong, fmt.Sprintf("%010d", n), step, n)))
		}
		flipped := []byte(w.code(t, p))
		flipped[23] = '0' + (flipped[23]-'0'+1)%10
		for _, malformed := range []string{
			string(flipped), "0", code[:23], code + "0", strings.Repeat("9", 24), "95" + strings.Repeat("x", 22), "９５" + code[2:],
		} {
			w.refused(t, 400, "wallet.bad_code", scan(malformed))
		}
		// A code of tomorrow, and one that is out of date.
		secret := w.secret(p)
		w.refused(t, 400, "wallet.code_expired", scan(wallet.ComputeCode(secret, p.device.Handle, step+5, 0)))
		w.refused(t, 400, "wallet.code_invalid", scan(wallet.ComputeCode(secret, p.device.Handle, step+500, 0)))
		late := w.code(t, p)
		w.Clock.Advance(time.Minute + 30*time.Second)
		w.expired(t)
		w.refused(t, 400, "wallet.code_expired", scan(late))
		w.Clock.Advance(hour)
		w.expired(t)
		w.refused(t, 400, "wallet.code_invalid", scan(late))
		// Who guesses on is told to wait, with a right code too.
		fresh := w.code(t, p)
		limited := apitest.Answer{}
		for n := range 40 {
			limited = w.call(t, scan(wallet.ComputeCode(wrong, p.device.Handle, step, n%10)))
			if limited.Status == 429 {
				break
			}
		}
		if problem := limited.Problem(t, 429, "request.too_many"); problem.RetryAfter < 1 {
			t.Errorf("%s", limited.Body)
		}
		w.refused(t, 429, "request.too_many", scan(fresh))
		w.Clock.Advance(10 * time.Second)
		w.ok(t, 201, scan(fresh), nil)
		w.declines(t, s)
		w.agree(t)
	})
}

// declines are answers, are stored, and burn the code: no money, and a frozen wallet.
func (w *world) declines(t *testing.T, s shop) {
	t.Helper()
	for name, test := range map[string]struct {
		balance int64
		prepare func(person)
		decline string
	}{
		"NoMoney":   {0, func(person) {}, payment.DeclineInsufficientFunds},
		"TooLittle": {99, func(person) {}, payment.DeclineInsufficientFunds},
		"Frozen":    {10_000, func(p person) { w.setState(t, p, "frozen") }, payment.DeclineAccountFrozen},
	} {
		p := w.person(t, test.balance)
		code := w.code(t, p)
		test.prepare(p)
		call := s.order(w, 100, map[string]any{"payment_code": code})
		balances := w.balances(t)
		var declined payment.Payment
		w.ok(t, 201, call, &declined)
		if declined.State != payment.Declined || declined.DeclineCode != test.decline || declined.Entry != "" ||
			declined.Fee.Minor != 0 {
			t.Errorf("%s: %+v", name, declined)
		}
		if moved := balances.moved(w.balances(t)); len(moved) > 0 {
			t.Errorf("%s: a decline moved %v", name, moved)
		}
		if n := w.rows(t, get("/v1/events?kind=payment.declined&subject="+string(declined.ID), s.token)); n != 1 {
			t.Errorf("%s: %d events", name, n)
		}
		if answer := w.ok(t, 201, call, nil); answer.Header.Get(replayedHeader) != "true" {
			t.Errorf("%s: a decline is not stored", name)
		}
		w.refused(t, 400, "wallet.code_used", s.order(w, 100, map[string]any{"payment_code": code}))
		w.refused(t, 409, "refund.not_paid", s.refund(w, declined.ID, map[string]any{}))
		w.refused(t, 409, "payment.already_declined", s.void(w, declined.ID))
	}
}

// setState freezes, thaws or closes a wallet as staff do.
func (w *world) setState(t testing.TB, p person, state string) {
	t.Helper()
	w.ok(t, 204, apitest.Request{
		Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: w.staff(t, party.RoleSupport),
		Body: map[string]any{"state": state},
	}, nil)
}

func (w *world) secret(p person) [32]byte { return w.Vault.DeviceSecret(p.device.ID, 1) }

// TestFrozen: a frozen customer may look and not act; money may still come. A closed one is gone.
func TestFrozen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{}), w.person(t, 10_000), w.person(t, 10_000)
		paid, waiting := w.paid(t, s, p, 1_000), w.created(t, s, 100)
		w.setState(t, p, "frozen")
		// What a session knows is two seconds old at most; the books know at once.
		before := w.balances(t)
		answer := w.call(t, p.transfer(w, other, 100))
		if answer.Status != 403 && answer.Status != 409 {
			t.Errorf("just frozen: %d %s", answer.Status, answer.Body)
		}
		if moved := before.moved(w.balances(t)); len(moved) > 0 {
			t.Errorf("a frozen wallet moved %v", moved)
		}
		w.Clock.Advance(3 * time.Second)
		for _, call := range []apitest.Request{
			p.transfer(w, other, 100), p.confirm(w, waiting.ID), p.bankMoney(w, "/wallet/v1/top_ups", 100),
			p.bankMoney(w, "/wallet/v1/withdrawals", 100),
			{Method: "POST", Path: "/wallet/v1/payment_codes", Token: p.token},
			{Method: "POST", Path: "/wallet/v1/bank_accounts", Token: p.token, Body: map[string]any{"number": p.number, "holder_name": "x"}},
		} {
			w.refused(t, 403, "auth.frozen", call)
		}
		for _, path := range []string{"/wallet/v1/me", "/wallet/v1/balance", "/wallet/v1/statement", "/wallet/v1/bank_accounts"} {
			w.ok(t, 200, get(path, p.token), nil)
		}
		w.refused(t, 409, "transfer.payee_not_active", other.transfer(w, p, 100))
		w.moves(t, balances{"2101": 0, "2101:" + string(s.id): -1_000, "2001:" + string(p.id): 1_000}.real(), func() {
			w.ok(t, 201, s.refund(w, paid.ID, map[string]any{}), nil)
		})
		w.setState(t, p, "active")
		w.Clock.Advance(3 * time.Second)
		w.ok(t, 201, p.transfer(w, other, 100), nil)

		// A wallet with money is not closed, not even half of it.
		refusal := apitest.Request{
			Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: w.staff(t, party.RoleSupport),
			Body: map[string]any{"state": "closed"},
		}
		w.refused(t, 409, "party.not_frozen", refusal)
		w.setState(t, p, "frozen")
		w.refused(t, 409, "ledger.not_empty", refusal)
		w.setState(t, p, "active")
		w.Clock.Advance(3 * time.Second)
		w.ok(t, 201, p.transfer(w, other, 9_900), nil)
		w.setState(t, p, "frozen")
		w.ok(t, 204, refusal, nil)
		// The session may not know yet; a top-up that the closed account could not take is not begun.
		topUp := w.call(t, p.bankMoney(w, "/wallet/v1/top_ups", 100))
		if code := codeOf(t, topUp); code != "party.customer_not_active" && code != "auth.session_invalid" {
			t.Errorf("a top-up of a closed wallet: %d %s", topUp.Status, topUp.Body)
		}
		if n := w.count(
			t,
			"SELECT count(*) FROM top_ups WHERE customer_id = $1 AND state = 'pending'",
			string(p.id),
		); n != 0 {
			t.Errorf("%d top-ups of a closed wallet are under way", n)
		}
		w.Clock.Advance(3 * time.Second)
		w.refused(t, 401, "auth.session_invalid", get("/wallet/v1/me", p.token))
		for state, code := range map[string]string{"active": "party.state_conflict", "frozen": "party.state_conflict"} {
			refusal.Body = map[string]any{"state": state}
			w.refused(t, 409, code, refusal)
		}
		refusal.Body = map[string]any{"state": "closed"}
		refusal.Path = "/ops/v1/customers/cus_01kanq4j3qf8yt0v5d7r2m9xce/state"
		w.refused(t, 404, "party.customer_not_found", refusal)
		w.agree(t)
	})
}

// TestCloseUnderWay keeps a wallet open to which money may come back.
func TestCloseUnderWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 200_00), w.person(t, 0)
		w.ok(t, 201, p.transfer(w, other, 9_87), nil)
		var order bankOrder
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/withdrawals", 190_13), &order) // the bank never answers
		w.awaitBank(t, "/wallet/v1/withdrawals", bankCase{name: "unknown", unknown: true}, p, &order)
		answer := w.call(t, apitest.Request{
			Method: "PUT", Path: "/ops/v1/customers/" + string(p.id) + "/state", Token: w.staff(t, party.RoleSupport),
			Body: map[string]any{"state": "closed"},
		})
		answer.Problem(t, 409, "party.money_under_way")
		w.Clock.Advance(40 * time.Second)
		w.quiet(t)
		if back := w.balances(t)["2001:"+string(p.id)]; back != 190_13 {
			t.Errorf("%d came back", back)
		}
		w.Clock.Advance(3 * time.Second)
		w.ok(t, 201, p.transfer(w, other, 190_13), nil)
		w.setState(t, p, "frozen")
		w.setState(t, p, "closed")
		w.agree(t)
	})
}

// real returns the balances without those that are zero.
func (b balances) real() balances { return balances{}.moved(b) }

// TestLife walks a payment's moves: expiry, calling off, paying, each of them final.
func TestLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 10_000)
		state := func(of payment.Payment) payment.State {
			w.ok(t, 200, get("/v1/payments/"+string(of.ID), s.token), &of)
			return of.State
		}
		var short payment.Payment
		w.ok(t, 201, s.order(w, 100, map[string]any{"expires_in": 60}), &short)
		w.Clock.Advance(61 * time.Second)
		answer := w.call(t, p.confirm(w, short.ID)) // before the sweeper or after it
		if code := answer.Problem(
			t,
			409,
			codeOf(t, answer),
		).Code; code != "payment.expired" &&
			code != "payment.already_expired" {
			t.Errorf("confirmed too late: %s", code)
		}
		w.expired(t)
		if state(short) != payment.Expired ||
			w.rows(t, get("/v1/events?kind=payment.expired&subject="+string(short.ID), s.token)) != 1 {
			t.Errorf("%s", state(short))
		}
		voided, paid := w.created(t, s, 100), w.paid(t, s, p, 100)
		w.ok(t, 200, s.void(w, voided.ID), nil)
		for _, of := range []payment.Payment{short, voided, paid} {
			is := map[id.Payment]payment.State{
				short.ID: payment.Expired, voided.ID: payment.Voided, paid.ID: payment.Succeeded,
			}[of.ID]
			w.refused(t, 409, "payment.already_"+string(is), s.void(w, of.ID))
			w.refused(t, 409, "payment.already_"+string(is), p.confirm(w, of.ID))
			if is != payment.Succeeded {
				w.refused(t, 409, "refund.not_paid", s.refund(w, of.ID, map[string]any{}))
			}
			if state(of) != is {
				t.Errorf("%s became %s", is, state(of))
			}
		}
		// Nobody has paid what the time is over for, whoever looks.
		w.refused(t, 404, "payment.not_found", get("/wallet/v1/payments/"+string(short.ID), p.token))
		w.agree(t)
	})
}

func codeOf(t *testing.T, answer apitest.Answer) string {
	t.Helper()
	code, _ := jsonOf(t, answer.Body)["code"].(string)
	return code
}
