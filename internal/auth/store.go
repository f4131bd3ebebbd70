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
		COALESCE(c.state, f.state, CASE WHEN m.state = 'closed' THEN m.state ELSE u.state END, 'closed'),
		COALESCE(f.role, u.role, ''), COALESCE(d.state, 'active'), COALESCE(u.merchant_id, ''), COALESCE(u.store_id, ''),
		COALESCE(d.created_at, 0), COALESCE(d.proves, FALSE), s.idle_until,
		s.created_at <= COALESCE(c.sessions_until, f.sessions_until, u.sessions_until, 0)
		AND s.id <> COALESCE(c.kept_session, f.kept_session, u.kept_session, '')
		FROM sessions s
		LEFT JOIN customers c ON s.subject_kind = 'customer' AND c.id = s.subject_id
		LEFT JOIN staff f ON s.subject_kind = 'staff' AND f.id = s.subject_id
		LEFT JOIN merchant_users u ON s.subject_kind = 'merchant_user' AND u.id = s.subject_id
		LEFT JOIN merchants m ON m.id = u.merchant_id
		LEFT JOIN devices d ON d.id = s.device_id
		WHERE s.token_hash = $1`

	deviceColumns  = "SELECT id, customer_id, handle, name, code_step, code_n, state, proves, created_at FROM devices"
	deviceByID     = deviceColumns + " WHERE id = $1"
	deviceByHandle = deviceColumns + " WHERE handle = $1"
	devicesOf      = deviceColumns + " WHERE customer_id = $1 AND state = 'active' ORDER BY id DESC LIMIT 100"

	keyByHash = `SELECT k.id, k.merchant_id, m.requires_signature FROM api_keys k JOIN merchants m ON m.id = k.merchant_id
		WHERE k.secret_hash = $1 AND k.revoked_at = 0 AND m.state <> 'closed'`
	keysOf = `SELECT id, merchant_id, name, masked, created_at, revoked_at FROM api_keys
		WHERE merchant_id = $1 ORDER BY id DESC LIMIT 100`

	passkeyColumns = "SELECT id, customer_id, credential_id, public_key, sign_count, name, synced, state, " +
		"used_at, created_at" +
		" FROM passkeys"
	passkeyByCredential = passkeyColumns + " WHERE credential_id = $1 AND state = 'active'"
	passkeysOf          = passkeyColumns + " WHERE customer_id = $1 AND state <> 'removed' ORDER BY id DESC LIMIT 100"
	challengeByID       = "SELECT id, purpose, customer_id, nonce, expires_at FROM challenges WHERE id = $1"
	codesLast           = "DELETE FROM one_time_codes WHERE id IN (SELECT id FROM one_time_codes WHERE " +
		"expires_at < $1 LIMIT $2)"
	challengesLast = "DELETE FROM challenges WHERE id IN (SELECT id FROM challenges WHERE expires_at < $1 LIMIT $2)"
	codeKept       = 24 * time.Hour // for a repeat of the request that used it
	forgetBatch    = 1000

	totpSealed = "SELECT sealed FROM totp WHERE id = $1"

	pinOf = "SELECT count(*) FROM pins WHERE id = $1 AND mac <> ''"
)

// readSession reads the session of a token's hash. Errors: auth.session_invalid.
func (a *Auth) readSession(ctx context.Context, hash string) (Session, error) {
	var s Session
	var expiresAt, revokedAt, since, idleUntil int64
	var state party.State
	var device DeviceState
	var over bool
	err := a.db.QueryRow(ctx, sessionByHash, hash).
		Scan(&s.ID, &s.Kind, &s.SubjectID, &s.DeviceID, &expiresAt, &revokedAt, &state, &s.Role, &device,
			&s.Merchant, &s.Store, &since, &s.DeviceProves, &idleUntil, &over)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, sessionInvalid()
	}
	if err != nil {
		return Session{}, fault.Wrap(a.db.Fault(err), "read session")
	}
	s.ExpiresAt, s.Frozen = clock.FromMicros(expiresAt), state == party.StateFrozen
	s.DeviceSince, s.IdleUntil = clock.FromMicros(since), clock.FromMicros(idleUntil)
	ended := over || revokedAt != 0 || device != DeviceActive || state == party.StateClosed
	if ended || s.Kind != KindCustomer && s.Frozen {
		return Session{}, sessionInvalid()
	}
	return s, nil
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
		err := rows.Scan(&d.ID, &d.Customer, &d.Handle, &d.Name, &d.CodeStep, &d.CodeN, &d.State, &d.Proves,
			&createdAt)
		if err != nil {
			return nil, fault.Wrap(err, "read devices")
		}
		d.CreatedAt = clock.FromMicros(createdAt)
		devices = append(devices, d)
	}
	return devices, fault.Wrap(a.db.Fault(rows.Err()), "read devices")
}

// readKeyHolder reads what a secret key proves. Errors: auth.key_invalid.
func (a *Auth) readKeyHolder(ctx context.Context, hash string) (KeyHolder, error) {
	var h KeyHolder
	err := a.db.QueryRow(ctx, keyByHash, hash).Scan(&h.Key, &h.Merchant, &h.MustSign)
	if errors.Is(err, sql.ErrNoRows) {
		return KeyHolder{}, keyInvalid()
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

// readChallenge reads a question as it was asked; whether it was answered, the decision says. Errors:
// auth.passkey_challenge_over.
func (a *Auth) readChallenge(ctx context.Context, name id.Challenge) (challengeRow, error) {
	var row challengeRow
	var expiresAt int64
	err := a.db.QueryRow(ctx, challengeByID, string(name)).
		Scan(&row.ID, &row.Purpose, &row.Customer, &row.Nonce, &expiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return challengeRow{}, challengeOver()
	}
	row.ExpiresAt = clock.FromMicros(expiresAt)
	return row, fault.Wrap(a.db.Fault(err), "read "+string(name))
}

// readPasskey reads the active passkey of a credential. Errors: auth.passkey_not_found.
func (a *Auth) readPasskey(ctx context.Context, credential string) (Passkey, error) {
	found, err := a.readPasskeys(ctx, passkeyByCredential, credential)
	if err != nil {
		return Passkey{}, err
	}
	if len(found) == 0 {
		return Passkey{}, passkeyNotFound()
	}
	return found[0], nil
}

// readPasskeys reads passkeys with one of the texts above.
func (a *Auth) readPasskeys(ctx context.Context, text, value string) ([]Passkey, error) {
	rows, err := a.db.Query(ctx, text, value)
	if err != nil {
		return nil, fault.Wrap(a.db.Fault(err), "read passkeys")
	}
	defer rows.Close()
	var all []Passkey
	for rows.Next() {
		var p Passkey
		var usedAt, createdAt int64
		err := rows.Scan(&p.ID, &p.Customer, &p.Credential, &p.PublicKey, &p.SignCount, &p.Name, &p.Synced, &p.State,
			&usedAt, &createdAt)
		if err != nil {
			return nil, fault.Wrap(err, "read passkeys")
		}
		p.UsedAt, p.CreatedAt = clock.FromMicros(usedAt), clock.FromMicros(createdAt)
		all = append(all, p)
	}
	return all, fault.Wrap(a.db.Fault(rows.Err()), "read passkeys")
}

// Forget removes codes and challenges that were over a day ago.
func (a *Auth) Forget(ctx context.Context) error {
	before := clock.Micros(a.clock.Now().Add(-codeKept))
	for _, text := range []string{codesLast, challengesLast} {
		for n := int64(forgetBatch); n >= forgetBatch; {
			err := a.db.Write(ctx, func(tx *sql.Tx) error {
				result, err := tx.ExecContext(ctx, text, before, forgetBatch)
				if err != nil {
					return fault.Wrap(a.db.Fault(err), "forget codes")
				}
				n, err = result.RowsAffected()
				return err
			})
			if err != nil {
				return fault.Wrap(err, "forget codes and challenges")
			}
		}
	}
	return nil
}

// readTOTP returns the sealed secret of an authenticator app; nil where there is none.
func (a *Auth) readTOTP(ctx context.Context, subject string) (sealed []byte, err error) {
	err = a.db.QueryRow(ctx, totpSealed, subject).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return sealed, fault.Wrap(a.db.Fault(err), "read the app of "+subject)
}
