package onboarding

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Review is what a person of the staff decides. Terms are for approvals; their name is the company's.
type Review struct {
	Application id.Application
	By          id.Staff
	To          State
	Reason      string
	Terms       party.NewMerchant
}

// Decide takes a review: more needed, refused, or approved. An approval makes the merchant and its owner, the
// application's contact, in the same commit. Errors: onboarding.not_found, onboarding.state_conflict,
// party.bad_reason, party.email_taken and those of party.PrepareMerchant.
func (o *Onboarding) Decide(ctx context.Context, r Review) (Application, error) {
	reason, err := party.ParseReason(r.Reason)
	if err != nil {
		return Application{}, err
	}
	if r.To == Submitted {
		return Application{}, fault.New(fault.Conflict, "onboarding.state_conflict", "only the applicant submits")
	}
	var (
		keys     []commit.Key
		merchant party.Merchant
		owner    party.MerchantUser
	)
	read, err := o.Application(ctx, r.Application)
	if err != nil {
		return Application{}, err
	}
	if r.To == Approved {
		if merchant, owner, err = o.prepare(ctx, read, r.Terms); err != nil {
			return Application{}, err
		}
		keys = o.Parties.UserKeys(owner)
	}
	a, err := o.change(ctx, r.Application, keys, func(tx *commit.Tx, a *Application) error {
		state, err := a.State.Move(r.To)
		if err != nil {
			return err
		}
		if !a.UpdatedAt.Equal(read.UpdatedAt) {
			return fault.New(fault.Conflict, "onboarding.changed", "this application was changed meanwhile").
				WithHint("read it again and decide")
		}
		before := recorded{State: a.State}
		a.State, a.Reason, a.ReviewedBy, a.DecidedAt = state, reason, r.By, tx.Now()
		if state == Approved {
			if err := o.Parties.AddUser(tx, owner); err != nil {
				return err
			}
			merchant = o.Parties.AddMerchant(tx, merchant)
			a.Merchant, a.Owner = merchant.ID, owner.ID
		}
		if err := o.recordReview(ctx, tx, before, a, merchant); err != nil {
			return err
		}
		return o.announce(tx, a)
	})
	return a, fault.Wrap(err, "review "+string(r.Application))
}

// prepare checks the merchant and the owner that an approval will store.
func (o *Onboarding) prepare(
	ctx context.Context, a Application, terms party.NewMerchant,
) (party.Merchant, party.MerchantUser, error) {
	private, err := o.Private(a)
	if err != nil {
		return party.Merchant{}, party.MerchantUser{}, err
	}
	terms.Name = a.Company
	merchant, err := o.Parties.PrepareMerchant(ctx, terms)
	if err != nil {
		return party.Merchant{}, party.MerchantUser{}, err
	}
	owner, err := o.Parties.NewUser(party.NewMerchantUser{
		Merchant: merchant.ID, Email: a.Email, Name: private.ContactName, Role: party.MerchantOwner,
	})
	return merchant, owner, err
}
