package api

import (
	"context"
	"net/http"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
)

// Real-name verification: the payer's side below /wallet/v1/identity, the staff's below /ops/v1/identity.

// imageBodyMax is an image of 5 MiB in base64 with what is around it.
const imageBodyMax = identity.ImageMax/3*4 + 4<<10

func (s *Services) identityEndpoints() []Endpoint {
	route := func(method, path, name, summary, description string) Route {
		return Route{
			Method: method, Path: "/wallet/v1/identity" + path, Actor: ActorCustomer, Tag: "Identity", Name: name,
			Summary: summary, Description: description,
		}
	}
	images := route(post, "/images", "add_identity_image", "Send an image of the document",
		"JPEG or PNG, at most 5 MiB, 64 to 12000 pixels wide and high, in base64. Class II and III need every side that the "+
			"document has. The newest image of a side counts.")
	images.BodyMaxBytes = imageBodyMax
	return []Endpoint{
		Handle(route(get, "", "get_identity", "Read the verification, the class and what the next one needs",
			"`limits` says what the class allows, `next` what is missing for the next one."), s.identity),
		Handle(route(
			post,
			"",
			"submit_identity",
			"Begin with a document, or renew it",
			"The document is checked by form, calendar, age and expiry, and stored encrypted; answers show it masked. Under 16 "+
				"is refused (`identity.underage`), 16 and 17 too (`identity.guardian_required`). A document that another "+
				"customer has shown waits for staff (state `review`).",
		), s.submitIdentity),
		Handle(images, s.addIdentityImage),
		Handle(route(post, "/checks", "start_identity_check", "Start the check of one channel",
			"The channel is asked in the background: read the verification until the check is `passed` or `failed`. `unknown` "+
				"has no answer yet and is asked again by itself. `card` wants card_number, `bank_transfer` account_number; the "+
				"phone is the registered one. At most four starts a day of one channel."), s.startIdentityCheck),
		Handle(route(post, "/checks/{channel}/answer", "answer_identity_check", "Say the amount of the deposit",
			"For a check in state `asked`: the channel has sent 0.01 to 0.99 to the account. Three wrong amounts fail "+
				"the check and close the channel for thirty days."),
			s.answerIdentityCheck),
	}
}

func (s *Services) opsIdentityEndpoints() []Endpoint {
	route := func(permission auth.Permission, method, path, name, summary string) Route {
		return opsRoute(permission, method, "/identity"+path, "Identity reviews", name, summary)
	}
	proposes := func(r Route) Route { r.Proposes = true; return r }
	return []Endpoint{
		Handle(route(auth.ReadIdentity, get, "/reviews", "list_identity_reviews",
			"List verifications that wait for staff, with reasons"), s.identityReviews),
		Handle(route(auth.ReadIdentity, get, "/reviews/{id}", "get_identity_review",
			"Look at a customer's verification, masked"), s.identityReview),
		Handle(proposes(route(auth.ReviewIdentity, post, "/reviews/{id}/approve", "approve_identity",
			"Approve a verification, for a reason")), s.approveIdentity),
		Handle(route(auth.ReviewIdentity, post, "/reviews/{id}/refuse", "refuse_identity",
			"Refuse a verification, for a reason"), s.refuseIdentity),
		Handle(route(auth.ReviewIdentity, post, "/customers/{id}/reverify", "repeat_identity",
			"Ask a customer to be verified again, for a reason"), s.repeatIdentity),
		Handle(route(auth.ReviewIdentity, get, "/images/{id}", "get_identity_image",
			"See an image of a document; who saw it is written down"), s.identityImage),
	}
}

func (s *Services) identity(ctx context.Context, _ *empty) (*identity.View, error) {
	view, err := s.Identity.View(ctx, CallerOf(ctx).Customer)
	return &view, err
}

type submitIdentityBody struct {
	Kind      identity.Kind `json:"kind" enum:"resident_id,passport,return_permit"`
	Name      string        `json:"name" minLength:"1" maxLength:"64" doc:"As the document has it." example:"刘洋"`
	Number    string        `json:"number" minLength:"1" maxLength:"32" example:"510104198511230156"`
	Country   string        `json:"country,omitempty" pattern:"^[A-Z]{3}$" doc:"Who issued it, ISO 3166; CHN for a resident_id." example:"CHN"`
	BirthOn   clock.Date    `json:"birth_on,omitempty" doc:"Needed where the number does not say it."`
	ExpiresOn clock.Date    `json:"expires_on,omitempty" doc:"The last day on which it is valid; left out where it never ends."`
}

type submitIdentityRequest struct {
	Body submitIdentityBody
}

func (s *Services) submitIdentity(ctx context.Context, req *submitIdentityRequest) (*identity.View, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	view, err := s.Identity.Submit(ctx, CallerOf(ctx).Customer, identity.Document{
		Kind: req.Body.Kind, Country: req.Body.Country, Name: req.Body.Name, Number: req.Body.Number,
		BirthOn: req.Body.BirthOn, ExpiresOn: req.Body.ExpiresOn,
	})
	return &view, err
}

type addIdentityImageBody struct {
	Side  identity.Side `json:"side" enum:"front,back"`
	Image []byte        `json:"image" doc:"In base64."`
}

type addIdentityImageRequest struct {
	Body addIdentityImageBody
}

func (s *Services) addIdentityImage(ctx context.Context, req *addIdentityImageRequest) (*identity.View, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	view, err := s.Identity.AddImage(ctx, CallerOf(ctx).Customer, req.Body.Side, req.Body.Image)
	return &view, err
}

type startIdentityCheckBody struct {
	Channel identity.Channel `json:"channel" enum:"authority,phone,card,bank_transfer,commercial"`
	Card    string           `json:"card_number,omitempty" minLength:"12" maxLength:"23" doc:"For card; it is not kept."`
	Account string           `json:"account_number,omitempty" minLength:"8" maxLength:"40" doc:"For bank_transfer; it is not kept."`
}

type startIdentityCheckRequest struct {
	Body startIdentityCheckBody
}

func (s *Services) startIdentityCheck(ctx context.Context, req *startIdentityCheckRequest) (*identity.View, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	view, err := s.Identity.StartCheck(ctx, CallerOf(ctx).Customer, identity.Start{
		Channel: req.Body.Channel, Card: req.Body.Card, Account: req.Body.Account,
	})
	return &view, err
}

type answerIdentityCheckBody struct {
	AmountMinor int64 `json:"amount" minimum:"1" maximum:"99" doc:"In minor units."`
}

type answerIdentityCheckRequest struct {
	Channel identity.Channel `path:"channel" enum:"bank_transfer"`
	Body    answerIdentityCheckBody
}

func (s *Services) answerIdentityCheck(ctx context.Context, req *answerIdentityCheckRequest) (*identity.View, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	view, err := s.Identity.AnswerCheck(ctx, CallerOf(ctx).Customer, req.Channel, req.Body.AmountMinor)
	return &view, err
}

func (s *Services) identityReviews(ctx context.Context, req *reviewsRequest) (*Page[identity.ReviewLine], error) {
	lines, err := s.Identity.Reviews(ctx, string(req.Cursor), req.Limit+1)
	if err != nil {
		return nil, err
	}
	return NewPage(lines, req.Limit, func(line identity.ReviewLine) string { return string(line.Customer) }), nil
}

// reviewsRequest asks for the queue, longest known customers first.
type reviewsRequest struct {
	Paging
}

type identityRequest struct {
	ID id.Customer `path:"id"`
}

func (s *Services) identityReview(ctx context.Context, req *identityRequest) (*identity.StaffView, error) {
	view, err := s.Identity.StaffView(ctx, req.ID)
	return &view, err
}

type identityDecisionBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"For staff; nothing of the document belongs here."`
}

type identityDecisionRequest struct {
	ID   id.Customer `path:"id"`
	Body identityDecisionBody
}

func (r *identityDecisionRequest) decision(ctx context.Context) identity.Decision {
	return identity.Decision{Customer: r.ID, Staff: CallerOf(ctx).Staff, Reason: r.Body.Reason}
}

func (s *Services) approveIdentity(ctx context.Context, req *identityDecisionRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: identity.Override, Request: identity.Overriding{Customer: req.ID}, Reason: req.Body.Reason,
	})
}

func (s *Services) refuseIdentity(ctx context.Context, req *identityDecisionRequest) (*identity.StaffView, error) {
	view, err := s.Identity.Refuse(ctx, req.decision(ctx))
	return &view, err
}

func (s *Services) repeatIdentity(ctx context.Context, req *identityDecisionRequest) (*identity.StaffView, error) {
	view, err := s.Identity.Repeat(ctx, req.decision(ctx))
	return &view, err
}

type identityImageRequest struct {
	ID id.IdentityImage `path:"id"`
}

func (s *Services) identityImage(ctx context.Context, req *identityImageRequest) (*File, error) {
	picture, err := s.Identity.SeeImage(ctx, req.ID, CallerOf(ctx).Staff)
	if err != nil {
		return nil, err
	}
	return &File{Media: picture.Media, Body: picture.Content}, nil
}
