package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
)

func demoCommand() *cobra.Command {
	var (
		address string
		quick   bool
	)
	command := &cobra.Command{
		Use:   "demo",
		Short: "Play the whole story against the running sandbox and check every number; exit 1 if one is off",
		Long: "Play the whole story against the running sandbox, through its public API only: top-ups, payments, refunds,\n" +
			"a transfer, a withdrawal, a bank card, and what goes wrong on the way. Every balance, statement, event and\n" +
			"receipt is checked afterwards. It may be played again and again, one demo at a time.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cfg, err := settings(command)
			if err != nil {
				return err
			}
			if address == "" {
				address = "http://" + cfg.Listen
			}
			d, err := newDemo(command.Context(), cfg, strings.TrimSuffix(address, "/"), command.OutOrStdout())
			if err != nil {
				return err
			}
			d.quick = quick
			return d.play(command.Context())
		},
	}
	command.Flags().BoolVar(&quick, "quick", false,
		"leave out the one act that waits for half a minute: an order that the bank never got")
	command.Flags().StringVar(&address, "address", "", "`url` of the server (default http:// and what --listen says)")
	return command
}

var errDemo = errors.New("the demo found something that is off")

// demo is one play: who takes part, and what has happened so far.
type demo struct {
	*client

	out      io.Writer
	bank     *client
	issuer   *client
	sms      *client
	world    app.World
	currency money.Currency
	run      string // makes this play's references unique
	finance  string // the token of the finance staff

	zhang, wang, li *customer
	tea, coffee     *shop
	fees, reserve   *account

	serverAhead time.Duration // how far the sandbox's clock is ahead of ours
	quick       bool
	lost        payment.TopUp // never reached the bank
	lostAt      time.Time
	teaPayment  id.Payment
	steps       int
	checks      []check
}

// customer is a payer with the phone of this play.
type customer struct {
	account

	login       app.WorldCustomer
	session     api.Session
	bankAccount attempt.BankAccount
	card        card.Card // bound by the play
}

// shop is a merchant, and what it should have heard.
type shop struct {
	account

	feeRate money.BasisPoints
	events  []happening
}

// happening is an event as the story tells it.
type happening struct{ kind, subject string }

func newDemo(ctx context.Context, cfg config.Config, address string, out io.Writer) (*demo, error) {
	if cfg.Mode != config.Sandbox {
		return nil, errors.New("the demo moves made-up money only; start a server with --mode sandbox for it")
	}
	d := &demo{
		client: newClient(address), bank: newClient("http://" + cfg.SandboxListen), out: out,
		issuer: newClient("http://" + cfg.SandboxIssuerListen),
		sms:    newClient("http://" + cfg.SandboxSMSListen), currency: cfg.Currency,
		run: (&clock.Clock{}).Now().Format("20060102-150405.000"),
	}
	health, err := d.do(ctx, call{Method: http.MethodGet, Path: "/healthz"})
	if err != nil || health.Status != http.StatusOK {
		return nil, fmt.Errorf("no Feiqian answers at %s; start it with \"make run\" in another window first, "+
			"or say where it is with --address", address)
	}
	d.world, err = app.LoadWorld(cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no sandbox world in %s; start the server with \"make run\" first, "+
			"with the same --data-dir and --database as here", app.WorldDir(cfg))
	}
	if err != nil {
		return nil, err
	}
	if len(d.world.Customers) < 3 || len(d.world.Merchants) < 2 {
		return nil, fmt.Errorf("the sandbox world in %s lacks people; the demo needs three customers and two merchants",
			app.WorldDir(cfg))
	}
	person := func(i int) *customer {
		login := d.world.Customers[i]
		return &customer{login: login, account: account{name: login.Name, door: "/wallet/v1"}}
	}
	merchant := func(i int) *shop {
		m := d.world.Merchants[i]
		return &shop{account: account{name: m.Name, door: "/v1", token: m.Key}, feeRate: money.BasisPoints(m.FeeBps)}
	}
	d.zhang, d.wang, d.li = person(0), person(1), person(2)
	d.tea, d.coffee = merchant(0), merchant(1)
	d.fees, d.reserve = &account{name: "Feiqian, fees"}, &account{name: "Reserve, bank + issuer"}
	return d, nil
}

// play runs the acts in order, then the checks. Errors: an act did not go as it should, which ends the play; errDemo
// after the checks if a number is wrong.
func (d *demo) play(ctx context.Context) error {
	fmt.Fprintf(d.out, "\n  Feiqian 飞钱 demo, play %s, at %s\n\n", d.run, d.address)
	defer d.signOut(context.WithoutCancel(ctx))
	acts := []func(context.Context) error{
		d.signIn, d.openBooks,
		d.topUps, d.declinedTopUp, d.lostOrder, d.lostAnswer,
		d.payWithPIN, d.findByReference, d.wrongPIN,
		d.shownCode, d.offlineCode, d.tooPoor, d.dryRun,
		d.refunds, d.transfer, d.withdraw, d.void, d.bindCard, d.cardMoney, d.cardRefused, d.lostOrderEnds,
		d.closeBooks, d.checkBooks, d.checkReserve, d.checkEvents, d.checkReceipt,
	}
	for _, act := range acts {
		if err := act(ctx); err != nil {
			return fmt.Errorf("after step %d: %w", d.steps, err)
		}
	}
	if err := d.printTable(); err != nil {
		return err
	}
	return d.printChecks()
}

// step is one line of the story. Amount may be the zero value.
type step struct {
	who, what string
	amount    money.Amount
	result    string
	took      time.Duration
}

const (
	whoWidth    = 13
	whatWidth   = 50
	amountWidth = 12
	resultWidth = 44
)

// tell prints the next line of the story.
func (d *demo) tell(s step) {
	d.steps++
	amount := ""
	if s.amount.Currency != "" {
		amount = s.amount.String()
	}
	fmt.Fprintf(d.out, "  %2d  %s %s %s  %s %5d ms\n", d.steps, text.Pad(s.who, whoWidth, ' '), text.Pad(s.what,
		whatWidth, ' '),
		text.AlignRight.Apply(amount, amountWidth), text.Pad(s.result, resultWidth, ' '), s.took.Milliseconds())
}

// amountOf returns minor units of the play's currency.
func (d *demo) amountOf(minor int64) money.Amount {
	return money.Amount{Minor: minor, Currency: d.currency}
}

// fields are the members of a request.
type fields map[string]any

// with returns the members that an amount has in requests, and others.
func with(amount money.Amount, others fields) fields {
	all := fields{"amount": amount.Minor, "currency": amount.Currency}
	maps.Copy(all, others)
	return all
}

func post(token, path string, body any) call {
	return call{Method: http.MethodPost, Path: path, Token: token, Body: body}
}
