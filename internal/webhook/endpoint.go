package webhook

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
)

// NewEndpoint is what Create is asked for. No kinds are all events, no version the newest.
type NewEndpoint struct {
	Merchant    id.Merchant
	URL         string
	Kinds       []string
	APIVersion  string
	Description string
}

// check returns the order with its defaults. Errors: webhook.bad_url, .bad_kind, .unknown_version.
func (w *Webhooks) check(n NewEndpoint) (_ NewEndpoint, err error) {
	if err := w.checkURL(n.URL); err != nil {
		return n, err
	}
	if n.Kinds, err = checkKinds(n.Kinds); err != nil {
		return n, err
	}
	n.APIVersion, err = checkVersion(n.APIVersion)
	return n, err
}

func (w *Webhooks) checkURL(url string) error {
	if err := checkURL(url); err != nil {
		return err
	}
	return w.Sender.CheckURL(url)
}

// Create makes an endpoint that gets what happens from now on; its secret is shown this once.
// Errors: webhook.bad_url, .bad_kind, .unknown_version, .url_taken, .too_many_endpoints.
func (w *Webhooks) Create(ctx context.Context, n NewEndpoint) (Endpoint, string, error) {
	n, err := w.check(n)
	if err != nil {
		return Endpoint{}, "", err
	}
	// Counted outside: the limit protects us and not money, so that one or two too many at once do no harm.
	if all, err := w.List(ctx, n.Merchant); err != nil {
		return Endpoint{}, "", err
	} else if len(all) >= EndpointsMax {
		return Endpoint{}, "", fault.Newf(fault.Conflict, "webhook.too_many_endpoints",
			"a merchant has at most %d webhook endpoints", EndpointsMax).WithHint("delete one that you do not need")
	}
	e := Endpoint{
		ID: id.New[id.WebhookEndpoint](w.Clock.Now()), URL: n.URL, Kinds: n.Kinds, APIVersion: n.APIVersion,
		Description: n.Description, State: Enabled, merchant: n.Merchant, urlKey: urlKey(n.Merchant, n.URL),
	}
	shown := NewSecret()
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(shown, SecretPrefix)) // NewSecret wrote it
	if e.secrets, err = w.sealSecrets(e.ID, []secret{{Key: key}}); err != nil {
		return Endpoint{}, "", err
	}
	taken := w.endpoints.KeyBy("url_key", e.urlKey)
	err = w.Committer.Do(ctx, []commit.Key{taken}, func(tx *commit.Tx) error {
		if err := w.free(tx, taken); err != nil {
			return err
		}
		e.CreatedAt, e.UpdatedAt = tx.Now(), tx.Now()
		w.endpoints.Put(tx, e)
		w.cursors.Put(tx, cursor{id: e.ID, merchant: e.merchant, position: present(tx)})
		return nil
	})
	if err != nil {
		return Endpoint{}, "", fault.Wrap(err, "create a webhook endpoint")
	}
	return e, shown, nil
}

// present is the place in the feed of events where the decision's own commit stands.
func present(tx *commit.Tx) id.Event { return id.Member[id.Event](tx.Group(), 0, 0) }

func (w *Webhooks) free(tx *commit.Tx, taken commit.Key) error {
	other, found, err := w.endpoints.Get(tx, taken)
	if err == nil && found {
		return fault.Newf(fault.Conflict, "webhook.url_taken", "your endpoint %s has this URL already", other.ID).
			WithParam("url").WithHint("change that endpoint, or add a query to the URL")
	}
	return err
}

// Change is what Edit changes; nil members stay.
type Change struct {
	URL         *string
	Kinds       *[]string
	APIVersion  *string
	Description *string
}

// Edit changes an endpoint. Errors: webhook.endpoint_not_found and those of Create.
func (w *Webhooks) Edit(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, c Change,
) (Endpoint, error) {
	var (
		more  []commit.Key
		taken commit.Key
		fresh string
	)
	if c.URL != nil {
		if err := w.checkURL(*c.URL); err != nil {
			return Endpoint{}, err
		}
		fresh = urlKey(merchant, *c.URL)
		taken = w.endpoints.KeyBy("url_key", fresh)
		more = append(more, taken)
	}
	if c.Kinds != nil {
		kinds, err := checkKinds(*c.Kinds)
		if err != nil {
			return Endpoint{}, err
		}
		c.Kinds = &kinds
	}
	if c.APIVersion != nil {
		version, err := checkVersion(*c.APIVersion)
		if err != nil {
			return Endpoint{}, err
		}
		c.APIVersion = &version
	}
	e, err := w.change(ctx, merchant, name, change{more: more, decide: func(tx *commit.Tx, e *Endpoint) error {
		if c.URL != nil && e.urlKey != fresh {
			if err := w.free(tx, taken); err != nil {
				return err
			}
			e.URL, e.urlKey = *c.URL, fresh
		}
		if c.Kinds != nil {
			e.Kinds = *c.Kinds
		}
		if c.APIVersion != nil {
			e.APIVersion = *c.APIVersion
		}
		if c.Description != nil {
			e.Description = *c.Description
		}
		return nil
	}})
	return e, fault.Wrap(err, "change "+string(name))
}

// Enable lets an endpoint get events again: those from now on, or with catchUp all that it missed.
// Errors: webhook.endpoint_not_found, .state_conflict.
func (w *Webhooks) Enable(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, catchUp bool,
) (Endpoint, error) {
	e, err := w.change(ctx, merchant, name, change{
		kind: "enabled",
		decide: func(_ *commit.Tx, e *Endpoint) (err error) {
			e.State, err = e.State.Move(Enabled)
			e.Reason = ""
			return err
		},
		cursor: func(tx *commit.Tx, c *cursor) {
			c.failingSince = time.Time{}
			if !catchUp {
				c.position = present(tx)
			}
		},
	})
	w.Nudge()
	return e, fault.Wrap(err, "enable "+string(name))
}

// Disable stops the deliveries to an endpoint. Errors: webhook.endpoint_not_found, .state_conflict.
func (w *Webhooks) Disable(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, why Reason,
) (Endpoint, error) {
	e, err := w.change(ctx, merchant, name, change{
		kind: "disabled",
		decide: func(_ *commit.Tx, e *Endpoint) (err error) {
			e.State, err = e.State.Move(Disabled)
			e.Reason = why
			return err
		},
		cursor: func(*commit.Tx, *cursor) {},
	})
	return e, fault.Wrap(err, "disable "+string(name))
}

// Delete ends an endpoint and forgets its secrets. Errors: webhook.endpoint_not_found.
func (w *Webhooks) Delete(ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint) error {
	_, err := w.change(ctx, merchant, name, change{
		kind: "deleted",
		decide: func(_ *commit.Tx, e *Endpoint) (err error) {
			e.State, err = e.State.Move(Deleted)
			e.urlKey, e.secrets = "", []byte{}
			return err
		},
		cursor: func(*commit.Tx, *cursor) {},
	})
	return fault.Wrap(err, "delete "+string(name))
}

// change is one decision on an endpoint. kind is the event that it announces, "" for none; cursor, if not nil, changes
// the cursor and takes the lease from who holds it.
type change struct {
	kind   string
	more   []commit.Key
	decide func(tx *commit.Tx, e *Endpoint) error
	cursor func(tx *commit.Tx, c *cursor)
}

func (w *Webhooks) change(
	ctx context.Context, merchant id.Merchant, name id.WebhookEndpoint, c change,
) (Endpoint, error) {
	key, at := w.endpoints.Key(string(name)), w.cursors.Key(string(name))
	var changed Endpoint
	err := w.Committer.Do(ctx, append([]commit.Key{key, at}, c.more...), func(tx *commit.Tx) error {
		e, found, err := w.endpoints.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || e.merchant != merchant || e.State == Deleted {
			return notFound()
		}
		place, _, err := w.cursors.Get(tx, at)
		if err != nil {
			return err
		}
		if err := c.decide(tx, &e); err != nil {
			return err
		}
		if c.cursor != nil {
			c.cursor(tx, &place)
			place.leasedBy, place.leasedUntil = "", time.Time{}
			w.cursors.Put(tx, place)
		}
		e.UpdatedAt = tx.Now()
		w.endpoints.Put(tx, e)
		e.FailingSince = place.failingSince
		changed = e
		if c.kind == "" {
			return nil
		}
		return w.Outbox.Add(tx, outbox.Event{
			Kind: "webhook_endpoint." + c.kind, Merchant: merchant, Subject: string(name),
		}, e)
	})
	return changed, err
}
