// Package channel is the port to money outside: a route by which money moves to us (pay in), from
// us (pay out) and back (refund), with what the route can do as data.
//
// An adapter implements Channel in a folder below this one, and passes the suite in channeltest.
// The rules of the port:
//
//   - Our reference, the id of the attempt, stands in every order. The same reference sent again
//     gives the same result and moves no money twice. Another order under the same reference is
//     refused.
//   - An outcome other than unknown is the channel's own word: signed by it, bound to our request,
//     and about our reference and amount. A time-out, a broken connection, an answer that cannot be
//     read, is wrongly signed or tells of another order is OutcomeUnknown, with the cause in the
//     error. It is never a decline, also not when we believe that the order never left.
//   - A decline is a result, not an error. It is final, and no money has moved.
//   - Unknown is resolved by Query. A channel that does not know the reference answers not found,
//     which may be believed only when the order had time to arrive: Capabilities.NotFoundGrace.
//   - A notice is a hint that comes by itself: it may be missing, late, doubled or contradict what
//     the channel said before. See Notice.
//
// Nothing here stores, and nothing here speaks HTTP. How an attempt moves from state to state is the
// table in attempt.go.
package channel

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Channel is one route by which money moves. Its methods may be called by many goroutines at once
// and end when ctx ends. None of them may be called inside a decision.
type Channel interface {
	// Capabilities says what this channel can do. It is fixed for the life of the value.
	Capabilities() Capabilities
	// PayIn moves money from the customer's account to our reserve.
	//
	// Errors: only with OutcomeUnknown; see the codes in fault.go.
	PayIn(ctx context.Context, order Order) (Result, error)
	// PayOut moves money from our reserve to the customer's account.
	//
	// Errors: as PayIn.
	PayOut(ctx context.Context, order Order) (Result, error)
	// Refund gives back a pay-in, whole or in parts; the parts never exceed the whole.
	//
	// Errors: as PayIn.
	Refund(ctx context.Context, order RefundOrder) (Result, error)
	// Query asks what became of an order. It is the only method that answers OutcomeNotFound.
	//
	// Errors: as PayIn.
	Query(ctx context.Context, query Query) (Result, error)
	// Statement lists the movements of our reserve account, oldest first, each exactly once when
	// the caller follows the cursor.
	//
	// Errors: the transport's codes in fault.go, channel.bad_cursor.
	Statement(ctx context.Context, request StatementRequest) (StatementPage, error)
	// Bind exchanges a customer's account number for a token, so that we never store the number.
	// The same account gives the same token.
	//
	// Errors: channel.account_not_found, channel.name_mismatch, channel.account_closed; the
	// transport's codes in fault.go.
	Bind(ctx context.Context, request BindRequest) (Binding, error)
}

// NoticeReader is a channel that sends notices. ReadNotice verifies a callback and reads it; it
// needs no network.
//
// Errors: channel.bad_notice (not signed by the channel, too old, or not readable): answer 4xx and
// change nothing.
type NoticeReader interface {
	ReadNotice(callback Callback) (Notice, error)
}

// BalanceReader is a channel that can say how much is in our reserve account there.
//
// Errors: the transport's codes in fault.go.
type BalanceReader interface {
	ReserveBalance(ctx context.Context, currency money.Currency) (money.Amount, error)
}

// Order is one pay-in or pay-out. Reference is ours and unique for all time; AccountToken is the
// channel's, from Binding.Token; Memo appears on the customer's statement, at most MemoMax
// characters, and holds no personal data.
type Order struct {
	Reference    id.Attempt
	AccountToken string
	Amount       money.Amount
	Memo         string
}

// RefundOrder gives Amount of the pay-in Original back to the account it came from.
type RefundOrder struct {
	Reference id.Attempt
	Original  id.Attempt
	Amount    money.Amount
	Memo      string
}

// Query asks for the order Reference. Kind and Amount are what the order said; an answer that
// disagrees is not trusted.
type Query struct {
	Reference id.Attempt
	Kind      Kind
	Amount    money.Amount
}

// MemoMax is the longest memo, in characters.
const MemoMax = 80

// Outcome is what became of an order, as far as the channel said. The zero value is unknown.
type Outcome string

const (
	// OutcomeUnknown means no answer, or none that can be trusted. We act: Query.
	OutcomeUnknown Outcome = ""
	// OutcomeSucceeded means that the money has moved. Final.
	OutcomeSucceeded Outcome = "succeeded"
	// OutcomeDeclined means a definite no: the money has not moved and will not. Final.
	OutcomeDeclined Outcome = "declined"
	// OutcomePending means that the channel has the order and will decide. The channel acts, and
	// we Query when it takes long.
	OutcomePending Outcome = "pending"
	// OutcomeNotFound means that the channel has no such reference. Only Query answers so, and it
	// may be believed only after Capabilities.NotFoundGrace.
	OutcomeNotFound Outcome = "not_found"
)

// Final reports whether the channel will not change its mind: succeeded or declined.
func (o Outcome) Final() bool { return o == OutcomeSucceeded || o == OutcomeDeclined }

// Result is a channel's answer about one order. DeclineCode is set when declined;
// ChannelReference is the channel's own number of the movement; BookedAt is the instant at which it
// booked, zero where nothing is booked; Message is for the log and for staff.
type Result struct {
	Outcome          Outcome
	DeclineCode      DeclineCode
	ChannelReference string
	BookedAt         time.Time
	Message          string
}

// StatementRequest asks for movements of our reserve account in Currency. Cursor is "" for the
// first page, then StatementPage.Next. From and Until bound the booking instants, From included,
// Until not; zero is no bound, and both stay the same while following a cursor. Limit is at most
// StatementLimitMax; zero is the channel's choice.
type StatementRequest struct {
	Currency money.Currency
	Cursor   string
	From     time.Time
	Until    time.Time
	Limit    int
}

// StatementLimitMax is the most lines of one page.
const StatementLimitMax = 500

// StatementPage is a page of the reserve account's movements. Opening is the balance before the
// first line, Closing the one after the last; without lines they are equal. Next continues after
// the last line, also later when new lines have come; More says whether some are there already.
type StatementPage struct {
	Lines   []StatementLine
	Opening money.Amount
	Closing money.Amount
	Next    string
	More    bool
}

// Side says which way a movement went on our reserve account.
type Side string

const (
	// SideCredit means that money came to us.
	SideCredit Side = "credit"
	// SideDebit means that money left us.
	SideDebit Side = "debit"
)

// StatementLine is one movement of our reserve account. Reference is ours as the channel knows it;
// it may be "" or foreign for a movement that we did not order. Amount is positive; Side gives the
// direction.
type StatementLine struct {
	ChannelReference string
	Reference        id.Attempt
	Kind             Kind
	Side             Side
	Amount           money.Amount
	BalanceAfter     money.Amount
	BookedAt         time.Time
}
