package onboarding

import (
	"context"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// What the audit trail is told. Nothing of it is personal: people's names and numbers stay sealed.

// recorded is an application as its records show it; Terms are those of the merchant that an approval made.
type recorded struct {
	State    State           `json:"state"`
	Company  string          `json:"company,omitempty"`
	USCC     party.USCC      `json:"uscc,omitempty"`
	Merchant id.Merchant     `json:"merchant_id,omitempty"`
	Owner    id.MerchantUser `json:"owner_id,omitempty"`
	Parent   id.Merchant     `json:"parent_id,omitempty"`
	Terms    *party.Terms    `json:"terms,omitempty"`
}

func (o *Onboarding) record(ctx context.Context, tx *commit.Tx, kind string, a *Application) error {
	return o.Trail.Add(ctx, tx, audit.Act{
		Kind: kind, Subject: string(a.ID), After: recorded{State: a.State, Company: a.Company, USCC: a.USCC},
	})
}

// recordReview records a decision of the staff in the decision's own commit: what it was decided on, and what it made.
func (o *Onboarding) recordReview(
	ctx context.Context, tx *commit.Tx, before recorded, a *Application, made party.Merchant,
) error {
	after := recorded{State: a.State, Company: a.Company, USCC: a.USCC, Merchant: a.Merchant, Owner: a.Owner}
	if a.State == Approved {
		after.Parent = made.Parent
		after.Terms = &party.Terms{FeeBps: made.FeeBps, FeeFixedMinor: made.FeeFixedMinor, AdvanceMinor: made.AdvanceMinor}
	}
	return o.Trail.Add(ctx, tx, audit.Act{
		Kind: "application." + string(a.State), Subject: string(a.ID), Reason: a.Reason, Before: before, After: after,
	})
}

// recordSeen records that somebody saw what is sealed: the private part, or a document by its id.
func (o *Onboarding) recordSeen(ctx context.Context, name id.Application, what string) error {
	return o.Trail.Write(ctx, audit.Act{Kind: "application.seen", Subject: string(name), Reason: what})
}
