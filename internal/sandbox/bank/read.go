package bank

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// Lines of one page of a statement.
const (
	linesDefault = 100
	linesMax     = 500
)

// plainName takes case and repeated spaces out of a holder's name, so that names compare.
func plainName(name string) string { return strings.ToUpper(strings.Join(strings.Fields(name), " ")) }

// masked returns a number's last four digits behind stars.
func masked(number string) string { return "****" + number[max(0, len(number)-4):] }

// lookUp returns the order with reference, nil if there is none.
func (s *Server) lookUp(ctx context.Context, reference string) (*order, error) {
	var known *order
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		o, found, err := findOrder(ctx, tx, reference)
		if found {
			known = &o
		}
		return err
	})
	return known, err
}

// customer returns a customer's account and its token; the token is "" if there is no such account.
func (s *Server) customer(ctx context.Context, number string) (account, string, error) {
	var (
		a     account
		token string
	)
	err := s.db.QueryRowContext(ctx, `SELECT number, kind, holder_name, currency, closed, token FROM accounts
		WHERE number = $1 AND kind = 'customer'`, number).Scan(
		&a.number, &a.kind, &a.holderName, &a.currency, &a.closed, &token)
	if errors.Is(err, sql.ErrNoRows) {
		return account{}, "", nil
	}
	return a, token, err
}

// balance tells the reserve account's balance.
func (s *Server) balance(ctx context.Context, c call) (answer, error) {
	p, wrong := parsePeriod(c.request.URL.Query())
	if wrong != "" {
		return refused(http.StatusBadRequest, wrong, "currency is unknown"), nil
	}
	total := money.Zero(p.currency)
	err := s.db.QueryRowContext(ctx, `SELECT coalesce(sum(balance_minor), 0) FROM accounts WHERE number = $1`,
		reserveNumber(p.currency)).Scan(&total.Minor)
	return answer{http.StatusOK, total, ""}, err
}

// period is what a statement is asked for. After is the sequence of the last line already given.
type period struct {
	currency    money.Currency
	after       int64
	from, until int64
	limit       int
}

// parsePeriod reads a statement's query; the text says what is wrong with it.
func parsePeriod(query url.Values) (period, string) {
	p := period{limit: linesDefault, until: 1<<63 - 1}
	var err error
	if p.currency, err = money.ParseCurrency(query.Get("currency")); err != nil {
		return p, "invalid_query"
	}
	if text := query.Get("cursor"); text != "" {
		if p.after, err = strconv.ParseInt(text, 10, 64); err != nil || p.after < 0 {
			return p, "bad_cursor"
		}
	}
	for name, into := range map[string]*int64{"from": &p.from, "until": &p.until} {
		if text := query.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return p, "invalid_query"
			}
			*into = at.UnixMicro()
		}
	}
	if text := query.Get("limit"); text != "" {
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 1 || p.limit > linesMax {
			return p, "invalid_query"
		}
	}
	return p, ""
}

// statement lists the movements of the reserve account.
func (s *Server) statement(ctx context.Context, c call) (answer, error) {
	p, wrong := parsePeriod(c.request.URL.Query())
	if wrong != "" {
		return refused(http.StatusBadRequest, wrong, "the query is not one for a statement"), nil
	}
	page := statementAnswer{Lines: []statementLine{}, Opening: money.Zero(p.currency), Closing: money.Zero(p.currency)}
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		opening, err := balanceBefore(ctx, tx, p)
		if err != nil {
			return err
		}
		page.Opening.Minor, page.Closing.Minor = opening, opening
		page.Next = strconv.FormatInt(p.after, 10)
		return page.fill(ctx, tx, p)
	})
	return answer{http.StatusOK, page, ""}, err
}

// balanceBefore returns the reserve's balance before the first line of the page.
func balanceBefore(ctx context.Context, tx *sql.Tx, p period) (int64, error) {
	text, bound := `booked_at < $2`, p.from
	if p.after > 0 {
		text, bound = `sequence <= $2`, p.after
	}
	var balance int64
	err := tx.QueryRowContext(ctx, `SELECT
		CASE WHEN debit_account = $1 THEN debit_balance_minor ELSE credit_balance_minor END
		FROM movements WHERE (debit_account = $1 OR credit_account = $1) AND `+text+` ORDER BY sequence DESC LIMIT 1`,
		reserveNumber(p.currency), bound).Scan(&balance)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return balance, err
}

// fill reads the lines of the page, and one more to see whether there are more.
func (a *statementAnswer) fill(ctx context.Context, tx *sql.Tx, p period) error {
	reserve := reserveNumber(p.currency)
	rows, err := tx.QueryContext(ctx, `SELECT sequence, bank_reference, reference, kind, debit_account, amount_minor,
		debit_balance_minor, credit_balance_minor, booked_at FROM movements
		WHERE (debit_account = $1 OR credit_account = $1) AND sequence > $2 AND booked_at >= $3 AND booked_at < $4
		ORDER BY sequence LIMIT $5`, reserve, p.after, p.from, p.until, p.limit+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if len(a.Lines) == p.limit {
			a.More = true
			break
		}
		var (
			line                                        statementLine
			sequence, debitAfter, creditAfter, bookedAt int64
			debit                                       string
		)
		if err := rows.Scan(&sequence, &line.BankReference, &line.Reference, &line.Kind, &debit, &line.Minor,
			&debitAfter, &creditAfter, &bookedAt); err != nil {
			return err
		}
		line.Currency, line.BookedAt = p.currency, clock.FromMicros(bookedAt)
		line.Side, line.BalanceAfter = "credit", creditAfter
		if debit == reserve {
			line.Side, line.BalanceAfter = "debit", debitAfter
		}
		a.Lines = append(a.Lines, line)
		a.Closing.Minor, a.Next = line.BalanceAfter, strconv.FormatInt(sequence, 10)
	}
	return rows.Err()
}
