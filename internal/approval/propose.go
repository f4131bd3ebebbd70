package approval

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// Order asks for an act. Request is what the act's Prepare reads, as JSON.
type Order struct {
	Kind    string
	Request any
	Reason  string
	Maker   id.Staff
}

// Outcome is what became of an order: a proposal that waits, or what was done at once.
type Outcome struct {
	// Proposal is nil where one person was enough.
	Proposal *Proposal
	// Result is what came of an act that was done, as JSON.
	Result []byte
	// Secret is for the caller alone, and is not stored.
	Secret string
}

// deciding runs a decision: commit.Committer.Do, or with an idempotency key around it.
type deciding func(ctx context.Context, keys []commit.Key, decide func(tx *commit.Tx) error) error

// Do proposes an act, or does it at once where one person is enough.
//
// Errors: party.bad_reason, approval.not_allowed, approval.no_change, and the act's own.
func (a *Approvals) Do(ctx context.Context, order Order) (Outcome, error) {
	var out Outcome
	err := a.run(ctx, order, &out, a.Committer.Do)
	return out, err
}

// Once is Do for acts that move money: a repeat with the same key and request is told the same and does nothing. say
// turns what became of the order into status and body of the answer. A secret must not be in it, since it is stored.
//
// Errors: those of Do, idempotency.key_reused.
func (a *Approvals) Once(
	ctx context.Context, order Order, request idempotency.Request, say func(Outcome) (status int, body any),
) (idempotency.Answer, error) {
	var (
		out    Outcome
		answer idempotency.Answer
	)
	err := a.run(
		ctx,
		order,
		&out,
		func(ctx context.Context, keys []commit.Key, decide func(*commit.Tx) error) (err error) {
			answer, err = a.Keys.Once(ctx, request, keys, func(tx *commit.Tx) (int, any, error) {
				if err := decide(tx); err != nil {
					return 0, nil, err
				}
				status, body := say(out)
				return status, body, nil
			})
			return err
		},
	)
	return answer, err
}

// run prepares an order and decides it with do. out is set within the decision.
func (a *Approvals) run(ctx context.Context, order Order, out *Outcome, do deciding) error {
	act, known := a.acts[order.Kind]
	if !known {
		return fault.New(fault.Internal, "approval.unknown_kind", "there is no such act")
	}
	reason, err := party.ParseReason(order.Reason)
	if err != nil {
		return err
	}
	request, err := json.Marshal(order.Request, json.Deterministic(true))
	if err != nil {
		return fault.Wrap(err, "write the request of "+order.Kind)
	}
	now := a.Clock.Now()
	r := row{
		ID: id.New[id.Proposal](now), Kind: act.Kind, Request: string(request), Reason: reason, Maker: order.Maker,
		State: Open,
	}
	plan, err := act.Prepare(ctx, Draft{
		Proposal: r.ID, Request: request, Reason: reason, Maker: order.Maker, Final: !a.needs[act.Kind],
	})
	if err != nil {
		return err
	}
	r.Subject = plan.Subject
	keys := append(plan.Keys, a.Parties.StaffTable.Key(string(r.Maker)), a.table.Key(string(r.ID)))
	decide := a.propose
	if plan.Alone || !a.needs[act.Kind] {
		decide = a.alone
	}
	err = do(ctx, keys, func(tx *commit.Tx) error {
		var err error
		*out, err = decide(ctx, tx, act, plan, r)
		return err
	})
	return fault.Wrap(err, act.Kind)
}

// alone does an act at once.
func (a *Approvals) alone(ctx context.Context, tx *commit.Tx, act Act, plan Plan, r row) (Outcome, error) {
	if _, err := a.may(tx, r.Maker, act.Permission); err != nil {
		return Outcome{}, err
	}
	before, after, err := plan.Diff(tx)
	if err != nil {
		return Outcome{}, err
	}
	result, err := plan.Execute(tx)
	if err != nil {
		return Outcome{}, err
	}
	text, err := json.Marshal(result, json.Deterministic(true))
	if err != nil {
		return Outcome{}, fault.Wrap(err, "write the result of "+act.Kind)
	}
	return Outcome{Result: text, Secret: plan.Secret}, a.Trail.Add(ctx, tx, audit.Act{
		Kind: act.Done, Subject: plan.Subject, Reason: r.Reason, Before: before, After: after,
	})
}

// propose stores a proposal.
func (a *Approvals) propose(ctx context.Context, tx *commit.Tx, act Act, plan Plan, r row) (Outcome, error) {
	if _, err := a.may(tx, r.Maker, act.Permission); err != nil {
		return Outcome{}, err
	}
	before, after, err := plan.Diff(tx)
	if err != nil {
		return Outcome{}, err
	}
	if r.Before, r.After, err = texts(before, after); err != nil {
		return Outcome{}, err
	}
	if r.Before == r.After {
		return Outcome{}, fault.New(fault.Conflict, "approval.no_change", "this is so already")
	}
	r.CreatedAt, r.ExpiresAt = tx.Now(), tx.Now().Add(Lasts)
	a.table.Put(tx, r)
	view := r.view(tx.Now())
	return Outcome{Proposal: &view, Secret: plan.Secret},
		a.announce(ctx, tx, "proposal.created", r, audit.Act{Reason: r.Reason, Before: before, After: after})
}

// announce writes the audit record and the event of a proposal.
func (a *Approvals) announce(ctx context.Context, tx *commit.Tx, kind string, r row, act audit.Act) error {
	if act.Kind == "" {
		act.Kind = kind
	}
	act.Subject, act.Proposal = r.Subject, r.ID
	if err := a.Trail.Add(ctx, tx, act); err != nil {
		return err
	}
	return a.Outbox.Add(tx, outbox.Event{Kind: kind, Subject: string(r.ID)}, r.view(tx.Now()))
}

// texts returns both sides of a difference as canonical JSON.
func texts(before, after any) (string, string, error) {
	one, err := json.Marshal(before, json.Deterministic(true))
	if err != nil {
		return "", "", fault.Wrap(err, "write what stands")
	}
	other, err := json.Marshal(after, json.Deterministic(true))
	return string(one), string(other), fault.Wrap(err, "write what will stand")
}

// may returns the row of a person of the staff who is active and holds the permissions, as the decision sees them: what
// a session knew may be two seconds old. Errors: approval.not_allowed.
func (a *Approvals) may(tx *commit.Tx, name id.Staff, permissions ...auth.Permission) (party.Staff, error) {
	staff, found, err := a.Parties.StaffTable.Get(tx, a.Parties.StaffTable.Key(string(name)))
	if err != nil {
		return staff, err
	}
	for _, permission := range permissions {
		if !found || staff.State != party.StateActive || !auth.Can(staff.Role, permission) {
			return staff, fault.Newf(fault.Forbidden, "approval.not_allowed", "this needs the permission %s", permission)
		}
	}
	return staff, nil
}
