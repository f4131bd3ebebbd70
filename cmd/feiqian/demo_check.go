package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/payment"
)

// check is one sentence about the end of the play. Wrong says what is off, "" if nothing is.
type check struct{ what, wrong string }

// expect adds a check that holds if wrong is "".
func (d *demo) expect(what, wrong string) {
	d.checks = append(d.checks, check{what: what, wrong: wrong})
}

// checkBooks compares balances with the story's sums, and statements with its moves.
func (d *demo) checkBooks(ctx context.Context) error {
	together := money.Zero(d.currency)
	for _, a := range d.everybody() {
		change, err := a.change()
		if err != nil {
			return err
		}
		want, err := a.before.Add(change)
		if err != nil {
			return err
		}
		d.expect(fmt.Sprintf("%s: %s and %s make %s", a.name, a.before.Decimal(), signed(change), want), differ(want,
			a.after))
		if a == d.reserve {
			change = change.Neg()
		}
		if together, err = together.Add(change); err != nil {
			return err
		}
	}
	d.expect("what they all gained together came in at the bank, to the cent", differ(money.Zero(d.currency), together))
	for _, a := range d.owned() {
		postings, err := d.newPostings(ctx, a)
		if err != nil {
			return err
		}
		d.expect(fmt.Sprintf("%s: the statement has %d new lines, each as told, and sums up", a.name, len(postings)),
			a.statementWrong(postings))
	}
	return nil
}

func differ(want, got money.Amount) string {
	if want == got {
		return ""
	}
	return fmt.Sprintf("should be %s, is %s", want, got)
}

// statementWrong compares new postings, oldest first, with the moves one by one; each balance must follow from the
// one before, and the last be what the account has.
func (a *account) statementWrong(postings []ledger.Posting) string {
	if len(postings) != len(a.moves) {
		return fmt.Sprintf("%d moves were told, and the statement has %d", len(a.moves), len(postings))
	}
	balance := a.before
	for i, posting := range postings {
		amount := posting.Amount
		if posting.Side == ledger.Debit { // what we owe to an owner is on the credit side
			amount = amount.Neg()
		}
		told := a.moves[i]
		if amount != told.amount {
			return fmt.Sprintf("line %d (%s) is %s, and step %d (%s) was %s", posting.N, posting.Reason, amount, told.step,
				told.why, told.amount)
		}
		var err error
		if balance, err = balance.Add(amount); err != nil {
			return err.Error()
		}
		if balance != posting.Balance {
			return fmt.Sprintf("line %d says that the balance is %s, and the lines so far make %s", posting.N,
				posting.Balance, balance)
		}
	}
	return differ(balance, a.after)
}

const (
	arrivalsMax  = 20 * time.Second
	receiptMax   = 20 * time.Second
	pauseOfPolls = 100 * time.Millisecond
)

// checkReserve waits until what channels owe us has arrived, and compares the books with the bank.
func (d *demo) checkReserve(ctx context.Context) error {
	var (
		trial        ledger.Trial
		books, there money.Amount
	)
	for start := d.clock.Now(); ; time.Sleep(pauseOfPolls) {
		var err error
		if trial, err = d.trial(ctx); err != nil {
			return err
		}
		if there, err = d.atBank(ctx); err != nil {
			return err
		}
		coming := sumOf(trial, d.currency, ledger.ChannelReceivable)
		books = d.amountOf(sumOf(trial, d.currency, ledger.ClientReserve) + coming - sumOf(trial, d.currency,
			ledger.PayoutsInTransit))
		if (coming == 0 && books == there) || d.since(start) > arrivalsMax {
			break
		}
	}
	for _, p := range trial.Proofs {
		wrong := ""
		if !p.OK {
			wrong = fmt.Sprintf("the proof says %+v", p)
		}
		d.expect(fmt.Sprintf("trial balance in %s: debits equal credits in both books, held for clients %s", p.Currency,
			money.Amount{Minor: p.HeldForThem, Currency: p.Currency}), wrong)
	}
	if len(trial.Proofs) == 0 {
		d.expect("the trial balance is proven", "it has no proofs")
	}
	d.expect("the reserve by our books (1001 + 1101 − 1102) is what the bank says it holds: "+there.String(),
		differ(there, books))
	return nil
}

// checkEvents compares what the merchants heard with what happened.
func (d *demo) checkEvents(ctx context.Context) error {
	for _, s := range []*shop{d.tea, d.coffee} {
		heard, err := d.eventsOf(ctx, s)
		if err != nil {
			return fmt.Errorf("read the events of %s: %w", s.name, err)
		}
		d.expect(fmt.Sprintf("%s: the events heard, %d, are what happened, in its order", s.name, len(heard)),
			eventsWrong(s.events, heard))
	}
	return nil
}

// eventsOf reads a shop's events from the play's first on.
func (d *demo) eventsOf(ctx context.Context, s *shop) ([]happening, error) {
	var heard []happening
	path := "/v1/events?limit=1&kind=" + s.events[0].kind + "&subject=" + s.events[0].subject
	for {
		page, err := fetch[api.Page[outbox.Event]](ctx, d.client, s.token, path)
		if err != nil {
			return nil, err
		}
		for _, event := range page.Data {
			heard = append(heard, happening{kind: event.Kind, subject: event.Subject})
		}
		if len(page.Data) == 0 {
			return heard, nil
		}
		path = "/v1/events?limit=100&cursor=" + page.NextCursor
	}
}

func eventsWrong(want, heard []happening) string {
	rest := want
	for i, event := range heard {
		if len(rest) == 0 {
			return fmt.Sprintf("%s of %s did not happen here", event.kind, event.subject)
		}
		next := rest[0]
		if event != next {
			return fmt.Sprintf("event %d is %s of %s, and should be %s of %s", i+1, event.kind, event.subject,
				next.kind, next.subject)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return fmt.Sprintf("%s of %s is missing", rest[0].kind, rest[0].subject)
	}
	return ""
}

// checkReceipt gets the payer's receipt and checks it in this process, with the key that the operator publishes; then
// once more with its amount changed.
func (d *demo) checkReceipt(ctx context.Context) error {
	paid, err := fetch[payment.PayerView](ctx, d.client, d.zhang.token, "/wallet/v1/payments/"+string(d.teaPayment))
	if err != nil {
		return err
	}
	receipt, err := d.receipt(ctx, call{
		Method: http.MethodGet, Path: "/wallet/v1/receipts/" + string(paid.Entry),
		Token: d.zhang.token,
	})
	if err != nil {
		return fmt.Errorf("get the receipt of payment %s: %w", d.teaPayment, err)
	}
	head, err := fetch[api.LogHead](ctx, d.client, d.finance, "/ops/v1/log")
	if err != nil {
		return fmt.Errorf("read the log's key: %w", err)
	}
	proven, err := ledger.VerifyReceipt(receipt, head.Key)
	what := fmt.Sprintf("%s's receipt, checked offline: %s, entry %d of %d in the signed log", d.zhang.name,
		paid.Amount, proven.LeafIndex+1, proven.LogSize)
	d.expect(what, d.receiptWrong(proven, paid, err))
	digits := func(minor int64) []byte { return []byte(`\n` + strconv.FormatInt(minor, 10) + `\n`) }
	forged := bytes.Replace(receipt, digits(teaAmount), digits(1), 1)
	_, err = ledger.VerifyReceipt(forged, head.Key)
	wrong := ""
	if code := fault.CodeOf(err); code != "ledger.content_changed" || bytes.Equal(forged, receipt) {
		wrong = fmt.Sprintf("should be refused with ledger.content_changed, and the answer is %q", code)
	}
	d.expect("the same receipt with its amount changed to "+d.amountOf(1).String()+" is refused", wrong)
	return nil
}

// receipt waits for the checkpoint that covers the entry.
func (d *demo) receipt(ctx context.Context, request call) ([]byte, error) {
	for start := d.clock.Now(); ; time.Sleep(pauseOfPolls) {
		answer, err := d.do(ctx, request)
		switch {
		case err != nil:
			return nil, err
		case answer.Status == http.StatusOK:
			return answer.Body, nil
		case answer.Status != http.StatusServiceUnavailable || d.since(start) > receiptMax:
			return nil, answer.problem()
		}
	}
}

func (d *demo) receiptWrong(p ledger.Proven, paid payment.PayerView, err error) string {
	payer := ledger.Account(ledger.UserBalance, d.currency, string(d.zhang.session.Customer.ID))
	payee := ledger.Account(ledger.MerchantPending, d.currency, string(paid.Merchant))
	switch {
	case err != nil:
		return err.Error()
	case !p.Trusted || p.Entry != paid.Entry || p.Subject != string(paid.ID):
		return fmt.Sprintf("it proves entry %s about %s, trusted %t", p.Entry, p.Subject, p.Trusted)
	case len(p.Lines) != 1 || p.Lines[0].Amount != paid.Amount || p.Lines[0].Debit != payer ||
		p.Lines[0].Credit != payee:
		return fmt.Sprintf("it shows the lines %v", p.Lines)
	}
	return ""
}

func signed(amount money.Amount) string {
	if amount.IsNegative() {
		return "−" + amount.Neg().Decimal()
	}
	return "+" + amount.Decimal()
}

// printTable prints who has what, and why.
func (d *demo) printTable() error {
	t := table.NewWriter()
	t.SetOutputMirror(d.out)
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"Who", "Step", "What", "In and out", "Has, in " + string(d.currency)})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight},
	})
	for _, a := range d.everybody() {
		t.AppendRow(table.Row{a.name, "", "before", "", a.before.Decimal()})
		balance := a.before
		for _, m := range a.moves {
			var err error
			if balance, err = balance.Add(m.amount); err != nil {
				return err
			}
			t.AppendRow(table.Row{"", m.step, m.why, signed(m.amount), balance.Decimal()})
		}
		t.AppendRow(table.Row{"", "", "after, as read", "", a.after.Decimal()})
		t.AppendSeparator()
	}
	fmt.Fprintln(d.out)
	t.Render()
	fmt.Fprintln(d.out)
	return nil
}

// printChecks prints what holds and what does not. Errors: errDemo if something does not.
func (d *demo) printChecks() error {
	failed := 0
	for _, c := range d.checks {
		if c.wrong == "" {
			fmt.Fprintf(d.out, "  ✓ %s\n", c.what)
			continue
		}
		failed++
		fmt.Fprintf(d.out, "  ✗ %s\n      %s\n", c.what, c.wrong)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks: %w", failed, len(d.checks), errDemo)
	}
	fmt.Fprintf(d.out, "\n  All %d checks hold, after %d steps.\n\n", len(d.checks), d.steps)
	return nil
}
