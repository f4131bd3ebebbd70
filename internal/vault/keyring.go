package vault

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
)

const (
	// keyCacheMax is how long a node goes on without looking which data keys there are.
	keyCacheMax = 2 * time.Second
	// keyWait bounds a look, key store included.
	keyWait    = 10 * time.Second
	purposeMax = 64
)

// Sealed says where sealed values of a purpose stand: one column of one table, by the text key of its rows. Declared
// columns are sealed again when the key rotates, and counted before an old key is destroyed.
type Sealed struct {
	Purpose string
	Table   string
	Key     string // the column with the rows' keys
	Column  string
	// AAD returns what was bound to the value of a row; nil is RowAAD.
	AAD func(key string) []byte
}

func (s Sealed) aad(key string) []byte {
	if s.AAD != nil {
		return s.AAD(key)
	}
	return RowAAD(s.Table, s.Column, key)
}

// Attachment is what a vault needs to keep data keys.
type Attachment struct {
	DB    *sqldb.DB
	Clock *clock.Clock
	// Store wraps new data keys; nil is the local one, under the root secret. Keys that the local one wrapped can be
	// read in any case.
	Store KeyStore
	// Columns lists all that is sealed in the database.
	Columns []Sealed
}

type attachment struct {
	Attachment
	ctx    context.Context // Seal and Open have none, and look into the database now and then
	stores map[string]KeyStore
}

// keyring holds the unwrapped data keys of a node.
type keyring struct {
	mu       sync.Mutex
	attached *attachment // nil where no database is attached
	purposes map[string]*purposeKeys
}

// purposeKeys are the data keys of a purpose as they stood at loadedAt.
type purposeKeys struct {
	loadedAt time.Time
	active   uint32 // 0 is none yet
	versions map[uint32]cipher.AEAD
}

// Attach gives the vault the database in which data keys live, checks that the newest ones can be unwrapped, and makes
// the first key of each declared purpose, so that no request that is refused later leaves a new key behind. ctx
// bounds nothing but carries values. Without it, Seal uses one key a purpose that is derived from the root secret
// (version 0), which never rotates; what it sealed can be opened after Attach too.
//
// Errors: vault.bad_wrapped_key, those of the key store and of the database.
func (v *Vault) Attach(ctx context.Context, with Attachment) error {
	own, err := v.newLocal()
	if err != nil {
		return err
	}
	if with.Store == nil {
		with.Store = own
	}
	for _, column := range with.Columns {
		column.mustBeSafe()
	}
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	v.ring.attached = &attachment{
		Attachment: with, ctx: context.WithoutCancel(ctx),
		stores: map[string]KeyStore{LocalStore: own, with.Store.Name(): with.Store},
	}
	v.ring.purposes = map[string]*purposeKeys{}
	for _, purpose := range with.purposes() {
		if err := v.ring.prepare(purpose); err != nil {
			return fault.Wrap(err, "read the data keys of "+purpose)
		}
	}
	return nil
}

// mustBeSafe panics where a name could not stand in SQL as it is: names are written in code.
func (s Sealed) mustBeSafe() {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, part := range []string{s.Table, s.Key, s.Column} {
		if !name.MatchString(part) {
			panic(fmt.Sprintf("vault: %+q is no name of a table or column", part))
		}
	}
	if checkPurpose(s.Purpose) != nil {
		panic(fmt.Sprintf("vault: %q is no purpose", s.Purpose))
	}
}

// purposes lists the declared purposes, each once, in the order of declaration.
func (a Attachment) purposes() []string {
	var all []string
	seen := map[string]bool{}
	for _, column := range a.Columns {
		if !seen[column.Purpose] {
			seen[column.Purpose] = true
			all = append(all, column.Purpose)
		}
	}
	return all
}

func (a Attachment) columnsOf(purpose string) (columns []Sealed) {
	for _, column := range a.Columns {
		if column.Purpose == purpose {
			columns = append(columns, column)
		}
	}
	return columns
}

// checkPurpose refuses what is no purpose. Errors: vault.bad_purpose.
func checkPurpose(purpose string) error {
	if len(purpose) > purposeMax || !regexp.MustCompile(`^[a-z][a-z0-9_.]*$`).MatchString(purpose) {
		return fault.New(fault.Invalid, "vault.bad_purpose", "a purpose is lower case, such as card.pan").
			WithParam("purpose")
	}
	return nil
}

// sealing returns the newest key of a purpose and its version.
func (v *Vault) sealing(purpose string) (uint32, cipher.AEAD, error) {
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	if v.ring.attached == nil {
		aead, err := v.derivedAEAD(purpose)
		return 0, aead, err
	}
	keys, err := v.ring.fresh(purpose)
	if err != nil {
		return 0, nil, err
	}
	if keys.active == 0 { // a purpose that nobody declared
		if err := v.ring.prepare(purpose); err != nil {
			return 0, nil, err
		}
		keys = v.ring.purposes[purpose]
	}
	aead := keys.versions[keys.active]
	if aead == nil {
		return 0, nil, unknownVersion()
	}
	return keys.active, aead, nil
}

// opening returns one version of the keys of a purpose.
func (v *Vault) opening(purpose string, version uint32) (cipher.AEAD, error) {
	if version == 0 {
		return v.derivedAEAD(purpose)
	}
	v.ring.mu.Lock()
	defer v.ring.mu.Unlock()
	if v.ring.attached == nil {
		return nil, unknownVersion()
	}
	keys, err := v.ring.fresh(purpose)
	if err != nil {
		return nil, err
	}
	if keys.versions[version] == nil { // another node has just made it
		if keys, err = v.ring.load(purpose); err != nil {
			return nil, err
		}
	}
	if aead := keys.versions[version]; aead != nil {
		return aead, nil
	}
	return nil, unknownVersion()
}

func unknownVersion() error {
	return fault.New(fault.Internal, "vault.unknown_version", "there is no data key of this version").
		WithHint("it was retired, or the database is an older one than what was sealed")
}

// derivedAEAD is version 0.
func (v *Vault) derivedAEAD(purpose string) (cipher.AEAD, error) {
	if err := checkPurpose(purpose); err != nil {
		return nil, err
	}
	key := v.key("seal", 0, purpose)
	return newAEAD(key[:])
}

// fresh returns the keys of a purpose as they stood at most keyCacheMax ago. The caller holds mu.
func (r *keyring) fresh(purpose string) (*purposeKeys, error) {
	keys := r.purposes[purpose]
	if keys != nil {
		if age := r.attached.Clock.Now().Sub(keys.loadedAt); age >= 0 && age < keyCacheMax {
			return keys, nil
		}
	}
	return r.load(purpose)
}

// load reads the keys of a purpose anew and unwraps those that it had not. The caller holds mu.
func (r *keyring) load(purpose string) (*purposeKeys, error) {
	if err := checkPurpose(purpose); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.attached.ctx, keyWait)
	defer cancel()
	loadedAt := r.attached.Clock.Now() // before the look: the age is not underrated
	rows, err := r.attached.readKeys(ctx, purpose)
	if err != nil {
		return nil, err
	}
	fresh := &purposeKeys{loadedAt: loadedAt, versions: map[uint32]cipher.AEAD{}}
	before := r.purposes[purpose]
	for _, row := range rows {
		if row.State == KeyRetired {
			continue
		}
		version := uint32(row.Version) //nolint:gosec // versions count from 1
		if before != nil && before.versions[version] != nil {
			fresh.versions[version] = before.versions[version]
		} else if fresh.versions[version], err = r.attached.unwrap(ctx, row); err != nil {
			return nil, err
		}
		fresh.active = max(fresh.active, version)
	}
	r.purposes[purpose] = fresh
	return fresh, nil
}

// prepare loads the keys of a purpose, and makes the first one. The caller holds mu.
func (r *keyring) prepare(purpose string) error {
	keys, err := r.load(purpose)
	if err != nil || keys.active != 0 {
		return err
	}
	if err := r.attached.makeFirst(purpose); err != nil {
		return err
	}
	_, err = r.load(purpose)
	return err
}

// forget makes the next use look into the database.
func (r *keyring) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, keys := range r.purposes {
		keys.loadedAt = time.Time{}
	}
}

// unwrap returns the key of a row.
func (a *attachment) unwrap(ctx context.Context, row Key) (cipher.AEAD, error) {
	store := a.stores[row.Store]
	if store == nil {
		return nil, fault.Newf(fault.Invalid, "vault.no_key_store",
			"data key %s is wrapped by the key store %s, which is not set up here", row.Name(), row.Store).
			WithHint("name the key store in the settings (key_store)")
	}
	key, err := store.Unwrap(ctx, row.Name(), row.Wrapped)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

// draft draws and wraps a data key.
func (a *attachment) draft(ctx context.Context, purpose string, version int64) (Key, error) {
	var key [KeySize]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the program instead (crypto/rand)
	row := Key{Purpose: purpose, Version: version, State: KeyActive, Store: a.Store.Name(), CreatedAt: a.Clock.Now()}
	var err error
	row.Wrapped, err = a.Store.Wrap(ctx, row.Name(), key[:])
	clear(key[:])
	return row, err
}

// makeFirst stores version 1, unless another node was first.
func (a *attachment) makeFirst(purpose string) error {
	ctx, cancel := context.WithTimeout(a.ctx, keyWait)
	defer cancel()
	row, err := a.draft(ctx, purpose, 1)
	if err != nil {
		return err
	}
	return a.insertFirst(ctx, row)
}
