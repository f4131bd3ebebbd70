package api

import (
	"context"
	"io"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/privacy"
)

// The rights of those whose data is held: …/exports and …/erasure of customers, merchants' users and applications.

func (s *Services) privacyEndpoints() []Endpoint {
	created := func(r Route) Route { r.Status = 201; return r }
	return []Endpoint{
		Handle(opsRoute(auth.ExportCustomers, post, "/customers/{id}/exports", "Privacy", "export_customer",
			"Export all that is held about a customer; the export is recorded"), s.exportCustomer),
		Handle(created(opsRoute(auth.EraseCustomers, post, "/customers/{id}/erasure", "Privacy", "erase_customer",
			"Erase a closed customer as far as the law lets, and schedule the rest")), s.eraseCustomer),
		Handle(opsRoute(auth.ReadCustomers, get, "/customers/{id}/erasure", "Privacy", "get_erasure",
			"Read what became of an erasure"), s.erasure),
		Handle(opsRoute(auth.ExportCustomers, post, "/users/{id}/exports", "Privacy", "export_user",
			"Export all that is held about a merchant's user; the export is recorded"), s.exportUser),
		Handle(created(opsRoute(auth.EraseCustomers, post, "/users/{id}/erasure", "Privacy", "erase_user",
			"Erase a closed user of a merchant as far as the law lets, and schedule the rest")), s.eraseUser),
		Handle(opsRoute(auth.ReadMerchants, get, "/users/{id}/erasure", "Privacy", "get_user_erasure",
			"Read what became of an erasure"), s.userErasure),
		Handle(opsRoute(auth.ExportCustomers, post, "/applications/{id}/exports", "Privacy", "export_application",
			"Export all that is held about an application, or what it says of one person; the export is recorded"),
			s.exportApplication),
		Handle(created(opsRoute(auth.EraseCustomers, post, "/applications/{id}/erasure", "Privacy", "erase_application",
			"Erase an application with the people in it as far as the law lets, and schedule the rest")), s.eraseApplication),
		Handle(opsRoute(auth.ReadMerchants, get, "/applications/{id}/erasure", "Privacy", "get_application_erasure",
			"Read what became of an erasure"), s.applicationErasure),
	}
}

func (s *Services) export(ctx context.Context, of privacy.Subject, reason string) (*Stream, error) {
	if err := s.Privacy.Begin(ctx, of, reason); err != nil {
		return nil, err
	}
	return &Stream{
		Type: "application/json", Name: of.ID + ".json",
		Write: func(ctx context.Context, w io.Writer) error { return s.Privacy.Export(ctx, w, of) },
	}, nil
}

type reasonRequest struct {
	ID   id.Customer `path:"id"`
	Body Because
}

func (s *Services) exportCustomer(ctx context.Context, req *reasonRequest) (*Stream, error) {
	return s.export(ctx, privacy.OfCustomer(req.ID), req.Body.Reason)
}

func (s *Services) eraseCustomer(ctx context.Context, req *reasonRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Request(ctx, privacy.OfCustomer(req.ID), req.Body.Reason)
	return &erasure, err
}

func (s *Services) erasure(ctx context.Context, req *customerRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Erasure(ctx, privacy.OfCustomer(req.ID))
	return &erasure, err
}

type userReasonRequest struct {
	ID   id.MerchantUser `path:"id"`
	Body Because
}

func (s *Services) exportUser(ctx context.Context, req *userReasonRequest) (*Stream, error) {
	return s.export(ctx, privacy.OfUser(req.ID), req.Body.Reason)
}

func (s *Services) eraseUser(ctx context.Context, req *userReasonRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Request(ctx, privacy.OfUser(req.ID), req.Body.Reason)
	return &erasure, err
}

type userRequest struct {
	ID id.MerchantUser `path:"id"`
}

func (s *Services) userErasure(ctx context.Context, req *userRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Erasure(ctx, privacy.OfUser(req.ID))
	return &erasure, err
}

type exportApplicationBody struct {
	Because
	Person string `json:"person,omitempty" maxLength:"64" doc:"Only what the application says of the person of this name, for that person."`
}

type exportApplicationRequest struct {
	ID   id.Application `path:"id"`
	Body exportApplicationBody
}

func (s *Services) exportApplication(ctx context.Context, req *exportApplicationRequest) (*Stream, error) {
	of := privacy.OfApplication(req.ID)
	of.Person = req.Body.Person
	return s.export(ctx, of, req.Body.Reason)
}

type applicationReasonRequest struct {
	ID   id.Application `path:"id"`
	Body Because
}

func (s *Services) eraseApplication(ctx context.Context, req *applicationReasonRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Request(ctx, privacy.OfApplication(req.ID), req.Body.Reason)
	return &erasure, err
}

func (s *Services) applicationErasure(ctx context.Context, req *applicationRequest) (*privacy.Erasure, error) {
	erasure, err := s.Privacy.Erasure(ctx, privacy.OfApplication(req.ID))
	return &erasure, err
}
