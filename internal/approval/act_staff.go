package approval

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// The kinds of acts about staff.
const (
	StaffCreate = "staff.create"
	StaffRole   = "staff.role"
	StaffPerson = "staff.person"
)

// NewStaff is the request of StaffCreate. Person says which human it is.
type NewStaff struct {
	Email  string     `json:"email" minLength:"3" maxLength:"128"`
	Name   string     `json:"name" minLength:"1" maxLength:"64"`
	Role   party.Role `json:"role" enum:"admin,finance,risk,compliance,support,auditor"`
	Person string     `json:"person" minLength:"1" maxLength:"128" doc:"Which human it is, such as a personnel number: the same for all accounts of one human."`
}

// RoleChange is the request of StaffRole.
type RoleChange struct {
	Staff id.Staff   `json:"staff_id"`
	Role  party.Role `json:"role"`
}

// PersonChange is the request of StaffPerson.
type PersonChange struct {
	Staff  id.Staff `json:"staff_id"`
	Person string   `json:"person"`
}

// StaffActs are the acts about staff: a new person, another role, whose account it is.
//
// The first password of a new person has two halves, one told to the maker and one to the checker: neither of
// them can sign in as the new colleague and be the second person to themselves.
func StaffActs(parties *party.Parties, passwords *auth.Auth, keys *vault.Vault) []Act {
	s := &staffActs{parties: parties, auth: passwords, vault: keys}
	return []Act{
		{
			Kind: StaffCreate, Done: "staff.created", Permission: auth.WriteStaff, Prepare: s.create,
			Title: "create a person of the staff", TitleZH: "新增员工",
		},
		{
			Kind: StaffRole, Done: "staff.role_set", Permission: auth.WriteStaff, Prepare: s.role,
			Title: "give a person of the staff another role", TitleZH: "调整员工角色",
		},
		{
			Kind: StaffPerson, Done: "staff.person_set", Permission: auth.WriteStaff, Prepare: s.person,
			Title: "say whose account it is", TitleZH: "登记账号所属的自然人",
		},
	}
}

type staffActs struct {
	parties *party.Parties
	auth    *auth.Auth
	vault   *vault.Vault
}

// StaffView is a person of the staff as proposals and results show them.
type StaffView struct {
	ID     id.Staff   `json:"id,omitempty"`
	Email  string     `json:"email"`
	Name   string     `json:"name"`
	Role   party.Role `json:"role"`
	Person string     `json:"person"`
}

func staffView(s party.Staff) StaffView {
	return StaffView{ID: s.ID, Email: s.Email, Name: s.Name, Role: s.Role, Person: s.Person}
}

const halfLength = 12 // characters of base 32: 60 bits

// firstHalf is the maker's half of a first password. It is derived again when the proposal is carried out, so that
// it is stored nowhere.
func (s *staffActs) firstHalf(name id.Proposal) string {
	sum := sha256.Sum256(s.vault.SigningKey("staff.first." + string(name)).Seed())
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:halfLength])
}

func (s *staffActs) create(ctx context.Context, d Draft) (Plan, error) {
	var request NewStaff
	if err := json.Unmarshal(d.Request, &request); err != nil {
		return Plan{}, fault.Wrap(err, "read the request")
	}
	fresh, err := s.parties.NewStaff(party.NewStaff{
		Email: request.Email, Name: request.Name, Role: request.Role, Person: request.Person,
	})
	if err != nil {
		return Plan{}, err
	}
	secret := s.firstHalf(d.Proposal)
	if d.Final {
		second := vault.Token("")[:halfLength]
		if fresh.Credential.PasswordHash, err = s.auth.HashStaffPassword(ctx, secret+"-"+second); err != nil {
			return Plan{}, err
		}
		secret = second
	}
	key := s.parties.StaffTable.KeyBy("email", fresh.Email)
	shown := staffView(fresh)
	shown.ID = ""
	return Plan{
		Subject: fresh.Email, Keys: []commit.Key{key}, Secret: secret,
		Diff: func(tx *commit.Tx) (any, any, error) {
			_, taken, err := s.parties.StaffTable.Get(tx, key)
			if err == nil && taken {
				err = fault.New(fault.Conflict, "party.email_taken", "this address is registered already").WithParam("email")
			}
			return nil, shown, err
		},
		Execute: func(tx *commit.Tx) (any, error) {
			made, err := s.parties.AddStaff(tx, fresh)
			return staffView(made), err
		},
	}, nil
}

func (s *staffActs) role(_ context.Context, d Draft) (Plan, error) {
	var request RoleChange
	if err := json.Unmarshal(d.Request, &request); err != nil {
		return Plan{}, fault.Wrap(err, "read the request")
	}
	if !slices.Contains(party.Roles(), request.Role) {
		return Plan{}, fault.New(fault.Invalid, "party.bad_role", "there is no such role").WithParam("role")
	}
	plan := s.change(request.Staff, func(staff *party.Staff) { staff.Role = request.Role })
	plan.Execute = s.ending(request.Staff, plan.Execute)
	return plan, nil
}

func (s *staffActs) person(_ context.Context, d Draft) (Plan, error) {
	var request PersonChange
	if err := json.Unmarshal(d.Request, &request); err != nil {
		return Plan{}, fault.Wrap(err, "read the request")
	}
	person, err := party.ParsePerson(request.Person)
	if err != nil {
		return Plan{}, err
	}
	return s.change(request.Staff, func(staff *party.Staff) { staff.Person = person }), nil
}

// change plans a change of one person's row.
func (s *staffActs) change(name id.Staff, set func(*party.Staff)) Plan {
	key := s.parties.StaffTable.Key(string(name))
	load := func(tx *commit.Tx) (party.Staff, party.Staff, error) {
		before, found, err := s.parties.StaffTable.Get(tx, key)
		if err == nil && !found {
			err = fault.New(fault.NotFound, "party.staff_not_found", "there is no such person")
		}
		after := before
		set(&after)
		return before, after, err
	}
	return Plan{
		Subject: string(name), About: name, Keys: []commit.Key{key},
		Diff: func(tx *commit.Tx) (any, any, error) {
			before, after, err := load(tx)
			return staffView(before), staffView(after), err
		},
		Execute: func(tx *commit.Tx) (any, error) {
			_, after, err := load(tx)
			if err != nil {
				return nil, err
			}
			s.parties.StaffTable.Put(tx, after)
			return staffView(after), nil
		},
	}
}

// ending ends all sessions of a person with an act: what they were opened for is not theirs any more.
func (s *staffActs) ending(name id.Staff, execute func(*commit.Tx) (any, error)) func(*commit.Tx) (any, error) {
	return func(tx *commit.Tx) (any, error) {
		result, err := execute(tx)
		if err != nil {
			return nil, err
		}
		return result, s.auth.EndStaffSessions(tx, name)
	}
}
