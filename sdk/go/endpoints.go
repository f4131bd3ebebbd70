package feiqian

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// What webhook endpoints take, by shorter names than the generated ones.
type (
	// WebhookEndpoint is an address of yours to which events are sent.
	WebhookEndpoint = Endpoint
	// NewWebhookEndpoint is what an endpoint begins with; without Kinds it gets every event.
	NewWebhookEndpoint = CreateWebhookBody
	// WebhookChange changes what it names.
	WebhookChange = ChangeWebhookBody
	// WebhookDelivery is one try to send one event to one endpoint.
	WebhookDelivery = Delivery
	// WebhookDeliveryFilter narrows the log of an endpoint; the zero value is all.
	WebhookDeliveryFilter = ListWebhookDeliveriesParams
	// WebhookReplay says which events are sent again.
	WebhookReplay = ReplayEventsBody
)

// WebhookEndpoints are where events are sent. What comes there, [Webhook] checks.
type WebhookEndpoints struct{ resource }

// Create makes an endpoint. The answer has its secret, this once. Errors: webhook.url_taken, also where a lost answer
// is asked for again; webhook.bad_url, webhook.bad_kind.
func (w WebhookEndpoints) Create(ctx context.Context, endpoint NewWebhookEndpoint) (*WebhookWithSecret, error) {
	return create[WebhookWithSecret](ctx, w.resource, endpoint)
}

// List returns all endpoints; never with a secret.
func (w WebhookEndpoints) List(ctx context.Context) ([]WebhookEndpoint, error) {
	var page PageEndpoint
	err := w.client.get(ctx, w.path, nil, &page)
	return page.Data, err
}

// Get reads an endpoint. Errors: webhook.endpoint_not_found.
func (w WebhookEndpoints) Get(ctx context.Context, id string) (*WebhookEndpoint, error) {
	return ask[WebhookEndpoint](ctx, w.resource, http.MethodGet, id, "", nil)
}

// Change changes what is named, from the next events on.
func (w WebhookEndpoints) Change(ctx context.Context, id string, change WebhookChange) (*WebhookEndpoint, error) {
	return ask[WebhookEndpoint](ctx, w.resource, http.MethodPatch, id, "", change)
}

// Delete ends an endpoint for good.
func (w WebhookEndpoints) Delete(ctx context.Context, id string) error {
	_, err := ask[json.RawMessage](ctx, w.resource, http.MethodDelete, id, "", nil)
	return err
}

// Disable stops the sending.
func (w WebhookEndpoints) Disable(ctx context.Context, id string) (*WebhookEndpoint, error) {
	return ask[WebhookEndpoint](ctx, w.resource, http.MethodPost, id, "/disable", nil)
}

// Enable goes on; with catchUp it also sends what happened in between.
func (w WebhookEndpoints) Enable(ctx context.Context, id string, catchUp bool) (*WebhookEndpoint, error) {
	return ask[WebhookEndpoint](ctx, w.resource, http.MethodPost, id, "/enable", EnableWebhookBody{CatchUp: catchUp})
}

// RotateSecret makes a new secret, shown this once. The former one signs too for an overlap, up to a day; 0 ends it at
// once.
func (w WebhookEndpoints) RotateSecret(
	ctx context.Context, id string, overlap time.Duration,
) (*WebhookWithSecret, error) {
	body := map[string]int64{"overlap_seconds": int64(overlap / time.Second)}
	return ask[WebhookWithSecret](ctx, w.resource, http.MethodPost, id, "/rotate_secret", body)
}

// Test sends a made-up event at once and returns how it went.
func (w WebhookEndpoints) Test(ctx context.Context, id string) (*WebhookDelivery, error) {
	return ask[WebhookDelivery](ctx, w.resource, http.MethodPost, id, "/test", nil)
}

// Deliveries goes through the log of an endpoint, newest first. It ends at the first error.
func (w WebhookEndpoints) Deliveries(
	ctx context.Context, id string, filter WebhookDeliveryFilter,
) iter.Seq2[WebhookDelivery, error] {
	path, err := w.at(id, "/deliveries")
	if err != nil {
		return func(yield func(WebhookDelivery, error) bool) { yield(WebhookDelivery{}, err) }
	}
	return all[WebhookDelivery](ctx, w.client, path, queryOf(filter))
}

// Resend sends one event again.
func (w WebhookEndpoints) Resend(ctx context.Context, id, event string) (*Queued, error) {
	name, err := segment(event)
	if err != nil {
		return nil, err
	}
	return ask[Queued](ctx, w.resource, http.MethodPost, id, "/events/"+name+"/resend", nil)
}

// Replay sends the events of a time again. Where the answer is not Complete, ask again from its NextFrom.
func (w WebhookEndpoints) Replay(ctx context.Context, id string, which WebhookReplay) (*Queued, error) {
	return ask[Queued](ctx, w.resource, http.MethodPost, id, "/replay", which)
}

// Get reads an event by its id. Errors: outbox.not_found.
func (e Events) Get(ctx context.Context, id string) (*Event, error) {
	return ask[Event](ctx, resource{e.client, "/v1/events"}, http.MethodGet, id, "", nil)
}
