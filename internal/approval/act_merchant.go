package approval

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// The kinds of acts about merchants.
const (
	MerchantTerms = "merchant.terms"
	MerchantState = "merchant.state"
)

// TermsChange is the request of MerchantTerms.
type TermsChange struct {
	Merchant id.Merchant `json:"merchant_id"`
	party.Terms
}

// StateChange is the request of MerchantState.
type StateChange struct {
	Merchant id.Merchant `json:"merchant_id"`
	State    party.State `json:"state"`
}

// MerchantActs are the acts about merchants: their fee and advance, freezing and thawing.
func MerchantActs(parties *party.Parties) []Act {
	return []Act{
		{
			Kind: MerchantTerms, Done: "merchant.terms_set", Permission: auth.WriteMerchants,
			Title: "change a merchant's fee or advance", TitleZH: "调整商户费率或垫资额度",
			Prepare: func(_ context.Context, d Draft) (Plan, error) {
				var request TermsChange
				if err := json.Unmarshal(d.Request, &request); err != nil {
					return Plan{}, fault.Wrap(err, "read the request")
				}
				if err := request.Terms.Check(); err != nil {
					return Plan{}, err
				}
				return merchantPlan(parties, request.Merchant, func(m *party.Merchant) (any, any, error) {
					before := m.Terms()
					m.SetTerms(request.Terms)
					return before, request.Terms, nil
				}), nil
			},
		},
		{
			Kind: MerchantState, Done: "merchant.state_set", Permission: auth.WriteMerchants,
			Title: "freeze or thaw a merchant", TitleZH: "冻结或解冻商户",
			Prepare: func(_ context.Context, d Draft) (Plan, error) {
				var request StateChange
				if err := json.Unmarshal(d.Request, &request); err != nil {
					return Plan{}, fault.Wrap(err, "read the request")
				}
				return merchantPlan(parties, request.Merchant, func(m *party.Merchant) (any, any, error) {
					before := merchantState{m.State, m.StateReason}
					err := m.Move(request.State, d.Reason)
					return before, merchantState{m.State, m.StateReason}, err
				}), nil
			},
		},
	}
}

type merchantState struct {
	State  party.State `json:"state"`
	Reason string      `json:"reason,omitempty"`
}

// merchantPlan plans a change of one merchant's row; set changes it and returns the difference.
func merchantPlan(parties *party.Parties, name id.Merchant, set func(*party.Merchant) (any, any, error)) Plan {
	return Plan{
		Subject: string(name), Keys: []commit.Key{parties.MerchantKey(name)},
		Diff: func(tx *commit.Tx) (any, any, error) {
			merchant, err := parties.LockedMerchant(tx, name)
			if err != nil {
				return nil, nil, err
			}
			return set(&merchant)
		},
		Execute: func(tx *commit.Tx) (any, error) {
			merchant, err := parties.LockedMerchant(tx, name)
			if err != nil {
				return nil, err
			}
			if _, _, err := set(&merchant); err != nil {
				return nil, err
			}
			parties.PutMerchant(tx, merchant)
			return merchant, nil
		},
	}
}
