package identity

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Override is the kind of an approval by staff where the rules wanted a person to look.
const Override = "identity.override"

const kindApproved = "identity.approved"

// Overriding is the request of Override.
type Overriding struct {
	Customer id.Customer `json:"customer_id"`
}

// Overridden is what came of it.
type Overridden struct {
	Customer id.Customer `json:"customer_id"`
	State    State       `json:"state"`
	Class    party.Class `json:"account_class"`
	Later    bool        `json:"later_account"`
}

// ApproveAct is the approval of a verification in review. Refusals and repeated verifications take power away and need
// nobody else.
func (s *Identities) ApproveAct() approval.Act {
	return approval.Act{
		Kind: Override, Done: kindApproved, Permission: auth.ReviewIdentity,
		Title: "approve a verification in review", TitleZH: "审核通过实名认证",
		Prepare: func(ctx context.Context, d approval.Draft) (approval.Plan, error) {
			var request Overriding
			if err := json.Unmarshal(d.Request, &request); err != nil {
				return approval.Plan{}, fault.Wrap(err, "read the request")
			}
			return s.planOverride(ctx, request.Customer, d)
		},
	}
}

func (s *Identities) planOverride(
	ctx context.Context, customer id.Customer, d approval.Draft,
) (approval.Plan, error) {
	known, err := s.readRecord(ctx, customer)
	if err != nil {
		return approval.Plan{}, err
	}
	names := []string{known.DocumentMAC}
	load := func(tx *commit.Tx) (*dossier, error) {
		dossier, err := s.load(tx, customer, names)
		if err == nil && dossier.record.DocumentMAC != known.DocumentMAC {
			err = busy()
		}
		return dossier, err
	}
	return approval.Plan{
		Subject: string(customer), Keys: s.keys(customer, names),
		Diff: func(tx *commit.Tx) (any, any, error) {
			dossier, err := load(tx)
			if err != nil {
				return nil, nil, err
			}
			before := dossier.standing(tx.Now())
			if err := dossier.approve(); err != nil {
				return nil, nil, err
			}
			return before, dossier.settled(tx.Now()), nil
		},
		Execute: func(tx *commit.Tx) (any, error) {
			dossier, err := load(tx)
			if err != nil {
				return nil, err
			}
			dossier.decided(d.Maker, d.Reason)
			if err := s.approve(tx, dossier, d.Maker); err != nil {
				return nil, err
			}
			r := dossier.record
			return Overridden{
				Customer: customer, State: r.State, Class: dossier.class(tx.Now()), Later: r.Later,
			}, s.settle(tx, dossier)
		},
	}, nil
}

// busy refuses where another document was shown meanwhile.
func busy() error {
	return fault.New(fault.Conflict, "identity.busy", "this verification is being changed; try again").
		WithRetryAfter(time.Second)
}
