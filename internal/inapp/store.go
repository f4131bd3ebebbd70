package inapp

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

func requestsTable(c *commit.Committer) *commit.Table[AppRequest] {
	return commit.AddTable(c, "app_requests",
		commit.Text("id", func(r *AppRequest) *string { return (*string)(&r.ID) }),
		commit.Text("payment_id", func(r *AppRequest) *string { return (*string)(&r.Payment) }),
		commit.Text("merchant_id", func(r *AppRequest) *string { return (*string)(&r.merchant) }),
		commit.Text("app", func(r *AppRequest) *string { return &r.App }),
		commit.Text("return_url", func(r *AppRequest) *string { return &r.ReturnURL }),
		commit.Text("customer_id", func(r *AppRequest) *string { return (*string)(&r.customer) }).Mutable(),
		commit.Instant("expires_at", func(r *AppRequest) *time.Time { return &r.ExpiresAt }),
		commit.Instant("created_at", func(r *AppRequest) *time.Time { return &r.CreatedAt }),
		commit.Instant("opened_at", func(r *AppRequest) *time.Time { return &r.opened }).Mutable(),
	)
}

// read returns what is needed for the way back. Errors: app_request.not_found.
func (r *Requests) read(ctx context.Context, name id.AppRequest) (AppRequest, error) {
	row := AppRequest{ID: name}
	err := r.DB.Read.QueryRowContext(ctx, `SELECT payment_id, merchant_id, app, return_url, customer_id
		FROM app_requests WHERE id = $1`, string(name)).
		Scan(&row.Payment, &row.merchant, &row.App, &row.ReturnURL, &row.customer)
	if errors.Is(err, sql.ErrNoRows) {
		return row, requestNotFound()
	}
	return row, fault.Wrap(err, "read "+string(name))
}
