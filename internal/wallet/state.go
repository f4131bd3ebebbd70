package wallet

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/party"
)

// SetState freezes, thaws or closes a customer and the customer's accounts in one decision: once it is answered
// nobody spends from a frozen wallet, and a refusal leaves customer and accounts as they were. Sessions may act on
// what they knew for two seconds more; the books refuse them.
//
// Errors: party.customer_not_found, party.bad_state, party.state_conflict, party.not_frozen, ledger.not_empty for
// closing a wallet with money.
func (w *Wallets) SetState(ctx context.Context, customer id.Customer, to party.State) error {
	accounts := make([]ledger.AccountID, len(w.Currencies))
	for i, currency := range w.Currencies {
		accounts[i] = ledger.Account(ledger.UserBalance, currency, string(customer))
	}
	keys := append(w.Ledger.Keys(accounts...), w.Parties.CustomerKey(customer))
	err := w.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		if err := w.Parties.MoveCustomer(ctx, tx, customer, to); err != nil {
			return err
		}
		// Also where the customer's state is that already: an account that differs is put right.
		for _, account := range accounts {
			if err := w.Ledger.SetState(tx, account, accountStates()[to]); err != nil {
				return err
			}
		}
		return nil
	})
	return fault.Wrap(err, "set state of "+string(customer))
}

// accountStates is the table from a customer's state to that of the customer's accounts.
func accountStates() map[party.State]ledger.AccountState {
	return map[party.State]ledger.AccountState{
		party.StateActive: ledger.Open,
		party.StateFrozen: ledger.Frozen,
		party.StateClosed: ledger.Closed,
	}
}
