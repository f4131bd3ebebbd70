package party

import (
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// What acts about a merchant need that two people decide (package approval).

// Terms are what a merchant pays and what it is lent.
type Terms struct {
	FeeBps        int64 `json:"fee_bps" minimum:"0" maximum:"10000" doc:"Share of each payment, in basis points."`
	FeeFixedMinor int64 `json:"fee_fixed_minor" minimum:"0" doc:"Fixed part, in minor units."`
	AdvanceMinor  int64 `json:"advance_minor" minimum:"0" doc:"What we lend for refunds that the balance does not cover."`
}

// Check refuses terms that no merchant has. Errors: party.bad_fee, party.bad_advance.
func (t Terms) Check() error {
	if t.FeeBps < 0 || t.FeeBps > bpsMax {
		return fault.Newf(fault.Invalid, "party.bad_fee", "a fee is 0 to %d bps", bpsMax).WithParam("fee_bps")
	}
	if t.FeeFixedMinor < 0 || t.FeeFixedMinor > money.MaxMinor {
		return fault.New(fault.Invalid, "party.bad_fee", "a fixed fee is 0 or more minor units").
			WithParam("fee_fixed_minor")
	}
	if t.AdvanceMinor < 0 || t.AdvanceMinor > money.MaxMinor {
		return fault.New(fault.Invalid, "party.bad_advance", "an advance is 0 or more minor units").
			WithParam("advance_minor")
	}
	return nil
}

// Terms returns the merchant's terms.
func (m *Merchant) Terms() Terms {
	return Terms{FeeBps: m.FeeBps, FeeFixedMinor: m.FeeFixedMinor, AdvanceMinor: m.AdvanceMinor}
}

// SetTerms gives the merchant other terms; payments made before keep their fee.
func (m *Merchant) SetTerms(t Terms) {
	m.FeeBps, m.FeeFixedMinor, m.AdvanceMinor = t.FeeBps, t.FeeFixedMinor, t.AdvanceMinor
}

// Move brings the merchant into a state, for a reason. Errors: party.bad_state, party.state_conflict.
func (m *Merchant) Move(to State, reason string) error {
	if err := move(m.State, to); err != nil {
		return err
	}
	m.State, m.StateReason = to, reason
	return nil
}

// MerchantKey names the row that LockedMerchant reads.
func (p *Parties) MerchantKey(name id.Merchant) commit.Key { return p.merchantTable.Key(string(name)) }

// LockedMerchant returns a merchant in a decision that declared MerchantKey. Errors: party.merchant_not_found.
func (p *Parties) LockedMerchant(tx *commit.Tx, name id.Merchant) (Merchant, error) {
	merchant, found, err := p.merchantTable.Get(tx, p.MerchantKey(name))
	if err == nil && !found {
		err = merchantNotFound()
	}
	return merchant, err
}

// PutMerchant stores a merchant that LockedMerchant returned; other nodes see it within two seconds.
func (p *Parties) PutMerchant(tx *commit.Tx, merchant Merchant) {
	p.merchantTable.Put(tx, merchant)
	tx.After(func() { p.merchants.Forget(merchant.ID) })
}
