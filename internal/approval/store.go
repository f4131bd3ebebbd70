package approval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const columns = `SELECT id, kind, subject, request, before_json, after_json, reason, maker_id, state, checker_id,
	remark, result, created_at, expires_at, decided_at FROM proposals`

func scan(from func(...any) error) (row, error) {
	var r row
	var created, expires, decided int64
	err := from(&r.ID, &r.Kind, &r.Subject, &r.Request, &r.Before, &r.After, &r.Reason, &r.Maker, &r.State, &r.Checker,
		&r.Remark, &r.Result, &created, &expires, &decided)
	r.CreatedAt, r.ExpiresAt, r.DecidedAt = clock.FromMicros(created), clock.FromMicros(expires), clock.FromMicros(decided)
	return r, err
}

func (a *Approvals) read(ctx context.Context, name id.Proposal) (row, error) {
	r, err := scan(a.DB.Read.QueryRowContext(ctx, columns+" WHERE id = $1", string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, orNotFound(nil)
	}
	return r, fault.Wrap(a.DB.Fault(err), "read "+string(name))
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.NotFound, "approval.not_found", "there is no such proposal")
}

// open refuses a proposal that does not wait any more.
func (*Approvals) open(r *row, now time.Time) error {
	switch state := r.view(now).State; state {
	case Open:
		return nil
	case Expired:
		return fault.New(fault.Conflict, "approval.expired", "this proposal has waited too long").
			WithHint("let it be proposed again")
	case Executed, Refused, Withdrawn:
	}
	return fault.Newf(fault.Conflict, "approval.not_open", "this proposal is %s", r.State)
}

// Fresh is what a proposal would change now.
type Fresh struct {
	// Stale says that this is not what was proposed, so that it cannot be approved any more.
	Stale  bool
	Before string
	After  string
	// Problem is why it cannot be carried out, "" where it can.
	Problem string
}

// Proposal returns one proposal, and for an open one what it would change now. Errors: approval.not_found.
func (a *Approvals) Proposal(ctx context.Context, name id.Proposal) (Proposal, *Fresh, error) {
	r, err := a.read(ctx, name)
	if err != nil {
		return Proposal{}, nil, err
	}
	view := r.view(a.Clock.Now())
	act := a.acts[r.Kind]
	if view.State != Open || act.Prepare == nil {
		return view, nil, nil
	}
	fresh, err := a.fresh(ctx, act, &r)
	if kind := fault.KindOf(err); kind == fault.NotFound || kind == fault.Conflict || kind == fault.Invalid {
		return view, &Fresh{Stale: true, Problem: fault.From(err).Message}, nil
	}
	return view, &fresh, err
}

// fresh looks at what an open proposal would change, in a decision that writes nothing.
func (a *Approvals) fresh(ctx context.Context, act Act, r *row) (Fresh, error) {
	plan, err := act.Prepare(ctx, Draft{Proposal: r.ID, Request: []byte(r.Request), Reason: r.Reason, Maker: r.Maker})
	if err != nil {
		return Fresh{}, err
	}
	var fresh Fresh
	err = a.Committer.Do(ctx, plan.Keys, func(tx *commit.Tx) error {
		before, after, err := plan.Diff(tx)
		if err != nil {
			return err
		}
		fresh.Before, fresh.After, err = texts(before, after)
		return err
	})
	fresh.Stale = fresh.Before != r.Before
	return fresh, err
}

// Query asks for proposals, newest first. Open asks for those that wait; Maker for those of one person; Before is
// the id of the last one of the page before.
type Query struct {
	Open   bool
	Maker  id.Staff
	Before id.Proposal
	Limit  int
}

// List returns proposals, and whether there are more.
func (a *Approvals) List(ctx context.Context, q Query) ([]Proposal, bool, error) {
	now := a.Clock.Now()
	before := string(q.Before)
	if before == "" {
		before = "~" // sorts behind every id
	}
	// Each condition stands by itself, so that its index serves it.
	text, args := columns+" WHERE id < $1", []any{before, q.Limit + 1}
	if q.Maker != "" {
		args = append(args, string(q.Maker))
		text += fmt.Sprintf(" AND maker_id = $%d", len(args))
	}
	if q.Open {
		args = append(args, clock.Micros(now))
		text += fmt.Sprintf(" AND state = 'open' AND expires_at > $%d", len(args))
	}
	rows, err := a.DB.Read.QueryContext(ctx, text+" ORDER BY id DESC LIMIT $2", args...)
	if err != nil {
		return nil, false, fault.Wrap(a.DB.Fault(err), "list proposals")
	}
	defer rows.Close()
	views := []Proposal{}
	for rows.Next() {
		r, err := scan(rows.Scan)
		if err != nil {
			return nil, false, fault.Wrap(err, "list proposals")
		}
		views = append(views, r.view(now))
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(a.DB.Fault(err), "list proposals")
	}
	if len(views) > q.Limit {
		return views[:q.Limit], true, nil
	}
	return views, false, nil
}
