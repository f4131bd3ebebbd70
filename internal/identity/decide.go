package identity

import (
	"context"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// errStale ends a decision whose keys named another document than the customer has by now.
var errStale = errors.New("the customer has shown another document meanwhile")

const staleMax = 5

// decide runs one decision about a customer, over the customer, the verification, its document, all checks, and the
// documents of macs. What fn changes of d.record is written by settle. Errors: identity.busy, and fn's own.
func (s *Identities) decide(
	ctx context.Context, customer id.Customer, fn func(tx *commit.Tx, d *dossier) error, macs ...string,
) error {
	for range staleMax {
		before, err := s.readRecord(ctx, customer)
		if err != nil {
			return err
		}
		names := append([]string{before.DocumentMAC}, macs...)
		err = s.committer.Do(ctx, s.keys(customer, names), func(tx *commit.Tx) error {
			d, err := s.load(tx, customer, names)
			if err != nil {
				return err
			}
			if d.record.DocumentMAC != before.DocumentMAC {
				return errStale
			}
			return fn(tx, d)
		})
		if !errors.Is(err, errStale) {
			return fault.Wrap(err, "verify "+string(customer))
		}
	}
	return busy()
}

// keys names the rows of load.
func (s *Identities) keys(customer id.Customer, macs []string) []commit.Key {
	keys := []commit.Key{s.parties.CustomerKey(customer), s.records.Key(string(customer))}
	for _, channel := range Channels() {
		keys = append(keys, s.checks.Key(checkID(customer, channel)))
	}
	for _, mac := range macs {
		if mac != "" {
			keys = append(keys, s.documents.Key(mac))
		}
	}
	return keys
}

func checkID(customer id.Customer, channel Channel) string {
	return string(customer) + "/" + string(channel)
}

// load reads a dossier. A customer without a verification has one of StateNone.
func (s *Identities) load(tx *commit.Tx, customer id.Customer, macs []string) (*dossier, error) {
	d := &dossier{holders: map[string]holder{}, checks: make(map[Channel]check)}
	var found bool
	var err error
	if d.customer, found, err = s.parties.CustomerTable.Get(tx, s.parties.CustomerKey(customer)); err != nil {
		return nil, err
	}
	if !found {
		return nil, customerNotFound()
	}
	if d.record, found, err = s.records.Get(tx, s.records.Key(string(customer))); err != nil {
		return nil, err
	}
	if !found {
		d.record = record{Customer: customer, State: StateNone, CreatedAt: tx.Now()}
	}
	for _, channel := range Channels() {
		c, found, err := s.checks.Get(tx, s.checks.Key(checkID(customer, channel)))
		if err != nil {
			return nil, err
		}
		if found {
			d.checks[channel] = c
		}
	}
	for _, mac := range macs {
		if mac == "" {
			continue
		}
		h, found, err := s.documents.Get(tx, s.documents.Key(mac))
		if err != nil {
			return nil, err
		}
		if found {
			d.holders[mac] = h
		}
	}
	return d, nil
}

func customerNotFound() error {
	return fault.New(fault.NotFound, "party.customer_not_found", "there is no such customer")
}

// move changes the state of a verification by the table.
func (r *record) move(to State, reason string) (err error) {
	r.State, err = r.State.Next(to)
	r.Reason = reason
	return err
}

// putCheck moves a check by the table and writes it. A check without a state begins.
func (s *Identities) putCheck(tx *commit.Tx, d *dossier, c check, to CheckState) error {
	if c.State == "" {
		c.State = CheckNone
	}
	next, err := c.State.Next(to)
	if err != nil {
		return err
	}
	c.State, c.UpdatedAt = next, tx.Now()
	if !next.under() && next != CheckAsked {
		c.Sealed = []byte{} // what was asked is no longer needed
	}
	d.checks[c.Channel] = c
	s.checks.Put(tx, c)
	return nil
}

// voidCheck makes a check that was never passed of one; an answer that still comes is no longer heard.
func (s *Identities) voidCheck(tx *commit.Tx, d *dossier, channel Channel) error {
	c, there := d.checks[channel]
	if !there {
		return nil
	}
	if c.Answers > 0 && c.State != CheckPassed {
		c.block(tx.Now()) // to begin again with another document is no way to more guesses
	}
	c.Reference, c.Reason, c.Masked, c.Answers, c.ValidUntil = "", "", "", 0, time.Time{}
	return s.putCheck(tx, d, c, CheckNone)
}

// blockedFor is how long a channel is closed to somebody who guessed wrong: three of 99 amounts in that time.
const blockedFor = 30 * day

// block closes the channel for the customer.
func (c *check) block(now time.Time) { c.Starts, c.StartsSince = startsMax, now.Add(blockedFor-day) }

func (s *Identities) voidChecks(tx *commit.Tx, d *dossier) error {
	for _, channel := range Channels() {
		if err := s.voidCheck(tx, d, channel); err != nil {
			return err
		}
	}
	return nil
}

// release gives up the customer's hold on a document.
func (s *Identities) release(tx *commit.Tx, d *dossier, mac string) {
	h, there := d.holders[mac]
	if !there {
		return
	}
	before := h
	if h.Customer == d.record.Customer {
		h.Customer = ""
	}
	if h.Third == d.record.Customer {
		h.Third = ""
	}
	if h != before {
		s.putHolder(tx, d, h)
	}
}

// The kinds of our events.
const (
	eventSubmitted = "identity.submitted"
	eventCheck     = "identity.check_decided"
	eventClass     = "identity.class_changed"
	eventReview    = "identity.review_opened"
	eventApproved  = "identity.approved"
	eventRefused   = "identity.refused"
	eventRepeat    = "identity.verification_requested"
	eventExpiring  = "identity.document_expiring"
	eventExpired   = "identity.document_expired"
	eventSeen      = "identity.image_seen"
)

// Event is the data of our events. It holds nothing of the document.
type Event struct {
	Customer    id.Customer      `json:"customer_id"`
	State       State            `json:"state"`
	Reason      string           `json:"reason,omitempty"`
	Channel     Channel          `json:"channel,omitempty"`
	CheckState  CheckState       `json:"check_state,omitempty"`
	Class       party.Class      `json:"account_class"`
	ClassBefore party.Class      `json:"account_class_before"`
	Staff       id.Staff         `json:"staff_id,omitempty"`
	Image       id.IdentityImage `json:"image_id,omitempty"`
	ExpiresAt   time.Time        `json:"expires_at,omitzero"`
}

// announce writes an event about a customer's verification.
func (s *Identities) announce(tx *commit.Tx, kind string, r record, e Event) error {
	e.Customer, e.State = r.Customer, r.State
	return s.outbox.Add(tx, outbox.Event{Kind: kind, Subject: string(r.Customer)}, e)
}
