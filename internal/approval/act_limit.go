package approval

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/limit"
)

// LimitChange is the kind of another figure of a limit.
const LimitChange = "limit.change"

// LimitFigure is the request of LimitChange. Without Minor the preset's figure holds again, without EffectiveAt from
// the instant at which it is done.
type LimitFigure struct {
	Rule        string    `json:"rule"`
	Minor       *int64    `json:"amount_minor,omitempty"`
	EffectiveAt time.Time `json:"effective_at,omitzero"`
}

// LimitAct is another figure of a limit.
func LimitAct(limits *limit.Limits) Act {
	return Act{
		Kind: LimitChange, Done: "limit.changed", Permission: auth.WriteLimits,
		Title: "change a limit", TitleZH: "调整限额",
		Prepare: func(ctx context.Context, d Draft) (Plan, error) {
			var request LimitFigure
			if err := json.Unmarshal(d.Request, &request); err != nil {
				return Plan{}, fault.Wrap(err, "read the request")
			}
			draft, err := limits.Draft(ctx, limit.NewChange{
				Rule: request.Rule, Minor: request.Minor, EffectiveAt: request.EffectiveAt, Staff: d.Maker, Reason: d.Reason,
			})
			if err != nil {
				return Plan{}, err
			}
			return Plan{
				Subject: request.Rule, Keys: draft.Keys(),
				Diff: func(tx *commit.Tx) (any, any, error) {
					before, after, err := draft.Diff(tx)
					return before, after, err
				},
				Execute: func(tx *commit.Tx) (any, error) { return draft.Put(tx) },
			}, nil
		},
	}
}
