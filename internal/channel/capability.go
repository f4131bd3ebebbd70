package channel

import (
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// Kind is something that a channel can do.
type Kind string

const (
	// KindPayIn moves money from a customer to us.
	KindPayIn Kind = "pay_in"
	// KindPayOut moves money from us to a customer.
	KindPayOut Kind = "pay_out"
	// KindRefund gives a pay-in back.
	KindRefund Kind = "refund"
	// KindQuery tells what became of an order.
	KindQuery Kind = "query"
	// KindStatement lists the movements of our account.
	KindStatement Kind = "statement"
	// KindBind exchanges an account number for a token.
	KindBind Kind = "bind"
)

// Capabilities says what a channel can do and what it costs, for routing, checks and screens.
type Capabilities struct {
	// Name is the stable name in data and settings: "bank".
	Name string
	// Title is the name on screens.
	Title string
	// Kinds lists what the channel can do.
	Kinds []Kind
	// Terms has one line for each currency.
	Terms []Terms
	// Declines turns the channel's decline codes into ours.
	Declines []Decline
	// Timeout is how long a call may take before its outcome is unknown.
	Timeout time.Duration
	// NotFoundGrace is how long after the last send of an order OutcomeNotFound must not be believed: the
	// order may still be under way. It is longer than Timeout.
	NotFoundGrace time.Duration
}

// Terms are limits and price for one currency: an order is from Min to Max minor units, both
// included, and costs us CostRate of its amount plus CostFixed minor units.
type Terms struct {
	Currency  money.Currency
	Min       int64
	Max       int64
	CostRate  money.BasisPoints
	CostFixed int64
}

// Supports reports whether the channel can do kind.
func (c Capabilities) Supports(kind Kind) bool { return slices.Contains(c.Kinds, kind) }

// TermsFor returns the terms for currency and whether there are any.
func (c Capabilities) TermsFor(currency money.Currency) (Terms, bool) {
	i := slices.IndexFunc(c.Terms, func(t Terms) bool { return t.Currency == currency })
	if i < 0 {
		return Terms{}, false
	}
	return c.Terms[i], true
}

// Check says whether an order of kind over amount may be sent. Ask before an attempt is written: an
// adapter asks too, but by then a refusal is one more attempt to resolve.
//
// Errors: channel.not_supported, channel.amount_out_of_range.
func (c Capabilities) Check(kind Kind, amount money.Amount) error {
	if !c.Supports(kind) {
		return notSupported("this way to pay cannot do that")
	}
	terms, ok := c.TermsFor(amount.Currency)
	if !ok {
		return notSupported("this way to pay does not take that currency").WithParam("currency")
	}
	if amount.Minor < terms.Min || amount.Minor > terms.Max {
		return fault.Newf(fault.Invalid, CodeAmountOutOfRange, "the amount must be from %s to %s",
			money.Amount{Minor: terms.Min, Currency: terms.Currency}, money.Amount{Minor: terms.Max, Currency: terms.Currency}).
			WithParam("amount")
	}
	return nil
}

// Cost returns what the channel charges us for an order over amount, in the same currency.
//
// Errors: channel.not_supported for a currency without terms, money.overflow.
func (c Capabilities) Cost(amount money.Amount) (money.Amount, error) {
	terms, ok := c.TermsFor(amount.Currency)
	if !ok {
		return money.Amount{}, notSupported("this way to pay does not take that currency").WithParam("currency")
	}
	share, err := terms.CostRate.Of(amount)
	if err != nil {
		return money.Amount{}, err
	}
	return share.Add(money.Amount{Minor: terms.CostFixed, Currency: amount.Currency})
}

// NotFoundTrusted reports whether OutcomeNotFound may be believed at now for an order last sent at
// sentAt: every send starts the wait again.
func (c Capabilities) NotFoundTrusted(sentAt, now time.Time) bool {
	return now.Sub(sentAt) >= c.NotFoundGrace
}

// DeclineCode returns our code for the channel's own; DeclineDoNotHonor for one that nobody told us
// about, since a decline stays a decline.
func (c Capabilities) DeclineCode(theirs string) DeclineCode {
	i := slices.IndexFunc(c.Declines, func(d Decline) bool { return d.Theirs == theirs })
	if i < 0 {
		return DeclineDoNotHonor
	}
	return c.Declines[i].Code
}
