package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/payment"
)

// trigger makes things happen at one merchant.
type trigger struct {
	*demo

	key   string
	payer *customer // signed in by the first act that needs one
}

// scene is an event and how it comes about. It returns the subject.
type scene struct {
	kind string
	how  string
	act  func(*trigger, context.Context) (string, error)
}

// scenes lists what can be made to happen.
func scenes() []scene {
	return []scene{
		{"payment.created", "a payment waits for its payer", (*trigger).created},
		{"payment.succeeded", "a payer of the sandbox confirms a payment with the PIN", (*trigger).succeeded},
		{"payment.declined", "a payment code is charged with more than there is", (*trigger).declined},
		{"payment.expired", "a payment's second is over", (*trigger).expired},
		{"payment.voided", "the merchant calls a payment off", (*trigger).voided},
		{"refund.succeeded", "a paid payment is refunded in part", (*trigger).refunded},
	}
}

func triggerCommand() *cobra.Command {
	var key, address string
	command := &cobra.Command{
		Use:   "trigger EVENT",
		Short: "Make an event happen in the running sandbox, through its public API",
		Long: "Make an event happen in the running sandbox: not a copy of one, but the thing itself, through the public\n" +
			"API and with the people of the sandbox.\n\n" + sceneList(),
		Example: "  feiqian trigger payment.succeeded",
		Args:    cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			var chosen *scene
			for _, s := range scenes() {
				if len(args) == 1 && s.kind == args[0] {
					chosen = &s
				}
			}
			if chosen == nil {
				return fmt.Errorf("name one event that can be triggered.\n\n%s", sceneList())
			}
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			d, err := newDemo(command.Context(), cfg, serverAddress(cfg, address), io.Discard)
			if err != nil {
				return err
			}
			t := &trigger{demo: d}
			if t.key, err = merchantKey(cfg, key); err != nil {
				return err
			}
			defer t.signOut(context.WithoutCancel(command.Context()))
			return t.play(command.Context(), *chosen, command.OutOrStdout())
		},
	}
	command.Flags().StringVar(&key, "key", "",
		"the merchant's secret `key` (default that of the sandbox's first merchant)")
	command.Flags().StringVar(&address, "url", "", "`url` of the server (default http:// and what --listen says)")
	return command
}

func sceneList() string {
	var b strings.Builder
	b.WriteString("Events:\n")
	for _, s := range scenes() {
		fmt.Fprintf(&b, "  %-18s %s\n", s.kind, s.how)
	}
	return strings.TrimRight(b.String(), "\n")
}

// play runs a scene and waits until the merchant's list of events has it.
func (t *trigger) play(ctx context.Context, s scene, out io.Writer) error {
	subject, err := s.act(t, ctx)
	if err != nil {
		return fmt.Errorf("make %s happen: %w", s.kind, err)
	}
	page, err := fetch[api.Page[outbox.Event]](ctx, t.client, t.key,
		"/v1/events?wait=25&kind="+s.kind+"&subject="+subject)
	if err != nil {
		return err
	}
	if len(page.Data) == 0 {
		return fmt.Errorf("%s of %s did not come about", s.kind, subject)
	}
	fmt.Fprintf(out, "%s  %s  %s\n", page.Data[0].Kind, subject, page.Data[0].ID)
	return nil
}

const (
	triggerAmount = 1_00
	triggerRefund = 40
	triggerTopUp  = 100_00
	triggerTooBig = 10_000_000_00
)

func (t *trigger) order(ctx context.Context, minor int64, others fields) (payment.Payment, error) {
	made, _, err := ask[payment.Payment](ctx, t.client, post(t.key, "/v1/payments", with(t.amountOf(minor), others)))
	return made, err
}

func (t *trigger) created(ctx context.Context) (string, error) {
	made, err := t.order(ctx, triggerAmount, fields{"description": "feiqian trigger"})
	return string(made.ID), err
}

func (t *trigger) expired(ctx context.Context) (string, error) {
	made, err := t.order(ctx, triggerAmount, fields{"description": "feiqian trigger", "expires_in": 1})
	return string(made.ID), err
}

func (t *trigger) voided(ctx context.Context) (string, error) {
	name, err := t.created(ctx)
	if err != nil {
		return "", err
	}
	_, _, err = ask[payment.Payment](ctx, t.client, post(t.key, "/v1/payments/"+name+"/void", nil))
	return name, err
}

func (t *trigger) succeeded(ctx context.Context) (string, error) {
	if err := t.signInPayer(ctx); err != nil {
		return "", err
	}
	if err := t.fund(ctx); err != nil {
		return "", err
	}
	name, err := t.created(ctx)
	if err != nil {
		return "", err
	}
	_, _, err = ask[payment.PayerView](ctx, t.client, confirm(t.payer, id.Payment(name), t.payer.login.PIN))
	return name, err
}

func (t *trigger) declined(ctx context.Context) (string, error) {
	if err := t.signInPayer(ctx); err != nil {
		return "", err
	}
	code, _, err := t.show(ctx, t.payer)
	if err != nil {
		return "", err
	}
	made, err := t.order(ctx, triggerTooBig, fields{"description": "feiqian trigger", "payment_code": code})
	return string(made.ID), err
}

func (t *trigger) refunded(ctx context.Context) (string, error) {
	name, err := t.succeeded(ctx)
	if err != nil {
		return "", err
	}
	made, _, err := ask[payment.Refund](ctx, t.client, post(t.key, "/v1/payments/"+name+"/refunds",
		fields{"amount": triggerRefund, "reason": "feiqian trigger"}))
	return string(made.ID), err
}

// signInPayer signs the sandbox's first customer in, on a phone that signOut takes away.
func (t *trigger) signInPayer(ctx context.Context) error {
	c := t.zhang
	codeID, code, err := t.codeFor(ctx, c.login.Phone)
	if err != nil {
		return fmt.Errorf("get a code for %s: %w", c.name, err)
	}
	c.session, _, err = ask[api.Session](ctx, t.client, post("", "/wallet/v1/login", fields{
		"phone": c.login.Phone, "password": c.login.Password, "device_name": "feiqian trigger",
		"code_id": codeID, "code": code,
	}))
	if err != nil {
		return fmt.Errorf("sign in %s: %w", c.name, err)
	}
	c.token, t.payer = c.session.Token, c
	return nil
}

// fund tops the payer up where there is too little.
func (t *trigger) fund(ctx context.Context) error {
	view, err := t.view(ctx, &t.payer.account)
	if err != nil || view.Available.Minor >= triggerAmount {
		return err
	}
	accounts, err := fetch[api.Page[attempt.BankAccount]](ctx, t.client, t.payer.token, "/wallet/v1/bank_accounts")
	if err != nil {
		return err
	}
	active := slices.IndexFunc(accounts.Data, func(a attempt.BankAccount) bool { return a.Currency == t.currency })
	if active < 0 {
		return errors.New("the payer has no money and no bank account")
	}
	t.payer.bankAccount = accounts.Data[active]
	_, _, err = t.topUp(ctx, t.payer, money.Amount{Minor: triggerTopUp, Currency: t.currency}, payment.Succeeded)
	return err
}
