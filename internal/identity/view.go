package identity

import (
	"context"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// View is a customer's verification as the customer sees it.
type View struct {
	State   State        `json:"state" enum:"none,open,review,refused,expired"`
	Reason  string       `json:"reason,omitempty" doc:"Why it is in this state: a stable word."`
	Class   party.Class  `json:"account_class" doc:"Payment account class, 0 to 3."`
	Limits  ClassTerms   `json:"limits" doc:"What the class allows."`
	Proof   *Proof       `json:"document,omitempty"`
	Checks  []CheckView  `json:"checks" doc:"One for each channel that is set up."`
	Next    *NextClass   `json:"next,omitempty" doc:"What the next class needs; missing in class III."`
	Classes []ClassTerms `json:"classes" doc:"All classes."`
}

// Proof is a document as it is shown: masked.
type Proof struct {
	Kind      Kind       `json:"kind"`
	Country   string     `json:"country" example:"CHN"`
	Name      string     `json:"name" doc:"Masked."`
	Number    string     `json:"number" doc:"Masked."`
	ExpiresOn clock.Date `json:"expires_on,omitempty" doc:"The last day on which it is valid."`
	Sides     []Side     `json:"images" doc:"The sides that there are images of."`
}

// CheckView is one channel's check as it is shown.
type CheckView struct {
	Channel     Channel    `json:"channel"`
	State       CheckState `json:"state" enum:"none,waiting,unknown,asked,passed,failed"`
	Reason      string     `json:"reason,omitempty" doc:"Why it failed: a stable word."`
	Masked      string     `json:"masked,omitempty" doc:"Card or account."`
	AnswersLeft int64      `json:"answers_left,omitzero" doc:"In state asked: how often the amount may still be said."`
	ValidUntil  time.Time  `json:"valid_until,omitzero"`
	UpdatedAt   time.Time  `json:"updated_at,omitzero"`
}

// NextClass is what a customer lacks for a class.
type NextClass struct {
	ClassTerms
	ChannelsMissing int       `json:"channels_missing" doc:"How many more channels must be passed."`
	ChannelsOffered []Channel `json:"channels_offered" doc:"The ones that may be tried."`
	ImagesMissing   []Side    `json:"images_missing"`
}

// StaffView is a customer's verification as staff see it: masked too.
type StaffView struct {
	Customer  id.Customer  `json:"customer_id"`
	Note      string       `json:"note,omitempty" doc:"What staff wrote when they decided last."`
	DecidedBy string       `json:"decided_by,omitempty"`
	Later     bool         `json:"later_account" doc:"The person has another account here."`
	Others    []string     `json:"other_customers" doc:"Who else has shown the same document."`
	Images    []StaffImage `json:"stored_images" doc:"Newest first."`
	CreatedAt time.Time    `json:"created_at"`
	UpdatedAt time.Time    `json:"updated_at"`
	View
}

// StaffImage is an image without its content.
type StaffImage struct {
	ID        id.IdentityImage `json:"id"`
	Side      Side             `json:"side"`
	Media     string           `json:"media_type"`
	Size      int64            `json:"size_bytes"`
	CreatedAt time.Time        `json:"created_at"`
}

// ReviewLine is one verification of the review queue.
type ReviewLine struct {
	Customer  id.Customer `json:"customer_id"`
	Reason    string      `json:"reason" doc:"Why staff must look: a stable word."`
	Kind      Kind        `json:"kind"`
	Country   string      `json:"country" example:"CHN"`
	Name      string      `json:"name" doc:"Masked."`
	Number    string      `json:"number" doc:"Masked."`
	UpdatedAt time.Time   `json:"updated_at"`
}

// View returns a customer's verification; one without any is of StateNone. Errors: party.customer_not_found.
func (s *Identities) View(ctx context.Context, customer id.Customer) (View, error) {
	d, err := s.readDossier(ctx, customer)
	if err != nil {
		return View{}, err
	}
	return s.view(d), nil
}

// StaffView returns a customer's verification for staff. Errors: identity.not_found.
func (s *Identities) StaffView(ctx context.Context, customer id.Customer) (StaffView, error) {
	d, err := s.readDossier(ctx, customer)
	if fault.KindOf(err) == fault.NotFound || (err == nil && d.record.State == StateNone) {
		return StaffView{}, fault.New(fault.NotFound, "identity.not_found", "there is no such verification")
	}
	if err != nil {
		return StaffView{}, err
	}
	r := d.record
	out := StaffView{
		Customer: customer, Note: r.Note, DecidedBy: string(r.DecidedBy), Later: r.Later,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, View: s.view(d),
	}
	out.Reason = r.Reason
	if out.Others, err = s.readOthers(ctx, r); err != nil {
		return StaffView{}, err
	}
	out.Images, err = s.readImages(ctx, customer)
	return out, err
}

func (s *Identities) view(d *dossier) View {
	r, now := d.record, s.clock.Now()
	out := View{
		State: r.State, Reason: r.publicReason(), Class: d.customer.Class, Limits: s.classes[d.customer.Class],
		Checks: []CheckView{}, Classes: s.classes,
	}
	if r.State != StateNone {
		out.Proof = &Proof{
			Kind: r.Kind, Country: r.Country, Name: r.MaskedName, Number: r.MaskedNumber,
			ExpiresOn: s.lastDay(r.ExpiresAt), Sides: append([]Side{}, r.sides()...),
		}
	}
	for _, channel := range Channels() {
		if c, there := d.checks[channel]; there || s.verifiers[channel] != nil {
			out.Checks = append(out.Checks, c.view(channel, now))
		}
	}
	out.Next = s.nextClass(d, now)
	return out
}

// publicReason is what the customer may know: not why staff look, since that may be about somebody else.
func (r record) publicReason() string {
	if r.State == StateReview {
		return ""
	}
	return r.Reason
}

func (c check) view(channel Channel, now time.Time) CheckView {
	v := CheckView{
		Channel: channel, State: c.State, Reason: c.Reason, Masked: c.Masked, ValidUntil: c.ValidUntil,
		UpdatedAt: c.UpdatedAt,
	}
	switch {
	case c.State == "", c.State == CheckPassed && !c.counts(now):
		v.State = CheckNone
	case c.State == CheckAsked:
		v.AnswersLeft = answersMax - c.Answers
	}
	return v
}

// nextClass says what lacks for the class above; nil where there is none, or staff must decide first.
func (s *Identities) nextClass(d *dossier, now time.Time) *NextClass {
	next := d.customer.Class + 1
	if d.record.Later && next == classFirst {
		next = classSecond
	}
	if next > classThird || d.record.State == StateReview {
		return nil
	}
	out := &NextClass{
		ClassTerms: s.classes[next], ChannelsOffered: []Channel{}, ImagesMissing: []Side{},
	}
	out.ChannelsMissing = max(0, out.Channels-d.passed(now))
	for _, channel := range Channels() {
		if !d.checks[channel].counts(now) && s.verifiers[channel] != nil {
			out.ChannelsOffered = append(out.ChannelsOffered, channel)
		}
	}
	if missing := d.record.missingSides(); out.Images && !slices.Equal(missing, nil) {
		out.ImagesMissing = missing
	}
	return out
}
