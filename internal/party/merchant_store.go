package party

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Store is a place where a merchant sells; a closed one takes no payments any more. Its SQL is with the others in
// store.go.
type Store struct {
	ID        id.Store    `json:"id"`
	Merchant  id.Merchant `json:"merchant_id"`
	Name      string      `json:"name"`
	Address   string      `json:"address,omitempty"`
	State     State       `json:"state" enum:"active,frozen,closed"`
	CreatedAt time.Time   `json:"created_at"`
}

// NewStore is what a store begins with.
type NewStore struct {
	Merchant id.Merchant
	Name     string
	Address  string
}

// CreateStore stores a new store. Errors: party.bad_name, party.bad_address.
func (p *Parties) CreateStore(ctx context.Context, n NewStore) (Store, error) {
	name, err := ParseName(n.Name)
	if err != nil {
		return Store{}, err
	}
	if err := checkPlace(n.Address); err != nil {
		return Store{}, err
	}
	store := Store{
		ID: id.New[id.Store](p.clock.Now()), Merchant: n.Merchant, Name: name, Address: n.Address, State: StateActive,
	}
	err = p.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		store.CreatedAt = tx.Now()
		p.storeTable.Put(tx, store)
		return p.Trail.Add(ctx, tx, audit.Act{Kind: "store.created", Subject: string(store.ID), After: store})
	})
	if err != nil {
		return Store{}, fault.Wrap(err, "create store")
	}
	return store, nil
}

func checkPlace(address string) error {
	if address != "" && !printable(address, reasonMax) {
		return fault.Newf(fault.Invalid, "party.bad_address", "an address has at most %d printable characters", reasonMax).
			WithParam("address")
	}
	return nil
}

// SetStoreState freezes, thaws or closes a merchant's store. Errors: party.store_not_found, also for another
// merchant's; party.bad_state, party.state_conflict.
func (p *Parties) SetStoreState(ctx context.Context, merchant id.Merchant, name id.Store, to State) error {
	key := p.storeTable.Key(string(name))
	err := p.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		store, found, err := p.storeTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || store.Merchant != merchant {
			return storeNotFound()
		}
		if err := move(store.State, to); err != nil || store.State == to {
			return err
		}
		before := stateOf{State: store.State}
		store.State = to
		p.storeTable.Put(tx, store)
		tx.After(func() { p.stores.Forget(name) })
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind: "store.state_set", Subject: string(name), Before: before, After: stateOf{State: to},
		})
	})
	return fault.Wrap(err, "set state of "+string(name))
}

// StoreOf returns a merchant's store as it was at most two seconds ago. Errors: party.store_not_found, also for
// another merchant's.
func (p *Parties) StoreOf(ctx context.Context, merchant id.Merchant, name id.Store) (Store, error) {
	store, err := p.stores.Get(name, func() (Store, error) { return p.readStore(ctx, name) })
	if err == nil && store.Merchant != merchant {
		return Store{}, storeNotFound()
	}
	return store, err
}

// StoresOf returns a merchant's stores, newest first, at most 1,000.
func (p *Parties) StoresOf(ctx context.Context, merchant id.Merchant) ([]Store, error) {
	return p.readStores(ctx, storesOf, string(merchant))
}

func storeNotFound() error {
	return fault.New(fault.NotFound, "party.store_not_found", "there is no such store")
}
