package feiqian

import (
	"context"
	"iter"
)

// What reads of the books take, by shorter names than the generated ones.
type (
	// BalanceQuery asks for a currency, and an instant in the past; the zero value for now in the instance's currency.
	BalanceQuery = GetMerchantBalanceParams
	// StatementFilter narrows the statement; the zero value is all.
	StatementFilter = GetMerchantStatementParams
)

// Balance is what the merchant has.
type Balance struct{ client *Client }

// Get reads the balance.
func (b Balance) Get(ctx context.Context, query BalanceQuery) (*BalanceView, error) {
	var view BalanceView
	if err := b.client.get(ctx, "/v1/balance", queryOf(query), &view); err != nil {
		return nil, err
	}
	return &view, nil
}

// Statement goes through what was posted, newest first. It ends at the first error.
func (b Balance) Statement(ctx context.Context, filter StatementFilter) iter.Seq2[Posting, error] {
	return pages(func(cursor string) ([]Posting, string, error) {
		if cursor != "" {
			filter.Cursor = cursor
		}
		var page PagePosting
		if err := b.client.get(ctx, "/v1/statement", queryOf(filter), &page); err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

// Receipts prove entries of the books.
type Receipts struct{ client *Client }

// Get reads the receipt of an entry, the EntryID of a payment or refund; `feiqian verify-receipt` checks one
// offline. An entry of the last second has none yet: the call waits for it. Errors: ledger.entry_not_found.
func (r Receipts) Get(ctx context.Context, entryID string) (*Receipt, error) {
	name, err := segment(entryID)
	if err != nil {
		return nil, err
	}
	var receipt Receipt
	if err := r.client.get(ctx, "/v1/receipts/"+name, nil, &receipt); err != nil {
		return nil, err
	}
	return &receipt, nil
}
