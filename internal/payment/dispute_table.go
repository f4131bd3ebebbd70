package payment

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/money"
)

func disputesTable(c *commit.Committer) *commit.Table[Dispute] {
	return commit.AddTable(c, "disputes",
		commit.Text("id", func(d *Dispute) *string { return (*string)(&d.ID) }),
		commit.Text("payment_id", func(d *Dispute) *string { return (*string)(&d.Payment) }),
		commit.Text("merchant_id", func(d *Dispute) *string { return (*string)(&d.Merchant) }),
		commit.Text("store_id", func(d *Dispute) *string { return (*string)(&d.store) }),
		commit.Text("customer_id", func(d *Dispute) *string { return (*string)(&d.customer) }),
		commit.Text("kind", func(d *Dispute) *string { return (*string)(&d.Kind) }),
		commit.Int("amount_minor", func(d *Dispute) *int64 { return &d.Minor }),
		commit.Coded("currency", func(d *Dispute) string { return string(d.Currency) },
			func(d *Dispute, s string) { d.Currency, d.Refunded.Currency = money.Currency(s), money.Currency(s) }),
		commit.Text("complaint", func(d *Dispute) *string { return &d.Complaint }),
		commit.Text("state", func(d *Dispute) *string { return (*string)(&d.State) }).Mutable(),
		commit.Text("answer", func(d *Dispute) *string { return &d.Answer }).Mutable(),
		commit.Text("reason", func(d *Dispute) *string { return &d.Reason }).Mutable(),
		commit.Text("decided_by", func(d *Dispute) *string { return &d.decidedBy }).Mutable(),
		commit.Int("refund_minor", func(d *Dispute) *int64 { return &d.Refunded.Minor }).Mutable(),
		commit.Text("refund_id", func(d *Dispute) *string { return (*string)(&d.Refund) }).Mutable(),
		commit.Text("hold_id", func(d *Dispute) *string { return (*string)(&d.hold) }),
		commit.Int("held_minor", func(d *Dispute) *int64 { return &d.held }),
		commit.Int("files", func(d *Dispute) *int64 { return &d.files }).Mutable(),
		commit.Instant("answer_by", func(d *Dispute) *time.Time { return &d.AnswerBy }),
		commit.Instant("answered_at", func(d *Dispute) *time.Time { return &d.AnsweredAt }).Mutable(),
		commit.Instant("created_at", func(d *Dispute) *time.Time { return &d.CreatedAt }),
		commit.Instant("completed_at", func(d *Dispute) *time.Time { return &d.CompletedAt }).Mutable(),
		commit.Optional("open_key", func(d *Dispute) *string { return &d.openKey }).Unique().Mutable(),
	)
}

func disputeFilesTable(c *commit.Committer) *commit.Table[DisputeFile] {
	return commit.AddTable(c, "dispute_files",
		commit.Text("id", func(f *DisputeFile) *string { return (*string)(&f.ID) }),
		commit.Text("dispute_id", func(f *DisputeFile) *string { return (*string)(&f.dispute) }),
		commit.Text("author", func(f *DisputeFile) *string { return (*string)(&f.Author) }),
		commit.Text("media_type", func(f *DisputeFile) *string { return &f.MediaType }),
		commit.Int("size_bytes", func(f *DisputeFile) *int64 { return &f.Size }),
		commit.Text("sha256", func(f *DisputeFile) *string { return &f.SHA256 }),
		commit.Bytes("sealed", func(f *DisputeFile) *[]byte { return &f.sealed }),
		commit.Instant("created_at", func(f *DisputeFile) *time.Time { return &f.CreatedAt }),
	)
}
