package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
)

// account is a party's money: what it was, what the story says of it, and what it is in the end. Door is
// where its owner reads it with Token; the operator's accounts have none.
type account struct {
	name        string
	door, token string

	before, after money.Amount
	posted        int64 // number of the newest posting before
	moves         []move
}

// move is one change of a balance and its cause.
type move struct {
	step   int
	why    string
	amount money.Amount
}

// gains and pays write down what the story's last step did to an account.
func (d *demo) gains(a *account, amount money.Amount, why string) {
	a.moves = append(a.moves, move{step: d.steps, why: why, amount: amount})
}

func (d *demo) pays(a *account, amount money.Amount, why string) { d.gains(a, amount.Neg(), why) }

// change is the sum of the moves.
func (a *account) change() (money.Amount, error) {
	sum := money.Zero(a.before.Currency)
	for _, m := range a.moves {
		var err error
		if sum, err = sum.Add(m.amount); err != nil {
			return sum, fmt.Errorf("sum the moves of %s: %w", a.name, err)
		}
	}
	return sum, nil
}

// owned lists the accounts that their owners can read.
func (d *demo) owned() []*account {
	return []*account{&d.zhang.account, &d.wang.account, &d.li.account, &d.tea.account, &d.coffee.account}
}

// everybody lists all accounts of the table.
func (d *demo) everybody() []*account { return append(d.owned(), d.fees, d.reserve) }

func (d *demo) view(ctx context.Context, a *account) (api.BalanceView, error) {
	view, err := fetch[api.BalanceView](ctx, d.client, a.token, a.door+"/balance?currency="+string(d.currency))
	if err != nil {
		return view, fmt.Errorf("read the balance of %s: %w", a.name, err)
	}
	return view, nil
}

// balances reads what each account has now.
func (d *demo) balances(ctx context.Context, accounts ...*account) ([]money.Amount, error) {
	var all []money.Amount
	for _, a := range accounts {
		view, err := d.view(ctx, a)
		if err != nil {
			return nil, err
		}
		if view.Available != view.Posted {
			return nil, fmt.Errorf("%s has %s, but only %s of it is free", a.name, view.Posted, view.Available)
		}
		all = append(all, view.Posted)
	}
	return all, nil
}

// unmoved runs an act that must not change these accounts.
func (d *demo) unmoved(ctx context.Context, act func() error, accounts ...*account) error {
	before, err := d.balances(ctx, accounts...)
	if err != nil {
		return err
	}
	if err := act(); err != nil {
		return err
	}
	after, err := d.balances(ctx, accounts...)
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		return fmt.Errorf("nothing should have moved, but balances went from %v to %v", before, after)
	}
	return nil
}

// openBooks reads what everybody has, and where their statements end.
func (d *demo) openBooks(ctx context.Context) error {
	if err := d.readAll(ctx, func(a *account) *money.Amount { return &a.before }); err != nil {
		return err
	}
	for _, a := range d.owned() {
		page, err := d.statement(ctx, a, "", 1)
		if err != nil {
			return err
		}
		if len(page.Data) > 0 {
			a.posted = page.Data[0].N
		}
	}
	return nil
}

// closeBooks reads what everybody has in the end.
func (d *demo) closeBooks(ctx context.Context) error {
	return d.readAll(ctx, func(a *account) *money.Amount { return &a.after })
}

func (d *demo) readAll(ctx context.Context, into func(*account) *money.Amount) error {
	owned := d.owned()
	balances, err := d.balances(ctx, owned...)
	if err != nil {
		return err
	}
	for i, a := range owned {
		*into(a) = balances[i]
	}
	trial, err := d.trial(ctx)
	if err != nil {
		return err
	}
	*into(d.fees) = d.amountOf(sumOf(trial, d.currency, ledger.FeeIncome))
	*into(d.reserve), err = d.atBank(ctx)
	return err
}

func (d *demo) trial(ctx context.Context) (ledger.Trial, error) {
	return fetch[ledger.Trial](ctx, d.client, d.finance, "/ops/v1/trial_balance")
}

// sumOf returns the balance of all accounts of a code, in minor units.
func sumOf(trial ledger.Trial, currency money.Currency, code ledger.Code) int64 {
	for _, line := range trial.Lines {
		if line.Code == code && line.Currency == currency {
			return line.Balance
		}
	}
	return 0
}

// bankBook is what the simulated bank shows of its own books.
type bankBook struct {
	Accounts []struct {
		Number  string       `json:"number"`
		Kind    string       `json:"kind"`
		Balance money.Amount `json:"balance"`
	} `json:"accounts"`
}

// atBank asks the bank how much it holds for the platform.
func (d *demo) atBank(ctx context.Context) (money.Amount, error) {
	sum, kept := money.Zero(d.currency), false
	for flag, party := range map[string]*client{"--sandbox-listen": d.bank, "--sandbox-issuer-listen": d.issuer} {
		book, err := fetch[bankBook](ctx, party, "", "/control/accounts")
		if err != nil {
			return sum, fmt.Errorf("ask the sandbox's party at %s, see %s: %w", party.address, flag, err)
		}
		for _, account := range book.Accounts {
			if account.Kind != "reserve" || account.Balance.Currency != d.currency {
				continue
			}
			kept = true
			if sum, err = sum.Add(account.Balance); err != nil {
				return sum, fmt.Errorf("sum the reserves: %w", err)
			}
		}
	}
	if !kept {
		return sum, fmt.Errorf("the sandbox's bank keeps no reserve in %s", d.currency)
	}
	return sum, nil
}

func (d *demo) statement(ctx context.Context, a *account, cursor string, limit int) (api.Page[ledger.Posting],
	error,
) {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "currency": {string(d.currency)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	page, err := fetch[api.Page[ledger.Posting]](ctx, d.client, a.token, a.door+"/statement?"+query.Encode())
	if err != nil {
		return page, fmt.Errorf("read the statement of %s: %w", a.name, err)
	}
	return page, nil
}

const pageLimit = 100

// newPostings returns what the play posted to an account, oldest first.
func (d *demo) newPostings(ctx context.Context, a *account) ([]ledger.Posting, error) {
	var all []ledger.Posting
	for cursor := ""; ; {
		page, err := d.statement(ctx, a, cursor, pageLimit)
		if err != nil {
			return nil, err
		}
		for _, posting := range page.Data {
			if posting.N <= a.posted {
				slices.Reverse(all)
				return all, nil
			}
			all = append(all, posting)
		}
		if !page.HasMore {
			slices.Reverse(all)
			return all, nil
		}
		cursor = page.NextCursor
	}
}
