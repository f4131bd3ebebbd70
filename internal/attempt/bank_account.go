package attempt

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
)

// BankAccount is a customer's account at a bank as it is linked here: a token of the bank's, never
// the number.
type BankAccount struct {
	ID        id.BankAccount `json:"id"`
	Customer  id.Customer    `json:"-"`
	Channel   string         `json:"channel"`
	Token     string         `json:"-"`
	BankName  string         `json:"bank_name"`
	Masked    string         `json:"masked"`
	Currency  money.Currency `json:"currency"`
	State     string         `json:"state"`
	CreatedAt time.Time      `json:"created_at"`
}

const bankAccountActive = "active"

// BankAccounts links customers' bank accounts.
type BankAccounts struct {
	attempts *Attempts
	keys     *idempotency.Keys
	cards    *card.Cards
	table    *commit.Table[BankAccount]
}

// NewBankAccounts returns the links and registers their table.
func NewBankAccounts(attempts *Attempts, keys *idempotency.Keys, cards *card.Cards) *BankAccounts {
	return &BankAccounts{
		attempts: attempts,
		keys:     keys,
		cards:    cards,
		table: commit.AddTable(attempts.committer, "bank_accounts",
			commit.Text("id", func(b *BankAccount) *string { return (*string)(&b.ID) }),
			commit.Text("customer_id", func(b *BankAccount) *string { return (*string)(&b.Customer) }),
			commit.Text("channel", func(b *BankAccount) *string { return &b.Channel }),
			commit.Text("bank_token", func(b *BankAccount) *string { return &b.Token }),
			commit.Text("bank_name", func(b *BankAccount) *string { return &b.BankName }),
			commit.Text("masked", func(b *BankAccount) *string { return &b.Masked }),
			commit.Text("currency", func(b *BankAccount) *string { return (*string)(&b.Currency) }),
			commit.Text("state", func(b *BankAccount) *string { return &b.State }).Mutable(),
			commit.Instant("created_at", func(b *BankAccount) *time.Time { return &b.CreatedAt }),
		),
	}
}

// Bind asks the bank for a token of the account and links it to the customer; the same account
// linked again gives the link that is there. Errors: those of Attempts.Channel and of channel.Bind.
func (b *BankAccounts) Bind(
	ctx context.Context,
	customer id.Customer,
	name string,
	bind channel.BindRequest,
) (BankAccount, error) {
	route, err := b.attempts.Channel(name)
	if err != nil {
		return BankAccount{}, err
	}
	binding, err := route.Bind(ctx, bind)
	if err != nil {
		return BankAccount{}, err
	}
	linked, err := b.List(ctx, customer)
	if err != nil {
		return BankAccount{}, err
	}
	for _, account := range linked {
		if account.Channel == name && account.Token == binding.Token {
			return account, nil
		}
	}
	account := BankAccount{
		ID: id.New[id.BankAccount](b.attempts.clock.Now()), Customer: customer, Channel: name, Token: binding.Token,
		BankName: binding.BankName, Masked: binding.MaskedNumber, Currency: binding.Currency, State: bankAccountActive,
	}
	err = b.attempts.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		account.CreatedAt = tx.Now()
		b.table.Put(tx, account)
		return nil
	})
	return account, err
}

const bankAccountColumns = `id, customer_id, channel, bank_token, bank_name, masked, currency, state, created_at`

func scanBankAccount(row func(...any) error) (BankAccount, error) {
	var (
		b  BankAccount
		at int64
	)
	err := row(&b.ID, &b.Customer, &b.Channel, &b.Token, &b.BankName, &b.Masked, &b.Currency, &b.State, &at)
	b.CreatedAt = clock.FromMicros(at)
	return b, err
}

// List returns a customer's linked accounts, oldest first.
func (b *BankAccounts) List(ctx context.Context, customer id.Customer) ([]BankAccount, error) {
	rows, err := b.attempts.db.Read.QueryContext(ctx,
		"SELECT "+bankAccountColumns+" FROM bank_accounts WHERE customer_id = $1 ORDER BY id LIMIT 100", string(customer))
	if err != nil {
		return nil, fault.Wrap(err, "list bank accounts")
	}
	defer rows.Close()
	out := []BankAccount{}
	for rows.Next() {
		account, err := scanBankAccount(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list bank accounts")
		}
		out = append(out, account)
	}
	return out, fault.Wrap(rows.Err(), "list bank accounts")
}

// Of returns a customer's linked account. Errors: bank_account.not_found, also for another customer's;
// channel.not_configured where no account can be linked.
func (b *BankAccounts) Of(ctx context.Context, customer id.Customer, name id.BankAccount) (BankAccount, error) {
	account, err := scanBankAccount(b.attempts.db.Read.QueryRowContext(ctx,
		"SELECT "+bankAccountColumns+" FROM bank_accounts WHERE id = $1", string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) ||
		(err == nil && (account.Customer != customer || account.State != bankAccountActive)) {
		if len(b.attempts.channels) == 0 {
			return BankAccount{}, notConfigured()
		}
		return BankAccount{}, fault.New(fault.NotFound, "bank_account.not_found", "there is no such linked bank account").
			WithParam("bank_account_id")
	}
	return account, fault.Wrap(err, "read bank account")
}
