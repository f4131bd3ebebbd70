package webhook

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
)

// The statuses that mean more than yes or no, RFC 9110 §15 and Standard Webhooks.
const (
	statusOK         = 200
	statusRedirect   = 300
	statusRefused    = 400
	statusGone       = 410
	statusTooMany    = 429
	statusBadGateway = 502
	statusGateway    = 504
)

// slows reports whether an answer asks to be sent less at once.
func slows(a Answer) bool {
	return a.Problem == Timeout || a.Status == statusTooMany || a.Status == statusBadGateway || a.Status == statusGateway
}

// deliver sends one event, now.
func (w *Webhooks) deliver(ctx context.Context, to target, e errand) outcome {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return outcome{errand: e}
	}
	defer func() { <-w.slots }()
	now := w.wall.Now()
	body := body(e.item, to.APIVersion)
	sending, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	answer := w.Sender.Send(sending, Message{
		URL: to.URL, ID: e.item.ID, Timestamp: now, APIVersion: to.APIVersion, Body: body,
		Signature: signAll(to.secrets, e.item.ID, now, body),
	})
	return outcome{errand: e, answer: answer, took: w.wall.Now().Sub(now)}
}

// body is what is sent: the event as GET /v1/events shows it in the version. One that is too large, or that can't be
// written in it, goes without its data.
func body(item outbox.Item, version string) []byte {
	text, err := apiversion.Back(item.Text, version)
	if err == nil && len(text) <= PayloadMax {
		return text
	}
	short, err := json.Marshal(struct {
		outbox.Item
		Data        *struct{} `json:"data"`
		DataOmitted bool      `json:"data_omitted"`
	}{Item: item, DataOmitted: true})
	if err != nil {
		return []byte("{}") // strings and instants only
	}
	return short
}

// delivery is the outcome as the log keeps it.
func (o *outcome) delivery(endpoint id.WebhookEndpoint, now time.Time) Delivery {
	d := Delivery{
		ID: id.New[id.Delivery](now), Endpoint: endpoint, Event: o.item.ID, Kind: o.item.Kind, Cause: o.cause,
		Attempt: o.attempts + 1, State: Failed, Status: int64(o.answer.Status), Problem: o.answer.Problem,
		DurationMS: o.took.Milliseconds(), Answer: printable(o.answer.Body), CreatedAt: now,
	}
	switch {
	case d.Status >= statusOK && d.Status < statusRedirect:
		d.State = Succeeded
	case d.Status >= statusRedirect && d.Status < statusRefused:
		d.Problem = Redirected
	}
	return d
}

// printable cuts an answer to what is kept, as text that every database takes.
func printable(answer []byte) string {
	answer = answer[:min(len(answer), AnswerKept)]
	return strings.ToValidUTF8(strings.ReplaceAll(string(bytes.ToValidUTF8(answer, nil)), "\x00", ""), "")
}

// Test sends a made-up event of the kind webhook.test to an endpoint, enabled or not, at once and once. The delivery is
// in the log. Errors: webhook.endpoint_not_found.
func (w *Webhooks) Test(ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint) (Delivery, error) {
	e, err := w.Get(ctx, merchant, name)
	if err != nil {
		return Delivery{}, err
	}
	secrets, err := w.openSecrets(&e)
	if err != nil {
		return Delivery{}, err
	}
	now := w.Clock.Now()
	item := outbox.Item{
		ID: id.New[id.Event](now), Kind: "webhook.test", Merchant: merchant, Subject: string(name), CreatedAt: now,
	}
	item.Text, err = json.Marshal(struct {
		outbox.Item
		Data map[string]string `json:"data"`
	}{item, map[string]string{"message": "A test of your webhook endpoint. 这是一条测试通知。"}})
	if err != nil {
		return Delivery{}, fault.Wrap(err, "write a test event")
	}
	o := w.deliver(ctx, target{Endpoint: e, secrets: valid(secrets, now)}, errand{item: item, cause: CauseTest})
	d := o.delivery(name, w.Clock.Now())
	err = w.DB.Write(ctx, func(tx *sql.Tx) error { return insertDeliveries(ctx, tx, []*Delivery{&d}) })
	return d, fault.Wrap(err, "log a test of "+string(name))
}

// dueRetries reads the retries of an endpoint that are due, those that wait longest first. Their items have no text
// yet.
func (w *Webhooks) dueRetries(ctx context.Context, name id.WebhookEndpoint) ([]errand, error) {
	rows, err := w.DB.Query(ctx, `SELECT event_id, cause, attempts, due_at FROM webhook_retries
		WHERE endpoint_id = $1 AND due_at <= $2 ORDER BY due_at, id LIMIT $3`,
		string(name), clock.Micros(w.Clock.Now()), retriesPage)
	if err != nil {
		return nil, fault.Wrap(w.DB.Fault(err), "read retries of "+string(name))
	}
	defer rows.Close()
	var due []errand
	for rows.Next() {
		e := errand{retry: true}
		var dueAt int64
		if err := rows.Scan(&e.item.ID, &e.cause, &e.attempts, &dueAt); err != nil {
			return nil, fault.Wrap(err, "read retries of "+string(name))
		}
		e.dueAt = clock.FromMicros(dueAt)
		due = append(due, e)
	}
	return due, fault.Wrap(w.DB.Fault(rows.Err()), "read retries of "+string(name))
}
