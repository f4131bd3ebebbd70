package payment

import (
	"context"
	"encoding/json"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// SplitRule is a merchant's rule by which payments are split; a payment names it. It never changes: a payment that was
// made keeps its parts.
type SplitRule struct {
	ID        id.SplitRule `json:"id"`
	Merchant  id.Merchant  `json:"merchant_id"`
	Name      string       `json:"name"`
	Parts     []SplitPart  `json:"splits"`
	Active    bool         `json:"active"`
	CreatedAt time.Time    `json:"created_at"`
}

// NewSplitRule stores a rule. Errors: payment.bad_split, payment.bad_rule_name.
func (p *Payments) NewSplitRule(
	ctx context.Context, merchant id.Merchant, name string, parts []SplitPart,
) (SplitRule, error) {
	if name == "" || !printable(name, ReferenceMax) {
		return SplitRule{}, fault.Newf(fault.Invalid, "payment.bad_rule_name",
			"a name has 1 to %d printable characters", ReferenceMax).WithParam("name")
	}
	if err := p.checkParts(ctx, merchant, parts); err != nil {
		return SplitRule{}, err
	}
	rule := SplitRule{
		ID: id.New[id.SplitRule](p.Clock.Now()), Merchant: merchant, Name: name, Parts: parts, Active: true,
	}
	err := p.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
		rule.CreatedAt = tx.Now()
		p.splitRules.Put(tx, rule)
		return nil
	})
	return rule, err
}

// EndSplitRule keeps new payments from naming a rule. Errors: payment.split_rule_not_found.
func (p *Payments) EndSplitRule(ctx context.Context, merchant id.Merchant, name id.SplitRule) error {
	key := p.splitRules.Key(string(name))
	return p.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		rule, found, err := p.splitRules.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || rule.Merchant != merchant || !rule.Active {
			return noSplitRule()
		}
		rule.Active = false
		p.splitRules.Put(tx, rule)
		return nil
	})
}

func noSplitRule() error {
	return fault.New(fault.NotFound, "payment.split_rule_not_found", "there is no such rule").WithParam("split_rule_id")
}

// SplitRuleOf returns a merchant's rule that holds. Errors: payment.split_rule_not_found.
func (p *Payments) SplitRuleOf(ctx context.Context, merchant id.Merchant, name id.SplitRule) (SplitRule, error) {
	rules, err := p.readSplitRules(
		ctx,
		"id = $1 AND merchant_id = $2 AND state = 'active'",
		string(name),
		string(merchant),
	)
	if err == nil && len(rules) == 0 {
		return SplitRule{}, noSplitRule()
	}
	if err != nil {
		return SplitRule{}, err
	}
	return rules[0], nil
}

// SplitRules returns a merchant's rules, newest first.
func (p *Payments) SplitRules(ctx context.Context, merchant id.Merchant) ([]SplitRule, error) {
	return p.readSplitRules(ctx, "merchant_id = $1 ORDER BY id DESC", string(merchant))
}

func (p *Payments) readSplitRules(ctx context.Context, where string, args ...any) ([]SplitRule, error) {
	//nolint:gosec // where is a text of this file
	rows, err := p.DB.Read.QueryContext(ctx,
		"SELECT id, merchant_id, name, parts, state, created_at FROM split_rules WHERE "+where, args...)
	if err != nil {
		return nil, fault.Wrap(err, "list split rules")
	}
	defer rows.Close()
	out := []SplitRule{}
	for rows.Next() {
		var rule SplitRule
		var parts, state string
		var at int64
		if err := rows.Scan(&rule.ID, &rule.Merchant, &rule.Name, &parts, &state, &at); err != nil {
			return nil, fault.Wrap(err, "list split rules")
		}
		rule.Parts, rule.Active, rule.CreatedAt = decodeParts(parts), state == ruleActive, clock.FromMicros(at)
		out = append(out, rule)
	}
	return out, fault.Wrap(rows.Err(), "list split rules")
}

func decodeParts(text string) []SplitPart {
	var parts []SplitPart
	_ = json.Unmarshal([]byte(text), &parts) // written by splitRulesTable
	return parts
}

const (
	ruleActive = "active"
	ruleEnded  = "ended"
)

func splitRulesTable(c *commit.Committer) *commit.Table[SplitRule] {
	return commit.AddTable(c, "split_rules",
		commit.Text("id", func(r *SplitRule) *string { return (*string)(&r.ID) }),
		commit.Text("merchant_id", func(r *SplitRule) *string { return (*string)(&r.Merchant) }),
		commit.Text("name", func(r *SplitRule) *string { return &r.Name }),
		commit.Coded("parts", func(r *SplitRule) string {
			text, _ := json.Marshal(r.Parts) // parts always can be written
			return string(text)
		}, func(r *SplitRule, s string) { r.Parts = decodeParts(s) }),
		commit.Coded("state", func(r *SplitRule) string {
			if r.Active {
				return ruleActive
			}
			return ruleEnded
		}, func(r *SplitRule, s string) { r.Active = s == ruleActive }).Mutable(),
		commit.Instant("created_at", func(r *SplitRule) *time.Time { return &r.CreatedAt }),
	)
}
