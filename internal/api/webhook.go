package api

import (
	"context"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/webhook"
)

// Webhooks: the merchant's endpoints and their log, and what the staff see of them.

func (s *Services) webhookEndpoints() []Endpoint {
	route := func(method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/v1/webhook_endpoints" + path, Actor: ActorMerchant, Tag: "Webhooks", Name: name,
			Summary: summary,
		}
	}
	create := route(post, "", "create_webhook_endpoint", "Create a webhook endpoint; its secret is shown this once")
	create.Status = http.StatusCreated
	resend := route(post, "/{id}/events/{event_id}/resend", "resend_event", "Send one event again")
	resend.Status = http.StatusAccepted
	replay := route(post, "/{id}/replay", "replay_events", "Send the events of a time again, at most 10,000 a call")
	replay.Status = http.StatusAccepted
	return []Endpoint{
		Handle(create, s.createWebhook),
		Handle(route(get, "", "list_webhook_endpoints", "List webhook endpoints"), s.listWebhooks),
		Handle(route(get, "/{id}", "get_webhook_endpoint", "Read a webhook endpoint"), s.getWebhook),
		Handle(route(http.MethodPatch, "/{id}", "change_webhook_endpoint",
			"Change URL, kinds, version or description; what is left out stays"), s.changeWebhook),
		Handle(route(del, "/{id}", "delete_webhook_endpoint", "Delete a webhook endpoint"), s.deleteWebhook),
		Handle(route(post, "/{id}/enable", "enable_webhook_endpoint", "Let it get events again"), s.enableWebhook),
		Handle(route(post, "/{id}/disable", "disable_webhook_endpoint", "Stop its deliveries"), s.disableWebhook),
		Handle(route(post, "/{id}/rotate_secret", "rotate_webhook_secret",
			"Make a new secret, shown this once; the former signs too for a while"), s.rotateWebhookSecret),
		Handle(route(post, "/{id}/test", "test_webhook_endpoint", "Send a made-up event now and see the answer"),
			s.testWebhook),
		Handle(route(get, "/{id}/deliveries", "list_webhook_deliveries", "List what was sent, each try, newest first"),
			s.listDeliveries),
		Handle(resend, s.resendEvent),
		Handle(replay, s.replayEvents),
		Handle(Route{
			Method: get, Path: "/v1/events/{id}", Actor: ActorMerchant, Tag: "Events", Name: "get_event",
			Summary: "Read an event",
		}, s.getEvent),
		Handle(opsRoute(auth.ReadMerchants, get, "/merchants/{id}/webhook_endpoints", "Merchants",
			"list_merchant_webhook_endpoints", "List a merchant's webhook endpoints"), s.listWebhooksOf),
		Handle(opsRoute(auth.ReadMerchants, get, "/webhook_endpoints/{id}/deliveries", "Merchants",
			"list_endpoint_deliveries", "List what was sent to a merchant's endpoint"), s.listDeliveriesOf),
	}
}

type createWebhookBody struct {
	URL         string   `json:"url" minLength:"1" maxLength:"1000" doc:"Where events go: https, on the public internet." example:"https://shop.example/feiqian"`
	Kinds       []string `json:"kinds,omitempty" maxItems:"50" doc:"Kinds of events, or patterns such as payment.* and *; all when absent."`
	APIVersion  string   `json:"api_version,omitempty" maxLength:"10" doc:"The dated version in which events are written; the newest when absent." example:"2026-11-23"`
	Description string   `json:"description,omitempty" maxLength:"200"`
}

type createWebhookRequest struct {
	Body createWebhookBody
}

// WebhookWithSecret is an endpoint with a fresh secret, shown this once.
type WebhookWithSecret struct {
	webhook.Endpoint
	Secret string `json:"secret" doc:"Checks signatures; keep it like a password." example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
}

func (s *Services) createWebhook(ctx context.Context, req *createWebhookRequest) (*WebhookWithSecret, error) {
	made, secret, err := s.Webhooks.Create(ctx, webhook.NewEndpoint{
		Merchant: CallerOf(ctx).Merchant, URL: req.Body.URL, Kinds: req.Body.Kinds, APIVersion: req.Body.APIVersion,
		Description: req.Body.Description,
	})
	return &WebhookWithSecret{Endpoint: made, Secret: secret}, err
}

func (s *Services) listWebhooks(ctx context.Context, _ *empty) (*Page[webhook.Endpoint], error) {
	list, err := s.Webhooks.List(ctx, CallerOf(ctx).Merchant)
	return &Page[webhook.Endpoint]{Data: list}, err
}

type webhookRequest struct {
	ID id.WebhookEndpoint `path:"id"`
}

func (s *Services) getWebhook(ctx context.Context, req *webhookRequest) (*webhook.Endpoint, error) {
	found, err := s.Webhooks.Get(ctx, CallerOf(ctx).Merchant, req.ID)
	return &found, err
}

type changeWebhookBody struct {
	URL         *string   `json:"url,omitempty" minLength:"1" maxLength:"1000"`
	Kinds       *[]string `json:"kinds,omitempty" maxItems:"50"`
	APIVersion  *string   `json:"api_version,omitempty" maxLength:"10"`
	Description *string   `json:"description,omitempty" maxLength:"200"`
}

// Check wants at least one change.
func (b *changeWebhookBody) Check() error {
	if *b == (changeWebhookBody{}) {
		return fault.New(fault.Invalid, codeMissingField, "nothing is to be changed").WithParam("url")
	}
	return nil
}

type changeWebhookRequest struct {
	ID   id.WebhookEndpoint `path:"id"`
	Body changeWebhookBody
}

func (s *Services) changeWebhook(ctx context.Context, req *changeWebhookRequest) (*webhook.Endpoint, error) {
	changed, err := s.Webhooks.Edit(ctx, CallerOf(ctx).Merchant, req.ID, webhook.Change(req.Body))
	return &changed, err
}

func (s *Services) deleteWebhook(ctx context.Context, req *webhookRequest) (*NoContent, error) {
	return &NoContent{}, s.Webhooks.Delete(ctx, CallerOf(ctx).Merchant, req.ID)
}

type enableWebhookBody struct {
	CatchUp bool `json:"catch_up,omitempty" doc:"Send all that happened while it was disabled, too; else it begins with what comes."`
}

type enableWebhookRequest struct {
	ID   id.WebhookEndpoint `path:"id"`
	Body enableWebhookBody
}

func (s *Services) enableWebhook(ctx context.Context, req *enableWebhookRequest) (*webhook.Endpoint, error) {
	changed, err := s.Webhooks.Enable(ctx, CallerOf(ctx).Merchant, req.ID, req.Body.CatchUp)
	return &changed, err
}

func (s *Services) disableWebhook(ctx context.Context, req *webhookRequest) (*webhook.Endpoint, error) {
	changed, err := s.Webhooks.Disable(ctx, CallerOf(ctx).Merchant, req.ID, webhook.ByMerchant)
	return &changed, err
}

type rotateWebhookBody struct {
	Overlap *int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long the former secret signs too: a day when absent, 0 for a secret that others know."`
}

type rotateWebhookRequest struct {
	ID   id.WebhookEndpoint `path:"id"`
	Body rotateWebhookBody
}

func (s *Services) rotateWebhookSecret(ctx context.Context, req *rotateWebhookRequest) (*WebhookWithSecret, error) {
	overlap := webhook.SecretOverlap
	if req.Body.Overlap != nil {
		overlap = time.Duration(*req.Body.Overlap) * time.Second
	}
	changed, secret, err := s.Webhooks.Rotate(ctx, CallerOf(ctx).Merchant, req.ID, overlap)
	return &WebhookWithSecret{Endpoint: changed, Secret: secret}, err
}

func (s *Services) testWebhook(ctx context.Context, req *webhookRequest) (*webhook.Delivery, error) {
	sent, err := s.Webhooks.Test(ctx, CallerOf(ctx).Merchant, req.ID)
	return &sent, err
}

type listDeliveriesRequest struct {
	Paging
	TimeRange
	ID    id.WebhookEndpoint `path:"id"`
	Event id.Event           `query:"event_id" maxLength:"40" doc:"Only tries of this event."`
	Kind  string             `query:"kind" maxLength:"64" doc:"Only events of this kind." example:"payment.succeeded"`
	State webhook.Outcome    `query:"state" enum:"succeeded,failed"`
}

func (s *Services) listDeliveries(ctx context.Context, req *listDeliveriesRequest) (*Page[webhook.Delivery], error) {
	if _, err := s.Webhooks.Get(ctx, CallerOf(ctx).Merchant, req.ID); err != nil {
		return nil, err
	}
	return s.deliveries(ctx, req)
}

func (s *Services) deliveries(ctx context.Context, req *listDeliveriesRequest) (*Page[webhook.Delivery], error) {
	rows, more, err := s.Webhooks.Deliveries(ctx, webhook.DeliveryQuery{
		Endpoint: req.ID, Before: id.Delivery(req.Cursor), Event: req.Event, Kind: req.Kind, State: req.State,
		From: req.From, To: req.To, Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(d webhook.Delivery) string { return string(d.ID) }), nil
}

type resendEventRequest struct {
	ID    id.WebhookEndpoint `path:"id"`
	Event id.Event           `path:"event_id"`
}

func (s *Services) resendEvent(ctx context.Context, req *resendEventRequest) (*webhook.Queued, error) {
	queued, err := s.Webhooks.Resend(ctx, CallerOf(ctx).Merchant, req.ID, req.Event)
	return &queued, err
}

type replayEventsBody struct {
	From            time.Time `json:"from" doc:"First instant." example:"2026-11-22T00:00:00Z"`
	To              time.Time `json:"to,omitzero" doc:"First instant behind the range; now when absent."`
	Kinds           []string  `json:"kinds,omitempty" maxItems:"50" doc:"Only these kinds or patterns; those of the endpoint when absent."`
	UndeliveredOnly bool      `json:"undelivered_only,omitempty" doc:"Leave out what the log shows as delivered; the log is kept for 30 days."`
}

type replayEventsRequest struct {
	ID   id.WebhookEndpoint `path:"id"`
	Body replayEventsBody
}

func (s *Services) replayEvents(ctx context.Context, req *replayEventsRequest) (*webhook.Queued, error) {
	queued, err := s.Webhooks.Replay(ctx, CallerOf(ctx).Merchant, req.ID, webhook.Replay(req.Body))
	return &queued, err
}

type eventRequest struct {
	ID id.Event `path:"id"`
}

func (s *Services) getEvent(ctx context.Context, req *eventRequest) (*outbox.Event, error) {
	found, err := s.Outbox.Read(ctx, req.ID)
	if err == nil && found.Merchant != CallerOf(ctx).Merchant {
		err = fault.New(fault.NotFound, "outbox.not_found", "there is no such event")
	}
	return &found, err
}

type merchantWebhooksRequest struct {
	ID id.Merchant `path:"id"`
}

func (s *Services) listWebhooksOf(ctx context.Context, req *merchantWebhooksRequest) (*Page[webhook.Endpoint], error) {
	list, err := s.Webhooks.List(ctx, req.ID)
	return &Page[webhook.Endpoint]{Data: list}, err
}

func (s *Services) listDeliveriesOf(ctx context.Context, req *listDeliveriesRequest) (*Page[webhook.Delivery], error) {
	if _, err := s.Webhooks.MerchantOf(ctx, req.ID); err != nil {
		return nil, err
	}
	return s.deliveries(ctx, req)
}
