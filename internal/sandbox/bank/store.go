package bank

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of the bank's own books

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// schema is the bank's books. The database itself refuses a balance below zero, a movement from an
// account to itself, and any change of a movement.
const schema = `
CREATE TABLE IF NOT EXISTS accounts (
	number        TEXT PRIMARY KEY,
	kind          TEXT NOT NULL CHECK (kind IN ('customer', 'reserve', 'capital')),
	token         TEXT NOT NULL UNIQUE,
	holder_name   TEXT NOT NULL,
	currency      TEXT NOT NULL,
	closed        BOOLEAN NOT NULL,
	balance_minor BIGINT NOT NULL CHECK (balance_minor >= 0 OR kind = 'capital')
);
CREATE TABLE IF NOT EXISTS orders (
	reference          TEXT PRIMARY KEY,
	kind               TEXT NOT NULL,
	fingerprint        TEXT NOT NULL,
	account_number     TEXT NOT NULL,
	original_reference TEXT NOT NULL,
	amount_minor       BIGINT NOT NULL,
	currency           TEXT NOT NULL,
	memo               TEXT NOT NULL,
	status             TEXT NOT NULL,
	decline_code       TEXT NOT NULL,
	bank_reference     TEXT NOT NULL UNIQUE,
	message            TEXT NOT NULL,
	booked_at          BIGINT NOT NULL,
	settle_at          BIGINT NOT NULL,
	settle_as          TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_pending ON orders (settle_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS orders_original ON orders (original_reference) WHERE original_reference <> '';
CREATE TABLE IF NOT EXISTS movements (
	sequence             INTEGER PRIMARY KEY,
	bank_reference       TEXT NOT NULL,
	reference            TEXT NOT NULL,
	kind                 TEXT NOT NULL,
	debit_account        TEXT NOT NULL REFERENCES accounts (number),
	credit_account       TEXT NOT NULL REFERENCES accounts (number),
	amount_minor         BIGINT NOT NULL CHECK (amount_minor > 0),
	debit_balance_minor  BIGINT NOT NULL,
	credit_balance_minor BIGINT NOT NULL,
	booked_at            BIGINT NOT NULL,
	CHECK (debit_account <> credit_account)
);
CREATE UNIQUE INDEX IF NOT EXISTS movements_reference ON movements (reference) WHERE kind <> 'opening';
CREATE INDEX IF NOT EXISTS movements_debit ON movements (debit_account, sequence);
CREATE INDEX IF NOT EXISTS movements_credit ON movements (credit_account, sequence);
CREATE TRIGGER IF NOT EXISTS movements_no_update BEFORE UPDATE ON movements
BEGIN SELECT RAISE(ABORT, 'movements are not changed'); END;
CREATE TRIGGER IF NOT EXISTS movements_no_delete BEFORE DELETE ON movements
BEGIN SELECT RAISE(ABORT, 'movements are not deleted'); END;
CREATE TABLE IF NOT EXISTS notices (
	id           INTEGER PRIMARY KEY,
	notice_id    TEXT NOT NULL,
	reference    TEXT NOT NULL REFERENCES orders (reference),
	status       TEXT NOT NULL,
	decline_code TEXT NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('due', 'delivered', 'given_up')),
	tries        BIGINT NOT NULL,
	due_at       BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS notices_due ON notices (due_at) WHERE state = 'due';
CREATE INDEX IF NOT EXISTS notices_reference ON notices (reference);
`

const (
	kindCustomer = "customer"
	kindReserve  = "reserve"
	kindCapital  = "capital"
	kindOpening  = "opening"
)

// errTooLow means that a debit would take a balance below zero.
var errTooLow = errors.New("the balance is too low")

// account is one row of accounts.
type account struct {
	number, kind, holderName string
	currency                 money.Currency
	closed                   bool
}

// openDatabase opens the books at path and seeds them when they hold no account. One connection
// writes and reads: the bank is a stage for tests, and its order of bookings stays plain.
func openDatabase(ctx context.Context, path string, seed []SeedAccount, now time.Time) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(1)",
	}}
	source := url.URL{Scheme: "file", OmitHost: true, Path: absolute, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	err = inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		var accounts int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM accounts`).Scan(&accounts); err != nil || accounts > 0 {
			return err
		}
		for _, s := range seed {
			if err := openAccount(ctx, tx, s, now); err != nil {
				return fmt.Errorf("open the account of the seed: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the bank's books: %w", err), db.Close())
	}
	return db, nil
}

// inTx runs do in one transaction and commits unless it returns an error.
func inTx(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func reserveNumber(currency money.Currency) string { return "reserve-" + string(currency) }

func capitalNumber(currency money.Currency) string { return "capital-" + string(currency) }

// openAccount opens a customer's account and books its opening balance from the bank's capital. The
// currency's reserve and capital accounts are opened when they are missing.
func openAccount(ctx context.Context, tx *sql.Tx, seed SeedAccount, now time.Time) error {
	currency := seed.Balance.Currency
	rows := []account{
		{number: capitalNumber(currency), kind: kindCapital, holderName: Name, currency: currency},
		{number: reserveNumber(currency), kind: kindReserve, holderName: "platform", currency: currency},
		{number: seed.Number, kind: kindCustomer, holderName: plainName(seed.HolderName), currency: currency},
	}
	for i, a := range rows {
		text := `INSERT INTO accounts (number, kind, token, holder_name, currency, closed, balance_minor)
			VALUES ($1, $2, $3, $4, $5, FALSE, 0)`
		if i < len(rows)-1 {
			text += ` ON CONFLICT (number) DO NOTHING`
		}
		_, err := tx.ExecContext(ctx, text, a.number, a.kind, "acc_"+rand.Text(), a.holderName, string(currency))
		if err != nil {
			return err
		}
	}
	if seed.Balance.Minor > 0 {
		m := movement{
			bankReference: newBankReference(), reference: "opening-" + seed.Number, kind: kindOpening,
			debit: capitalNumber(currency), credit: seed.Number, minor: seed.Balance.Minor,
		}
		if err := book(ctx, tx, m, now); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE accounts SET closed = $1 WHERE number = $2`, seed.Closed, seed.Number)
	return err
}

func newBankReference() string { return "BK" + rand.Text()[:18] }

// movement is money from the debit to the credit account.
type movement struct {
	bankReference, reference, kind, debit, credit string
	minor                                         int64
}

// book writes a movement and changes both balances. Errors: errTooLow, with nothing written.
func book(ctx context.Context, tx *sql.Tx, m movement, now time.Time) error {
	var debitAfter, creditAfter int64
	err := tx.QueryRowContext(ctx, `UPDATE accounts SET balance_minor = balance_minor - $1
		WHERE number = $2 AND (balance_minor >= $1 OR kind = 'capital') RETURNING balance_minor`,
		m.minor, m.debit).Scan(&debitAfter)
	if errors.Is(err, sql.ErrNoRows) {
		return errTooLow
	}
	if err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, `UPDATE accounts SET balance_minor = balance_minor + $1
		WHERE number = $2 RETURNING balance_minor`, m.minor, m.credit).Scan(&creditAfter)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO movements (bank_reference, reference, kind, debit_account, credit_account,
		amount_minor, debit_balance_minor, credit_balance_minor, booked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		m.bankReference, m.reference, m.kind, m.debit, m.credit, m.minor, debitAfter, creditAfter, clock.Micros(now))
	return err
}

// accountBy finds an account by column, which is "token" or "number".
func accountBy(ctx context.Context, tx *sql.Tx, column, value string) (account, bool, error) {
	text := `SELECT number, kind, holder_name, currency, closed FROM accounts WHERE number = $1`
	if column == "token" {
		text = `SELECT number, kind, holder_name, currency, closed FROM accounts WHERE token = $1`
	}
	var a account
	err := tx.QueryRowContext(ctx, text, value).Scan(&a.number, &a.kind, &a.holderName, &a.currency, &a.closed)
	if errors.Is(err, sql.ErrNoRows) {
		return account{}, false, nil
	}
	return a, err == nil, err
}
