package api

import (
	"context"
	"net/http"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// The people of the operator: /ops/v1/staff.

func (s *Services) staffEndpoints() []Endpoint {
	proposed := func(status int, r Route) Route { r.Status, r.Proposes = status, true; return r }
	return []Endpoint{
		Handle(opsRoute(auth.ReadStaff, get, "/staff", "Staff", "list_staff", "List staff"), s.listStaff),
		Handle(opsRoute(auth.ReadStaff, get, "/staff/rights", "Staff", "list_rights",
			"Read the table of roles and permissions"), s.rights),
		Handle(proposed(http.StatusCreated, opsRoute(auth.WriteStaff, post, "/staff", "Staff", "create_staff",
			"Create a person of the staff")), s.createStaff),
		Handle(proposed(0, opsRoute(auth.WriteStaff, put, "/staff/{id}/role", "Staff", "set_staff_role",
			"Give a person another role")), s.setStaffRole),
		Handle(proposed(0, opsRoute(auth.WriteStaff, put, "/staff/{id}/person", "Staff", "set_staff_person",
			"Say which human an account belongs to")), s.setStaffPerson),
		Handle(proposed(0, opsRoute(auth.WriteStaff, post, "/staff/{id}/totp_reset", "Staff", "reset_staff_totp",
			"Take a person's lost authenticator app away")), s.resetStaffTOTP),
		Handle(opsRoute(auth.WriteStaff, put, "/staff/{id}/state", "Staff", "set_staff_state",
			"Suspend a person, let them in again, or close the account"), s.setStaffState),
	}
}

func (s *Services) listStaff(ctx context.Context, req *Paging) (*Page[party.Staff], error) {
	rows, more, err := s.Parties.ListStaff(ctx, id.Staff(req.Cursor), req.Limit)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(p party.Staff) string { return string(p.ID) }), nil
}

// Right is a line of the table of rights.
type Right struct {
	Permission auth.Permission `json:"permission"`
	Roles      []party.Role    `json:"roles"`
	Means      string          `json:"means"`
	MeansZH    string          `json:"means_zh"`
}

func (*Services) rights(context.Context, *empty) (*Page[Right], error) {
	page := &Page[Right]{Data: []Right{}}
	for _, right := range auth.Rights() {
		page.Data = append(page.Data, Right(right))
	}
	return page, nil
}

type createStaffBody struct {
	approval.NewStaff
	Because
}

type createStaffRequest struct {
	Body createStaffBody
}

func (s *Services) createStaff(ctx context.Context, req *createStaffRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusCreated, approval.Order{
		Kind: approval.StaffCreate, Request: req.Body.NewStaff, Reason: req.Body.Reason,
	})
}

type staffRoleBody struct {
	Role party.Role `json:"role" enum:"admin,finance,risk,compliance,support,auditor"`
	Because
}

type staffRoleRequest struct {
	ID   id.Staff `path:"id"`
	Body staffRoleBody
}

func (s *Services) setStaffRole(ctx context.Context, req *staffRoleRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.StaffRole, Request: approval.RoleChange{Staff: req.ID, Role: req.Body.Role},
		Reason: req.Body.Reason,
	})
}

type staffPersonBody struct {
	Person string `json:"person" minLength:"1" maxLength:"128" doc:"The same for all accounts of one human."`
	Because
}

type staffPersonRequest struct {
	ID   id.Staff `path:"id"`
	Body staffPersonBody
}

func (s *Services) setStaffPerson(ctx context.Context, req *staffPersonRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.StaffPerson, Request: approval.PersonChange{Staff: req.ID, Person: req.Body.Person},
		Reason: req.Body.Reason,
	})
}

type resetTOTPRequest struct {
	ID   id.Staff `path:"id"`
	Body Because
}

func (s *Services) resetStaffTOTP(ctx context.Context, req *resetTOTPRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.StaffTOTP, Request: approval.TOTPReset{Staff: req.ID}, Reason: req.Body.Reason,
	})
}

type staffStateRequest struct {
	ID   id.Staff `path:"id"`
	Body staffStateBody
}

type staffStateBody struct {
	State party.State `json:"state" enum:"active,frozen,closed"`
	Because
}

// setStaffState takes one person only: to suspend somebody must not wait. Nobody lets themselves in again, since who is
// suspended cannot sign in.
func (s *Services) setStaffState(ctx context.Context, req *staffStateRequest) (*NoContent, error) {
	if req.ID == CallerOf(ctx).Staff {
		return nil, fault.New(fault.Forbidden, "staff.yourself", "nobody sets their own state")
	}
	err := s.Parties.SetStaffState(ctx, req.ID, req.Body.State, req.Body.Reason)
	s.Auth.ForgetSessions()
	return &NoContent{}, err
}
