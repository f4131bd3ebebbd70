package payment

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Origin says who asked for a refund.
type Origin string

// Who asks for refunds.
const (
	ByMerchant Origin = "merchant"
	ByPayer    Origin = "payer"
	ByStaff    Origin = "staff"
)

// Reviewer says who looks at a refund before it is done; "" is nobody.
type Reviewer string

// The reviewers.
const (
	NoReviewer       Reviewer = ""
	MerchantReviewer Reviewer = "merchant"
	StaffReviewer    Reviewer = "staff"
)

// PayerRequests says what becomes of a payer's wish to be refunded.
type PayerRequests string

const (
	// RequestsOff refuses them; the payer may still open a dispute.
	RequestsOff PayerRequests = "off"
	// RequestsReviewed puts each before the merchant.
	RequestsReviewed PayerRequests = "review"
	// RequestsAutomatic does what the merchant's figures allow at once.
	RequestsAutomatic PayerRequests = "automatic"
)

// Why a refund is reviewed.
const (
	ReasonPayerAsked     = "payer_asked"
	ReasonAboveAutomatic = "above_automatic"
	ReasonLate           = "too_late_for_automatic"
	ReasonAboveMerchant  = "above_review_limit"
	ReasonAboveOperator  = "above_operator_limit"
)

// RefundRules are a merchant's rules for refunds, in minor units of the payment's currency; 0 is no limit.
type RefundRules struct {
	Merchant id.Merchant `json:"merchant_id"`
	// PayerRequests is RequestsReviewed where nobody has set it.
	PayerRequests PayerRequests `json:"payer_requests" enum:"off,review,automatic" doc:"what becomes of a payer's wish"`
	// AutomaticMax and AutomaticWithin bound what RequestsAutomatic does at once.
	AutomaticMax    int64 `json:"automatic_max" doc:"with automatic: up to this much, in minor units"`
	AutomaticWithin int64 `json:"automatic_within" doc:"with automatic: in so many seconds after the payment"`
	// ReviewAbove puts the merchant's own refunds above it before a person of the merchant.
	ReviewAbove int64 `json:"review_above" doc:"refunds above it that your systems ask for wait for a person of yours"`
	// OperatorAbove puts every refund above it before the operator's staff; only they set it.
	OperatorAbove int64     `json:"operator_above" doc:"refunds above it wait for the operator, who sets it"`
	UpdatedAt     time.Time `json:"updated_at,omitzero"`
}

// review decides who looks at a refund, and why. Errors: refund.requests_off.
func (r RefundRules) review(origin Origin, amount int64, age time.Duration) (Reviewer, []string, error) {
	if origin == ByStaff {
		return NoReviewer, nil, nil // staff have their own four eyes
	}
	if origin == ByPayer && r.PayerRequests == RequestsOff {
		return NoReviewer, nil, fault.New(fault.Forbidden, "refund.requests_off",
			"this merchant takes no wishes for refunds here").
			WithHint("ask the merchant, or open a dispute")
	}
	var reasons []string
	because := func(reason string, applies bool) {
		if applies {
			reasons = append(reasons, reason)
		}
	}
	if origin == ByPayer {
		automatic := r.PayerRequests == RequestsAutomatic
		because(ReasonPayerAsked, !automatic)
		because(ReasonAboveAutomatic, automatic && r.AutomaticMax > 0 && amount > r.AutomaticMax)
		because(ReasonLate, automatic && r.AutomaticWithin > 0 && age > time.Duration(r.AutomaticWithin)*time.Second)
	} else {
		because(ReasonAboveMerchant, r.ReviewAbove > 0 && amount > r.ReviewAbove)
	}
	reviewer := NoReviewer
	if len(reasons) > 0 {
		reviewer = MerchantReviewer
	}
	if r.OperatorAbove > 0 && amount > r.OperatorAbove {
		reviewer, reasons = StaffReviewer, append(reasons, ReasonAboveOperator)
	}
	return reviewer, reasons, nil
}

func refundRulesTable(c *commit.Committer) *commit.Table[RefundRules] {
	return commit.AddTable(c, "refund_rules",
		commit.Text("id", func(r *RefundRules) *string { return (*string)(&r.Merchant) }),
		commit.Text("payer_requests", func(r *RefundRules) *string { return (*string)(&r.PayerRequests) }).Mutable(),
		commit.Int("automatic_max_minor", func(r *RefundRules) *int64 { return &r.AutomaticMax }).Mutable(),
		commit.Int("automatic_within", func(r *RefundRules) *int64 { return &r.AutomaticWithin }).Mutable(),
		commit.Int("review_above_minor", func(r *RefundRules) *int64 { return &r.ReviewAbove }).Mutable(),
		commit.Int("operator_above_minor", func(r *RefundRules) *int64 { return &r.OperatorAbove }).Mutable(),
		commit.Instant("updated_at", func(r *RefundRules) *time.Time { return &r.UpdatedAt }).Mutable(),
	)
}

// rulesIn returns a merchant's rules in a decision that declared their key.
func (p *Payments) rulesIn(tx *commit.Tx, merchant id.Merchant) (RefundRules, error) {
	rules, found, err := p.refundRules.Get(tx, p.refundRules.Key(string(merchant)))
	if !found {
		rules = RefundRules{Merchant: merchant, PayerRequests: RequestsReviewed}
	}
	return rules, err
}

// RefundRulesOf returns a merchant's rules for refunds.
func (p *Payments) RefundRulesOf(ctx context.Context, merchant id.Merchant) (RefundRules, error) {
	r := RefundRules{Merchant: merchant, PayerRequests: RequestsReviewed}
	var at int64
	err := p.DB.Read.QueryRowContext(ctx, `SELECT payer_requests, automatic_max_minor, automatic_within,
		review_above_minor,
		operator_above_minor, updated_at FROM refund_rules WHERE id = $1`, string(merchant)).
		Scan(&r.PayerRequests, &r.AutomaticMax, &r.AutomaticWithin, &r.ReviewAbove, &r.OperatorAbove, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	r.UpdatedAt = clock.FromMicros(at)
	return r, fault.Wrap(err, "read refund rules")
}

// automaticWithinMax is the longest AutomaticWithin, in seconds: a year.
const automaticWithinMax = 366 * 24 * 60 * 60

// SetRefundRules changes a merchant's own rules; OperatorAbove stays. Errors: refund.bad_rules.
func (p *Payments) SetRefundRules(ctx context.Context, rules RefundRules) (RefundRules, error) {
	bad := func(param, message string) (RefundRules, error) {
		return rules, fault.New(fault.Invalid, "refund.bad_rules", message).WithParam(param)
	}
	switch rules.PayerRequests {
	case RequestsOff, RequestsReviewed, RequestsAutomatic:
	default:
		return bad("payer_requests", "payer_requests is off, review or automatic")
	}
	if rules.AutomaticMax < 0 || rules.AutomaticMax > money.MaxMinor {
		return bad("automatic_max", "a limit is 0 or more minor units")
	}
	if rules.ReviewAbove < 0 || rules.ReviewAbove > money.MaxMinor {
		return bad("review_above", "a limit is 0 or more minor units")
	}
	if rules.AutomaticWithin < 0 || rules.AutomaticWithin > automaticWithinMax {
		return bad("automatic_within", "a time is 0 to 366 days, in seconds")
	}
	return p.changeRules(ctx, rules.Merchant, func(now *RefundRules) {
		rules.OperatorAbove = now.OperatorAbove
		*now = rules
	})
}

// SetOperatorAbove puts a merchant's refunds above an amount before the staff; 0 ends that. Errors: refund.bad_rules,
// party.merchant_not_found.
func (p *Payments) SetOperatorAbove(ctx context.Context, merchant id.Merchant, above int64) (RefundRules, error) {
	if above < 0 || above > money.MaxMinor {
		return RefundRules{}, fault.New(fault.Invalid, "refund.bad_rules", "a limit is 0 or more minor units").
			WithParam("operator_above")
	}
	if _, err := p.Parties.Merchant(ctx, merchant); err != nil {
		return RefundRules{}, err
	}
	return p.changeRules(ctx, merchant, func(now *RefundRules) { now.OperatorAbove = above })
}

func (p *Payments) changeRules(
	ctx context.Context,
	merchant id.Merchant,
	change func(*RefundRules),
) (RefundRules, error) {
	var after RefundRules
	keys := []commit.Key{p.refundRules.Key(string(merchant))}
	err := p.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		before, err := p.rulesIn(tx, merchant)
		if err != nil {
			return err
		}
		after = before
		change(&after)
		after.UpdatedAt = tx.Now()
		p.refundRules.Put(tx, after)
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind: "refund_rules.changed", Subject: string(merchant), Before: before, After: after,
		})
	})
	return after, err
}
