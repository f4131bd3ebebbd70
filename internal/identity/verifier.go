package identity

import (
	"context"
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/id"
)

// Channel names one outside source that a person is checked against. Each counts once for the account class.
type Channel string

// The channels.
const (
	ChannelAuthority  Channel = "authority"     // the identity authority: name and document
	ChannelCard       Channel = "card"          // a card's four elements: name, document, card number, phone
	ChannelPhone      Channel = "phone"         // the phone's owner: name, document, phone
	ChannelTransfer   Channel = "bank_transfer" // a small deposit to the person's account, whose amount the person repeats
	ChannelCommercial Channel = "commercial"    // a commercial database: name, document, phone
)

// Channels lists all channels in the order in which a screen offers them.
func Channels() []Channel {
	return []Channel{ChannelAuthority, ChannelPhone, ChannelCard, ChannelTransfer, ChannelCommercial}
}

// Outcome is what a channel says. The zero value is unknown: no answer, or one that can't be trusted.
type Outcome string

const (
	// OutcomeUnknown is never taken for a yes or a no: the same query is sent again.
	OutcomeUnknown Outcome = ""
	// OutcomeMatched says that everything that was asked belongs together.
	OutcomeMatched Outcome = "matched"
	// OutcomeMismatch says that the channel knows the person and something differs.
	OutcomeMismatch Outcome = "mismatch"
	// OutcomeNotFound says that the channel knows nobody of that document.
	OutcomeNotFound Outcome = "not_found"
	// OutcomeAsked says that the channel has asked the person, who must now answer: see Confirmer.
	OutcomeAsked Outcome = "asked"
)

// Query is one question to a channel. Reference is ours and names the question: the channel decides it once, and
// says the same whenever it is asked again. Phone is E.164. It prints and logs as its reference.
type Query struct {
	Reference id.IdentityCheck
	Document  Document
	Phone     string // card, phone, commercial
	Card      string // card: 12 to 19 digits
	Account   string // bank transfer: 8 to 32 digits
}

// String returns the reference.
func (q Query) String() string { return string(q.Reference) }

// GoString returns the reference.
func (q Query) GoString() string { return "identity.Query{" + string(q.Reference) + "}" }

// LogValue returns the reference.
func (q Query) LogValue() slog.Value { return slog.StringValue(string(q.Reference)) }

// Verifier is one channel. Its methods may be called by many goroutines and must end with ctx.
type Verifier interface {
	// Channel says which one it is.
	Channel() Channel
	// Timeout is how long a call may take.
	Timeout() time.Duration
	// Verify asks. With an error the outcome is OutcomeUnknown. Errors: identity.no_answer, identity.bad_answer,
	// identity.channel_failed; none of them holds anything of the query but its reference.
	Verify(ctx context.Context, q Query) (Outcome, error)
}

// Reply is what a person says to a channel that asked: the amount of a small deposit in minor units. Try counts from 1;
// the channel decides each try once.
type Reply struct {
	Reference   id.IdentityCheck
	Try         int64
	AmountMinor int64
}

// Confirmer is a Verifier that asks the person: Verify says OutcomeAsked, Confirm brings the person's word.
type Confirmer interface {
	Verifier
	// Confirm returns OutcomeMatched or OutcomeMismatch. Errors: as of Verify.
	Confirm(ctx context.Context, r Reply) (Outcome, error)
}

// Codes of faults of the adapters.
const (
	CodeNoAnswer      = "identity.no_answer"
	CodeBadAnswer     = "identity.bad_answer"
	CodeChannelFailed = "identity.channel_failed"
)
