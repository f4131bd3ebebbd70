package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	endpointColumns = `SELECT e.id, e.merchant_id, e.url, e.kinds, e.api_version, e.description, e.state, e.reason,
		e.secrets, e.previous_until, e.created_at, e.updated_at, c.failing_since, c.leased_by
		FROM webhook_endpoints e JOIN webhook_cursors c ON c.id = e.id`
	endpointByID        = endpointColumns + " WHERE e.id = $1"
	endpointsByMerchant = endpointColumns + " WHERE e.merchant_id = $1 AND e.state <> 'deleted' ORDER BY e.id DESC"

	deliveryColumns = `SELECT id, endpoint_id, event_id, kind, cause, attempt, state, status, duration_ms, problem, answer,
		next_at, created_at FROM webhook_deliveries`
)

// Get returns a merchant's endpoint. Errors: webhook.endpoint_not_found.
func (w *Webhooks) Get(ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint) (Endpoint, error) {
	e, _, err := w.read(ctx, name)
	if err == nil && (e.merchant != merchant || e.State == Deleted) {
		return Endpoint{}, notFound()
	}
	return e, err
}

// MerchantOf returns whose endpoint it is, for the staff. Errors: webhook.endpoint_not_found.
func (w *Webhooks) MerchantOf(ctx context.Context, name id.WebhookEndpoint) (id.Merchant, error) {
	e, _, err := w.read(ctx, name)
	return e.merchant, err
}

// read returns an endpoint in any state, and who holds its lease.
func (w *Webhooks) read(ctx context.Context, name id.WebhookEndpoint) (Endpoint, string, error) {
	e, holder, err := scanEndpoint(w.DB.QueryRow(ctx, endpointByID, string(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Endpoint{}, "", notFound()
	}
	return e, holder, fault.Wrap(w.DB.Fault(err), "read "+string(name))
}

// List returns a merchant's endpoints, newest first.
func (w *Webhooks) List(ctx context.Context, merchant id.Merchant) ([]Endpoint, error) {
	rows, err := w.DB.Query(ctx, endpointsByMerchant, string(merchant))
	if err != nil {
		return nil, fault.Wrap(w.DB.Fault(err), "list webhook endpoints")
	}
	defer rows.Close()
	list := []Endpoint{}
	for rows.Next() {
		e, _, err := scanEndpoint(rows.Scan)
		if err != nil {
			return nil, fault.Wrap(err, "list webhook endpoints")
		}
		list = append(list, e)
	}
	return list, fault.Wrap(w.DB.Fault(rows.Err()), "list webhook endpoints")
}

func scanEndpoint(scan func(...any) error) (e Endpoint, holder string, err error) {
	var kinds string
	var previousUntil, createdAt, updatedAt, failingSince int64
	err = scan(&e.ID, &e.merchant, &e.URL, &kinds, &e.APIVersion, &e.Description, &e.State, &e.Reason, &e.secrets,
		&previousUntil, &createdAt, &updatedAt, &failingSince, &holder)
	e.Kinds = strings.Fields(kinds)
	e.PreviousUntil, e.FailingSince = clock.FromMicros(previousUntil), clock.FromMicros(failingSince)
	e.CreatedAt, e.UpdatedAt = clock.FromMicros(createdAt), clock.FromMicros(updatedAt)
	return e, holder, err
}

// Delivery is one try to send one event to one endpoint.
type Delivery struct {
	ID         id.Delivery        `json:"id"`
	Endpoint   id.WebhookEndpoint `json:"webhook_endpoint_id"`
	Event      id.Event           `json:"event_id"`
	Kind       string             `json:"kind"`
	Cause      Cause              `json:"cause" enum:"event,resend,replay,test" doc:"Why it was sent."`
	Attempt    int64              `json:"attempt" doc:"The first try is 1."`
	State      Outcome            `json:"state" enum:"succeeded,failed"`
	Status     int64              `json:"status,omitzero" doc:"HTTP status of the answer; absent where there was none."`
	Problem    Problem            `json:"problem,omitempty" enum:"timeout,unreachable,no_such_host,bad_certificate,address_refused,redirected,bad_answer"`
	DurationMS int64              `json:"duration_ms"`
	Answer     string             `json:"answer,omitempty" doc:"The first 512 bytes of the answer's body."`
	// NextAt is when it will be tried again; zero behind the last try and behind a success.
	NextAt    time.Time `json:"next_at,omitzero" doc:"When it will be tried again."`
	CreatedAt time.Time `json:"created_at"`
}

// DeliveryQuery asks for an endpoint's deliveries, newest first. Before is the id in front of which to go on.
type DeliveryQuery struct {
	Endpoint id.WebhookEndpoint
	Before   id.Delivery
	Event    id.Event
	Kind     string
	State    Outcome
	From, To time.Time
	Limit    int
}

// Deliveries returns the log of an endpoint, and whether there is more.
func (w *Webhooks) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, bool, error) {
	args := []any{string(q.Endpoint)}
	where := " WHERE endpoint_id = $1"
	add := func(condition string, value any) {
		args = append(args, value)
		where += fmt.Sprintf(" AND "+condition, len(args))
	}
	if q.Before != "" {
		add("id < $%d", string(q.Before))
	}
	if q.Event != "" {
		add("event_id = $%d", string(q.Event))
	}
	if q.Kind != "" {
		add("kind = $%d", q.Kind)
	}
	if q.State != "" {
		add("state = $%d", string(q.State))
	}
	if !q.From.IsZero() {
		add("created_at >= $%d", clock.Micros(q.From))
	}
	if !q.To.IsZero() {
		add("created_at < $%d", clock.Micros(q.To))
	}
	args = append(args, q.Limit+1)
	rows, err := w.DB.Read.QueryContext(ctx,
		deliveryColumns+where+fmt.Sprintf(" ORDER BY id DESC LIMIT $%d", len(args)), args...)
	if err != nil {
		return nil, false, fault.Wrap(w.DB.Fault(err), "list deliveries")
	}
	defer rows.Close()
	list := []Delivery{}
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, false, fault.Wrap(err, "list deliveries")
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fault.Wrap(w.DB.Fault(err), "list deliveries")
	}
	if len(list) > q.Limit {
		return list[:q.Limit], true, nil
	}
	return list, false, nil
}

func scanDelivery(rows *sql.Rows) (d Delivery, err error) {
	var nextAt, createdAt int64
	err = rows.Scan(&d.ID, &d.Endpoint, &d.Event, &d.Kind, &d.Cause, &d.Attempt, &d.State, &d.Status, &d.DurationMS,
		&d.Problem, &d.Answer, &nextAt, &createdAt)
	d.NextAt, d.CreatedAt = clock.FromMicros(nextAt), clock.FromMicros(createdAt)
	return d, err
}

const (
	forgetBatch    = 1000
	deliveriesLast = `DELETE FROM webhook_deliveries WHERE id IN
		(SELECT id FROM webhook_deliveries WHERE id < $1 ORDER BY id LIMIT $2)`
	retriesOfNobody = `DELETE FROM webhook_retries WHERE endpoint_id IN
		(SELECT id FROM webhook_endpoints WHERE state = 'deleted')`
)

// Forget removes deliveries older than Kept, and what waits for endpoints that are deleted.
func (w *Webhooks) Forget(ctx context.Context) error {
	before := id.New[id.Delivery](w.Clock.Now().Add(-Kept))
	for n := int64(forgetBatch); n == forgetBatch; {
		err := w.DB.Write(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, deliveriesLast, string(before), forgetBatch)
			if err != nil {
				return err
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil {
			return fault.Wrap(err, "forget deliveries")
		}
	}
	return fault.Wrap(w.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, retriesOfNobody)
		return err
	}), "forget retries")
}
