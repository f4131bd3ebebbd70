package checkout

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/payment"
)

// Limits of links.
const (
	UsesMax     = 1_000_000
	LinkLifeMax = 366 * 24 * time.Hour
	linkPath    = "/l/"
)

// NewLink is what a link begins with. Amount with Minor 0 leaves the amount to the payer; UsesMax 0 is any number of
// payments, ExpiresIn 0 is no end.
type NewLink struct {
	Merchant    id.Merchant
	Store       id.Store
	Amount      money.Amount
	Description string
	ReturnURL   string
	CancelURL   string
	UsesMax     int64
	ExpiresIn   time.Duration
	Sharing     payment.Sharing
	Once        idempotency.Request
}

// order is the payment that one use of a link makes.
func (n *NewLink) order() payment.Order {
	return payment.Order{
		Merchant: n.Merchant, Store: n.Store, Amount: n.Amount, Description: n.Description, Sharing: n.Sharing,
	}
}

// CreateLink makes a payment link. Errors: those of payment.Standing, party.merchant_not_active, checkout.bad_url,
// payment_link.bad_uses, payment_link.bad_expiry, qr.no_origin, idempotency.key_reused.
func (c *Checkouts) CreateLink(ctx context.Context, n NewLink) (idempotency.Answer, error) {
	if err := c.checkAddresses(n.ReturnURL, n.CancelURL); err != nil {
		return idempotency.Answer{}, err
	}
	if n.UsesMax < 0 || n.UsesMax > UsesMax {
		return idempotency.Answer{}, fault.Newf(fault.Invalid, "payment_link.bad_uses", "a link has 1 to %d uses", UsesMax).
			WithParam("uses_max")
	}
	if n.ExpiresIn < 0 || n.ExpiresIn > LinkLifeMax {
		return idempotency.Answer{}, fault.New(fault.Invalid, "payment_link.bad_expiry", "a link lives at most 366 days").
			WithParam("expires_in")
	}
	order, draft, err := c.Payments.Standing(ctx, n.order())
	if err != nil {
		return idempotency.Answer{}, err
	}
	link := Link{
		ID: id.New[id.PaymentLink](c.Clock.Now()), Merchant: n.Merchant, Store: n.Store, Minor: n.Amount.Minor,
		Currency: n.Amount.Currency, Description: n.Description, ReturnURL: n.ReturnURL, CancelURL: n.CancelURL,
		UsesMax: n.UsesMax, State: LinkActive, Sharing: order.Sharing, token: strings.ToLower(rand.Text()),
	}
	link.URL = c.linkURL(&link)
	return c.Keys.Once(ctx, n.Once, nil, func(tx *commit.Tx) (int, any, error) {
		if err := draft.Allowed(); err != nil {
			return 0, nil, err
		}
		row := link
		row.CreatedAt = tx.Now()
		if n.ExpiresIn > 0 {
			row.ExpiresAt = tx.Now().Add(n.ExpiresIn)
		}
		c.links.Put(tx, row)
		body, err := c.Outbox.Announce(tx, linkEvent("created", &row), row)
		return statusCreated, body, err
	})
}

func (c *Checkouts) linkURL(l *Link) string { return c.Codes.Origin + linkPath + l.token }

func linkEvent(what string, l *Link) outbox.Event {
	return outbox.Event{Kind: "payment_link." + what, Merchant: l.Merchant, Subject: string(l.ID)}
}

// DisableLink takes a link back: it makes no more payments; those it made go on. Errors: payment_link.not_found, also
// for another's.
func (c *Checkouts) DisableLink(ctx context.Context, merchant id.Merchant, name id.PaymentLink) (Link, error) {
	known, err := c.LinkOf(ctx, merchant, name)
	if err != nil {
		return Link{}, err
	}
	key := c.links.Key(string(name))
	var out Link
	err = c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := c.links.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.Merchant != merchant {
			return linkNotFound()
		}
		row.URL, row.TakenDown = c.linkURL(&row), known.TakenDown
		if out = row; row.State == LinkDisabled {
			return nil
		}
		row.State = LinkDisabled
		out = row
		c.links.Put(tx, row)
		return c.Outbox.Add(tx, linkEvent("disabled", &row), row)
	})
	return out, fault.Wrap(err, "disable "+string(name))
}

// usable refuses a link that makes no more payments. Errors: payment.taken_down, payment_link.disabled,
// payment_link.expired, payment_link.used_up.
func (l *Link) usable(now time.Time) error {
	switch {
	case l.TakenDown != "":
		return payment.TakenDown()
	case l.State == LinkDisabled:
		return fault.New(fault.Conflict, "payment_link.disabled", "the merchant has taken this link back")
	case !l.ExpiresAt.IsZero() && !l.ExpiresAt.After(now):
		return fault.New(fault.Conflict, "payment_link.expired", "this link is over")
	case l.UsesMax > 0 && l.Uses >= l.UsesMax:
		return fault.New(fault.Conflict, "payment_link.used_up", "this link was used as often as it may be")
	}
	return nil
}

// givenBackMax is how many payments that came to nothing are given back at a time.
const givenBackMax = 100

// Use makes a payment by a link, with its page. amount is zero where the link has one. Payments of the link that came
// to nothing do not count: they are given back when the link seems used up, since final states do not change.
//
// Errors: payment_link.not_found, those of usable, those of payment.Draft and Draft.Put.
func (c *Checkouts) Use(ctx context.Context, token string, minor int64) (Checkout, error) {
	link, err := c.linkBy(ctx, "token = $1", token)
	if err != nil {
		return Checkout{}, err
	}
	if link.Minor > 0 {
		minor = link.Minor
	}
	draft, err := c.Payments.Draft(ctx, payment.Order{
		Merchant: link.Merchant, Store: link.Store, Description: link.Description,
		Amount: money.Amount{Minor: minor, Currency: link.Currency}, Sharing: link.Sharing, ByPayer: true,
	})
	if err != nil {
		return Checkout{}, err
	}
	var lapsed []id.Payment
	if link.UsesMax > 0 && link.Uses >= link.UsesMax {
		if lapsed, err = c.lapsed(ctx, link.ID, givenBackMax); err != nil {
			return Checkout{}, err
		}
	}
	key := c.links.Key(string(link.ID))
	keys := append(draft.Keys(), key)
	for _, name := range lapsed {
		keys = append(keys, c.checkouts.Key(string(name)))
	}
	var out Checkout
	err = c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		row, _, err := c.links.Get(tx, key)
		if err != nil {
			return err
		}
		row.TakenDown = link.TakenDown // as it was a moment ago
		if err := c.giveBack(tx, &row, lapsed); err != nil {
			return err
		}
		if err := row.usable(tx.Now()); err != nil {
			return err
		}
		made, err := draft.Put(tx)
		if err != nil {
			return err
		}
		row.Uses++
		c.links.Put(tx, row)
		out = Checkout{
			ID: made.ID, Link: row.ID, ReturnURL: row.ReturnURL, CancelURL: row.CancelURL, CreatedAt: tx.Now(), Payment: made,
			URL: c.PageURL(made.ID),
		}
		c.checkouts.Put(tx, out)
		return nil
	})
	return out, err
}

// giveBack takes lapsed payments off a link's uses, each once.
func (c *Checkouts) giveBack(tx *commit.Tx, link *Link, lapsed []id.Payment) error {
	for _, name := range lapsed {
		page, found, err := c.checkouts.Get(tx, c.checkouts.Key(string(name)))
		if err != nil {
			return err
		}
		if !found || page.givenBack {
			continue
		}
		page.givenBack = true
		link.Uses--
		c.checkouts.Put(tx, page)
	}
	return nil
}
