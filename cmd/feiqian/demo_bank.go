package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
)

// The acts with the bank, and those of signing in and out.

// Amounts of the story, in minor units. The bank's own rules make the magic ones fail.
const (
	zhangTopUp     = 500_00
	wangTopUp      = 200_00
	declinedTopUp  = 90_01 // the bank says insufficient_funds
	lostAnswer     = 90_12 // the bank books and never answers
	lostOrder      = 90_13 // the bank neither books nor answers
	transferAmount = 30_00
	withdrawAmount = 10_00
)

const (
	followMax   = 60 * time.Second
	followEvery = 20 * time.Millisecond
)

func (d *demo) signIn(ctx context.Context) error {
	for _, c := range []*customer{d.zhang, d.wang, d.li} {
		codeID, code, err := d.codeFor(ctx, c.login.Phone)
		if err != nil {
			return fmt.Errorf("get a code for %s: %w", c.name, err)
		}
		session, answer, err := ask[api.Session](ctx, d.client, post("", "/wallet/v1/login",
			fields{
				"phone": c.login.Phone, "password": c.login.Password, "device_name": "demo phone",
				"code_id": codeID, "code": code,
			}))
		if answer.Status == http.StatusUnauthorized {
			return fmt.Errorf("%s does not know %s; give the demo the --data-dir and --database of that server", d.address,
				c.name)
		}
		if err != nil {
			return fmt.Errorf("sign in %s: %w", c.name, err)
		}
		c.session, c.token = session, session.Token
		d.serverAhead = session.ExpiresAt.Add(-sessionFor).Sub(d.clock.Now())
		accounts, err := fetch[api.Page[attempt.BankAccount]](ctx, d.client, c.token, "/wallet/v1/bank_accounts")
		if err != nil {
			return fmt.Errorf("read the bank accounts of %s: %w", c.name, err)
		}
		if len(accounts.Data) == 0 {
			return fmt.Errorf("%s has no bank account", c.name)
		}
		c.bankAccount = accounts.Data[0]
		d.tell(
			step{who: c.name, what: "signs in with a new phone and the code it got", result: "signed in", took: answer.Took},
		)
	}
	for _, person := range d.world.Staff {
		if person.Role != party.RoleFinance {
			continue
		}
		session, answer, err := d.signInStaff(ctx, person)
		if err != nil {
			return fmt.Errorf("sign in %s: %w", person.Email, err)
		}
		d.finance = session.Token
		d.tell(
			step{who: person.Name, what: "signs in for the operator, with the app", result: "signed in", took: answer.Took},
		)
		return nil
	}
	return fmt.Errorf("nobody of the staff has the role %s", party.RoleFinance)
}

// sessionFor is how long a session of a customer lasts: what a fresh one says tells the server's clock.
const sessionFor = 30 * 24 * time.Hour

// codeFor asks for a one-time code and reads it in the phone's inbox at the sandbox SMS centre.
func (d *demo) codeFor(ctx context.Context, phone string) (codeID, code string, err error) {
	known, err := d.codesOf(ctx, phone)
	if err != nil {
		return "", "", err
	}
	sent, _, err := ask[auth.CodeSent](ctx, d.client, post("", "/wallet/v1/codes",
		fields{"phone": phone, "purpose": "sign_in"}))
	if err != nil {
		return "", "", err
	}
	for until := d.clock.Now().Add(followMax); d.clock.Now().Before(until); time.Sleep(followEvery) {
		all, err := d.codesOf(ctx, phone)
		if err != nil {
			return "", "", err
		}
		if len(all) > 0 && (len(known) == 0 || all[len(all)-1] != known[len(known)-1]) {
			return sent.ID, smsc.CodeIn(all[len(all)-1].Text), nil
		}
	}
	return "", "", errors.New("no text came")
}

// codesOf returns the texts with codes that a phone got.
func (d *demo) codesOf(ctx context.Context, phone string) ([]smsc.Text, error) {
	inbox, err := fetch[struct {
		Messages []smsc.Text `json:"messages"`
	}](ctx, d.sms, "", "/control/messages?phone="+url.QueryEscape(phone))
	if err != nil {
		return nil, fmt.Errorf("ask the sandbox SMS centre at %s, see --sandbox-sms-listen: %w", d.sms.address, err)
	}
	return slices.DeleteFunc(inbox.Messages, func(t smsc.Text) bool { return smsc.CodeIn(t.Text) == "" }), nil
}

// signInStaff signs in with the code of the app. A code works once: another play may have just used this one, so the
// next is tried, and then the one after it.
func (d *demo) signInStaff(ctx context.Context, person app.WorldStaff) (api.StaffSession, reply, error) {
	for tried := 0; ; tried++ {
		at := d.clock.Now().Add(d.serverAhead)
		if tried > 0 {
			at = at.Add(totpStep)
		}
		code, err := auth.TOTPCode(app.SandboxTOTP, at)
		if err != nil {
			return api.StaffSession{}, reply{}, err
		}
		session, answer, err := ask[api.StaffSession](ctx, d.client, post("", "/ops/v1/login",
			fields{"email": person.Email, "password": person.Password, "totp": code}))
		if answer.Status != http.StatusForbidden || tried >= 2 {
			return session, answer, err
		}
		if tried == 1 {
			time.Sleep(totpStep)
		}
	}
}

const totpStep = 30 * time.Second

// signOut takes the phones of this play away, so that plays leave no devices behind. Where it fails, the sessions end
// by themselves.
func (d *demo) signOut(ctx context.Context) {
	for _, c := range []*customer{d.zhang, d.wang, d.li} {
		if c.token != "" {
			_, _ = d.do(ctx, call{
				Method: http.MethodDelete, Path: "/wallet/v1/devices/" + string(c.session.Device.ID),
				Token: c.token,
			})
		}
	}
	if d.finance != "" {
		_, _ = d.do(ctx, post(d.finance, "/ops/v1/logout", nil))
	}
}

// bankMoney is the request of a top-up or withdrawal.
func (c *customer) bankMoney(amount money.Amount) fields {
	return with(amount, fields{"bank_account_id": c.bankAccount.ID, "pin": c.login.PIN})
}

// startTopUp asks for a top-up; the answer is that it is under way.
func (d *demo) startTopUp(ctx context.Context, c *customer, amount money.Amount) (payment.TopUp, reply, error) {
	topUp, answer, err := ask[payment.TopUp](ctx, d.client, post(c.token, "/wallet/v1/top_ups", c.bankMoney(amount)))
	if err == nil && topUp.State != payment.TopUpPending {
		err = fmt.Errorf("top-up %s is %s at once, and should be %s", topUp.ID, topUp.State, payment.TopUpPending)
	}
	return topUp, answer, err
}

// topUp tops up and waits for the bank's word, which must be as told.
func (d *demo) topUp(
	ctx context.Context, c *customer, amount money.Amount, want payment.State,
) (payment.TopUp, time.Duration, error) {
	topUp, first, err := d.startTopUp(ctx, c, amount)
	if err != nil {
		return topUp, 0, fmt.Errorf("top up %s: %w", c.name, err)
	}
	topUp, last, err := ask[payment.TopUp](ctx, d.client, waitFor(c, "/wallet/v1/top_ups/"+string(topUp.ID)))
	if err == nil && topUp.State != want {
		err = fmt.Errorf("it is %s (%s), and should be %s", topUp.State, topUp.DeclineCode, want)
	}
	if err != nil {
		return topUp, 0, fmt.Errorf("wait for top-up %s of %s: %w", topUp.ID, c.name, err)
	}
	return topUp, first.Took + last.Took, nil
}

// waitFor reads what may still change, and holds the request until it is final.
func waitFor(c *customer, path string) call {
	return call{Method: http.MethodGet, Path: path + "?wait=25", Token: c.token}
}

func (d *demo) topUps(ctx context.Context) error {
	for _, t := range []struct {
		customer *customer
		minor    int64
	}{{d.zhang, zhangTopUp}, {d.wang, wangTopUp}} {
		amount := d.amountOf(t.minor)
		topUp, took, err := d.topUp(ctx, t.customer, amount, payment.Succeeded)
		if err != nil {
			return err
		}
		d.tell(step{t.customer.name, "tops up from the bank", amount, "pending → " + string(topUp.State), took})
		d.gains(&t.customer.account, amount, "topped up from the bank")
		d.gains(d.reserve, amount, t.customer.name+" topped up")
	}
	return nil
}

func (d *demo) declinedTopUp(ctx context.Context) error {
	amount := d.amountOf(declinedTopUp)
	return d.unmoved(ctx, func() error {
		topUp, took, err := d.topUp(ctx, d.wang, amount, payment.Declined)
		if err != nil {
			return err
		}
		if topUp.DeclineCode != string(channel.DeclineInsufficientFunds) {
			return fmt.Errorf("top-up %s has decline code %q, and should have %s", topUp.ID, topUp.DeclineCode,
				channel.DeclineInsufficientFunds)
		}
		d.tell(step{d.wang.name, "tops up, and the bank refuses", amount, "declined: " + topUp.DeclineCode, took})
		return nil
	}, &d.wang.account)
}

// lostAnswer follows a top-up that the bank books without ever answering.
func (d *demo) lostAnswer(ctx context.Context) error {
	before, err := d.balances(ctx, &d.zhang.account)
	if err != nil {
		return err
	}
	amount, start := d.amountOf(lostAnswer), d.clock.Now()
	topUp, answer, err := d.startTopUp(ctx, d.zhang, amount)
	if err != nil {
		return fmt.Errorf("top up %s: %w", d.zhang.name, err)
	}
	d.tell(step{d.zhang.name, "tops up; the bank books it, and never answers", amount, string(topUp.State), answer.Took})
	states, err := d.follow(ctx, following{customer: d.zhang, attempt: topUp.Attempt, before: before[0]})
	if err != nil {
		return fmt.Errorf("follow top-up %s: %w", topUp.ID, err)
	}
	topUp, _, err = ask[payment.TopUp](ctx, d.client, waitFor(d.zhang, "/wallet/v1/top_ups/"+string(topUp.ID)))
	if err == nil && topUp.State != payment.Succeeded {
		err = fmt.Errorf("it is %s (%s), and should be %s", topUp.State, topUp.DeclineCode, payment.Succeeded)
	}
	if err != nil {
		return fmt.Errorf("wait for top-up %s: %w", topUp.ID, err)
	}
	d.tell(step{"Feiqian", "finds out by itself what became of it", amount, strings.Join(states, " → "), d.since(start)})
	d.gains(&d.zhang.account, amount, "topped up, the answer was lost")
	d.gains(d.reserve, amount, d.zhang.name+" topped up, the answer was lost")
	return nil
}

// lostOrder is a top-up that never reaches the bank. Whether it did, nobody can know at first.
func (d *demo) lostOrder(ctx context.Context) error {
	if d.quick {
		return nil
	}
	amount := d.amountOf(lostOrder)
	topUp, answer, err := d.startTopUp(ctx, d.li, amount)
	if err != nil {
		return fmt.Errorf("top up %s: %w", d.li.name, err)
	}
	d.lost, d.lostAt = topUp, d.clock.Now()
	d.tell(step{d.li.name, "tops up; the order never reaches the bank", amount, string(topUp.State), answer.Took})
	return nil
}

// lostOrderEnds waits until the platform believes that the bank never had the order. It asks again and
// again, and does not believe "not found" while a copy of the order may still be under way.
func (d *demo) lostOrderEnds(ctx context.Context) error {
	if d.quick {
		return nil
	}
	before, err := d.balances(ctx, &d.li.account)
	if err != nil {
		return err
	}
	states, err := d.follow(ctx, following{customer: d.li, attempt: d.lost.Attempt, before: before[0], unknown: func() {
		d.tell(step{
			"Feiqian", "does not know about " + d.li.name + "'s top-up and keeps asking, 35 s", d.lost.Amount,
			string(channel.AttemptUnknown), d.since(d.lostAt),
		})
	}})
	if err == nil && !slices.Contains(states, string(channel.AttemptUnknown)) {
		err = fmt.Errorf("it was never unknown: %s", strings.Join(states, " → "))
	}
	if err != nil {
		return fmt.Errorf("follow top-up %s: %w", d.lost.ID, err)
	}
	topUp, _, err := ask[payment.TopUp](ctx, d.client, waitFor(d.li, "/wallet/v1/top_ups/"+string(d.lost.ID)))
	if err == nil && (topUp.State != payment.Declined || topUp.DeclineCode != string(channel.DeclineBankUnavailable)) {
		err = fmt.Errorf("it is %s (%s), and should be %s (%s)", topUp.State, topUp.DeclineCode, payment.Declined,
			channel.DeclineBankUnavailable)
	}
	if err != nil {
		return fmt.Errorf("wait for top-up %s: %w", d.lost.ID, err)
	}
	d.tell(step{
		"Feiqian", "is sure now that the bank never had it", topUp.Amount,
		strings.Join(states, " → ") + ": " + string(topUp.State), d.since(d.lostAt),
	})
	return d.unmoved(ctx, func() error { return nil }, &d.li.account)
}

// following is what follow needs: whose attempt, and the balance until the attempt is final. Unknown, if given, is
// called once, when the attempt is seen to be unknown.
type following struct {
	customer *customer
	attempt  id.Attempt
	before   money.Amount
	unknown  func()
}

// noAnswer stands for the states of an attempt before anything is known of its outcome.
const noAnswer = "no answer"

// follow watches an attempt until it is final, and returns the states seen. Until then the balance must
// stay as it was.
func (d *demo) follow(ctx context.Context, f following) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, followMax)
	defer cancel()
	var states []string
	for ; ; time.Sleep(followEvery) {
		balances, err := d.balances(ctx, &f.customer.account)
		if err != nil {
			return states, err
		}
		try, err := fetch[attempt.Attempt](ctx, d.client, d.finance, "/ops/v1/attempts/"+string(f.attempt))
		if err != nil {
			return states, fmt.Errorf("attempt %s was %s: %w", f.attempt, strings.Join(states, " → "), err)
		}
		state := string(try.State)
		if try.State == channel.AttemptCreated || try.State == channel.AttemptSent {
			state = noAnswer
		}
		if !slices.Contains(states, state) {
			states = append(states, state)
			if try.State == channel.AttemptUnknown && f.unknown != nil {
				f.unknown()
			}
		}
		if try.State.Final() {
			return states, nil
		}
		if balances[0] != f.before {
			return states, fmt.Errorf("the balance went from %s to %s while attempt %s was %s", f.before, balances[0],
				f.attempt, try.State)
		}
	}
}

func (d *demo) transfer(ctx context.Context) error {
	amount := d.amountOf(transferAmount)
	payee, found, err := ask[party.MaskedCustomer](ctx, d.client, call{
		Method: http.MethodGet, Path: "/wallet/v1/payees?phone=" + url.QueryEscape(d.li.login.Phone), Token: d.zhang.token,
	})
	if err != nil {
		return fmt.Errorf("find the payee: %w", err)
	}
	sent, answer, err := ask[payment.Transfer](ctx, d.client, post(d.zhang.token, "/wallet/v1/transfers",
		with(amount, fields{"payee": payee.ID, "note": "dinner", "pin": d.zhang.login.PIN})))
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	d.tell(step{d.zhang.name, "sends money to " + d.li.name, amount, string(sent.State), found.Took + answer.Took})
	d.pays(&d.zhang.account, amount, "sent to "+d.li.name)
	d.gains(&d.li.account, amount, "received from "+d.zhang.name)
	return nil
}

func (d *demo) withdraw(ctx context.Context) error {
	amount := d.amountOf(withdrawAmount)
	out, first, err := ask[payout.Payout](ctx, d.client, post(d.li.token, "/wallet/v1/withdrawals",
		d.li.bankMoney(amount)))
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	out, last, err := ask[payout.Payout](ctx, d.client, waitFor(d.li, "/wallet/v1/withdrawals/"+string(out.ID)))
	if err == nil && out.State != payout.Succeeded {
		err = fmt.Errorf("it is %s (%s), and should be %s", out.State, out.DeclineCode, payout.Succeeded)
	}
	if err != nil {
		return fmt.Errorf("wait for withdrawal %s: %w", out.ID, err)
	}
	d.tell(step{
		d.li.name, "withdraws to the bank account", amount, "pending → " + string(out.State),
		first.Took + last.Took,
	})
	d.pays(&d.li.account, amount, "withdrawn to the bank")
	d.pays(d.reserve, amount, d.li.name+" withdrew")
	return nil
}
