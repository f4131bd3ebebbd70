// Package channeltest is the suite that every channel must pass. An adapter's test gives it a bench:
// the adapter, a real other side that knows its accounts, and the amounts that make trouble there.
//
// After each test the suite checks that the other side neither made nor lost money.
package channeltest

import (
	"context"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Trouble is something that can go wrong on the way.
type Trouble string

const (
	// TroubleBookedNoAnswer books and drops the connection.
	TroubleBookedNoAnswer Trouble = "booked_no_answer"
	// TroubleLostNoAnswer drops the connection without booking.
	TroubleLostNoAnswer Trouble = "lost_no_answer"
	// TroubleBookedError books and answers that it failed.
	TroubleBookedError Trouble = "booked_error"
	// TroubleBadSignature books and signs the answer with a wrong key.
	TroubleBadSignature Trouble = "bad_signature"
	// TroubleHeld books, sends its notice, and holds the answer until the client leaves.
	TroubleHeld Trouble = "held"
	// TroublePendingSuccess answers pending and books soon, with a notice.
	TroublePendingSuccess Trouble = "pending_success"
	// TroublePendingDecline answers pending and declines soon, with a notice.
	TroublePendingDecline Trouble = "pending_decline"
	// TroubleNoticeThrice sends the notice three times.
	TroubleNoticeThrice Trouble = "notice_thrice"
	// TroubleNoticeLate books, drops the connection, and sends the notice later.
	TroubleNoticeLate Trouble = "notice_late"
	// TroubleNoticeContradicts succeeds and also sends a notice that says declined.
	TroubleNoticeContradicts Trouble = "notice_contradicts"
)

// Bench is one channel with the other side it talks to, fresh for each test.
type Bench struct {
	// Channel is what is tested. If it is a NoticeReader, Callbacks must be set.
	Channel channel.Channel
	// Account is open and holds at least a hundred times Amount; the others cannot be bound.
	Account, Unknown, WrongName, Closed channel.BindRequest
	// Token stands for the account, with as much in it, where the channel does not bind.
	Token string
	// Amount is an ordinary amount that succeeds; so do its multiples by 2, 3 and so on up to 10.
	Amount money.Amount
	// Declines are the amounts that are declined, by our code.
	Declines map[channel.DeclineCode]money.Amount
	// Troubles are the amounts that make trouble. The other side may lack one; its test is skipped.
	Troubles map[Trouble]money.Amount
	// Callbacks delivers what the other side sends, in order of arrival.
	Callbacks <-chan channel.Callback
	// Clock is the clock of the channel.
	Clock *clock.Clock
	// Booked returns how many movements the other side made for a reference.
	Booked func(t *testing.T, reference id.Attempt) int
	// Total returns the sum of all balances at the other side.
	Total func(t *testing.T) int64
}

// suite is one case at its bench.
type suite struct {
	t     *testing.T
	bench *Bench
}

// patience is how long the suite waits for something that must come. It bounds a failing test only.
const patience = time.Minute

// Run runs the suite. The factory is called once for each test.
func Run(t *testing.T, factory func(t *testing.T) *Bench) {
	t.Helper()
	cases := map[string]func(s *suite){
		"Capabilities":           capabilities,
		"Bind":                   bind,
		"Bind/Errors":            bindErrors,
		"PayIn":                  payIn,
		"PayOut":                 payOut,
		"PayOut/ReserveTooLow":   payOutReserveTooLow,
		"Order/Declined":         declined,
		"Order/UnknownAccount":   unknownAccount,
		"Order/Invalid":          invalid,
		"Order/Repeat":           repeat,
		"Order/RepeatDeclined":   repeatDeclined,
		"Order/RepeatOther":      repeatOther,
		"Order/RepeatConcurrent": repeatConcurrent,
		"Refund":                 refund,
		"Refund/NoOriginal":      refundNoOriginal,
		"Refund/Concurrent":      refundConcurrent,
		"Query/NotFound":         queryNotFound,
		"Query/Mismatch":         queryMismatch,
		"Unknown/BookedNoAnswer": unknownBooked(TroubleBookedNoAnswer),
		"Unknown/BookedError":    unknownBooked(TroubleBookedError),
		"Unknown/BadSignature":   unknownBooked(TroubleBadSignature),
		"Unknown/NoticeLate":     unknownBooked(TroubleNoticeLate),
		"Unknown/Lost":           unknownLost,
		"Unknown/Held":           unknownHeld,
		"Unknown/NoTime":         unknownNoTime,
		"Pending/Success":        pending(TroublePendingSuccess, channel.OutcomeSucceeded),
		"Pending/Decline":        pending(TroublePendingDecline, channel.OutcomeDeclined),
		"Notice":                 notice,
		"Notice/Thrice":          noticeThrice,
		"Notice/Late":            noticeLate,
		"Notice/Contradicts":     noticeContradicts,
		"Notice/Refused":         noticeRefused,
		"Statement":              statement,
		"Statement/Empty":        statementEmpty,
		"Statement/Period":       statementPeriod,
		"Statement/BadCursor":    statementBadCursor,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := factory(t)
			before := b.Total(t)
			run(&suite{t: t, bench: b})
			if after := b.Total(t); after != before {
				t.Errorf("all balances together were %d and are %d", before, after)
			}
		})
	}
}

// reference returns a fresh reference.
func (b *Bench) reference() id.Attempt { return id.New[id.Attempt](b.Clock.Now()) }

// token binds the bench's account.
func (b *Bench) token(t *testing.T) string {
	t.Helper()
	if !b.Channel.Capabilities().Supports(channel.KindBind) {
		return b.Token
	}
	binding, err := b.Channel.Bind(t.Context(), b.Account)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	return binding.Token
}

// order returns a fresh order over amount.
func (b *Bench) order(t *testing.T, amount money.Amount) channel.Order {
	t.Helper()
	return channel.Order{Reference: b.reference(), AccountToken: b.token(t), Amount: amount, Memo: "suite"}
}

// times returns Amount n times.
func (b *Bench) times(n int64) money.Amount {
	return money.Amount{Minor: b.Amount.Minor * n, Currency: b.Amount.Currency}
}

// trouble returns the amount of a trouble, or skips.
func (b *Bench) trouble(t *testing.T, trouble Trouble) money.Amount {
	t.Helper()
	amount, ok := b.Troubles[trouble]
	if !ok {
		t.Skipf("the other side cannot make %s", trouble)
	}
	return amount
}

// paidIn pays amount in and returns the order.
func (b *Bench) paidIn(t *testing.T, amount money.Amount) channel.Order {
	t.Helper()
	order := b.order(t, amount)
	result, err := b.Channel.PayIn(t.Context(), order)
	b.succeeded(t, order.Reference, result, err)
	return order
}

// succeeded fails unless the result is a success that is booked exactly once.
func (b *Bench) succeeded(t *testing.T, reference id.Attempt, result channel.Result, err error) {
	t.Helper()
	if err != nil || result.Outcome != channel.OutcomeSucceeded {
		t.Fatalf("got %+v, %v; want succeeded", result, err)
	}
	if result.ChannelReference == "" || result.BookedAt.IsZero() || result.DeclineCode != "" {
		t.Errorf("a success lacks its reference or instant, or has a decline code: %+v", result)
	}
	b.booked(t, reference, 1)
}

// declined fails unless the result is a decline with code, with nothing booked.
func (b *Bench) declined(
	t *testing.T, reference id.Attempt, code channel.DeclineCode, result channel.Result, err error,
) {
	t.Helper()
	if err != nil || result.Outcome != channel.OutcomeDeclined || result.DeclineCode != code {
		t.Fatalf("got %+v, %v; want declined %s", result, err, code)
	}
	if !result.BookedAt.IsZero() {
		t.Errorf("a decline has an instant of booking: %+v", result)
	}
	b.booked(t, reference, 0)
}

func (b *Bench) booked(t *testing.T, reference id.Attempt, want int) {
	t.Helper()
	if got := b.Booked(t, reference); got != want {
		t.Fatalf("%s is booked %d times, want %d", reference, got, want)
	}
}

// query asks for an order.
func (b *Bench) query(t *testing.T, kind channel.Kind, order channel.Order) (channel.Result, error) {
	t.Helper()
	return b.Channel.Query(t.Context(), channel.Query{Reference: order.Reference, Kind: kind, Amount: order.Amount})
}

// reader returns the channel as a NoticeReader, or skips.
func (b *Bench) reader(t *testing.T) channel.NoticeReader {
	t.Helper()
	reader, ok := b.Channel.(channel.NoticeReader)
	if !ok {
		t.Skip("the channel sends no notices")
	}
	return reader
}

// callback waits for the next callback.
func (b *Bench) callback(t *testing.T) channel.Callback {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case callback := <-b.Callbacks:
		return callback
	case <-ctx.Done():
		t.Fatal("no callback came")
	}
	return channel.Callback{}
}

// nextNotice waits for the next notice, which must be about order.
func (b *Bench) nextNotice(t *testing.T, kind channel.Kind, order channel.Order) channel.Notice {
	t.Helper()
	got, err := b.reader(t).ReadNotice(b.callback(t))
	if err != nil {
		t.Fatalf("read notice: %v", err)
	}
	about := got.Reference == order.Reference && got.Kind == kind && got.Amount == order.Amount
	if !about || got.ID == "" || got.SignedAt.IsZero() {
		t.Fatalf("the notice is %+v, want one about %+v", got, order)
	}
	return got
}
