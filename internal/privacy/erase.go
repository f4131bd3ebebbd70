package privacy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
)

// State is where an erasure stands.
type State string

// The states of erasures.
const (
	// Retained means that what may go is gone and the rest is kept until the law lets it go; the sweeper acts next.
	Retained State = "retained"
	// Erased means that nothing is left that names the person; final.
	Erased State = "erased"
)

// Erasure is the wish of a subject to be forgotten, and what becomes of it.
type Erasure struct {
	ID           id.Erasure `json:"id"`
	Kind         Kind       `json:"kind" enum:"customer,user,application"`
	Subject      string     `json:"subject" doc:"The id of whose data it is."`
	State        State      `json:"state" enum:"retained,erased"`
	Reason       string     `json:"reason"`
	Jurisdiction string     `json:"jurisdiction"`
	RetainUntil  time.Time  `json:"retain_until" doc:"When the rest is erased."`
	Gone         []string   `json:"gone" doc:"What is erased."`
	Kept         []Kept     `json:"kept" doc:"What is kept, and why."`
	CreatedAt    time.Time  `json:"created_at"`
	FinishedAt   time.Time  `json:"finished_at,omitzero"`
}

// Request erases what may go at once and schedules the rest, where the relationship is over: a closed customer; a
// closed user, or one of a closed merchant; an application that is not under review and, if approved, whose merchant
// is closed. What was never part of a relationship, as a refused application, goes at once altogether.
//
// Errors: party.customer_not_found, party.user_not_found, onboarding.not_found, party.bad_reason, privacy.not_closed,
// privacy.erasure_exists, card.already_confirming (an issuer is being asked; come back).
func (p *Privacy) Request(ctx context.Context, s Subject, reason string) (Erasure, error) {
	reason, err := party.ParseReason(reason)
	if err != nil {
		return Erasure{}, err
	}
	if _, err := p.Erasure(ctx, s); err == nil {
		return Erasure{}, exists()
	}
	if err := policyOf(s.Kind).exists(ctx, p, s.ID); err != nil {
		return Erasure{}, err
	}
	if err := p.endCards(ctx, s); err != nil {
		return Erasure{}, err
	}
	now := p.Clock.Now()
	name := id.New[id.Erasure](now)
	err = p.DB.Write(ctx, func(tx *sql.Tx) error { return p.begin(ctx, tx, s, reason, name, now) })
	if err != nil {
		return Erasure{}, fault.Wrap(err, "erase "+s.ID)
	}
	return p.Erasure(ctx, s)
}

// begin is the decision of Request.
func (p *Privacy) begin(
	ctx context.Context, tx *sql.Tx, s Subject, reason string, name id.Erasure, now time.Time,
) error {
	policy := policyOf(s.Kind)
	// The first step locks the subject's row: nobody changes it behind the look at where it stands.
	if err := run(ctx, tx, s, policy.atOnce[:1]); err != nil {
		return err
	}
	from, err := p.mayErase(ctx, tx, s, now)
	if err != nil {
		return err
	}
	until := now
	if !from.IsZero() {
		until = retention(p.Jurisdiction).until(from)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO erasures
		(id, kind, subject, jurisdiction, reason, state, retain_until, created_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`, string(name), string(s.Kind), s.ID, p.Jurisdiction, reason,
		string(Retained), clock.Micros(until), clock.Micros(now))
	if err != nil {
		return err
	}
	if err := run(ctx, tx, s, policy.atOnce[1:]); err != nil {
		return err
	}
	if from.IsZero() {
		return p.finishIn(ctx, tx, s, now, reason)
	}
	return p.Trail.WriteIn(ctx, tx, audit.Act{
		Kind: string(s.Kind) + ".erasure_requested", Subject: s.ID, Reason: reason,
		After: map[string]any{"erasure_id": name, "retain_until": until},
	})
}

// endCards ends the bindings of a customer who may be erased, before the erasure: it is an act of its own, which tells
// the issuers, and one that may be repeated. A closed customer binds no new card meanwhile.
func (p *Privacy) endCards(ctx context.Context, s Subject) error {
	if s.Kind != KindCustomer {
		return nil
	}
	err := p.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := p.mayErase(ctx, tx, s, p.Clock.Now())
		return err
	})
	if err != nil {
		return fault.Wrap(err, "erase "+s.ID)
	}
	return p.Cards.UnbindAll(ctx, id.Customer(s.ID))
}

// mayErase refuses whose relationship lasts and who asked before, and returns since when nothing ties the subject to
// us.
func (p *Privacy) mayErase(ctx context.Context, tx *sql.Tx, s Subject, now time.Time) (time.Time, error) {
	from, err := policyOf(s.Kind).ended(ctx, tx, s.ID, now)
	if err != nil {
		return from, err
	}
	var asked bool
	err = tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM erasures WHERE subject = $1)", s.ID).Scan(&asked)
	if err == nil && asked {
		err = exists()
	}
	return from, err
}

func exists() error {
	return fault.New(fault.Conflict, "privacy.erasure_exists", "this is being erased already")
}

func run(ctx context.Context, tx *sql.Tx, s Subject, steps []step) error {
	for _, step := range steps {
		if step.before != nil {
			if err := step.before(ctx, tx, s.ID); err != nil {
				return fmt.Errorf("erase %s: %w", step.what, err)
			}
		}
		if _, err := tx.ExecContext(ctx, step.text, s.ID); err != nil {
			return fmt.Errorf("erase %s: %w", step.what, err)
		}
	}
	return nil
}

// Erasure returns the erasure of a subject. Errors: privacy.no_erasure.
func (p *Privacy) Erasure(ctx context.Context, s Subject) (Erasure, error) {
	var e Erasure
	var until, created, finished int64
	err := p.DB.Read.QueryRowContext(ctx, `SELECT id, kind, subject, jurisdiction, reason, state, retain_until,
		created_at, finished_at FROM erasures WHERE subject = $1`, s.ID).
		Scan(&e.ID, &e.Kind, &e.Subject, &e.Jurisdiction, &e.Reason, &e.State, &until, &created, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return e, fault.New(fault.NotFound, "privacy.no_erasure", "nobody asked to erase this")
	}
	if err != nil {
		return e, fault.Wrap(p.DB.Fault(err), "read the erasure of "+s.ID)
	}
	e.RetainUntil, e.CreatedAt = clock.FromMicros(until), clock.FromMicros(created)
	e.FinishedAt = clock.FromMicros(finished)
	policy := policyOf(e.Kind)
	e.Kept = policy.kept(retention(e.Jurisdiction))
	gone := policy.atOnce
	if e.State == Erased {
		gone = append(gone, policy.atLast...)
		e.Kept = e.Kept[len(e.Kept)-policy.remains:]
	}
	for _, s := range gone {
		e.Gone = append(e.Gone, s.what)
	}
	return e, nil
}

const finishBatch = 100

// FinishDue erases the rest of those whose time is over, and applications that nobody can open any more. One that
// can't be erased does not keep the others from it.
func (p *Privacy) FinishDue(ctx context.Context) error {
	due, err := p.list(ctx, `SELECT kind, subject FROM erasures WHERE state = 'retained' AND retain_until <= $1
		ORDER BY retain_until LIMIT $2`, p.Clock.Now())
	if err != nil {
		return err
	}
	var problems []error
	for _, s := range due {
		problems = append(problems, p.finish(ctx, s))
	}
	idle, err := p.list(ctx, `SELECT 'application', id FROM merchant_applications
		WHERE state IN ('draft', 'more_needed', 'refused') AND updated_at <= $1 ORDER BY updated_at LIMIT $2`,
		p.Clock.Now().Add(-onboarding.TokenFor))
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	for _, s := range idle {
		_, err := p.Request(ctx, s, "nobody came back to it")
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// list returns the subjects of a query whose $1 is an instant and $2 the number of rows.
func (p *Privacy) list(ctx context.Context, text string, at time.Time) ([]Subject, error) {
	rows, err := p.DB.Read.QueryContext(ctx, text, clock.Micros(at), finishBatch)
	if err != nil {
		return nil, fault.Wrap(p.DB.Fault(err), "look for what is to be erased")
	}
	defer rows.Close()
	var list []Subject
	for rows.Next() {
		var s Subject
		if err := rows.Scan(&s.Kind, &s.ID); err != nil {
			return nil, fault.Wrap(err, "look for what is to be erased")
		}
		list = append(list, s)
	}
	return list, fault.Wrap(p.DB.Fault(rows.Err()), "look for what is to be erased")
}

func (p *Privacy) finish(ctx context.Context, s Subject) error {
	err := p.DB.Write(ctx, func(tx *sql.Tx) error { return p.finishIn(ctx, tx, s, p.Clock.Now(), "") })
	return fault.Wrap(err, "erase the rest of "+s.ID)
}

// finishIn erases what was kept. The reason is of one who asked for it just now.
func (p *Privacy) finishIn(ctx context.Context, tx *sql.Tx, s Subject, now time.Time, reason string) error {
	result, err := tx.ExecContext(
		ctx,
		"UPDATE erasures SET state = $2, finished_at = $3 WHERE subject = $1 AND state = $4",
		s.ID,
		string(Erased),
		clock.Micros(now),
		string(Retained),
	)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err // another node was first
	}
	if err := run(ctx, tx, s, policyOf(s.Kind).atLast); err != nil {
		return err
	}
	return p.Trail.WriteIn(ctx, tx, audit.Act{Kind: string(s.Kind) + ".erased", Subject: s.ID, Reason: reason})
}
