package vault

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
)

const keyColumns = "purpose, version, state, key_store, wrapped, created_at, replaced_at, retired_at, clean_at"

// readKeys returns the keys of a purpose, or of all with "", by purpose and version.
func (a *attachment) readKeys(ctx context.Context, purpose string) ([]Key, error) {
	rows, err := a.DB.Read.QueryContext(ctx, "SELECT "+keyColumns+
		" FROM data_keys WHERE purpose = $1 OR $1 = '' ORDER BY purpose, version", purpose)
	if err != nil {
		return nil, fault.Wrap(a.DB.Fault(err), "read data keys")
	}
	defer rows.Close()
	keys := []Key{}
	for rows.Next() {
		var (
			k                                 Key
			created, replaced, retired, clean int64
		)
		err := rows.Scan(&k.Purpose, &k.Version, &k.State, &k.Store, &k.Wrapped, &created, &replaced, &retired, &clean)
		if err != nil {
			return nil, fault.Wrap(err, "read data keys")
		}
		k.CreatedAt, k.ReplacedAt = clock.FromMicros(created), clock.FromMicros(replaced)
		k.RetiredAt, k.CleanAt = clock.FromMicros(retired), clock.FromMicros(clean)
		keys = append(keys, k)
	}
	return keys, fault.Wrap(a.DB.Fault(rows.Err()), "read data keys")
}

func (a *attachment) oneKey(ctx context.Context, purpose string, version int64) (Key, error) {
	keys, err := a.readKeys(ctx, purpose)
	if err != nil {
		return Key{}, err
	}
	for _, key := range keys {
		if key.Purpose == purpose && key.Version == version {
			return key, nil
		}
	}
	return Key{}, fault.New(fault.NotFound, "vault.key_not_found", "there is no such data key").WithParam("version")
}

func insertKey(ctx context.Context, tx *sql.Tx, k Key, unless string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO data_keys (id, "+keyColumns+ //nolint:gosec // G202: words of ours
		") VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0)"+unless,
		k.Name(), k.Purpose, k.Version, string(k.State), k.Store, k.Wrapped, clock.Micros(k.CreatedAt))
	return err
}

func (a *attachment) insertFirst(ctx context.Context, k Key) error {
	return a.DB.Write(ctx, func(tx *sql.Tx) error { return insertKey(ctx, tx, k, " ON CONFLICT (id) DO NOTHING") })
}

// insertNext stores a key in the place of the active one.
func (a *attachment) insertNext(ctx context.Context, k Key, also func(tx *sql.Tx) error) error {
	return a.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := insertKey(ctx, tx, k, ""); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE data_keys SET state = 'old', replaced_at = $3
			WHERE purpose = $1 AND version < $2 AND state = 'active'`,
			k.Purpose, k.Version, clock.Micros(k.CreatedAt))
		if err != nil || also == nil {
			return err
		}
		return also(tx)
	})
}

func (a *attachment) destroy(ctx context.Context, k Key, also func(tx *sql.Tx) error) error {
	return a.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE data_keys SET state = 'retired', wrapped = NULL, retired_at = $2
			WHERE id = $1 AND state = 'old'`, k.Name(), clock.Micros(k.RetiredAt))
		if err != nil || also == nil {
			return err
		}
		return also(tx)
	})
}

func (a *attachment) markClean(ctx context.Context, k Key) error {
	return a.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE data_keys SET clean_at = $2 WHERE id = $1 AND state = 'old'",
			k.Name(), clock.Micros(a.Clock.Now()))
		return err
	})
}

// header is the beginning of one sealed value.
type header struct {
	key     string
	version uint32
	ok      bool // it has a form that is known
}

// headers returns a page of the column's values, those behind cursor.
func (a *attachment) headers(ctx context.Context, s Sealed, cursor string) ([]header, error) {
	//nolint:gosec // G201: names of ours, see mustBeSafe
	text := fmt.Sprintf(`SELECT %[1]s, substr(%[2]s, 1, %[4]d) FROM %[3]s
		WHERE %[2]s IS NOT NULL AND %[1]s > $1 ORDER BY %[1]s LIMIT %[5]d`, s.Key, s.Column, s.Table, SealedOverhead,
		pageSize)
	rows, err := a.DB.Read.QueryContext(ctx, text, cursor)
	if err != nil {
		return nil, fault.Wrap(a.DB.Fault(err), "read what is sealed in "+s.Table)
	}
	defer rows.Close()
	var page []header
	for rows.Next() {
		var (
			h     header
			start []byte
		)
		if err := rows.Scan(&h.key, &start); err != nil {
			return nil, fault.Wrap(err, "read what is sealed in "+s.Table)
		}
		if len(start) == 0 {
			h.ok, h.version = true, destroyed
		} else if version, err := sealedVersion(start); err == nil {
			h.ok, h.version = true, version
		}
		page = append(page, h)
	}
	return page, fault.Wrap(a.DB.Fault(rows.Err()), "read what is sealed in "+s.Table)
}

// value reads one sealed value; nil where it is gone.
func (a *attachment) value(ctx context.Context, s Sealed, key string) ([]byte, error) {
	var sealed []byte
	err := a.DB.Read.QueryRowContext(ctx,
		fmt.Sprintf("SELECT %s FROM %s WHERE %s = $1", s.Column, s.Table, s.Key), key).Scan(&sealed)
	if fault.CodeOf(a.DB.Fault(err)) == "not_found" {
		return nil, nil
	}
	return sealed, a.DB.Fault(err)
}

// swap is one value in place of another.
type swap struct {
	key           string
	before, after []byte
}

// write puts the new values in place of the old ones where these still stand, and returns how many did.
func (a *attachment) write(ctx context.Context, s Sealed, swaps []swap) (int64, error) {
	var done int64
	//nolint:gosec // G201: names of ours, see mustBeSafe
	text := fmt.Sprintf("UPDATE %s SET %s = $2 WHERE %s = $1 AND %s = $3", s.Table, s.Column, s.Key, s.Column)
	err := a.DB.Write(ctx, func(tx *sql.Tx) error {
		done = 0
		for _, one := range swaps {
			result, err := tx.ExecContext(ctx, text, one.key, one.after, one.before)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			done += n
		}
		return nil
	})
	return done, err
}
