package auth

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

const (
	// sessionByHash finds a session with all that can have ended it: itself, its subject, its device.
	sessionByHash = `SELECT s.id, s.subject_kind, s.subject_id, s.device_id, s.expires_at, s.revoked_at,
		COALESCE(c.state, f.state, 'closed'), COALESCE(f.role, ''), COALESCE(d.state, 'active')
		FROM sessions s
		LEFT JOIN customers c ON s.subject_kind = 'customer' AND c.id = s.subject_id
		LEFT JOIN staff f ON s.subject_kind = 'staff' AND f.id = s.subject_id
		LEFT JOIN devices d ON d.id = s.device_id
		WHERE s.token_hash = $1`
	sessionsOf = `SELECT id FROM sessions WHERE subject_id = $1 AND subject_kind = $2 AND created_at <= $3
		AND revoked_at = 0 AND expires_at > $4 ORDER BY id DESC LIMIT $5`

	deviceColumns  = "SELECT id, customer_id, handle, name, code_step, code_n, state, created_at FROM devices"
	deviceByID     = deviceColumns + " WHERE id = $1"
	deviceByHandle = deviceColumns + " WHERE handle = $1"
	devicesOf      = deviceColumns + " WHERE customer_id = $1 AND state = 'active' ORDER BY id DESC LIMIT 100"

	keyByHash = `SELECT k.id, k.merchant_id FROM api_keys k JOIN merchants m ON m.id = k.merchant_id
		WHERE k.secret_hash = $1 AND k.revoked_at = 0 AND m.state <> 'closed'`
	keysOf = `SELECT id, merchant_id, name, masked, created_at, revoked_at FROM api_keys
		WHERE merchant_id = $1 ORDER BY id DESC LIMIT 100`

	pinOf = "SELECT count(*) FROM pins WHERE id = $1"
)

// readSession reads the session of a token's hash. Errors: auth.session_invalid.
func (a *Auth) readSession(ctx context.Context, hash string) (Session, error) {
	var s Session
	var expiresAt, revokedAt int64
	var state party.State
	var device DeviceState
	err := a.db.QueryRow(ctx, sessionByHash, hash).
		Scan(&s.ID, &s.Kind, &s.SubjectID, &s.DeviceID, &expiresAt, &revokedAt, &state, &s.Role, &device)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, sessionInvalid()
	}
	if err != nil {
		return Session{}, fault.Wrap(a.db.Fault(err), "read session")
	}
	s.ExpiresAt, s.Frozen = clock.FromMicros(expiresAt), state == party.StateFrozen
	ended := revokedAt != 0 || device != DeviceActive || state == party.StateClosed
	if ended || s.Kind == KindStaff && s.Frozen {
		return Session{}, sessionInvalid()
	}
	return s, nil
}

// readSessions lists the open sessions of a subject that began until an instant.
func (a *Auth) readSessions(ctx context.Context, s subject, until time.Time) ([]id.Session, error) {
	rows, err := a.db.Read.QueryContext(ctx, sessionsOf, s.id, string(s.kind), clock.Micros(until),
		clock.Micros(a.clock.Now()), revokedAtMax)
	if err != nil {
		return nil, fault.Wrap(a.db.Fault(err), "list sessions")
	}
	defer rows.Close()
	var names []id.Session
	for rows.Next() {
		var name id.Session
		if err := rows.Scan(&name); err != nil {
			return nil, fault.Wrap(err, "list sessions")
		}
		names = append(names, name)
	}
	return names, fault.Wrap(a.db.Fault(rows.Err()), "list sessions")
}

// readDevices reads devices with one of the texts above.
func (a *Auth) readDevices(ctx context.Context, text, value string) ([]Device, error) {
	rows, err := a.db.Query(ctx, text, value)
	if err != nil {
		return nil, fault.Wrap(a.db.Fault(err), "read devices")
	}
	defer rows.Close()
	var devices []Device
	for rows.Next() {
		var d Device
		var createdAt int64
		err := rows.Scan(&d.ID, &d.Customer, &d.Handle, &d.Name, &d.CodeStep, &d.CodeN, &d.State, &createdAt)
		if err != nil {
			return nil, fault.Wrap(err, "read devices")
		}
		d.CreatedAt = clock.FromMicros(createdAt)
		devices = append(devices, d)
	}
	return devices, fault.Wrap(a.db.Fault(rows.Err()), "read devices")
}

// readKeyHolder reads what a secret key proves. Errors: auth.key_invalid.
func (a *Auth) readKeyHolder(ctx context.Context, hash string) (keyHolder, error) {
	var h keyHolder
	err := a.db.QueryRow(ctx, keyByHash, hash).Scan(&h.key, &h.merchant)
	if errors.Is(err, sql.ErrNoRows) {
		return keyHolder{}, keyInvalid()
	}
	return h, fault.Wrap(a.db.Fault(err), "read key")
}

func (a *Auth) readKeys(ctx context.Context, merchant id.Merchant) ([]APIKey, error) {
	rows, err := a.db.Read.QueryContext(ctx, keysOf, string(merchant))
	if err != nil {
		return nil, fault.Wrap(a.db.Fault(err), "list keys")
	}
	defer rows.Close()
	var keys []APIKey
	for rows.Next() {
		var k APIKey
		var createdAt, revokedAt int64
		if err := rows.Scan(&k.ID, &k.Merchant, &k.Name, &k.Masked, &createdAt, &revokedAt); err != nil {
			return nil, fault.Wrap(err, "list keys")
		}
		k.CreatedAt, k.RevokedAt = clock.FromMicros(createdAt), clock.FromMicros(revokedAt)
		keys = append(keys, k)
	}
	return keys, fault.Wrap(a.db.Fault(rows.Err()), "list keys")
}

func (a *Auth) readHasPIN(ctx context.Context, customer id.Customer) (bool, error) {
	var n int64
	err := a.db.QueryRow(ctx, pinOf, string(customer)).Scan(&n)
	return n > 0, fault.Wrap(a.db.Fault(err), "read PIN")
}
