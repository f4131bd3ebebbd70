package ledger

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// AccountState says whether an account may be posted to.
type AccountState string

const (
	// Open accounts may be debited and credited.
	Open AccountState = "open"
	// Frozen accounts may be credited, not debited by their owner's acts; staff act next.
	Frozen AccountState = "frozen"
	// Closed accounts take nothing any more.
	Closed AccountState = "closed"
)

// AccountRow is an account with its sums, in minor units. Posted sums only grow.
type AccountRow struct {
	ID             AccountID
	Code           Code
	Currency       money.Currency
	Owner          string
	State          AccountState
	Protected      bool
	CreditLine     int64
	DebitsPosted   int64
	CreditsPosted  int64
	DebitsPending  int64
	CreditsPending int64
	Postings       int64
	LastPostedAt   time.Time
	CreatedAt      time.Time

	path path
}

// Balance returns the posted balance on the account's normal side.
func (a *AccountRow) Balance(side Side) int64 {
	if side == Credit {
		return a.CreditsPosted - a.DebitsPosted
	}
	return a.DebitsPosted - a.CreditsPosted
}

// Available returns the posted balance less what is held of it, plus the credit line.
func (a *AccountRow) Available(side Side) int64 {
	held := a.DebitsPending
	if side == Debit {
		held = a.CreditsPending
	}
	return a.Balance(side) - held + a.CreditLine
}

// check refuses sums beyond the limit, and a protected account below its floor.
func (a *AccountRow) check(side Side) error {
	if balance := a.Balance(side); balance > money.MaxMinor || balance < -money.MaxMinor {
		return fault.New(fault.Conflict, "ledger.balance_too_large", "the balance would be larger than the books allow")
	}
	if a.Protected && a.Available(side) < 0 {
		return fault.New(fault.Conflict, "ledger.insufficient_funds", "the available balance is too low")
	}
	return nil
}

func accountsTable(c *commit.Committer) *commit.Table[AccountRow] {
	return commit.AddTable(c, "accounts",
		commit.Text("id", func(a *AccountRow) *string { return (*string)(&a.ID) }),
		commit.Text("code", func(a *AccountRow) *string { return (*string)(&a.Code) }),
		commit.Text("currency", func(a *AccountRow) *string { return (*string)(&a.Currency) }),
		commit.Text("owner", func(a *AccountRow) *string { return &a.Owner }),
		commit.Text("state", func(a *AccountRow) *string { return (*string)(&a.State) }).Mutable(),
		commit.Bool("protected", func(a *AccountRow) *bool { return &a.Protected }),
		commit.Int("credit_line", func(a *AccountRow) *int64 { return &a.CreditLine }).Mutable(),
		commit.Int("debits_posted", func(a *AccountRow) *int64 { return &a.DebitsPosted }).Mutable(),
		commit.Int("credits_posted", func(a *AccountRow) *int64 { return &a.CreditsPosted }).Mutable(),
		commit.Int("debits_pending", func(a *AccountRow) *int64 { return &a.DebitsPending }).Mutable(),
		commit.Int("credits_pending", func(a *AccountRow) *int64 { return &a.CreditsPending }).Mutable(),
		commit.Int("postings", func(a *AccountRow) *int64 { return &a.Postings }).Mutable(),
		commit.Text("path", func(a *AccountRow) *string { return (*string)(&a.path) }).Mutable(),
		commit.Instant("last_posted_at", func(a *AccountRow) *time.Time { return &a.LastPostedAt }).Mutable(),
		commit.Instant("created_at", func(a *AccountRow) *time.Time { return &a.CreatedAt }),
	)
}

// Keys returns the keys that a decision declares to post to accounts.
func (l *Ledger) Keys(accounts ...AccountID) []commit.Key {
	keys := make([]commit.Key, len(accounts))
	for i, a := range accounts {
		keys[i] = l.accounts.Key(string(a))
	}
	return keys
}

// KeysOf returns the keys that a decision declares to post lines.
func (l *Ledger) KeysOf(lines []Line) []commit.Key {
	keys := make([]commit.Key, 0, 2*len(lines))
	for _, line := range lines {
		keys = append(keys, l.accounts.Key(string(line.Debit)), l.accounts.Key(string(line.Credit)))
	}
	return keys
}

// load returns the account as the decision sees it; an account that was never posted to is new.
func (l *Ledger) load(tx *commit.Tx, name AccountID) (AccountRow, error) {
	row, found, err := l.accounts.Get(tx, l.accounts.Key(string(name)))
	if err != nil || found {
		return row, err
	}
	line, err := l.line(name.Code())
	if err != nil {
		return AccountRow{}, err
	}
	return AccountRow{
		ID: name, Code: line.Code, Currency: name.Currency(), Owner: name.Owner(),
		State: Open, Protected: line.Protected, CreatedAt: tx.Now(),
	}, nil
}

// Available returns what the owner of a declared account may spend, as this decision sees it.
func (l *Ledger) Available(tx *commit.Tx, name AccountID) (money.Amount, error) {
	row, err := l.load(tx, name)
	if err != nil {
		return money.Amount{}, err
	}
	line, err := l.line(row.Code)
	if err != nil {
		return money.Amount{}, err
	}
	return money.Amount{Minor: row.Available(line.Side), Currency: row.Currency}, nil
}

// SetState opens, freezes or closes a declared account. Errors: ledger.not_empty for closing one with money.
func (l *Ledger) SetState(tx *commit.Tx, name AccountID, state AccountState) error {
	row, err := l.load(tx, name)
	if err != nil {
		return err
	}
	if state == Closed && (row.DebitsPosted != row.CreditsPosted || row.DebitsPending+row.CreditsPending > 0) {
		return fault.New(fault.Conflict, "ledger.not_empty", "an account with money can't be closed")
	}
	row.State = state
	l.accounts.Put(tx, row)
	return nil
}
