package api

import (
	"context"
	"encoding/base64"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
	"github.com/feiqian/feiqian/internal/party"
)

// How merchants come in: the applicant's door and the reviewers'.

// uploadMaxBytes is a document of 4 MiB in base64, and the JSON around it.
const uploadMaxBytes = 6 << 20

func (s *Services) applicationEndpoints() []Endpoint {
	route := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/merchant/v1" + path, Actor: ActorApplicant, Tag: "Onboarding", Name: name, Summary: summary,
		}
	}
	apply := route(post, "/applications", "apply", "Apply to become a merchant")
	apply.Actor, apply.Status, apply.Class = ActorPublic, 201, edge.ClassApply
	upload := route(
		post,
		"/application/documents",
		"upload_document",
		"Upload a document: JPEG, PNG or PDF, at most 4 MiB",
	)
	upload.Status, upload.BodyMaxBytes = 201, uploadMaxBytes
	return []Endpoint{
		Handle(apply, s.apply),
		Handle(route(get, "/application", "get_application", "Read the application"), s.ownApplication),
		Handle(route(put, "/application", "edit_application", "Replace the details, while it is a draft or more is needed"),
			s.editApplication),
		Handle(upload, s.uploadDocument),
		Handle(route(del, "/application/documents/{id}", "remove_document", "Remove a document"), s.removeDocument),
		Handle(route(post, "/application/submit", "submit_application", "Hand it to the reviewers"), s.submitApplication),
		Handle(route(post, "/application/owner_password", "set_owner_password",
			"Approved: set the first user's password, once"), s.setOwnerPassword),
	}
}

func (s *Services) opsApplicationEndpoints() []Endpoint {
	created := opsRoute(
		auth.WriteMerchants,
		post,
		"/applications",
		"Onboarding",
		"apply_for",
		"Apply on a company's behalf",
	)
	created.Status = 201
	return []Endpoint{
		Handle(opsRoute(auth.ReadMerchants, get, "/applications", "Onboarding", "list_applications",
			"List applications, newest first"), s.listApplications),
		Handle(created, s.apply),
		Handle(opsRoute(auth.ReviewApplications, get, "/applications/{id}", "Onboarding", "get_any_application",
			"Read an application, unmasked; that it was seen is recorded"), s.anyApplication),
		Handle(
			opsRoute(auth.ReviewApplications, get, "/applications/{id}/documents/{document_id}", "Onboarding", "get_document",
				"Read a document; that it was seen is recorded"),
			s.documentContent,
		),
		Handle(opsRoute(auth.ReviewApplications, post, "/applications/{id}/review", "Onboarding", "review_application",
			"Approve, refuse or ask for more, for a reason"), s.reviewApplication),
	}
}

// ApplicationView is an application with its personal part: masked for the applicant, whole for the reviewer.
type ApplicationView struct {
	onboarding.Application
	Private onboarding.Private `json:"details"`
}

// NewApplication is a fresh application; the token is shown this once.
type NewApplication struct {
	Application onboarding.Application `json:"application"`
	Token       string                 `json:"token" doc:"Send it as Authorization: Bearer. Keep it: it alone opens the application."`
}

type applyRequest struct {
	Body onboarding.Details
}

func (s *Services) apply(ctx context.Context, req *applyRequest) (*NewApplication, error) {
	application, token, err := s.Onboarding.Apply(ctx, req.Body)
	return &NewApplication{Application: application, Token: token}, err
}

func (s *Services) ownApplication(ctx context.Context, _ *empty) (*ApplicationView, error) {
	application, err := s.Onboarding.Application(ctx, CallerOf(ctx).Application)
	if err != nil {
		return nil, err
	}
	private, err := s.Onboarding.Private(application)
	if err != nil {
		return nil, err
	}
	return &ApplicationView{Application: *forApplicant(&application), Private: private.Masked()}, nil
}

// forApplicant leaves out who of the staff decided: that is between the operator and its people.
func forApplicant(application *onboarding.Application) *onboarding.Application {
	application.ReviewedBy = ""
	return application
}

func (s *Services) editApplication(ctx context.Context, req *applyRequest) (*onboarding.Application, error) {
	application, err := s.Onboarding.Edit(ctx, CallerOf(ctx).Application, req.Body)
	return forApplicant(&application), err
}

type uploadBody struct {
	Kind    onboarding.DocumentKind `json:"kind" enum:"business_licence,legal_representative_id,settlement_account_proof,ownership_proof,other"`
	Content string                  `json:"content" minLength:"1" maxLength:"5592408" doc:"Base64 (RFC 4648 §4)."`
}

type uploadRequest struct {
	Body uploadBody
}

func (s *Services) uploadDocument(ctx context.Context, req *uploadRequest) (*onboarding.Document, error) {
	plain, err := base64.StdEncoding.Strict().DecodeString(req.Body.Content)
	if err != nil {
		return nil, fault.New(fault.Invalid, "onboarding.bad_document", "the content is not base64").WithParam("content")
	}
	document, err := s.Onboarding.AddDocument(ctx, CallerOf(ctx).Application, req.Body.Kind, plain)
	return &document, err
}

type removeDocumentRequest struct {
	ID id.ApplicationDocument `path:"id"`
}

func (s *Services) removeDocument(ctx context.Context, req *removeDocumentRequest) (*NoContent, error) {
	return &NoContent{}, s.Onboarding.RemoveDocument(ctx, CallerOf(ctx).Application, req.ID)
}

func (s *Services) submitApplication(ctx context.Context, _ *empty) (*onboarding.Application, error) {
	application, err := s.Onboarding.Submit(ctx, CallerOf(ctx).Application)
	return forApplicant(&application), err
}

type ownerPasswordBody struct {
	Password string `json:"password" minLength:"12" maxLength:"128"`
}

type ownerPasswordRequest struct {
	Body ownerPasswordBody
}

func (s *Services) setOwnerPassword(ctx context.Context, req *ownerPasswordRequest) (*NoContent, error) {
	return &NoContent{}, s.Onboarding.SetOwnerPassword(ctx, CallerOf(ctx).Application, req.Body.Password)
}

type listApplicationsRequest struct {
	Paging
	State onboarding.State `query:"state" enum:"draft,submitted,more_needed,approved,refused"`
}

func (s *Services) listApplications(
	ctx context.Context, req *listApplicationsRequest,
) (*Page[onboarding.Application], error) {
	rows, more, err := s.Onboarding.List(ctx, req.State, id.Application(req.Cursor), req.Limit)
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(a onboarding.Application) string { return string(a.ID) }), nil
}

type applicationRequest struct {
	ID id.Application `path:"id"`
}

func (s *Services) anyApplication(ctx context.Context, req *applicationRequest) (*ApplicationView, error) {
	application, private, err := s.Onboarding.Reveal(ctx, req.ID)
	return &ApplicationView{Application: application, Private: private}, err
}

type documentRequest struct {
	ID       id.Application         `path:"id"`
	Document id.ApplicationDocument `path:"document_id"`
}

// DocumentContent is a document with what it holds.
type DocumentContent struct {
	onboarding.Document
	Content string `json:"content" doc:"Base64 (RFC 4648 §4)."`
}

func (s *Services) documentContent(ctx context.Context, req *documentRequest) (*DocumentContent, error) {
	document, plain, err := s.Onboarding.Content(ctx, req.ID, req.Document)
	return &DocumentContent{Document: document, Content: base64.StdEncoding.EncodeToString(plain)}, err
}

type reviewBody struct {
	State         onboarding.State `json:"state" enum:"more_needed,approved,refused"`
	Reason        string           `json:"reason" minLength:"1" maxLength:"200" doc:"The applicant sees it."`
	FeeBps        int64            `json:"fee_bps,omitempty" minimum:"0" maximum:"10000" doc:"Of the new merchant."`
	FeeFixedMinor int64            `json:"fee_fixed_minor,omitempty" minimum:"0"`
	Parent        id.Merchant      `json:"parent_id,omitempty" doc:"The merchant that brought it: it becomes a sub-merchant."`
}

type reviewRequest struct {
	ID   id.Application `path:"id"`
	Body reviewBody
}

func (s *Services) reviewApplication(ctx context.Context, req *reviewRequest) (*onboarding.Application, error) {
	application, err := s.Onboarding.Decide(ctx, onboarding.Review{
		Application: req.ID, By: CallerOf(ctx).Staff, To: req.Body.State, Reason: req.Body.Reason,
		// No advance: lending a merchant money is a change of terms, which two people decide.
		Terms: party.NewMerchant{Parent: req.Body.Parent, FeeBps: req.Body.FeeBps, FeeFixedMinor: req.Body.FeeFixedMinor},
	})
	return &application, err
}
