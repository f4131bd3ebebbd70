package limit

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Change is a figure that staff set for a rule. Changes are never edited; the one that began last is in force.
type Change struct {
	ID   id.LimitChange `json:"id"`
	Rule string         `json:"rule"`
	// Minor is nil where the preset's figure holds again.
	Minor       *int64    `json:"amount_minor,omitempty" doc:"Left out where the preset's figure holds again."`
	EffectiveAt time.Time `json:"effective_at"`
	Staff       id.Staff  `json:"staff_id"`
	Reason      string    `json:"reason"`
	CreatedAt   time.Time `json:"created_at"`

	minor int64 // unlimited for nil; compared with the preset's figure, which is never passed
}

// NewChange asks for another figure. Minor nil is the preset's; EffectiveAt zero is now.
type NewChange struct {
	Rule        string
	Minor       *int64
	EffectiveAt time.Time
	Staff       id.Staff
	Reason      string
}

// presetAgain is how "the preset's figure" is stored.
const presetAgain = -1

const (
	reasonMax = 200
	aheadMax  = 366 * 24 * time.Hour
)

func changesTable(c *commit.Committer) *commit.Table[Change] {
	return commit.AddTable(c, "limit_changes",
		commit.Text("id", func(r *Change) *string { return (*string)(&r.ID) }),
		commit.Text("rule_id", func(r *Change) *string { return &r.Rule }),
		commit.Int("amount_minor", func(r *Change) *int64 { return &r.minor }),
		commit.Instant("effective_at", func(r *Change) *time.Time { return &r.EffectiveAt }),
		commit.Text("staff_id", func(r *Change) *string { return (*string)(&r.Staff) }),
		commit.Text("reason", func(r *Change) *string { return &r.Reason }),
		commit.Instant("created_at", func(r *Change) *time.Time { return &r.CreatedAt }),
	)
}

// head is the newest change of a rule, so that decisions see each other's.
type head struct {
	Rule   string
	Change id.LimitChange
}

func headsTable(c *commit.Committer) *commit.Table[head] {
	return commit.AddTable(c, "limit_heads",
		commit.Text("rule_id", func(r *head) *string { return &r.Rule }),
		commit.Text("change_id", func(r *head) *string { return (*string)(&r.Change) }).Mutable(),
	)
}

// Draft is a change that is ready to be decided: what it changes is known, and nothing is written.
type Draft struct {
	limits *Limits
	rule   compiled
	head   id.LimitChange // the rule's newest change as it was read
	made   Change
}

// Figures is how a rule stands: what is in force, and what will be.
type Figures struct {
	InForce *int64   `json:"in_force_minor"`
	Coming  []Coming `json:"coming"`
}

// Coming is a figure that is not in force yet; without one the preset's will hold again.
type Coming struct {
	Minor       *int64    `json:"amount_minor,omitempty"`
	EffectiveAt time.Time `json:"effective_at"`
}

// Draft reads how a rule stands and checks what is asked. Decide it with its Keys.
//
// Errors: limit.rule_not_found, limit.bad_amount, limit.loosens, limit.bad_effective_at, limit.bad_reason.
func (l *Limits) Draft(ctx context.Context, n NewChange) (*Draft, error) {
	rule, err := l.rule(n.Rule)
	if err != nil {
		return nil, err
	}
	now := l.clock.Now()
	if err := n.check(rule, now); err != nil {
		return nil, err
	}
	d := &Draft{limits: l, made: Change{
		ID: id.New[id.LimitChange](now), Rule: rule.ID, Minor: n.Minor, EffectiveAt: n.EffectiveAt, Staff: n.Staff,
		Reason: strings.TrimSpace(n.Reason), minor: unlimited,
	}}
	if n.Minor != nil {
		d.made.minor = *n.Minor
	}
	// The head is read first: a change that comes between the two is found in the decision.
	if d.head, err = l.readHead(ctx, rule.ID); err != nil {
		return nil, err
	}
	changes, err := l.readChanges(ctx, rule.ID)
	if err != nil {
		return nil, err
	}
	d.rule = compile(&Preset{Rules: []Rule{*rule}}, changes)[0]
	return d, nil
}

// Keys names the rows that the draft's decision reads.
func (d *Draft) Keys() []commit.Key { return []commit.Key{d.limits.headTable.Key(d.rule.ID)} }

// Diff returns how the rule stands and how it will. Errors: limit.changed_meanwhile.
func (d *Draft) Diff(tx *commit.Tx) (before, after Figures, err error) {
	if err := d.current(tx); err != nil {
		return before, after, err
	}
	from := d.made.EffectiveAt
	if from.IsZero() {
		from = tx.Now()
	}
	changed := d.rule
	changed.changes = slices.Concat(d.rule.changes, []figure{{from: from, minor: d.made.minor}})
	slices.SortStableFunc(changed.changes, func(a, b figure) int { return a.from.Compare(b.from) })
	return d.rule.figures(tx.Now()), changed.figures(tx.Now()), nil
}

// current refuses where the rule has changed since it was read.
func (d *Draft) current(tx *commit.Tx) error {
	now, _, err := d.limits.headTable.Get(tx, d.limits.headTable.Key(d.rule.ID))
	if err == nil && now.Change != d.head {
		err = fault.New(fault.Conflict, "limit.changed_meanwhile", "this limit has just been changed").
			WithHint("look at it again")
	}
	return err
}

// Put writes the change. This node asks it at once, others within two seconds. Errors: limit.changed_meanwhile.
func (d *Draft) Put(tx *commit.Tx) (Change, error) {
	if err := d.current(tx); err != nil {
		return Change{}, err
	}
	made := d.made
	if made.CreatedAt = tx.Now(); made.EffectiveAt.IsZero() {
		made.EffectiveAt = tx.Now()
	}
	row := made
	if row.minor = presetAgain; made.Minor != nil {
		row.minor = *made.Minor
	}
	l := d.limits
	l.changeTable.Append(tx, row)
	l.headTable.Put(tx, head{Rule: made.Rule, Change: made.ID})
	tx.After(func() { l.epoch.Add(1) })
	return made, nil
}

// Change sets a rule's figure from an instant on, never beyond the preset's. A figure below what was used already
// leaves nothing until the period ends.
//
// Errors: those of Draft, limit.changed_meanwhile.
func (l *Limits) Change(ctx context.Context, n NewChange) (Change, error) {
	draft, err := l.Draft(ctx, n)
	if err != nil {
		return Change{}, err
	}
	var made Change
	err = l.committer.Do(ctx, draft.Keys(), func(tx *commit.Tx) (err error) {
		made, err = draft.Put(tx)
		return err
	})
	return made, fault.Wrap(err, "change limit "+n.Rule)
}

func (n NewChange) check(rule *Rule, now time.Time) error {
	if n.Minor != nil && *n.Minor < 0 {
		return fault.New(fault.Invalid, "limit.bad_amount", "a limit is 0 or more minor units").WithParam("amount_minor")
	}
	if n.Minor != nil && rule.Minor != nil && *n.Minor > *rule.Minor {
		return fault.Newf(fault.Invalid, "limit.loosens", "the preset allows at most %d minor units", *rule.Minor).
			WithParam("amount_minor").WithHint("staff can tighten a rule and never loosen it beyond its source")
	}
	if !n.EffectiveAt.IsZero() && (n.EffectiveAt.Before(now) || n.EffectiveAt.After(now.Add(aheadMax))) {
		return fault.New(fault.Invalid, "limit.bad_effective_at", "a change begins now or within a year").
			WithParam("effective_at")
	}
	reason := strings.TrimSpace(n.Reason)
	if reason == "" || utf8.RuneCountInString(reason) > reasonMax || strings.ContainsFunc(reason, unicode.IsControl) {
		return fault.Newf(fault.Invalid, "limit.bad_reason", "a reason has 1 to %d printable characters", reasonMax).
			WithParam("reason")
	}
	return nil
}

// History returns the changes of a rule, newest first. Errors: limit.rule_not_found.
func (l *Limits) History(ctx context.Context, rule string) ([]Change, error) {
	if _, err := l.rule(rule); err != nil {
		return nil, err
	}
	changes, err := l.readChanges(ctx, rule)
	for i, j := 0, len(changes)-1; i < j; i, j = i+1, j-1 {
		changes[i], changes[j] = changes[j], changes[i]
	}
	return changes, err
}

func (l *Limits) readHead(ctx context.Context, rule string) (newest id.LimitChange, err error) {
	err = l.db.QueryRow(ctx, "SELECT change_id FROM limit_heads WHERE rule_id = $1", rule).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return newest, fault.Wrap(l.db.Fault(err), "read the newest change of "+rule)
}

// readChanges returns the changes of a rule, or of all where none is named, in the order in which they were made.
func (l *Limits) readChanges(ctx context.Context, rule string) ([]Change, error) {
	rows, err := l.db.Query(ctx, `SELECT id, rule_id, amount_minor, effective_at, staff_id, reason, created_at
		FROM limit_changes WHERE ($1 = '' OR rule_id = $1) ORDER BY id`, rule)
	if err != nil {
		return nil, fault.Wrap(err, "read the changes of limits")
	}
	defer rows.Close()
	out := []Change{}
	for rows.Next() {
		var (
			c                  Change
			minor              int64
			effective, created int64
		)
		if err := rows.Scan(&c.ID, &c.Rule, &minor, &effective, &c.Staff, &c.Reason, &created); err != nil {
			return nil, fault.Wrap(err, "read the changes of limits")
		}
		c.EffectiveAt, c.CreatedAt, c.minor = clock.FromMicros(effective), clock.FromMicros(created), unlimited
		if minor != presetAgain {
			c.Minor, c.minor = &minor, minor
		}
		out = append(out, c)
	}
	return out, fault.Wrap(rows.Err(), "read the changes of limits")
}
