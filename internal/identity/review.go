package identity

import (
	"context"

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
// it not. Errors: identity.not_in_review, party.bad_reason.
func (s *Identities) Approve(ctx context.Context, by Decision) (StaffView, error) {
	return s.review(ctx, by, func(tx *commit.Tx, d *dossier) error {
		r := &d.record
		h := d.holders[r.DocumentMAC]
		r.Later = h.Customer != "" && h.Customer != r.Customer
		if err := r.move(StateOpen, ""); err != nil {
			return err
		}
		return s.announce(tx, eventApproved, *r, Event{Staff: by.Staff})
	})
}

// Refuse ends a review: nothing that was passed counts, and the customer may show another document, which comes to
// staff again. Errors: as of Approve.
func (s *Identities) Refuse(ctx context.Context, by Decision) (StaffView, error) {
	return s.review(ctx, by, func(tx *commit.Tx, d *dossier) error {
		r := &d.record
		if err := s.voidChecks(tx, d); err != nil {
			return err
		}
		s.release(tx, d, r.DocumentMAC)
		if err := r.move(StateRefused, ReasonStaffRefused); err != nil {
			return err
		}
		return s.announce(tx, eventRefused, *r, Event{Staff: by.Staff, Reason: r.Reason})
	})
}

func (s *Identities) review(
	ctx context.Context, by Decision, fn func(tx *commit.Tx, d *dossier) error,
) (StaffView, error) {
	note, err := party.ParseReason(by.Reason)
	if err != nil {
		return StaffView{}, err
	}
	err = s.decide(ctx, by.Customer, func(tx *commit.Tx, d *dossier) error {
		if d.record.State != StateReview {
			return fault.New(fault.Conflict, "identity.not_in_review", "this verification waits for nobody's decision")
		}
		d.record.Note, d.record.DecidedBy, d.record.Images = note, by.Staff, 0
		if err := fn(tx, d); err != nil {
			return err
		}
		return s.settle(tx, d)
	})
	if err != nil {
		return StaffView{}, err
	}
	return s.StaffView(ctx, by.Customer)
}

// Repeat asks a customer to be verified again: what was passed no longer counts, and the class falls to 0. The document
// stands. Errors: identity.not_started, identity.in_review, party.bad_reason.
func (s *Identities) Repeat(ctx context.Context, by Decision) (StaffView, error) {
	note, err := party.ParseReason(by.Reason)
	if err != nil {
		return StaffView{}, err
	}
	err = s.decide(ctx, by.Customer, func(tx *commit.Tx, d *dossier) error {
		r := &d.record
		switch r.State {
		case StateReview:
			return inReview()
		case StateNone, StateRefused, StateExpired:
			return notStarted()
		case StateOpen:
		}
		if err := s.voidChecks(tx, d); err != nil {
			return err
		}
		if err := r.move(StateOpen, ReasonStaff); err != nil {
			return err
		}
		r.Note, r.DecidedBy = note, by.Staff
		if err := s.announce(tx, eventRepeat, *r, Event{Staff: by.Staff, Reason: ReasonStaff}); err != nil {
			return err
		}
		return s.settle(tx, d)
	})
	if err != nil {
		return StaffView{}, err
	}
	return s.StaffView(ctx, by.Customer)
}
