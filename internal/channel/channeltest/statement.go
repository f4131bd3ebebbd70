package channeltest

import (
	"testing"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// moved is a movement that must be in the statement.
type moved struct {
	reference id.Attempt
	kind      channel.Kind
	side      channel.Side
	amount    money.Amount
}

// movements books five movements and one decline.
func (b *Bench) movements(t *testing.T) []moved {
	t.Helper()
	first, second := b.paidIn(t, b.times(5)), b.paidIn(t, b.times(2))
	out := b.order(t, b.times(3))
	result, err := b.Channel.PayOut(t.Context(), out)
	b.succeeded(t, out.Reference, result, err)
	tooMuch := b.order(t, b.times(10))
	result, err = b.Channel.PayOut(t.Context(), tooMuch)
	b.declined(t, tooMuch.Reference, channel.DeclineInsufficientFunds, result, err)
	back, result, err := b.refund(t.Context(), second, b.times(2))
	b.succeeded(t, back.Reference, result, err)
	third := b.paidIn(t, b.Amount)
	return []moved{
		{first.Reference, channel.KindPayIn, channel.SideCredit, first.Amount},
		{second.Reference, channel.KindPayIn, channel.SideCredit, second.Amount},
		{out.Reference, channel.KindPayOut, channel.SideDebit, out.Amount},
		{back.Reference, channel.KindRefund, channel.SideDebit, back.Amount},
		{third.Reference, channel.KindPayIn, channel.SideCredit, third.Amount},
	}
}

// follow reads pages of two lines until there are no more, and checks that balances chain.
func (b *Bench) follow(
	t *testing.T, request channel.StatementRequest,
) ([]channel.StatementLine, channel.StatementPage) {
	t.Helper()
	request.Currency, request.Limit = b.Amount.Currency, 2
	var (
		lines   []channel.StatementLine
		balance *money.Amount
	)
	for {
		page, err := b.Channel.Statement(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Lines) > request.Limit {
			t.Fatalf("%d lines on a page of %d", len(page.Lines), request.Limit)
		}
		if balance != nil && *balance != page.Opening {
			t.Errorf("the page opens with %s, the one before closed with %s", page.Opening, *balance)
		}
		running := page.Opening
		for _, line := range page.Lines {
			amount := line.Amount
			if line.Side == channel.SideDebit {
				amount = amount.Neg()
			}
			if running, err = running.Add(amount); err != nil || running != line.BalanceAfter {
				t.Errorf("line %+v: the balance is %s, %v", line, running, err)
			}
		}
		if running != page.Closing {
			t.Errorf("the page closes with %s, its lines with %s", page.Closing, running)
		}
		lines, balance = append(lines, page.Lines...), &page.Closing
		request.Cursor = page.Next
		if !page.More {
			return lines, page
		}
	}
}

// same fails unless the lines are exactly the movements, in order.
func same(t *testing.T, lines []channel.StatementLine, want []moved) {
	t.Helper()
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %+v", len(lines), len(want), lines)
	}
	for i, line := range lines {
		if got := (moved{line.Reference, line.Kind, line.Side, line.Amount}); got != want[i] {
			t.Errorf("line %d is %+v, want %+v", i, got, want[i])
		}
		if line.ChannelReference == "" || line.BookedAt.IsZero() {
			t.Errorf("line %d lacks its reference or instant: %+v", i, line)
		}
	}
}

func statement(s *suite) {
	t, b := s.t, s.bench
	want := b.movements(t)
	lines, last := b.follow(t, channel.StatementRequest{})
	same(t, lines, want)
	if reader, ok := b.Channel.(channel.BalanceReader); ok {
		if balance, err := reader.ReserveBalance(t.Context(), b.Amount.Currency); err != nil || balance != last.Closing {
			t.Errorf("the balance is %s, %v; the statement closes with %s", balance, err, last.Closing)
		}
	}
	// The cursor goes on where it stood: first to nothing, then to what is new.
	none, last := b.follow(t, channel.StatementRequest{Cursor: last.Next})
	same(t, none, nil)
	next := b.paidIn(t, b.Amount)
	lines, _ = b.follow(t, channel.StatementRequest{Cursor: last.Next})
	same(t, lines, []moved{{next.Reference, channel.KindPayIn, channel.SideCredit, next.Amount}})
}

func statementEmpty(s *suite) {
	t, b := s.t, s.bench
	lines, page := b.follow(t, channel.StatementRequest{})
	same(t, lines, nil)
	if zero := money.Zero(b.Amount.Currency); page.Opening != zero || page.Closing != zero {
		t.Errorf("got %+v", page)
	}
}

// From is in the period, Until is not.
func statementPeriod(s *suite) {
	t, b := s.t, s.bench
	want := b.movements(t)
	all, _ := b.follow(t, channel.StatementRequest{})
	from, until := all[1].BookedAt, all[4].BookedAt
	lines, _ := b.follow(t, channel.StatementRequest{From: from, Until: until})
	same(t, lines, want[1:4])
	lines, _ = b.follow(t, channel.StatementRequest{Until: from})
	same(t, lines, want[:1])
	lines, page := b.follow(t, channel.StatementRequest{From: b.Clock.Now().AddDate(0, 0, 1)})
	same(t, lines, nil)
	if page.Opening != all[4].BalanceAfter {
		t.Errorf("the empty period opens with %s, want %s", page.Opening, all[4].BalanceAfter)
	}
}

func statementBadCursor(s *suite) {
	t, b := s.t, s.bench
	request := channel.StatementRequest{Currency: b.Amount.Currency, Cursor: "not one of yours"}
	_, err := b.Channel.Statement(t.Context(), request)
	if fault.CodeOf(err) != channel.CodeBadCursor {
		t.Errorf("got %v", err)
	}
}
