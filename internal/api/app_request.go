package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/inapp"
	"github.com/feiqian/feiqian/internal/jws"
)

// In-app payment: a merchant's app hands a signed request to the wallet, which hands the payer back.

func (s *Services) appRequestEndpoints() []Endpoint {
	return []Endpoint{
		Handle(Route{
			Method: post, Path: "/v1/payments/{id}/app_requests", Actor: ActorMerchant, Tag: "In-app payment", Status: 201,
			Name: "create_app_request", Summary: "Sign a payment request that your app hands to the wallet",
		}, s.createAppRequest),
		Handle(Route{
			Method: post, Path: "/wallet/v1/app_requests", Actor: ActorCustomer, Tag: "In-app payment",
			Name: "open_app_request", Summary: "Open a request that an app handed over: it is nobody else's then",
		}, s.openAppRequest),
		Handle(Route{
			Method: post, Path: "/wallet/v1/app_requests/{id}/back", Actor: ActorCustomer, Tag: "In-app payment",
			Name: "leave_app_request", Summary: "Get the way back into the app, with a signed result",
		}, s.leaveAppRequest),
		Handle(Route{
			Method: get, Path: "/.well-known/feiqian-keys.json", Actor: ActorPublic, Tag: "In-app payment",
			Name: "get_platform_keys", Summary: "Read the public keys of signed documents, as a JWK set",
		}, s.platformKeys),
	}
}

type createAppRequestRequest struct {
	ID   id.Payment `path:"id"`
	Body struct {
		App       string `json:"app" minLength:"3" maxLength:"128" doc:"Your app, as its system names it: the package name on Android, the bundle identifier on Apple's." example:"com.example.shop"`
		ReturnURL string `json:"return_url" minLength:"4" maxLength:"1000" doc:"Leads back into your app: its own scheme, or an https link that it claims." example:"exampleshop://paid"`
		ExpiresIn int64  `json:"expires_in,omitempty" minimum:"1" maximum:"900" doc:"Seconds; default 300, and never longer than the payment's own time."`
	}
}

func (s *Services) createAppRequest(ctx context.Context, req *createAppRequestRequest) (*inapp.AppRequest, error) {
	made, err := s.AppRequests.Create(ctx, inapp.NewRequest{
		Merchant: CallerOf(ctx).Merchant, Payment: req.ID, App: req.Body.App, ReturnURL: req.Body.ReturnURL,
		ExpiresIn: time.Duration(req.Body.ExpiresIn) * time.Second,
	})
	return &made, err
}

type openAppRequestRequest struct {
	Body struct {
		Request   string `json:"request" minLength:"1" maxLength:"8192" doc:"The signed request, or the whole address that the wallet was opened with."`
		CallerApp string `json:"caller_app,omitempty" maxLength:"128" doc:"The app that opened the wallet, as the phone's system says, where it says so."`
	}
}

func (s *Services) openAppRequest(ctx context.Context, req *openAppRequestRequest) (*inapp.Opened, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	opened, err := s.AppRequests.Open(ctx, inapp.Opening{
		Customer: CallerOf(ctx).Customer, Document: req.Body.Request, Caller: req.Body.CallerApp,
	})
	return &opened, err
}

type appRequestRequest struct {
	ID id.AppRequest `path:"id"`
}

func (s *Services) leaveAppRequest(ctx context.Context, req *appRequestRequest) (*inapp.WayBack, error) {
	way, err := s.AppRequests.Back(ctx, CallerOf(ctx).Customer, req.ID)
	return &way, err
}

func (s *Services) platformKeys(context.Context, *empty) (*jws.KeySet, error) {
	keys := s.AppRequests.Keys()
	return &keys, nil
}
