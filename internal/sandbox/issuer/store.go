package issuer

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

const schema = `
CREATE TABLE IF NOT EXISTS cards (
	number     TEXT PRIMARY KEY,
	holder     TEXT NOT NULL,
	document   TEXT NOT NULL,
	phone      TEXT NOT NULL,
	expires_on TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bindings (
	reference        TEXT PRIMARY KEY,
	number           TEXT NOT NULL,
	status           TEXT NOT NULL,
	code             TEXT NOT NULL,
	tries            BIGINT NOT NULL,
	decline_code     TEXT NOT NULL,
	card_token       TEXT NOT NULL,
	agreement_number TEXT NOT NULL,
	signed_at        BIGINT NOT NULL,
	created_at       BIGINT NOT NULL
);
`

// Card is a card that the issuer gave out, with the four elements; ExpiresOn (YYYY-MM) is asked of credit cards, which
// have one.
type Card struct {
	Number    string `json:"number"`
	Holder    string `json:"holder_name"`
	Document  string `json:"document_number"`
	Phone     string `json:"phone"` // E.164
	ExpiresOn string `json:"expires_on,omitempty"`
	// Balance is what a new card's account has, a credit card's line, in fen; 0 is a million yuan.
	Balance int64 `json:"balance_minor,omitempty"`
}

type binding struct {
	reference, number, status, code, declineCode, token, agreement string
	tries, signedAt, createdAt                                     int64
}

// plenty is what a card's account has, in minor units, where the card does not say.
const plenty = 1_000_000_00

// seed makes the tables beside the books, and gives out the cards of a new sandbox. Cards of an earlier version have no
// accounts yet, and get them.
func (s *Server) seed(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	for _, c := range SeedCards() {
		if err := insertCard(ctx, tx, c); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	cards, err := s.Cards(ctx)
	if err != nil {
		return err
	}
	for _, c := range cards {
		if err := s.openAccount(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// executor is a database or a transaction.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func insertCard(ctx context.Context, in executor, c Card) error {
	_, err := in.ExecContext(ctx, `INSERT INTO cards (number, holder, document, phone, expires_on)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (number) DO NOTHING`,
		c.Number, c.Holder, strings.ToUpper(c.Document), c.Phone, c.ExpiresOn)
	return err
}

// AddCard gives out a card and opens its account. A card that is there stays as it is.
func (s *Server) AddCard(ctx context.Context, c Card) error {
	if err := insertCard(ctx, s.db, c); err != nil {
		return err
	}
	return s.openAccount(ctx, c)
}

func (s *Server) openAccount(ctx context.Context, c Card) error {
	open, err := s.hasAccount(ctx, c.Number)
	if err != nil || open {
		return err
	}
	if err = s.books.OpenAccount(ctx, c.account()); err == nil {
		return nil
	}
	if open, asked := s.hasAccount(ctx, c.Number); open && asked == nil {
		return nil // another process was first
	}
	return err
}

func (s *Server) hasAccount(ctx context.Context, number string) (bool, error) {
	var open bool
	err := s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM accounts WHERE number = $1", number).Scan(&open)
	return open, err
}

// account is the card's account when it is new.
func (c Card) account() bank.SeedAccount {
	balance := money.Amount{Minor: c.Balance, Currency: currency}
	if c.Balance == 0 {
		balance.Minor = plenty
	}
	return bank.SeedAccount{Number: c.Number, HolderName: c.Holder, Balance: balance}
}

// Cards lists all cards.
func (s *Server) Cards(ctx context.Context) ([]Card, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT number, holder, document, phone, expires_on FROM cards ORDER BY number")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Card
	for rows.Next() {
		var c Card
		if err := rows.Scan(&c.Number, &c.Holder, &c.Document, &c.Phone, &c.ExpiresOn); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// Code returns the code that was sent for a binding, "" for none.
func (s *Server) Code(ctx context.Context, reference string) (string, error) {
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return "", err
	}
	return b.code, nil
}

// Status returns where a binding stands at the issuer, "" for none.
func (s *Server) Status(ctx context.Context, reference string) (string, error) {
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return "", err
	}
	return b.status, nil
}

func (s *Server) card(ctx context.Context, number string) (*Card, error) {
	c := Card{Number: number}
	err := s.db.QueryRowContext(ctx, "SELECT holder, document, phone, expires_on FROM cards WHERE number = $1", number).
		Scan(&c.Holder, &c.Document, &c.Phone, &c.ExpiresOn)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no such card
	}
	return &c, err
}

const bindingColumns = `reference, number, status, code, tries, decline_code, card_token, agreement_number, signed_at,
	created_at`

func scanBinding(scan func(...any) error) (*binding, error) {
	var b binding
	err := scan(&b.reference, &b.number, &b.status, &b.code, &b.tries, &b.declineCode, &b.token, &b.agreement,
		&b.signedAt, &b.createdAt)
	return &b, err
}

func (s *Server) lookUp(ctx context.Context, reference string) (*binding, error) {
	b, err := scanBinding(s.db.QueryRowContext(ctx,
		"SELECT "+bindingColumns+" FROM bindings WHERE reference = $1", reference).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no such binding
	}
	return b, err
}

func (s *Server) save(ctx context.Context, b *binding) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO bindings ("+bindingColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (reference) DO UPDATE SET status = excluded.status,
		tries = excluded.tries, decline_code = excluded.decline_code, card_token = excluded.card_token,
		agreement_number = excluded.agreement_number, signed_at = excluded.signed_at`,
		b.reference, b.number, b.status, b.code, b.tries, b.declineCode, b.token, b.agreement, b.signedAt, b.createdAt)
	return err
}

// End ends a binding as the card's bank does by itself: what is debited under it is declined from then on.
func (s *Server) End(ctx context.Context, reference string) error {
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return err
	}
	b.status = statusCancelled
	return s.save(ctx, b)
}
