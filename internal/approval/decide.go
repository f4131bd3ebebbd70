package approval

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Verdict is what somebody decides about a proposal. Remark is why; a refusal wants one.
type Verdict struct {
	Proposal id.Proposal
	By       id.Staff
	Remark   string
}

// Approve carries a proposal out, exactly once, in the decision that approves it.
//
// Errors: approval.not_found, approval.not_open, approval.expired, approval.not_allowed, approval.same_person,
// approval.about_yourself, approval.maker_barred, approval.stale, and the act's own; none of them writes anything.
func (a *Approvals) Approve(ctx context.Context, v Verdict) (Outcome, error) {
	known, err := a.read(ctx, v.Proposal)
	if err != nil {
		return Outcome{}, err
	}
	act := a.acts[known.Kind]
	if act.Prepare == nil {
		return Outcome{}, fault.New(fault.Conflict, "approval.unknown_kind", "this version does not know such an act")
	}
	if err := a.open(&known, a.Clock.Now()); err != nil {
		return Outcome{}, err
	}
	plan, err := act.Prepare(ctx, Draft{
		Proposal: known.ID, Request: []byte(known.Request), Reason: known.Reason, Maker: known.Maker, Final: true,
	})
	if err != nil {
		return Outcome{}, err
	}
	var view Proposal
	err = a.Committer.Do(ctx, a.keys(known, v.By, plan), func(tx *commit.Tx) error {
		r, err := a.check(tx, known.ID, v.By, act.Permission, plan.About)
		if err != nil {
			return err
		}
		if _, err := a.may(tx, r.Maker, act.Permission); err != nil {
			return fault.New(fault.Conflict, "approval.maker_barred", "who proposed this may not do so any more")
		}
		before, after, err := plan.Diff(tx)
		if err != nil {
			return err
		}
		if now, _, err := texts(before, after); err != nil || now != r.Before {
			return stale(err)
		}
		result, err := plan.Execute(tx)
		if err != nil {
			return err
		}
		text, err := json.Marshal(result, json.Deterministic(true))
		if err != nil {
			return fault.Wrap(err, "write the result of "+act.Kind)
		}
		r.State, r.Checker, r.Remark, r.Result, r.DecidedAt = Executed, v.By, v.Remark, string(text), tx.Now()
		a.table.Put(tx, r)
		view = r.view(tx.Now())
		return a.announce(ctx, tx, "proposal.executed", r, audit.Act{
			Kind: act.Done, Reason: r.Reason, Before: before, After: after,
		})
	})
	if err != nil {
		return Outcome{}, fault.Wrap(err, "approve "+string(v.Proposal))
	}
	return Outcome{Proposal: &view, Result: view.Result, Secret: plan.Secret}, nil
}

func stale(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, "approval.stale", "what this is about has changed since it was proposed").
		WithHint("read the proposal: it shows what would change now; then let it be proposed again")
}

// keys names the rows that a verdict reads.
func (a *Approvals) keys(r row, by id.Staff, plan Plan) []commit.Key {
	keys := append(plan.Keys, a.table.Key(string(r.ID)))
	for _, name := range []id.Staff{r.Maker, by, plan.About} {
		if name != "" {
			keys = append(keys, a.Parties.StaffTable.Key(string(name)))
		}
	}
	return keys
}

// check refuses whoever may not decide a proposal, and returns its locked row.
func (a *Approvals) check(
	tx *commit.Tx, name id.Proposal, by id.Staff, permission auth.Permission, about id.Staff,
) (row, error) {
	r, found, err := a.table.Get(tx, a.table.Key(string(name)))
	if err != nil || !found {
		return r, orNotFound(err)
	}
	if err := a.open(&r, tx.Now()); err != nil {
		return r, err
	}
	checker, err := a.may(tx, by, auth.ApproveActs, permission)
	if err != nil {
		return r, err
	}
	maker, _, err := a.Parties.StaffTable.Get(tx, a.Parties.StaffTable.Key(string(r.Maker)))
	if err != nil {
		return r, err
	}
	if samePerson(maker, checker) {
		return r, fault.New(
			fault.Forbidden,
			"approval.same_person",
			"another person must decide this, and not another account",
		)
	}
	if about == "" {
		return r, nil
	}
	subject, _, err := a.Parties.StaffTable.Get(tx, a.Parties.StaffTable.Key(string(about)))
	if err != nil {
		return r, err
	}
	if samePerson(subject, checker) {
		return r, fault.New(fault.Forbidden, "approval.about_yourself", "nobody decides their own rights")
	}
	return r, nil
}

// samePerson reports whether two accounts are, or may be, one human's: an account that nobody named is anybody's.
func samePerson(one, other party.Staff) bool {
	return one.ID == other.ID || one.Person == other.Person || one.Person == "" || other.Person == ""
}

// Refuse ends a proposal by another person's no. Errors: as Approve, but for approval.stale and approval.maker_barred;
// party.bad_reason.
func (a *Approvals) Refuse(ctx context.Context, v Verdict) (Proposal, error) {
	remark, err := party.ParseReason(v.Remark)
	if err != nil {
		return Proposal{}, fault.From(err).WithParam("remark")
	}
	known, err := a.read(ctx, v.Proposal)
	if err != nil {
		return Proposal{}, err
	}
	return a.end(ctx, known, v.By, func(tx *commit.Tx) (row, string, error) {
		r, err := a.check(tx, known.ID, v.By, a.acts[known.Kind].Permission, "")
		r.State, r.Checker, r.Remark = Refused, v.By, remark
		return r, "proposal.refused", err
	})
}

// Withdraw ends a proposal by its maker's wish. Errors: approval.not_found, approval.not_open, approval.expired,
// approval.not_yours.
func (a *Approvals) Withdraw(ctx context.Context, v Verdict) (Proposal, error) {
	known, err := a.read(ctx, v.Proposal)
	if err != nil {
		return Proposal{}, err
	}
	return a.end(ctx, known, v.By, func(tx *commit.Tx) (row, string, error) {
		r, found, err := a.table.Get(tx, a.table.Key(string(known.ID)))
		if err != nil || !found {
			return r, "", orNotFound(err)
		}
		if err := a.open(&r, tx.Now()); err != nil {
			return r, "", err
		}
		if r.Maker != v.By {
			return r, "", fault.New(fault.Forbidden, "approval.not_yours", "only who proposed this can withdraw it").
				WithHint("refuse it instead")
		}
		r.State, r.Remark = Withdrawn, v.Remark
		return r, "proposal.withdrawn", nil
	})
}

// end brings a proposal into a final state without carrying it out.
func (a *Approvals) end(
	ctx context.Context, known row, by id.Staff, decide func(tx *commit.Tx) (row, string, error),
) (Proposal, error) {
	var view Proposal
	err := a.Committer.Do(ctx, a.keys(known, by, Plan{}), func(tx *commit.Tx) error {
		r, kind, err := decide(tx)
		if err != nil {
			return err
		}
		r.DecidedAt = tx.Now()
		a.table.Put(tx, r)
		view = r.view(tx.Now())
		return a.announce(ctx, tx, kind, r, audit.Act{Reason: r.Remark})
	})
	return view, fault.Wrap(err, "end "+string(known.ID))
}
