package identity

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Decision is what a person of the staff decides about a customer's verification, and why: 1 to 200 characters, without
// anything of the document.
type Decision struct {
	Customer id.Customer
	Staff    id.Staff
	Reason   string
}

// Approve ends a review: the document stands, and the checks that are missing decide about the class. Where the person
// has another account here, this one is a later account: it reaches no class I, and class III only if the other has
// it not. What staff approve goes through ApproveAct. Errors: identity.not_in_review, party.bad_reason.
func (s *Identities) Approve(ctx context.Context, by Decision) (StaffView, error) {
	return s.review(ctx, by, StateReview, func(tx *commit.Tx, d *dossier) (string, error) {
		return kindApproved, s.approve(tx, d, by.Staff)
	})
}

// approve approves and does not settle yet.
func (s *Identities) approve(tx *commit.Tx, d *dossier, staff id.Staff) error {
	if err := d.approve(); err != nil {
		return err
	}
	return s.announce(tx, eventApproved, d.record, Event{Staff: staff})
}

// approve is what an approval makes of a dossier.
func (d *dossier) approve() error {
	r := &d.record
	if r.State != StateReview {
		return notInReview()
	}
	h := d.holders[r.DocumentMAC]
	r.Later = h.Customer != "" && h.Customer != r.Customer
	return r.move(StateOpen, "")
}

// Refuse ends a review: nothing that was passed counts, and the customer may show another document, which comes to
// staff again. Errors: as of Approve.
func (s *Identities) Refuse(ctx context.Context, by Decision) (StaffView, error) {
	return s.review(ctx, by, StateReview, func(tx *commit.Tx, d *dossier) (string, error) {
		r := &d.record
		if err := s.voidChecks(tx, d); err != nil {
			return "", err
		}
		s.release(tx, d, r.DocumentMAC)
		if err := r.move(StateRefused, ReasonStaffRefused); err != nil {
			return "", err
		}
		return "identity.refused", s.announce(tx, eventRefused, *r, Event{Staff: by.Staff, Reason: r.Reason})
	})
}

// review runs one decision of the staff, with its audit record. In state review, if that is wanted, the images are
// counted anew. fn returns the record's kind.
func (s *Identities) review(
	ctx context.Context, by Decision, in State, fn func(tx *commit.Tx, d *dossier) (string, error),
) (StaffView, error) {
	note, err := party.ParseReason(by.Reason)
	if err != nil {
		return StaffView{}, err
	}
	err = s.decide(ctx, by.Customer, func(tx *commit.Tx, d *dossier) error {
		if in == StateReview && d.record.State != StateReview {
			return notInReview()
		}
		before := d.standing(tx.Now())
		d.decided(by.Staff, note)
		kind, err := fn(tx, d)
		if err != nil {
			return err
		}
		if err := s.settle(tx, d); err != nil {
			return err
		}
		return s.Trail.Add(ctx, tx, audit.Act{
			Kind: kind, Subject: string(by.Customer), Reason: note, Before: before, After: d.settled(tx.Now()),
		})
	})
	if err != nil {
		return StaffView{}, err
	}
	return s.StaffView(ctx, by.Customer)
}

func notInReview() error {
	return fault.New(fault.Conflict, "identity.not_in_review", "this verification waits for nobody's decision")
}

// decided notes who decided and why. A review's end lets the customer send images again.
func (d *dossier) decided(staff id.Staff, note string) {
	d.record.Note, d.record.DecidedBy = note, staff
	if d.record.State == StateReview {
		d.record.Images = 0
	}
}

// standing is a verification as an audit record and a proposal show it: nothing of the person is in it, since both
// outlive the person's data.
type standing struct {
	State   State       `json:"state"`
	Reason  string      `json:"reason,omitempty"`
	Kind    Kind        `json:"kind"`
	Country string      `json:"country"`
	Class   party.Class `json:"account_class"`
	Later   bool        `json:"later_account"`
	Passed  int         `json:"channels_passed"`
	Sides   string      `json:"images"`
	// UpdatedAt makes a proposal stale when anything of the verification changes.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// standing is what is before the act, settled what is behind it.
func (d *dossier) standing(now time.Time) standing {
	r := d.record
	return standing{
		State: r.State, Reason: r.Reason, Kind: r.Kind, Country: r.Country, Class: d.customer.Class, Later: r.Later,
		Passed: d.passed(now), Sides: r.Sides, UpdatedAt: r.UpdatedAt,
	}
}

func (d *dossier) settled(now time.Time) standing {
	after := d.standing(now)
	after.Class, after.UpdatedAt = d.class(now), time.Time{}
	return after
}

// Repeat asks a customer to be verified again: what was passed no longer counts, and the class falls to 0. The document
// stands. Errors: identity.not_started, identity.in_review, party.bad_reason.
func (s *Identities) Repeat(ctx context.Context, by Decision) (StaffView, error) {
	return s.review(ctx, by, StateOpen, func(tx *commit.Tx, d *dossier) (string, error) {
		r := &d.record
		switch r.State {
		case StateReview:
			return "", inReview()
		case StateNone, StateRefused, StateExpired:
			return "", notStarted()
		case StateOpen:
		}
		if err := s.voidChecks(tx, d); err != nil {
			return "", err
		}
		if err := r.move(StateOpen, ReasonStaff); err != nil {
			return "", err
		}
		return "identity.verification_requested",
			s.announce(tx, eventRepeat, *r, Event{Staff: by.Staff, Reason: ReasonStaff})
	})
}
