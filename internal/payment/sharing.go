package payment

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Sharing says where the money of a payment goes. FundsSplit goes with Parts or with a Rule for them; FundsHeld and
// FundsEscrow with ReleaseAfter (ReleaseDefault if zero). The zero value is the merchant's at once.
type Sharing struct {
	Funds        Funds        `json:"funds,omitempty" enum:"split,held,escrow" doc:"Where the money goes: split with receivers at once, held until you split or release it, or in escrow until the payer has the goods. Default: to you at once."`
	Parts        []SplitPart  `json:"splits,omitempty" maxItems:"20" doc:"With split: the receivers' parts; yours is what is left."`
	Rule         id.SplitRule `json:"split_rule_id,omitempty" maxLength:"40" doc:"With split: a rule of yours in place of splits."`
	ReleaseAfter int64        `json:"release_after,omitzero" minimum:"1" maximum:"15552000" doc:"With held or escrow: seconds after the payment until it is yours by itself; default 864000."`
}

// checkFunds sets what the order leaves out and refuses what does not fit. Errors: payment.bad_funds.
func (o *Order) checkFunds() error {
	bad := func(param, message string) error {
		return fault.New(fault.Invalid, "payment.bad_funds", message).WithParam(param)
	}
	if o.Funds == FundsDirect && (len(o.Parts) > 0 || o.Rule != "") {
		o.Funds = FundsSplit
	}
	switch o.Funds {
	case FundsDirect, FundsSplit:
		if o.ReleaseAfter != 0 {
			return bad("release_after", "release_after goes with funds held or escrow")
		}
		if o.Funds == FundsSplit && (len(o.Parts) > 0) == (o.Rule != "") {
			return bad("splits", "funds split goes with splits or with split_rule_id")
		}
		if o.Funds == FundsSplit && o.Capture == Manual {
			return bad("capture", "a payment that is captured later is split later: funds held")
		}
		return nil
	case FundsHeld, FundsEscrow:
	default:
		return bad("funds", "funds is split, held or escrow")
	}
	if len(o.Parts) > 0 || o.Rule != "" {
		return bad("splits", "what waits is split later")
	}
	if o.ReleaseAfter == 0 {
		o.ReleaseAfter = int64(ReleaseDefault / time.Second)
	}
	if o.ReleaseAfter < 1 || o.ReleaseAfter > int64(ReleaseMax/time.Second) {
		return bad("release_after", "money waits for 1 second to 180 days")
	}
	return nil
}

// probeMinor is an amount of which every share in basis points is whole.
const probeMinor = int64(wholeBps)

// Standing looks at an order that stands for many payments to come, those of a link or a printed code, and returns it
// as it is kept, with a draft to ask whether such payments may be made now. An amount of 0 is the payer's to say: then
// receivers have shares, since no fixed part fits every amount. Errors: those of Draft, payment.bad_split.
func (p *Payments) Standing(ctx context.Context, order Order) (Order, *Draft, error) {
	probe := order
	if probe.Amount.Minor == 0 {
		probe.Amount.Minor = probeMinor
		if err := p.checkOpen(ctx, probe); err != nil {
			return order, nil, err
		}
	}
	draft, err := p.Draft(ctx, probe)
	if err != nil {
		return order, nil, err
	}
	// What the draft filled in is kept, but for the rule: it is read anew for each payment, so that one that has ended
	// splits no more.
	order.Funds, order.ReleaseAfter = draft.order.Funds, draft.order.ReleaseAfter
	return order, draft, nil
}

// checkOpen refuses fixed parts. A rule that is not there is the draft's to refuse. Errors: payment.bad_split.
func (p *Payments) checkOpen(ctx context.Context, order Order) error {
	parts := order.Parts
	if order.Rule != "" {
		if rule, err := p.SplitRuleOf(ctx, order.Merchant, order.Rule); err == nil {
			parts = rule.Parts
		}
	}
	if slices.ContainsFunc(parts, func(part SplitPart) bool { return part.Amount > 0 }) {
		return badSplit("where the payer says how much, receivers have shares in basis points")
	}
	return nil
}

// discreet is what a payer learns of a refusal that is about receivers or fees. Errors: payment.not_payable.
func discreet(err error) error {
	switch fault.CodeOf(err) {
	case "payment.bad_split", "payment.split_exceeds", "payment.split_rule_not_found":
		return fault.New(fault.Conflict, "payment.not_payable", "the merchant can't take this amount").WithCause(err).
			WithHint("pay another amount, or ask the merchant")
	}
	return err
}

// Encode writes what a link or code keeps; "" is the zero value.
func (s *Sharing) Encode() string {
	if s.Funds == FundsDirect {
		return ""
	}
	text, _ := json.Marshal(s) //nolint:errchkjson // always can be written
	return string(text)
}

// Decode reads what Encode wrote.
func (s *Sharing) Decode(text string) {
	*s = Sharing{}
	if text != "" {
		_ = json.Unmarshal([]byte(text), s) // written by Encode
	}
}
