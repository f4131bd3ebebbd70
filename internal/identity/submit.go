package identity

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	submissionsMax = 5 // in a day
	startsMax      = 4 // of one channel in a day: card networks count no more than four checks of a card
	day            = 24 * time.Hour
)

// submission is a document on its way into the dossier.
type submission struct {
	document    Document
	documentMAC string
	subjectMAC  string
	personMAC   string
	sealed      []byte
	expiresAt   time.Time
}

// documentText is what tells documents apart.
func documentText(d Document) string {
	return strings.Join([]string{string(d.Kind), d.Country, d.Number}, "\n")
}

// documentPlace is where the document of a customer opens.
func documentPlace(customer id.Customer) []byte {
	return vault.RowAAD("identities", "sealed", string(customer))
}

func (s *Identities) newSubmission(customer id.Customer, said Document) (submission, error) {
	d, err := ParseDocument(said, s.clock.Now(), s.zone)
	if err != nil {
		return submission{}, err
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return submission{}, fault.Wrap(err, "write a document")
	}
	sealed, err := s.vault.Seal(purposeDocument, documentPlace(customer), plain)
	if err != nil {
		return submission{}, err
	}
	text := documentText(d)
	out := submission{
		document: d, sealed: sealed,
		documentMAC: s.vault.Fingerprint(numberMAC, text), subjectMAC: s.vault.Fingerprint(numberMAC, text, d.Name),
		personMAC: s.person(d.Name, d.Number),
	}
	if d.ExpiresOn != "" {
		last, err := d.ExpiresOn.Start(s.zone)
		if err != nil {
			return submission{}, fault.Wrap(err, "read an expiry")
		}
		out.expiresAt = last.In(s.zone).AddDate(0, 0, 1).UTC()
	}
	return out, nil
}

// Submit takes a customer's document. The same person with the same document and a later expiry keeps the checks but
// that of the identity authority, which knows expiries; with anything else all checks begin again. Who shows
// a document that another customer has shown, was refused before, or was verified with another document
// goes to staff.
//
// Errors: those of ParseDocument, identity.in_review, identity.too_many_submissions (Limited),
// party.customer_not_active.
func (s *Identities) Submit(ctx context.Context, customer id.Customer, said Document) (View, error) {
	sub, err := s.newSubmission(customer, said)
	if err != nil {
		return View{}, err
	}
	err = s.decide(ctx, customer, func(tx *commit.Tx, d *dossier) error {
		if err := s.parties.RequireActive(tx, customer); err != nil {
			return err
		}
		return s.submit(tx, d, sub)
	}, sub.documentMAC)
	if err != nil {
		return View{}, err
	}
	return s.View(ctx, customer)
}

// submit decides over one submission.
func (s *Identities) submit(tx *commit.Tx, d *dossier, sub submission) error {
	r, now := &d.record, tx.Now()
	if r.State == StateReview {
		return inReview()
	}
	if err := countTry(&r.Submissions, &r.SubmissionsSince, now, submissionsMax); err != nil {
		return err.WithParam("number")
	}
	state, reason := d.next(sub)
	if err := s.take(tx, d, sub); err != nil {
		return err
	}
	if err := r.move(state, reason); err != nil {
		return err
	}
	if err := s.announce(tx, eventSubmitted, *r, Event{Reason: reason}); err != nil {
		return err
	}
	if state == StateReview {
		if err := s.announce(tx, eventReview, *r, Event{Reason: reason}); err != nil {
			return err
		}
	}
	return s.settle(tx, d)
}

func inReview() error {
	return fault.New(fault.Conflict, "identity.in_review", "our staff look at this verification").
		WithHint("wait for their decision")
}

// countTry counts one try of at most a day. A since that lies ahead blocks until a day behind it: see block.
func countTry(n *int64, since *time.Time, now time.Time, most int64) *fault.Fault {
	if since.IsZero() || !now.Before(since.Add(day)) {
		*n, *since = 0, now
	}
	if *n >= most {
		return fault.New(fault.Limited, "identity.too_many_tries", "this was tried too often today").
			WithRetryAfter(since.Add(day).Sub(now))
	}
	*n++
	return nil
}

// next says where a submission leads, and why it goes to staff.
func (d *dossier) next(sub submission) (State, string) {
	r := d.record
	same := r.DocumentMAC == sub.documentMAC
	h, there := d.holders[sub.documentMAC]
	switch {
	case r.State == StateRefused:
		return StateReview, ReasonRefusedBefore
	case there && h.Customer != "" && h.Customer != r.Customer && (!same || !r.Later):
		return StateReview, ReasonDuplicate
	case !same && d.customer.Class > 0:
		return StateReview, ReasonOtherDocument
	}
	return StateOpen, ""
}

// take puts the document of a submission in the place of the former one.
func (s *Identities) take(tx *commit.Tx, d *dossier, sub submission) error {
	r := &d.record
	var err error
	switch {
	case r.SubjectMAC != sub.subjectMAC:
		r.Sides = ""
		err = s.voidChecks(tx, d)
	case !r.ExpiresAt.Equal(sub.expiresAt) || r.State == StateExpired:
		r.Sides = ""
		err = s.voidCheck(tx, d, ChannelAuthority)
	}
	if err != nil {
		return err
	}
	if r.DocumentMAC != sub.documentMAC {
		s.release(tx, d, r.DocumentMAC)
		r.Later = false
	}
	if h, there := d.holders[sub.documentMAC]; !there || h.Customer == "" {
		h.MAC, h.Customer = sub.documentMAC, r.Customer
		if !there {
			h.CreatedAt = tx.Now()
		}
		s.putHolder(tx, d, h)
	}
	r.Kind, r.Country = sub.document.Kind, sub.document.Country
	r.MaskedName, r.MaskedNumber = maskName(sub.document.Name), MaskNumber(sub.document.Number)
	r.DocumentMAC, r.SubjectMAC, r.PersonMAC, r.Sealed = sub.documentMAC, sub.subjectMAC, sub.personMAC, sub.sealed
	r.ExpiresAt, r.NoticedAt = sub.expiresAt, time.Time{}
	return nil
}

// openDocument decrypts the document of a record.
func (s *Identities) openDocument(r record) (Document, error) {
	return s.OpenDocument(r.Customer, r.Sealed)
}

// OpenDocument decrypts what identities.sealed holds of a customer. Errors: those of vault.Open.
func (s *Identities) OpenDocument(customer id.Customer, sealed []byte) (Document, error) {
	plain, err := s.vault.Open(purposeDocument, documentPlace(customer), sealed)
	if err != nil {
		return Document{}, fault.Wrap(err, "open the document of "+string(customer))
	}
	var d Document
	if err := json.Unmarshal(plain, &d); err != nil {
		return Document{}, fault.Wrap(errSealedForm, "open the document of "+string(customer))
	}
	return d, nil
}

// lastDay returns the day on which a document that is over at expiresAt is still valid; "" for one that never is.
func (s *Identities) lastDay(expiresAt time.Time) clock.Date {
	if expiresAt.IsZero() {
		return ""
	}
	return clock.DateOf(expiresAt.Add(-time.Microsecond), s.zone)
}
