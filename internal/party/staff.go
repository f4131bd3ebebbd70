package party

import (
	"context"
	"slices"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// NewStaff is what a person of the staff begins with. PasswordHash comes from package auth. Person says which human
// it is; the e-mail address where nobody says.
type NewStaff struct {
	Email        string
	Name         string
	Role         Role
	Person       string
	PasswordHash string
}

// checked returns n with its address and name in the form that is stored. Errors: party.bad_email, party.bad_name,
// party.bad_role.
func (n NewStaff) checked() (NewStaff, error) {
	var err error
	if n.Email, err = ParseEmail(n.Email); err != nil {
		return n, err
	}
	if n.Name, err = ParseName(n.Name); err != nil {
		return n, err
	}
	if !slices.Contains(Roles(), n.Role) {
		return n, fault.New(fault.Invalid, "party.bad_role", "a role is admin, finance, risk, compliance, "+
			"support or auditor").
			WithParam("role")
	}
	if n.Person == "" {
		n.Person = n.Email
	}
	if n.Person, err = ParsePerson(n.Person); err != nil {
		return n, err
	}
	return n, nil
}

// Check says whether CreateStaff would take n, as far as n alone shows. Errors: party.bad_email, party.bad_name,
// party.bad_role.
func (n NewStaff) Check() error {
	_, err := n.checked()
	return err
}

// CreateStaff stores a new person of the staff. Errors: those of NewStaff.Check, party.email_taken.
func (p *Parties) CreateStaff(ctx context.Context, n NewStaff) (Staff, error) {
	staff, err := p.NewStaff(n)
	if err != nil {
		return Staff{}, err
	}
	err = p.committer.Do(ctx, []commit.Key{p.StaffTable.KeyBy("email", staff.Email)}, func(tx *commit.Tx) error {
		if staff, err = p.AddStaff(tx, staff); err != nil {
			return err
		}
		return p.Trail.Add(ctx, tx, audit.Act{Kind: "staff.created", Subject: string(staff.ID), After: staff})
	})
	if err != nil {
		return Staff{}, fault.Wrap(err, "create staff")
	}
	return staff, nil
}

// NewStaff checks n and gives the person an id; nothing is stored yet. Errors: those of NewStaff.Check.
func (p *Parties) NewStaff(n NewStaff) (Staff, error) {
	n, err := n.checked()
	if err != nil {
		return Staff{}, err
	}
	return Staff{
		ID: id.New[id.Staff](p.clock.Now()), Email: n.Email, Name: n.Name, Role: n.Role, State: StateActive, Person: n.Person,
		Credential: Credential{PasswordHash: n.PasswordHash},
	}, nil
}

// AddStaff stores a new person in a decision that declared the key of the e-mail address. Errors: party.email_taken.
func (p *Parties) AddStaff(tx *commit.Tx, staff Staff) (Staff, error) {
	_, taken, err := p.StaffTable.Get(tx, p.StaffTable.KeyBy("email", staff.Email))
	if err != nil {
		return staff, err
	}
	if taken {
		return staff, fault.New(fault.Conflict, "party.email_taken", "this address is registered already").WithParam("email")
	}
	staff.CreatedAt = tx.Now()
	p.StaffTable.Put(tx, staff)
	return staff, nil
}

// SetStaffState freezes, thaws or closes a person of the staff; their sessions end for good, on other nodes within
// two seconds.
// Errors: party.staff_not_found, party.bad_state, party.bad_reason, party.state_conflict.
func (p *Parties) SetStaffState(ctx context.Context, name id.Staff, to State, reason string) error {
	reason, err := ParseReason(reason)
	if err != nil {
		return err
	}
	key := p.StaffTable.Key(string(name))
	err = p.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		staff, found, err := p.StaffTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return staffNotFound()
		}
		if err := move(staff.State, to); err != nil || staff.State == to {
			return err
		}
		before := stateOf{State: staff.State}
		staff.State = to
		staff.Credential.EndSessions(tx.Now(), "")
		p.StaffTable.Put(tx, staff)
		return p.Trail.Add(ctx, tx, audit.Act{
			Kind: "staff.state_set", Subject: string(name), Reason: reason, Before: before, After: stateOf{State: to},
		})
	})
	return fault.Wrap(err, "set state of "+string(name))
}

// Staff returns one person of the staff. Errors: party.staff_not_found.
func (p *Parties) Staff(ctx context.Context, name id.Staff) (Staff, error) {
	return p.staffBy(ctx, staffByID, string(name))
}

// StaffByEmail returns the person of the staff with an address. Errors: party.bad_email,
// party.staff_not_found.
func (p *Parties) StaffByEmail(ctx context.Context, email string) (Staff, error) {
	address, err := ParseEmail(email)
	if err != nil {
		return Staff{}, err
	}
	return p.staffBy(ctx, staffByEmail, address)
}

// HasStaff reports whether anybody of the staff may sign in.
func (p *Parties) HasStaff(ctx context.Context) (bool, error) {
	var has bool
	err := p.db.Read.QueryRowContext(ctx, staffActive, string(StateActive)).Scan(&has)
	return has, fault.Wrap(p.db.Fault(err), "look for staff")
}

func staffNotFound() error {
	return fault.New(fault.NotFound, "party.staff_not_found", "there is no such person")
}
