package ledger

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
)

func transfersTable(c *commit.Committer) *commit.Table[Transfer] {
	return commit.AddTable(c, "transfers",
		commit.Text("id", func(t *Transfer) *string { return &t.ID }),
		commit.Text("code", func(t *Transfer) *string { return (*string)(&t.Reason) }),
		commit.Text("subject", func(t *Transfer) *string { return &t.Subject }),
		commit.Text("debit_account", func(t *Transfer) *string { return (*string)(&t.Debit) }),
		commit.Text("credit_account", func(t *Transfer) *string { return (*string)(&t.Credit) }),
		commit.Int("amount_minor", func(t *Transfer) *int64 { return &t.Amount.Minor }),
		commit.Text("currency", func(t *Transfer) *string { return (*string)(&t.Amount.Currency) }),
		commit.Int("debit_n", func(t *Transfer) *int64 { return &t.DebitN }),
		commit.Int("debit_balance", func(t *Transfer) *int64 { return &t.DebitBalance }),
		commit.Text("debit_prev", func(t *Transfer) *string { return &t.DebitPrev }),
		commit.Text("debit_jump", func(t *Transfer) *string { return &t.DebitJump }),
		commit.Int("credit_n", func(t *Transfer) *int64 { return &t.CreditN }),
		commit.Int("credit_balance", func(t *Transfer) *int64 { return &t.CreditBalance }),
		commit.Text("credit_prev", func(t *Transfer) *string { return &t.CreditPrev }),
		commit.Text("credit_jump", func(t *Transfer) *string { return &t.CreditJump }),
		commit.Instant("posted_at", func(t *Transfer) *time.Time { return &t.PostedAt }),
		commit.Text("business_on", func(t *Transfer) *string { return (*string)(&t.BusinessOn) }),
		commit.Text("salt", func(t *Transfer) *string { return &t.Salt }),
		commit.Text("group_id", func(t *Transfer) *string { return (*string)(&t.Group) }),
		commit.Int("leaf", func(t *Transfer) *int64 { return &t.Leaf }),
	)
}
