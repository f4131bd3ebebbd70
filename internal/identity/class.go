package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
)

// ClassTerms is what an account class asks for (PBOC 2015 No. 43 art. 11, in force since 2016-07-01) and allows: the
// figures of the jurisdiction's preset, which package limit enforces and staff may tighten.
type ClassTerms struct {
	Class    party.Class  `json:"account_class"`
	Channels int          `json:"channels" doc:"Distinct channels that must have been passed."`
	Images   bool         `json:"images" doc:"Whether images of the document are needed too."`
	Limits   []ClassLimit `json:"limits" doc:"Payments from the balance; GET /wallet/v1/limits says what is left."`
}

// ClassLimit is a rule of the preset that is about a class. Minor is nil where the figure is left to the operator, and
// Currency "" where any is meant.
type ClassLimit struct {
	Rule     string         `json:"rule" example:"cn.class2.year"`
	Period   limit.Period   `json:"period" enum:"transaction,day,year,lifetime,since_two_factors"`
	Minor    *int64         `json:"limit_minor,omitempty"`
	Currency money.Currency `json:"currency,omitempty"`
}

const (
	classFirst, classSecond, classThird = 1, 2, 3

	channelsFirst, channelsSecond, channelsThird = 1, 3, 5
)

// terms is the table of classes, by class, with the rules that are about each.
func terms(rules []limit.Rule) []ClassTerms {
	classes := []ClassTerms{
		{Class: 0},
		{Class: classFirst, Channels: channelsFirst},
		{Class: classSecond, Channels: channelsSecond, Images: true},
		{Class: classThird, Channels: channelsThird, Images: true},
	}
	for i := range classes {
		classes[i].Limits = []ClassLimit{}
		for _, r := range rules {
			if r.Kind == "class" && slices.Contains(r.Classes, int64(classes[i].Class)) {
				classes[i].Limits = append(classes[i].Limits, ClassLimit{r.ID, r.Period, r.Minor, r.Currency})
			}
		}
	}
	return classes
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
	if class > 0 {
		r.VerifiedMAC = r.PersonMAC
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
