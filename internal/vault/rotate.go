package vault

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
)

// KeyState says what a data key may still do.
type KeyState string

// The states of data keys.
const (
	// KeyActive seals and opens; the newest of its purpose.
	KeyActive KeyState = "active"
	// KeyOld opens only; what is under it is being sealed again.
	KeyOld KeyState = "old"
	// KeyRetired is destroyed; final.
	KeyRetired KeyState = "retired"
)

// RetireAfter is how long a key is kept after another took its place, whatever the rows say: a node may not know of the
// new key for two seconds, and a row that it sealed with the old one may still wait for its commit.
const RetireAfter = 2 * time.Minute

// Key is one version of the data keys of a purpose; the key itself is not in it.
type Key struct {
	Purpose string   `json:"purpose"`
	Version int64    `json:"version"`
	State   KeyState `json:"state"`
	// Store is the key store that wraps it.
	Store      string    `json:"key_store"`
	CreatedAt  time.Time `json:"created_at"`
	ReplacedAt time.Time `json:"replaced_at,omitzero"`
	RetiredAt  time.Time `json:"retired_at,omitzero"`
	// Rows counts the sealed values under it.
	Rows int64 `json:"rows"`

	// Wrapped is the key as its store wrapped it; only the store can open it.
	Wrapped []byte `json:"-"`
	// CleanAt is when a walk found no row under it, and no new one could come.
	CleanAt time.Time `json:"-"`
}

// Name names the key: card.pan/2.
func (k Key) Name() string { return fmt.Sprintf("%s/%d", k.Purpose, k.Version) }

// Keys lists all data keys with the rows under each, by purpose and version. It reads a few bytes of every sealed row.
func (v *Vault) Keys(ctx context.Context) ([]Key, error) {
	at, err := v.attached()
	if err != nil {
		return nil, err
	}
	keys, err := at.readKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	counts := map[string]map[uint32]int64{}
	for _, purpose := range at.purposes() {
		if counts[purpose], err = at.count(ctx, purpose); err != nil {
			return nil, err
		}
	}
	for i := range keys {
		keys[i].Rows = counts[keys[i].Purpose][uint32(keys[i].Version)] //nolint:gosec // versions count from 1
	}
	return keys, nil
}

// Rotate makes a new key for a purpose. It seals from now on, on other nodes within two seconds; the old ones open what
// they sealed until it is sealed again. also writes what belongs to the act, in the transaction that does it; nil for
// nothing. It is for commands on the machine: what staff do is a decision over the same rows, see approval.KeyActs.
//
// Errors: those of Active and Draft, vault.rotated_meanwhile, also's own.
func (v *Vault) Rotate(ctx context.Context, purpose string, also func(tx *sql.Tx) error) (Key, error) {
	active, err := v.Active(ctx, purpose)
	if err != nil {
		return Key{}, err
	}
	fresh, err := v.Draft(ctx, purpose, active.Version+1)
	if err != nil {
		return Key{}, err
	}
	at, err := v.attached()
	if err != nil {
		return Key{}, err
	}
	err = at.insertNext(ctx, fresh, also)
	v.Forget()
	if fault.CodeOf(err) == "database.duplicate" {
		return Key{}, RotatedMeanwhile().WithCause(err)
	}
	return fresh, fault.Wrap(err, "store data key "+fresh.Name())
}

// RotatedMeanwhile is the fault vault.rotated_meanwhile (Conflict): another rotation was first.
func RotatedMeanwhile() *fault.Fault {
	return fault.New(fault.Conflict, "vault.rotated_meanwhile", "another rotation of this key was first")
}

// Active returns the key that seals for a purpose; without any, the zero Key. Errors: vault.purpose_unknown.
func (v *Vault) Active(ctx context.Context, purpose string) (Key, error) {
	at, err := v.attached()
	if err != nil {
		return Key{}, err
	}
	if len(at.columnsOf(purpose)) == 0 {
		return Key{}, fault.New(fault.NotFound, "vault.purpose_unknown", "nothing is sealed for this purpose").
			WithParam("purpose")
	}
	keys, err := at.readKeys(ctx, purpose)
	if err != nil || len(keys) == 0 {
		return Key{}, err
	}
	return keys[len(keys)-1], nil
}

// Draft draws a key and lets the key store wrap it; nothing is stored. Errors: those of the key store.
func (v *Vault) Draft(ctx context.Context, purpose string, version int64) (Key, error) {
	at, err := v.attached()
	if err != nil {
		return Key{}, err
	}
	fresh, err := at.draft(ctx, purpose, version)
	return fresh, fault.Wrap(err, "make data key "+fresh.Name())
}

// Forget makes this node look at once which keys there are: whoever stored or destroyed one calls it.
func (v *Vault) Forget() { v.ring.forget() }

// Retire destroys an old key for good. A retired one stays as it is. also is as in Rotate.
//
// Errors: those of Retirable.
func (v *Vault) Retire(ctx context.Context, purpose string, version int64, also func(tx *sql.Tx) error) (Key, error) {
	key, err := v.Retirable(ctx, purpose, version)
	if err != nil || key.State == KeyRetired {
		return key, err
	}
	at, err := v.attached()
	if err != nil {
		return Key{}, err
	}
	key = key.Destroyed(at.Clock.Now())
	err = at.destroy(ctx, key, also)
	v.Forget()
	return key, fault.Wrap(err, "retire data key "+key.Name())
}

// Destroyed returns the key as it is once destroyed.
func (k Key) Destroyed(now time.Time) Key {
	k.State, k.RetiredAt, k.Wrapped = KeyRetired, now, nil
	return k
}

// Retirable returns an old key that may be destroyed, or one that was. What it checks stays true: a key that nobody
// seals under gets no new rows.
//
// Errors: vault.key_not_found, vault.key_active (it seals), vault.key_too_fresh (Conflict with RetryAfter: replaced
// less than RetireAfter ago), vault.rows_remain (says how many), vault.purpose_unknown.
func (v *Vault) Retirable(ctx context.Context, purpose string, version int64) (Key, error) {
	at, err := v.attached()
	if err != nil {
		return Key{}, err
	}
	key, err := at.oneKey(ctx, purpose, version)
	if err != nil || key.State == KeyRetired {
		return key, err
	}
	return key, at.mayRetire(ctx, &key)
}

func (a *attachment) mayRetire(ctx context.Context, key *Key) error {
	switch wait := RetireAfter - a.Clock.Now().Sub(key.ReplacedAt); {
	case key.State == KeyActive:
		return fault.New(fault.Conflict, "vault.key_active", "this key seals what is new").
			WithHint("rotate first")
	case wait > 0:
		return fault.New(fault.Conflict, "vault.key_too_fresh", "this key was replaced just now").
			WithHint("come back after the time in Retry-After").WithRetryAfter(wait)
	case len(a.columnsOf(key.Purpose)) == 0:
		// What nobody declared can't be counted, and would be lost with the key.
		return fault.New(fault.NotFound, "vault.purpose_unknown", "this version does not know what is sealed "+
			"for this purpose").
			WithParam("purpose")
	}
	counts, err := a.count(ctx, key.Purpose)
	if err != nil {
		return err
	}
	if key.Rows = counts[uint32(key.Version)]; key.Rows > 0 { //nolint:gosec // versions count from 1
		return fault.Newf(fault.Conflict, "vault.rows_remain", "%d rows are still under this key", key.Rows).
			WithHint("they are sealed again in the background; see feiqian keys list")
	}
	return nil
}

func (v *Vault) attached() (*attachment, error) {
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	if v.ring.attached == nil {
		return nil, fault.New(fault.Internal, "vault.not_attached", "this vault has no database")
	}
	return v.ring.attached, nil
}
