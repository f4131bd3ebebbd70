package signing

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
	keyColumns = "SELECT id, merchant_id, name, algorithm, public_key, valid_until, created_at FROM signing_keys"
	keyByID    = keyColumns + " WHERE id = $1"
	keysOf     = keyColumns + " WHERE merchant_id = $1 ORDER BY id DESC LIMIT 100"

	forgetNonces = `DELETE FROM signature_nonces WHERE id IN
		(SELECT id FROM signature_nonces WHERE expires_at < $1 LIMIT $2)`
	forgetBatch = 5000
)

func scanKey(scan func(...any) error) (k PublicKey, err error) {
	var validUntil, createdAt int64
	err = scan(&k.ID, &k.merchant, &k.Name, &k.Algorithm, &k.PublicKey, &validUntil, &createdAt)
	k.ValidUntil, k.CreatedAt = clock.FromMicros(validUntil), clock.FromMicros(createdAt)
	return k, err
}

// readKey reads a key of anybody. Errors: signing.key_not_found.
func (s *Signing) readKey(ctx context.Context, name id.SigningKey) (known, error) {
	key, err := scanKey(s.DB.QueryRow(ctx, keyByID, string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return known{}, notFound()
	}
	if err != nil {
		return known{}, fault.Wrap(s.DB.Fault(err), "read a signing key")
	}
	public, err := key.parse()
	return known{PublicKey: key, public: public}, fault.Wrap(err, "read "+string(name))
}

// List returns a merchant's keys, newest first, at most 100.
func (s *Signing) List(ctx context.Context, merchant id.Merchant) ([]PublicKey, error) {
	rows, err := s.DB.Read.QueryContext(ctx, keysOf, string(merchant))
	if err != nil {
		return nil, fault.Wrap(s.DB.Fault(err), "list signing keys")
	}
	defer rows.Close()
	keys := []PublicKey{}
	for rows.Next() {
		key, err := scanKey(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list signing keys")
		}
		keys = append(keys, key)
	}
	return keys, fault.Wrap(s.DB.Fault(rows.Err()), "list signing keys")
}

// Forget removes the nonces of signatures that are too old to be taken.
func (s *Signing) Forget(ctx context.Context) error {
	for {
		var n int64
		err := s.DB.Write(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, forgetNonces, clock.Micros(s.Clock.Now()), forgetBatch)
			if err != nil {
				return fmt.Errorf("forget nonces: %w", err)
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil || n < forgetBatch {
			return fault.Wrap(err, "forget nonces")
		}
	}
}
