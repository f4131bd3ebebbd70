package attempt

import (
	"context"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Named is how an order names the account at the other end: one of the two.
type Named struct {
	BankAccount id.BankAccount
	Card        id.Card
	// OrDefault takes the customer's default card where neither is named.
	OrDefault bool
}

// Account is a customer's linked bank account or bound card, as an order needs it.
type Account struct {
	BankAccount id.BankAccount
	Card        id.Card
	Channel     string
	Token       string // "" for a card: Start reads it in the decision
	Masked      string
	// Details are the card's, of an account that is one.
	Details card.Card
}

// Payee is the account's id, for what is confirmed.
func (a Account) Payee() string {
	if a.Card != "" {
		return string(a.Card)
	}
	return string(a.BankAccount)
}

// Find returns the account that an order names. Whether a card may be debited or credited is decided by Start.
//
// Errors: attempt.two_accounts, attempt.no_account (Invalid: neither is named, and there is no default card), those of
// Of and of card.Of.
func (b *BankAccounts) Find(ctx context.Context, customer id.Customer, named Named) (Account, error) {
	switch {
	case named.Card != "" && named.BankAccount != "":
		return Account{}, fault.New(fault.Invalid, "attempt.two_accounts", "name a bank account or a card, not both").
			WithParam("card_id")
	case named.Card != "":
		return b.card(ctx, customer, named.Card)
	case named.BankAccount == "" && named.OrDefault:
		standard, err := b.cards.DefaultOf(ctx, customer)
		if err != nil {
			return Account{}, err
		}
		if standard == "" {
			return Account{}, fault.New(fault.Invalid, "attempt.no_account",
				"name a bank account or a card: there is no default card").WithParam("card_id")
		}
		return b.card(ctx, customer, standard)
	}
	account, err := b.Of(ctx, customer, named.BankAccount)
	return Account{
		BankAccount: account.ID, Channel: account.Channel, Token: account.Token, Masked: account.Masked,
	}, err
}

func (b *BankAccounts) card(ctx context.Context, customer id.Customer, name id.Card) (Account, error) {
	found, err := b.cards.Of(ctx, customer, name)
	if err != nil {
		return Account{}, fault.From(err).WithParam("card_id")
	}
	return Account{Card: found.ID, Channel: card.Channel, Masked: "****" + found.Last4, Details: found}, nil
}
