package identity

import (
	"context"
	"database/sql"
	"errors"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	recordColumns = `SELECT customer_id, state, reason, note, decided_by, kind, country, masked_name, masked_number,
		document_mac, subject_mac, person_mac, verified_mac, sealed, sides, images, later, expires_at, noticed_at, due_at,
		created_at, updated_at FROM identities`
	checkColumns = `SELECT id, customer_id, channel, reference, state, reason, masked, sealed, answers, valid_until,
		created_at, updated_at FROM identity_checks`
	imagesShown = 50
)

func scanRecord(scan func(...any) error) (record, error) {
	var r record
	var expires, noticed, due, created, updated int64
	err := scan(&r.Customer, &r.State, &r.Reason, &r.Note, &r.DecidedBy, &r.Kind, &r.Country, &r.MaskedName,
		&r.MaskedNumber, &r.DocumentMAC, &r.SubjectMAC, &r.PersonMAC, &r.VerifiedMAC, &r.Sealed, &r.Sides, &r.Images,
		&r.Later, &expires, &noticed, &due, &created, &updated)
	r.ExpiresAt, r.NoticedAt, r.DueAt = clock.FromMicros(expires), clock.FromMicros(noticed), clock.FromMicros(due)
	r.CreatedAt, r.UpdatedAt = clock.FromMicros(created), clock.FromMicros(updated)
	return r, err
}

// readRecord returns a customer's verification; one of StateNone where there is none.
func (s *Identities) readRecord(ctx context.Context, customer id.Customer) (record, error) {
	r, err := scanRecord(s.db.QueryRow(ctx, recordColumns+" WHERE customer_id = $1", string(customer)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return record{Customer: customer, State: StateNone}, nil
	}
	if err != nil {
		return record{}, fault.Wrap(s.db.Fault(err), "read the verification of "+string(customer))
	}
	return r, nil
}

func scanCheck(scan func(...any) error) (check, error) {
	var c check
	var valid, created, updated int64
	err := scan(
		&c.ID,
		&c.Customer,
		&c.Channel,
		&c.Reference,
		&c.State,
		&c.Reason,
		&c.Masked,
		&c.Sealed,
		&c.Answers,
		&valid,
		&created,
		&updated,
	)
	c.ValidUntil, c.CreatedAt, c.UpdatedAt = clock.FromMicros(valid), clock.FromMicros(created), clock.FromMicros(updated)
	return c, err
}

// readCheck returns one check, and the zero check where there is none.
func (s *Identities) readCheck(ctx context.Context, name string) (check, error) {
	c, err := scanCheck(s.db.QueryRow(ctx, checkColumns+" WHERE id = $1", name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return check{}, nil
	}
	return c, fault.Wrap(s.db.Fault(err), "read check "+name)
}

// readDossier reads what a view shows, on one snapshot: a class and the checks that it follows from belong together.
// Of the customer it reads the class only.
func (s *Identities) readDossier(ctx context.Context, customer id.Customer) (*dossier, error) {
	tx, err := s.db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "read a verification")
	}
	defer tx.Rollback()
	d := &dossier{holders: map[string]holder{}, checks: make(map[Channel]check)}
	d.customer.ID = customer
	err = tx.QueryRowContext(ctx, "SELECT account_class FROM customers WHERE id = $1", string(customer)).
		Scan(&d.customer.Class)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, customerNotFound()
	}
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "read a verification")
	}
	d.record, err = scanRecord(tx.QueryRowContext(ctx, recordColumns+" WHERE customer_id = $1", string(customer)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		d.record, err = record{Customer: customer, State: StateNone}, nil
	}
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "read a verification")
	}
	err = s.readChecks(ctx, tx, d)
	return d, err
}

// readChecks reads a customer's checks: the ids from CUSTOMER/ to CUSTOMER0, the character behind the slash.
func (s *Identities) readChecks(ctx context.Context, tx *sql.Tx, d *dossier) error {
	name := string(d.customer.ID)
	rows, err := tx.QueryContext(ctx, checkColumns+" WHERE id > $1 AND id < $2", name+"/", name+"0")
	if err != nil {
		return fault.Wrap(s.db.Fault(err), "read checks")
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanCheck(rows.Scan)
		if err != nil {
			return fault.Wrap(err, "read checks")
		}
		d.checks[c.Channel] = c
	}
	return fault.Wrap(s.db.Fault(rows.Err()), "read checks")
}

// readDue returns the customers whose verification is due at micros, the longest due first.
func (s *Identities) readDue(ctx context.Context, micros int64, limit int) ([]id.Customer, error) {
	return texts[id.Customer](ctx, s, `SELECT customer_id FROM identities WHERE due_at > 0 AND due_at <= $1
		ORDER BY due_at LIMIT $2`, micros, limit)
}

// readOthers returns the other customers who have shown a document.
func (s *Identities) readOthers(ctx context.Context, r record) ([]string, error) {
	return texts[string](ctx, s, `SELECT customer_id FROM identities WHERE document_mac = $1 AND customer_id <> $2
		ORDER BY customer_id LIMIT 100`, r.DocumentMAC, string(r.Customer))
}

// texts returns the only column of a query.
func texts[T ~string](ctx context.Context, s *Identities, query string, args ...any) ([]T, error) {
	rows, err := s.db.Read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "list verifications")
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		var text T
		if err := rows.Scan(&text); err != nil {
			return nil, fault.Wrap(err, "list verifications")
		}
		out = append(out, text)
	}
	return out, fault.Wrap(s.db.Fault(rows.Err()), "list verifications")
}

// Reviews returns at most limit verifications that wait for staff, of customers behind after in the order of their ids,
// the oldest customers first.
func (s *Identities) Reviews(ctx context.Context, after string, limit int) ([]ReviewLine, error) {
	rows, err := s.db.Read.QueryContext(ctx, recordColumns+` WHERE state = 'review' AND customer_id > $1
		ORDER BY customer_id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "list reviews")
	}
	defer rows.Close()
	out := []ReviewLine{}
	for rows.Next() {
		r, err := scanRecord(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list reviews")
		}
		out = append(out, ReviewLine{
			Customer: r.Customer, Reason: r.Reason, Kind: r.Kind, Country: r.Country, Name: r.MaskedName,
			Number: r.MaskedNumber, UpdatedAt: r.UpdatedAt,
		})
	}
	return out, fault.Wrap(s.db.Fault(rows.Err()), "list reviews")
}

// readImage returns an image with its sealed content. Errors: identity.image_not_found.
func (s *Identities) readImage(ctx context.Context, name id.IdentityImage) (image, error) {
	row := image{ID: name}
	err := s.db.QueryRow(ctx, "SELECT customer_id, side, media, sealed FROM identity_images WHERE id = $1", string(name)).
		Scan(&row.Customer, &row.Side, &row.Media, &row.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return image{}, fault.New(fault.NotFound, "identity.image_not_found", "there is no such image")
	}
	return row, fault.Wrap(s.db.Fault(err), "read "+string(name))
}

// readImages lists a customer's images, newest first.
func (s *Identities) readImages(ctx context.Context, customer id.Customer) ([]StaffImage, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id, side, media, size_bytes, created_at FROM identity_images
		WHERE customer_id = $1 ORDER BY id DESC LIMIT $2`, string(customer), imagesShown)
	if err != nil {
		return nil, fault.Wrap(s.db.Fault(err), "list images")
	}
	defer rows.Close()
	out := []StaffImage{}
	for rows.Next() {
		var image StaffImage
		var created int64
		if err := rows.Scan(&image.ID, &image.Side, &image.Media, &image.Size, &created); err != nil {
			return nil, fault.Wrap(err, "list images")
		}
		image.CreatedAt = clock.FromMicros(created)
		out = append(out, image)
	}
	return out, fault.Wrap(s.db.Fault(rows.Err()), "list images")
}
