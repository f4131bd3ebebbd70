package party

import (
	"context"
	"encoding/base64"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	bpsMax       = 10_000
	pageDefault  = 20
	pageLimitMax = 100
)

// NewMerchant is what a merchant begins with. Parent is the merchant that brought it, if one did.
type NewMerchant struct {
	Parent        id.Merchant
	Name          string
	FeeBps        int64
	FeeFixedMinor int64
	AdvanceMinor  int64
}

// Page asks for a part of a list: at most Limit of it (0 means 20, at most 100), behind Cursor ("" is
// the begin).
type Page struct {
	Limit  int
	Cursor string
}

// MerchantPage is a part of the list of merchants, newest first. Next is the cursor of the next part,
// "" at the end.
type MerchantPage struct {
	Merchants []Merchant
	Next      string
}

// CreateMerchant stores a new merchant. Errors: those of PrepareMerchant.
func (p *Parties) CreateMerchant(ctx context.Context, n NewMerchant) (Merchant, error) {
	merchant, err := p.PrepareMerchant(ctx, n)
	if err != nil {
		return Merchant{}, err
	}
	err = p.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		merchant = p.AddMerchant(tx, merchant)
		return p.Trail.Add(ctx, tx, audit.Act{Kind: "merchant.created", Subject: string(merchant.ID), After: merchant})
	})
	if err != nil {
		return Merchant{}, fault.Wrap(err, "create merchant")
	}
	return merchant, nil
}

// PrepareMerchant checks a new merchant and gives it an id; nothing is stored yet. Errors: party.bad_name,
// party.bad_fee, party.bad_advance, party.merchant_not_found and party.bad_parent, of the parent: a sub-merchant
// has none of its own.
func (p *Parties) PrepareMerchant(ctx context.Context, n NewMerchant) (Merchant, error) {
	name, err := ParseName(n.Name)
	if err != nil {
		return Merchant{}, err
	}
	terms := Terms{FeeBps: n.FeeBps, FeeFixedMinor: n.FeeFixedMinor, AdvanceMinor: n.AdvanceMinor}
	if err := terms.Check(); err != nil {
		return Merchant{}, err
	}
	if n.Parent != "" {
		parent, err := p.Merchant(ctx, n.Parent)
		if err != nil {
			return Merchant{}, fault.From(err).WithParam("parent_id")
		}
		if parent.Parent != "" || parent.State == StateClosed {
			return Merchant{}, fault.New(fault.Conflict, "party.bad_parent", "this merchant can't have sub-merchants").
				WithParam("parent_id")
		}
	}
	now := p.clock.Now()
	return Merchant{
		ID: id.New[id.Merchant](now), Parent: n.Parent, Name: name, FeeBps: n.FeeBps, FeeFixedMinor: n.FeeFixedMinor,
		AdvanceMinor: n.AdvanceMinor, State: StateActive, CreatedAt: now,
	}, nil
}

// AddMerchant stores a prepared merchant as part of a decision, which declares no key for it: its id is new.
func (p *Parties) AddMerchant(tx *commit.Tx, m Merchant) Merchant {
	m.CreatedAt = tx.Now()
	p.merchantTable.Put(tx, m)
	return m
}

// SetMerchantState freezes, thaws or closes a merchant for a reason; other nodes see it within two seconds. A frozen
// merchant takes no payments, also none that it created before; refunds go on. Errors: party.merchant_not_found,
// party.bad_state, party.bad_reason, party.state_conflict.
func (p *Parties) SetMerchantState(ctx context.Context, name id.Merchant, to State, reason string) error {
	reason, err := ParseReason(reason)
	if err != nil {
		return err
	}
	key := p.merchantTable.Key(string(name))
	err = p.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		merchant, found, err := p.merchantTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return merchantNotFound()
		}
		// The state that it has already, for the reason that is known already: nothing is written.
		if err := move(merchant.State, to); err != nil || (merchant.State == to && merchant.StateReason == reason) {
			return err
		}
		before := stateOf{State: merchant.State, Reason: merchant.StateReason}
		merchant.State, merchant.StateReason = to, reason
		p.merchantTable.Put(tx, merchant)
		tx.After(func() { p.merchants.Forget(name) })
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind:    "merchant.state_set",
			Subject: string(name),
			Reason:  reason,
			Before:  before,
			After:   stateOf{State: to, Reason: reason},
		})
	})
	return fault.Wrap(err, "set state of "+string(name))
}

// Merchant returns one merchant as it was at most two seconds ago: payments ask for it and lock no
// row of it. Errors: party.merchant_not_found.
func (p *Parties) Merchant(ctx context.Context, name id.Merchant) (Merchant, error) {
	return p.merchants.Get(name, func() (Merchant, error) { return p.readMerchant(ctx, name) })
}

// ListMerchants returns a part of the list, newest first. Errors: party.bad_cursor, party.bad_limit.
func (p *Parties) ListMerchants(ctx context.Context, page Page) (MerchantPage, error) {
	if page.Limit == 0 {
		page.Limit = pageDefault
	}
	if page.Limit < 0 || page.Limit > pageLimitMax {
		return MerchantPage{}, fault.Newf(fault.Invalid, "party.bad_limit", "a limit is 1 to %d", pageLimitMax).
			WithParam("limit")
	}
	before := "~" // sorts behind every id
	if page.Cursor != "" {
		last, err := base64.RawURLEncoding.DecodeString(page.Cursor)
		if err == nil {
			_, err = id.Parse[id.Merchant](string(last))
		}
		if err != nil {
			return MerchantPage{}, fault.New(fault.Invalid, "party.bad_cursor", "this cursor is not one of ours").
				WithParam("cursor").WithCause(err)
		}
		before = string(last)
	}
	merchants, err := p.readMerchants(ctx, before, page.Limit+1)
	if err != nil {
		return MerchantPage{}, err
	}
	if len(merchants) <= page.Limit {
		return MerchantPage{Merchants: merchants}, nil
	}
	merchants = merchants[:page.Limit]
	last := merchants[len(merchants)-1].ID
	return MerchantPage{Merchants: merchants, Next: base64.RawURLEncoding.EncodeToString([]byte(last))}, nil
}

func merchantNotFound() error {
	return fault.New(fault.NotFound, "party.merchant_not_found", "there is no such merchant")
}
