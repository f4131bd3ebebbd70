package identity

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/vault"
)

// Start asks for a check on one channel. Card is for ChannelCard, Account for ChannelTransfer. The phone is the
// customer's registered one. It prints and logs as its channel.
type Start struct {
	Channel Channel
	Card    string
	Account string
}

// String returns the channel.
func (s Start) String() string { return string(s.Channel) }

// GoString returns the channel.
func (s Start) GoString() string { return "identity.Start{" + string(s.Channel) + "}" }

// LogValue returns the channel.
func (s Start) LogValue() slog.Value { return slog.StringValue(string(s.Channel)) }

const (
	cardMin, cardMax       = 12, 19
	accountMin, accountMax = 8, 32
	answersMax             = 3
	depositMax             = 99 // minor units
)

// inputs are what a check asks beside the document. They are stored sealed.
type inputs struct {
	Phone       string `json:"phone,omitempty"`
	Card        string `json:"card,omitempty"`
	Account     string `json:"account,omitempty"`
	AmountMinor int64  `json:"amount_minor,omitempty"`
}

var errSealedForm = errors.New("what was opened has not the form it was sealed with")

// parse checks what a channel needs. Errors: identity.bad_channel, identity.bad_card, identity.bad_account.
func (s Start) parse(phone string) (in inputs, masked string, err error) {
	digits := func(text string, least, most int) (string, bool) {
		plain := strings.NewReplacer(" ", "", "-", "").Replace(text)
		return plain, len(plain) >= least && len(plain) <= most && strings.Trim(plain, "0123456789") == ""
	}
	var ok bool
	switch s.Channel {
	case ChannelAuthority:
		return in, "", nil
	case ChannelPhone, ChannelCommercial:
		in.Phone = phone
		return in, "", nil
	case ChannelCard:
		in.Phone = phone
		if in.Card, ok = digits(s.Card, cardMin, cardMax); !ok {
			return in, "", invalid("identity.bad_card", "a card number has 12 to 19 digits", "card_number")
		}
		return in, maskEnd(in.Card), nil
	case ChannelTransfer:
		if in.Account, ok = digits(s.Account, accountMin, accountMax); !ok {
			return in, "", invalid("identity.bad_account", "an account number has 8 to 32 digits", "account_number")
		}
		return in, maskEnd(in.Account), nil
	}
	return in, "", invalid("identity.bad_channel", "there is no such channel", "channel")
}

// maskEnd shows the last four digits.
func maskEnd(digits string) string {
	const shown = 4
	return "****" + digits[len(digits)-shown:]
}

func (s *Identities) sealInputs(customer id.Customer, channel Channel, in inputs) ([]byte, error) {
	plain, err := json.Marshal(in)
	if err != nil {
		return nil, fault.Wrap(err, "write a check")
	}
	return s.vault.Seal(purposeCheck, checkPlace(customer, channel), plain)
}

// checkPlace is where the inputs of a check open.
func checkPlace(customer id.Customer, channel Channel) []byte {
	return vault.RowAAD("identity_checks", "sealed", checkID(customer, channel))
}

func (s *Identities) openInputs(customer id.Customer, channel Channel, sealed []byte) (inputs, error) {
	var in inputs
	plain, err := s.vault.Open(purposeCheck, checkPlace(customer, channel), sealed)
	if err != nil {
		return in, fault.Wrap(err, "open check "+checkID(customer, channel))
	}
	if err := json.Unmarshal(plain, &in); err != nil {
		return in, fault.Wrap(errSealedForm, "open check "+checkID(customer, channel))
	}
	return in, nil
}

// Asked is what a check asked beside the document, as its person may carry it away: of numbers the end.
type Asked struct {
	Phone       string `json:"phone,omitempty"`
	Card        string `json:"card_number,omitempty"`
	Account     string `json:"account_number,omitempty"`
	AmountMinor int64  `json:"amount_minor,omitempty"`
}

// OpenCheck decrypts what identity_checks.sealed holds of a check. Errors: those of vault.Open.
func (s *Identities) OpenCheck(customer id.Customer, channel Channel, sealed []byte) (Asked, error) {
	in, err := s.openInputs(customer, channel, sealed)
	asked := Asked{Phone: in.Phone, AmountMinor: in.AmountMinor}
	if in.Card != "" {
		asked.Card = maskEnd(in.Card)
	}
	if in.Account != "" {
		asked.Account = maskEnd(in.Account)
	}
	return asked, err
}

// StartCheck begins the check of a channel; a job asks it. Errors: those of Start's members, identity.channel_missing,
// identity.not_started, identity.in_review, identity.check_under_way, identity.check_passed,
// identity.too_many_tries (Limited), party.customer_not_active.
func (s *Identities) StartCheck(ctx context.Context, customer id.Customer, start Start) (View, error) {
	holder, err := s.parties.Customer(ctx, customer)
	if err != nil {
		return View{}, err
	}
	in, masked, err := start.parse(holder.Phone)
	if err != nil {
		return View{}, err
	}
	if s.verifiers[start.Channel] == nil {
		return View{}, fault.New(fault.Conflict, "identity.channel_missing", "this channel is not set up here").
			WithParam("channel").WithHint("use another channel")
	}
	sealed, err := s.sealInputs(customer, start.Channel, in)
	if err != nil {
		return View{}, err
	}
	now := s.clock.Now()
	reference, work := id.New[id.IdentityCheck](now), id.New[id.Job](now)
	err = s.decide(ctx, customer, func(tx *commit.Tx, d *dossier) error {
		if err := s.parties.RequireActive(tx, customer); err != nil {
			return err
		}
		c, err := d.startable(start.Channel, tx.Now())
		if err != nil {
			return err
		}
		if err := countTry(&c.Starts, &c.StartsSince, tx.Now(), startsMax); err != nil {
			return err.WithParam("channel")
		}
		c.Reference, c.Reason, c.Masked, c.Sealed, c.Answers = reference, "", masked, sealed, 0
		c.ValidUntil = time.Time{}
		s.enqueue(tx, c, work)
		return s.putCheck(tx, d, c, CheckWaiting)
	})
	if err != nil {
		return View{}, err
	}
	return s.View(ctx, customer)
}

// startable returns the check of a channel where one may begin.
func (d *dossier) startable(channel Channel, now time.Time) (check, error) {
	r := d.record
	switch {
	case r.State == StateReview:
		return check{}, inReview()
	case r.State != StateOpen, !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now):
		return check{}, notStarted()
	}
	c, there := d.checks[channel]
	if !there {
		return check{ID: checkID(r.Customer, channel), Customer: r.Customer, Channel: channel, CreatedAt: now}, nil
	}
	switch {
	case c.State.under(), c.State == CheckAsked && (c.Answers > 0 || now.Before(c.UpdatedAt.Add(askedFor))):
		return check{}, fault.New(fault.Conflict, "identity.check_under_way", "this check is under way").WithParam("channel")
	case c.counts(now):
		return check{}, fault.New(fault.Conflict, "identity.check_passed", "this check was passed already").
			WithParam("channel")
	}
	if c.State == CheckAsked {
		c.State = CheckNone // the person starts anew with another account
	}
	return c, nil
}

// askedFor is how long a person has for the first answer before another start is allowed; who has guessed stays with
// what was asked.
const askedFor = time.Hour

// enqueue writes the job that asks the channel about this try.
func (s *Identities) enqueue(tx *commit.Tx, c check, work id.Job) {
	s.jobs.Enqueue(tx, job.Work{ID: work, Kind: jobCheck, Subject: c.ID, Payload: string(c.Reference)})
}

// AnswerCheck takes a customer's word to a channel that asked: the amount of the deposit, 1 to 99 minor units. Three
// wrong ones fail the check, and the channel is closed to the customer for thirty days. Errors: identity.bad_amount,
// identity.not_asked, party.customer_not_active.
func (s *Identities) AnswerCheck(
	ctx context.Context, customer id.Customer, channel Channel, amountMinor int64,
) (View, error) {
	if amountMinor < 1 || amountMinor > depositMax {
		return View{}, invalid("identity.bad_amount", "the deposit was 1 to 99 minor units", "amount")
	}
	before, err := s.readCheck(ctx, checkID(customer, channel))
	if err != nil {
		return View{}, err
	}
	if before.State != CheckAsked {
		return View{}, notAsked()
	}
	in, err := s.openInputs(customer, channel, before.Sealed)
	if err != nil {
		return View{}, err
	}
	in.AmountMinor = amountMinor
	sealed, err := s.sealInputs(customer, channel, in)
	if err != nil {
		return View{}, err
	}
	work := id.New[id.Job](s.clock.Now())
	err = s.decide(ctx, customer, func(tx *commit.Tx, d *dossier) error {
		if err := s.parties.RequireActive(tx, customer); err != nil {
			return err
		}
		c := d.checks[channel]
		if c.State != CheckAsked || c.Reference != before.Reference || c.Answers != before.Answers {
			return notAsked()
		}
		c.Sealed, c.Reason = sealed, ""
		c.Answers++
		s.enqueue(tx, c, work)
		return s.putCheck(tx, d, c, CheckWaiting)
	})
	if err != nil {
		return View{}, err
	}
	return s.View(ctx, customer)
}

func notAsked() error {
	return fault.New(fault.Conflict, "identity.not_asked", "this check waits for no answer").WithParam("channel")
}
