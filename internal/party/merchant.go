package party

import (
	"context"
	"encoding/base64"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

const (
	bpsMax       = 10_000
	pageDefault  = 20
	pageLimitMax = 100
)

// NewMerchant is what a merchant begins with.
type NewMerchant struct {
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

// CreateMerchant stores a new merchant. Errors: party.bad_name, party.bad_fee, party.bad_advance.
func (p *Parties) CreateMerchant(ctx context.Context, n NewMerchant) (Merchant, error) {
	name, err := ParseName(n.Name)
	if err != nil {
		return Merchant{}, err
	}
	if n.FeeBps < 0 || n.FeeBps > bpsMax {
		return Merchant{}, fault.Newf(fault.Invalid, "party.bad_fee", "a fee is 0 to %d bps", bpsMax).WithParam("fee_bps")
	}
	if n.FeeFixedMinor < 0 || n.FeeFixedMinor > money.MaxMinor {
		return Merchant{}, fault.New(fault.Invalid, "party.bad_fee", "a fixed fee is 0 or more minor units").
			WithParam("fee_fixed_minor")
	}
	if n.AdvanceMinor < 0 || n.AdvanceMinor > money.MaxMinor {
		return Merchant{}, fault.New(fault.Invalid, "party.bad_advance", "an advance is 0 or more minor units").
			WithParam("advance_minor")
	}
	now := p.clock.Now()
	merchant := Merchant{
		ID: id.New[id.Merchant](now), Name: name, FeeBps: n.FeeBps, FeeFixedMinor: n.FeeFixedMinor,
		AdvanceMinor: n.AdvanceMinor, State: StateActive,
	}
	err = p.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		merchant.CreatedAt = tx.Now()
		p.merchantTable.Put(tx, merchant)
		return nil
	})
	if err != nil {
		return Merchant{}, fault.Wrap(err, "create merchant")
	}
	return merchant, nil
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
		merchant.State, merchant.StateReason = to, reason
		p.merchantTable.Put(tx, merchant)
		tx.After(func() { p.merchants.Forget(name) })
		return nil
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
