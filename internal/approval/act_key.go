package approval

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/vault"
)

// The kinds of acts about data keys.
const (
	KeyRotate = "key.rotate"
	KeyRetire = "key.retire"
)

// KeyRotation is the request of KeyRotate.
type KeyRotation struct {
	Purpose string `json:"purpose"`
}

// KeyRetirement is the request of KeyRetire.
type KeyRetirement struct {
	Purpose string `json:"purpose"`
	Version int64  `json:"version"`
}

// KeyActs are the acts about data keys: a new one, and the end of an old one.
//
// The vault's own Rotate and Retire write in a transaction of theirs, which is no decision: an approval could not be
// one with them, and would be carried out twice or not at all where a node dies between the two. So the keys' rows are
// a table of the committer here, and act, proposal and audit record are one commit. What takes long or must not be
// done twice lightly stays outside of it, in Prepare: to count rows, and to let the key store wrap a new key.
func KeyActs(c *commit.Committer, keys *vault.Vault) []Act {
	k := &keyActs{vault: keys, table: keyTable(c)}
	return []Act{
		{
			Kind: KeyRotate, Done: "key.rotated", Permission: auth.Operate, Prepare: k.rotate,
			Title: "make a new data key", TitleZH: "轮换数据密钥",
		},
		{
			Kind: KeyRetire, Done: "key.retired", Permission: auth.Operate, Prepare: k.retire,
			Title: "destroy an old data key", TitleZH: "销毁旧数据密钥",
		},
	}
}

type keyActs struct {
	vault *vault.Vault
	table *commit.Table[keyRow]
}

type keyRow struct {
	ID string
	vault.Key
}

func keyTable(c *commit.Committer) *commit.Table[keyRow] {
	return commit.AddTable(c, "data_keys",
		commit.Text("id", func(r *keyRow) *string { return &r.ID }),
		commit.Text("purpose", func(r *keyRow) *string { return &r.Purpose }),
		commit.Int("version", func(r *keyRow) *int64 { return &r.Version }),
		commit.Text("state", func(r *keyRow) *string { return (*string)(&r.State) }).Mutable(),
		commit.Text("key_store", func(r *keyRow) *string { return &r.Store }),
		commit.Bytes("wrapped", func(r *keyRow) *[]byte { return &r.Wrapped }).Mutable(),
		commit.Instant("created_at", func(r *keyRow) *time.Time { return &r.CreatedAt }),
		commit.Instant("replaced_at", func(r *keyRow) *time.Time { return &r.ReplacedAt }).Mutable(),
		commit.Instant("retired_at", func(r *keyRow) *time.Time { return &r.RetiredAt }).Mutable(),
		commit.Instant("clean_at", func(r *keyRow) *time.Time { return &r.CleanAt }), // Reseal's alone
	)
}

// keyFacts is what the difference shows of a key.
type keyFacts struct {
	Purpose string         `json:"purpose"`
	Version int64          `json:"version"`
	State   vault.KeyState `json:"state"`
}

func factsOf(k vault.Key) keyFacts {
	return keyFacts{Purpose: k.Purpose, Version: k.Version, State: k.State}
}

func (k *keyActs) rotate(ctx context.Context, d Draft) (Plan, error) {
	var request KeyRotation
	if err := json.Unmarshal(d.Request, &request); err != nil {
		return Plan{}, fault.Wrap(err, "read the request")
	}
	active, err := k.vault.Active(ctx, request.Purpose)
	if err != nil {
		return Plan{}, err
	}
	fresh := vault.Key{Purpose: request.Purpose, Version: active.Version + 1, State: vault.KeyActive}
	if d.Final {
		if fresh, err = k.vault.Draft(ctx, fresh.Purpose, fresh.Version); err != nil {
			return Plan{}, err
		}
	}
	old, next := k.table.Key(active.Name()), k.table.Key(fresh.Name())
	// current refuses where another rotation was first, on whatever node.
	current := func(tx *commit.Tx) (keyRow, error) {
		_, taken, err := k.table.Get(tx, next)
		if err != nil {
			return keyRow{}, err
		}
		row, found, err := k.table.Get(tx, old)
		if err == nil && (taken || !found || row.State != vault.KeyActive) {
			err = vault.RotatedMeanwhile()
		}
		return row, err
	}
	return Plan{
		Subject: request.Purpose, Keys: []commit.Key{old, next},
		Diff: func(tx *commit.Tx) (any, any, error) {
			row, err := current(tx)
			return factsOf(row.Key), factsOf(fresh), err
		},
		Execute: func(tx *commit.Tx) (any, error) {
			row, err := current(tx)
			if err != nil {
				return nil, err
			}
			made := fresh
			made.CreatedAt = tx.Now()
			row.State, row.ReplacedAt = vault.KeyOld, tx.Now()
			k.table.Put(tx, row)
			k.table.Put(tx, keyRow{ID: made.Name(), Key: made})
			k.changed(tx)
			return made, nil
		},
	}, nil
}

func (k *keyActs) retire(ctx context.Context, d Draft) (Plan, error) {
	var request KeyRetirement
	if err := json.Unmarshal(d.Request, &request); err != nil {
		return Plan{}, fault.Wrap(err, "read the request")
	}
	known, err := k.vault.Retirable(ctx, request.Purpose, request.Version)
	if err != nil {
		return Plan{}, err
	}
	key := k.table.Key(known.Name())
	load := func(tx *commit.Tx) (keyRow, error) {
		row, found, err := k.table.Get(tx, key)
		if err == nil && (!found || row.State != vault.KeyOld) {
			err = fault.New(fault.Conflict, "vault.key_retired", "this key is destroyed already")
		}
		return row, err
	}
	return Plan{
		Subject: known.Name(), Keys: []commit.Key{key},
		Diff: func(tx *commit.Tx) (any, any, error) {
			row, err := load(tx)
			return factsOf(row.Key), factsOf(row.Destroyed(tx.Now())), err
		},
		Execute: func(tx *commit.Tx) (any, error) {
			row, err := load(tx)
			if err != nil {
				return nil, err
			}
			row.Key = row.Destroyed(tx.Now())
			k.table.Put(tx, row)
			k.changed(tx)
			return row.Key, nil
		},
	}, nil
}

// changed lets this node look at the keys once the commit is durable. The vault may be waiting for its key store just
// then, so the committer does not wait for it.
func (k *keyActs) changed(tx *commit.Tx) {
	tx.After(func() { go k.vault.Forget() })
}
