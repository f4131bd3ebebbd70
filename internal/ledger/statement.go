package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// Balance is an account's standing. Posted and Available are on the normal side; Pending is what is
// held of it.
type Balance struct {
	Account   AccountID    `json:"account"`
	Posted    money.Amount `json:"posted"`
	Pending   money.Amount `json:"pending"`
	Available money.Amount `json:"available"`
	State     AccountState `json:"state"`
}

// Posting is one line of an account's statement.
type Posting struct {
	N        int64        `json:"n"`
	Transfer string       `json:"transfer"`
	Reason   Reason       `json:"reason"`
	Subject  string       `json:"subject"`
	Side     Side         `json:"side"`
	Amount   money.Amount `json:"amount"`
	// Balance is the posted balance after this posting, on the account's normal side.
	Balance    money.Amount `json:"balance"`
	Other      AccountID    `json:"other_account"`
	PostedAt   time.Time    `json:"posted_at"`
	BusinessOn clock.Date   `json:"business_on"`

	prev, jump string
}

// StatementQuery asks for postings from the newest back. Zero values leave a bound open.
type StatementQuery struct {
	Account AccountID
	// Before returns postings with a smaller n than this: the way to the next page.
	Before int64
	From   time.Time // inclusive
	To     time.Time // exclusive
	Limit  int       // 1 to 500, default 50
}

const (
	statementDefault = 50
	statementMax     = 500
)

// Balance returns the account's balance now; an account never posted to has zero.
func (l *Ledger) Balance(ctx context.Context, account AccountID) (Balance, error) {
	row, err := l.row(ctx, account)
	if err != nil {
		return Balance{}, err
	}
	side := l.chart[row.Code].Side
	posted := row.Balance(side)
	amount := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: row.Currency} }
	return Balance{
		Account: account, Posted: amount(posted), Available: amount(row.Available(side)),
		Pending: amount(posted + row.CreditLine - row.Available(side)), State: row.State,
	}, nil
}

func (l *Ledger) row(ctx context.Context, account AccountID) (AccountRow, error) {
	line, err := l.line(account.Code())
	if err != nil {
		return AccountRow{}, err
	}
	row := AccountRow{ID: account, Code: line.Code, Currency: account.Currency(), State: Open, Protected: line.Protected}
	err = l.db.Read.QueryRowContext(ctx, `SELECT state, credit_line, debits_posted, credits_posted,
		debits_pending, credits_pending,
		postings, path FROM accounts WHERE id = $1`, string(account)).
		Scan(&row.State, &row.CreditLine, &row.DebitsPosted, &row.CreditsPosted,
			&row.DebitsPending, &row.CreditsPending, &row.Postings, &row.path)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return row, fault.Wrap(err, "read account "+string(account))
	}
	return row, nil
}

// BalanceAt returns the posted balance at the end of the instant: after all postings not later than it.
func (l *Ledger) BalanceAt(ctx context.Context, account AccountID, at time.Time) (money.Amount, error) {
	row, err := l.row(ctx, account)
	if err != nil {
		return money.Amount{}, err
	}
	posting, found, err := l.seek(ctx, &row, func(p *Posting) bool { return !p.PostedAt.After(at) })
	if err != nil || !found {
		return money.Zero(row.Currency), err
	}
	return posting.Balance, nil
}

// Statement returns postings from the newest back, and whether there are more.
func (l *Ledger) Statement(ctx context.Context, q StatementQuery) ([]Posting, bool, error) {
	if q.Limit <= 0 {
		q.Limit = statementDefault
	}
	q.Limit = min(q.Limit, statementMax)
	row, err := l.row(ctx, q.Account)
	if err != nil {
		return nil, false, err
	}
	first, found, err := l.seek(ctx, &row, func(p *Posting) bool {
		return (q.Before == 0 || p.N < q.Before) && (q.To.IsZero() || p.PostedAt.Before(q.To))
	})
	if err != nil || !found {
		return nil, false, err
	}
	postings, err := l.walk(ctx, q.Account, first.Transfer, q.Limit+1)
	if err != nil {
		return nil, false, err
	}
	for i := range postings {
		if postings[i].PostedAt.Before(q.From) {
			return postings[:i], false, nil
		}
	}
	if len(postings) > q.Limit {
		return postings[:q.Limit], true, nil
	}
	return postings, false, nil
}

// seek finds the newest posting that old accepts; old must accept all postings before one that it
// accepts.
func (l *Ledger) seek(ctx context.Context, row *AccountRow, old func(*Posting) bool) (Posting, bool, error) {
	// The account's path is the fast way down; the last place on it that is still too new is where
	// the search by jumps goes on.
	var at Posting
	start := ""
	for transfer, rest := row.path.cut(); transfer != ""; transfer, rest = rest.cut() {
		posting, err := l.posting(ctx, row.ID, transfer)
		if err != nil {
			return at, false, err
		}
		if old(&posting) {
			if start == "" {
				return posting, true, nil
			}
			break
		}
		at, start = posting, transfer
	}
	if start == "" {
		return at, false, nil
	}
	for at.prev != "" {
		next := at.prev
		if at.jump != "" {
			far, err := l.posting(ctx, row.ID, at.jump)
			if err != nil {
				return at, false, err
			}
			if !old(&far) {
				at = far
				continue
			}
		}
		posting, err := l.posting(ctx, row.ID, next)
		if err != nil {
			return at, false, err
		}
		if old(&posting) {
			return posting, true, nil
		}
		at = posting
	}
	return at, false, nil
}

const postingColumns = `id, code, subject, debit_account, credit_account, amount_minor, currency,
	posted_at, business_on,
	debit_n, debit_balance, debit_prev, debit_jump, credit_n, credit_balance, credit_prev, credit_jump`

func (l *Ledger) posting(ctx context.Context, account AccountID, transfer string) (Posting, error) {
	row := l.db.Read.QueryRowContext(ctx, "SELECT "+postingColumns+" FROM transfers WHERE id = $1", transfer)
	posting, err := scanPosting(account, row.Scan)
	return posting, fault.Wrap(err, "read transfer "+transfer)
}

// walk reads limit postings of account in one query, from transfer back.
func (l *Ledger) walk(ctx context.Context, account AccountID, transfer string, limit int) ([]Posting, error) {
	rows, err := l.db.Read.QueryContext(ctx, `WITH RECURSIVE walk (`+postingColumns+`, depth) AS (
			SELECT `+postingColumns+`, 1 FROM transfers WHERE id = $1
			UNION ALL
			SELECT t.id, t.code, t.subject, t.debit_account, t.credit_account, t.amount_minor, t.currency,
				t.posted_at, t.business_on,
				t.debit_n, t.debit_balance, t.debit_prev, t.debit_jump,
				t.credit_n, t.credit_balance, t.credit_prev, t.credit_jump, w.depth + 1
			FROM walk w JOIN transfers t ON t.id = CASE WHEN w.debit_account = $2 THEN w.debit_prev ELSE w.credit_prev END
			WHERE w.depth < $3)
		SELECT `+postingColumns+` FROM walk ORDER BY depth`, transfer, string(account), limit)
	if err != nil {
		return nil, fault.Wrap(err, "walk postings of "+string(account))
	}
	defer rows.Close()
	var out []Posting
	for rows.Next() {
		posting, err := scanPosting(account, rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "walk postings of "+string(account))
		}
		out = append(out, posting)
	}
	return out, fault.Wrap(rows.Err(), "walk postings of "+string(account))
}

// scanPosting reads a transfer as account sees it.
func scanPosting(account AccountID, scan func(...any) error) (Posting, error) {
	var (
		p             Posting
		debit, credit AccountID
		at            int64
		d, c          struct {
			n, balance int64
			prev, jump string
		}
	)
	err := scan(
		&p.Transfer,
		&p.Reason,
		&p.Subject,
		&debit,
		&credit,
		&p.Amount.Minor,
		&p.Amount.Currency,
		&at,
		&p.BusinessOn,
		&d.n,
		&d.balance,
		&d.prev,
		&d.jump,
		&c.n,
		&c.balance,
		&c.prev,
		&c.jump,
	)
	if err != nil {
		return p, err
	}
	p.PostedAt = clock.FromMicros(at)
	side := d
	p.Side, p.Other = Debit, credit
	if credit == account {
		side = c
		p.Side, p.Other = Credit, debit
	}
	p.N, p.prev, p.jump = side.n, side.prev, side.jump
	p.Balance = money.Amount{Minor: side.balance, Currency: p.Amount.Currency}
	return p, nil
}
