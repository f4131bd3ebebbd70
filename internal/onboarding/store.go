package onboarding

import (
	"context"
	"database/sql"
	"errors"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	applicationColumns = `SELECT id, token_hash, state, company, uscc, category, email, private, documents, reason,
		reviewed_by, merchant_id, owner_id, created_at, updated_at, decided_at FROM merchant_applications`
	applicationByID    = applicationColumns + " WHERE id = $1"
	applicationByToken = applicationColumns + " WHERE token_hash = $1"
	applicationsBefore = applicationColumns + " WHERE id < $1 ORDER BY id DESC LIMIT $2"
	// An index holds those of a state in their order: strangers write drafts, and the queue is read among them.
	applicationsOfState = applicationColumns + " WHERE id < $1 AND state = $3 ORDER BY id DESC LIMIT $2"

	contentByID = "SELECT sealed FROM merchant_documents WHERE id = $1"
)

// Application returns one application. Errors: onboarding.not_found.
func (o *Onboarding) Application(ctx context.Context, name id.Application) (Application, error) {
	return o.readApplication(ctx, applicationByID, string(name))
}

func (o *Onboarding) readApplication(ctx context.Context, text, value string) (Application, error) {
	a, err := scanApplication(o.DB.Read.QueryRowContext(ctx, text, value).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Application{}, notFound()
	}
	if err != nil {
		return Application{}, fault.Wrap(o.DB.Fault(err), "read application")
	}
	return a, nil
}

// List returns applications in a state ("" for all) before an id ("" for the newest), newest first, and whether
// there are more.
func (o *Onboarding) List(
	ctx context.Context,
	state State,
	before id.Application,
	limit int,
) ([]Application, bool, error) {
	from := string(before)
	if from == "" {
		from = "~" // sorts behind every id
	}
	text, args := applicationsBefore, []any{from, limit + 1}
	if state != "" {
		text, args = applicationsOfState, append(args, string(state))
	}
	rows, err := o.DB.Read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, false, fault.Wrap(o.DB.Fault(err), "list applications")
	}
	defer rows.Close()
	list := []Application{}
	for rows.Next() {
		a, err := scanApplication(rows.Scan)
		if err != nil {
			return nil, false, fault.Wrap(err, "list applications")
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(o.DB.Fault(err), "list applications")
	}
	if len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}

func scanApplication(scan func(...any) error) (Application, error) {
	var a Application
	var documents string
	var createdAt, updatedAt, decidedAt int64
	err := scan(&a.ID, &a.tokenHash, &a.State, &a.Company, &a.USCC, &a.Category, &a.Email, &a.private, &documents,
		&a.Reason, &a.ReviewedBy, &a.Merchant, &a.Owner, &createdAt, &updatedAt, &decidedAt)
	if err != nil {
		return Application{}, err
	}
	decodeDocuments(&a, documents)
	a.USCCValid = a.USCC.CheckDigitOK()
	a.CreatedAt, a.UpdatedAt = clock.FromMicros(createdAt), clock.FromMicros(updatedAt)
	a.DecidedAt = clock.FromMicros(decidedAt)
	return a, nil
}

func (o *Onboarding) readContent(ctx context.Context, document id.ApplicationDocument) ([]byte, error) {
	var sealed []byte
	err := o.DB.Read.QueryRowContext(ctx, contentByID, string(document)).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(sealed) == 0 {
		return nil, documentNotFound()
	}
	return sealed, fault.Wrap(o.DB.Fault(err), "read document")
}
