package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/party"
)

// ClassTerms is what an account class asks for and allows (PBOC 2015 No. 43 art. 11, in force since 2016-07-01). The
// limit is for payments from the balance in CNY minor units; Period is lifetime or year. Package limit enforces limits;
// these say what a class is for.
type ClassTerms struct {
	Class      party.Class `json:"account_class"`
	Channels   int         `json:"channels" doc:"Distinct channels that must have been passed."`
	Images     bool        `json:"images" doc:"Whether images of the document are needed too."`
	LimitMinor int64       `json:"limit_minor" doc:"Payments from the balance, CNY minor units; 0 is none."`
	Period     string      `json:"period" doc:"What the limit is for." enum:"none,lifetime,year"`
}

const (
	classFirst, classSecond, classThird = 1, 2, 3

	channelsFirst, channelsSecond, channelsThird = 1, 3, 5

	limitFirst  = 1_000_00
	limitSecond = 100_000_00
	limitThird  = 200_000_00
)

// Terms is the table of classes, by class.
func Terms() []ClassTerms {
	return []ClassTerms{
		{Class: 0, Period: "none"},
		{Class: classFirst, Channels: channelsFirst, LimitMinor: limitFirst, Period: "lifetime"},
		{Class: classSecond, Channels: channelsSecond, Images: true, LimitMinor: limitSecond, Period: "year"},
		{Class: classThird, Channels: channelsThird, Images: true, LimitMinor: limitThird, Period: "year"},
	}
}

// validity is how long a passed check counts where the document does not end before; channels that are missing have no
// end of their own. No rule fixes these: phone numbers and accounts change hands, so that their owners are asked again.
func validity() map[Channel]time.Duration {
	const year = 365 * 24 * time.Hour
	return map[Channel]time.Duration{ //nolint:exhaustive // see above
		ChannelPhone: 2 * year, ChannelCard: 5 * year, ChannelTransfer: 5 * year, ChannelCommercial: 5 * year,
	}
}

// counts reports whether a check counts at now.
func (c check) counts(now time.Time) bool {
	return c.State == CheckPassed && (c.ValidUntil.IsZero() || c.ValidUntil.After(now))
}

// dossier is all that a decision about a customer reads.
type dossier struct {
	customer party.Customer
	record   record
	holders  map[string]holder // by MAC, those that are there
	checks   map[Channel]check
}

// passed counts the channels that count at now.
func (d *dossier) passed(now time.Time) int {
	n := 0
	for _, c := range d.checks {
		if c.counts(now) {
			n++
		}
	}
	return n
}

// class is the one rule from what is known to the account class, at now.
func (d *dossier) class(now time.Time) party.Class {
	r := d.record
	if r.State != StateOpen || (!r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now)) {
		return 0
	}
	n, complete := d.passed(now), r.hasImages()
	third := d.holders[r.DocumentMAC].Third
	switch {
	case n >= channelsThird && complete && (third == "" || third == r.Customer):
		return classThird
	case n >= channelsSecond && complete:
		return classSecond
	case n >= channelsFirst && !r.Later: // class I is for a person's first account here
		return classFirst
	}
	return 0
}

// hasImages reports whether all images that the kind of document needs are there.
func (r record) hasImages() bool { return len(r.missingSides()) == 0 }

func (r record) sides() []Side {
	var out []Side
	for side := range strings.SplitSeq(r.Sides, ",") {
		if side != "" {
			out = append(out, Side(side))
		}
	}
	return out
}

func (r record) missingSides() []Side {
	return slices.DeleteFunc(slices.Clone(kinds()[r.Kind].sides), func(side Side) bool {
		return slices.Contains(r.sides(), side)
	})
}

// settle ends every decision: it sets the class that follows, keeps who has class III, says what changed, and writes
// the record.
func (s *Identities) settle(tx *commit.Tx, d *dossier) error {
	now, r := tx.Now(), &d.record
	class := d.class(now)
	if h, there := d.holders[r.DocumentMAC]; there {
		switch {
		case class == classThird && h.Third != r.Customer:
			h.Third = r.Customer
			s.putHolder(tx, d, h)
		case class != classThird && h.Third == r.Customer:
			h.Third = ""
			s.putHolder(tx, d, h)
		}
	}
	r.DueAt, r.UpdatedAt = d.due(now), now
	s.records.Put(tx, *r)
	if class == d.customer.Class {
		return nil
	}
	if err := s.parties.SetClass(tx, r.Customer, class); err != nil {
		return err
	}
	return s.announce(tx, eventClass, *r, Event{Class: class, ClassBefore: d.customer.Class})
}

func (s *Identities) putHolder(tx *commit.Tx, d *dossier, h holder) {
	d.holders[h.MAC] = h
	s.documents.Put(tx, h)
}

// noticeBefore is how long before its last day the holder of a document is told.
const noticeBefore = 30 * 24 * time.Hour

// due returns when Expire must look again; zero for never.
func (d *dossier) due(now time.Time) time.Time {
	r := d.record
	if r.State != StateOpen {
		return time.Time{}
	}
	var first time.Time
	at := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	at(r.ExpiresAt)
	if !r.ExpiresAt.IsZero() && r.NoticedAt.IsZero() {
		at(r.ExpiresAt.Add(-noticeBefore))
	}
	for _, c := range d.checks {
		if c.counts(now) {
			at(c.ValidUntil)
		}
	}
	return first
}
