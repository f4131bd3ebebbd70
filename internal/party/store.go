package party

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	customerColumns = `SELECT id, phone, name, password_hash, failures, locked_until, sessions_until,
		kept_session, state, account_class, created_at FROM customers`
	customerByID    = customerColumns + " WHERE id = $1"
	customerByPhone = customerColumns + " WHERE phone = $1"

	merchantColumns = "SELECT id, parent_id, name, fee_bps, fee_fixed_minor, advance_minor, state, state_reason," +
		" requires_signature, created_at FROM merchants"
	merchantByID    = merchantColumns + " WHERE id = $1"
	merchantsBefore = merchantColumns + " WHERE id < $1 ORDER BY id DESC LIMIT $2"

	staffColumns = "SELECT id, email, name, role, password_hash, failures, locked_until, sessions_until, " +
		"kept_session, state, person, created_at FROM staff"
	staffByID    = staffColumns + " WHERE id = $1"
	staffByEmail = staffColumns + " WHERE email = $1"
	staffBefore  = staffColumns + " WHERE id < $1 ORDER BY id DESC LIMIT $2"
	staffActive  = "SELECT EXISTS (SELECT 1 FROM staff WHERE state = $1)"
)

// customerBy reads one customer with one of the texts above.
func (p *Parties) customerBy(ctx context.Context, text, value string) (Customer, error) {
	var c Customer
	var lockedUntil, sessionsUntil, createdAt int64
	err := p.db.QueryRow(ctx, text, value).Scan(&c.ID, &c.Phone, &c.Name,
		&c.Credential.PasswordHash, &c.Credential.Failures, &lockedUntil, &sessionsUntil, &c.Credential.KeptSession,
		&c.State, &c.Class, &createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		return Customer{}, customerNotFound()
	}
	if err != nil {
		return Customer{}, fault.Wrap(p.db.Fault(err), "read customer")
	}
	c.Credential.LockedUntil, c.CreatedAt = clock.FromMicros(lockedUntil), clock.FromMicros(createdAt)
	c.Credential.SessionsUntil = clock.FromMicros(sessionsUntil)
	return c, nil
}

func scanMerchant(scan func(dest ...any) error) (Merchant, error) {
	var m Merchant
	var createdAt int64
	err := scan(&m.ID, &m.Parent, &m.Name, &m.FeeBps, &m.FeeFixedMinor, &m.AdvanceMinor, &m.State, &m.StateReason,
		&m.RequiresSignature, &createdAt)
	m.CreatedAt = clock.FromMicros(createdAt)
	return m, err
}

func (p *Parties) readMerchant(ctx context.Context, name id.Merchant) (Merchant, error) {
	m, err := scanMerchant(p.db.QueryRow(ctx, merchantByID, string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Merchant{}, merchantNotFound()
	}
	if err != nil {
		return Merchant{}, fault.Wrap(p.db.Fault(err), "read merchant "+string(name))
	}
	return m, nil
}

// readMerchants returns at most limit merchants whose ids sort below before, highest first.
func (p *Parties) readMerchants(ctx context.Context, before string, limit int) ([]Merchant, error) {
	return p.readMerchantsBy(ctx, merchantsBefore, before, limit)
}

// readMerchantsBy reads merchants with one of the texts above.
func (p *Parties) readMerchantsBy(ctx context.Context, text string, values ...any) ([]Merchant, error) {
	rows, err := p.db.Read.QueryContext(ctx, text, values...)
	if err != nil {
		return nil, fault.Wrap(p.db.Fault(err), "list merchants")
	}
	defer rows.Close()
	var merchants []Merchant
	for rows.Next() {
		m, err := scanMerchant(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list merchants: %w", err)
		}
		merchants = append(merchants, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fault.Wrap(p.db.Fault(err), "list merchants")
	}
	return merchants, nil
}

// staffBy reads one person of the staff with one of the texts above.
func (p *Parties) staffBy(ctx context.Context, text, value string) (Staff, error) {
	s, err := scanStaff(p.db.QueryRow(ctx, text, value).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Staff{}, staffNotFound()
	}
	if err != nil {
		return Staff{}, fault.Wrap(p.db.Fault(err), "read staff")
	}
	return s, nil
}

func scanStaff(scan func(dest ...any) error) (Staff, error) {
	var s Staff
	var lockedUntil, sessionsUntil, createdAt int64
	err := scan(&s.ID, &s.Email, &s.Name, &s.Role,
		&s.Credential.PasswordHash, &s.Credential.Failures, &lockedUntil, &sessionsUntil, &s.Credential.KeptSession,
		&s.State, &s.Person, &createdAt)
	s.Credential.SessionsUntil = clock.FromMicros(sessionsUntil)
	s.Credential.LockedUntil, s.CreatedAt = clock.FromMicros(lockedUntil), clock.FromMicros(createdAt)
	return s, err
}

// ListStaff returns at most limit people whose ids sort below before ("" for all), newest first, and whether there
// are more.
func (p *Parties) ListStaff(ctx context.Context, before id.Staff, limit int) ([]Staff, bool, error) {
	if before == "" {
		before = "~" // sorts behind every id
	}
	rows, err := p.db.Read.QueryContext(ctx, staffBefore, string(before), limit+1)
	if err != nil {
		return nil, false, fault.Wrap(p.db.Fault(err), "list staff")
	}
	defer rows.Close()
	staff := []Staff{}
	for rows.Next() {
		s, err := scanStaff(rows.Scan)
		if err != nil {
			return nil, false, fmt.Errorf("list staff: %w", err)
		}
		staff = append(staff, s)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(p.db.Fault(err), "list staff")
	}
	if len(staff) > limit {
		return staff[:limit], true, nil
	}
	return staff, false, nil
}
