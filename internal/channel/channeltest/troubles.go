package channeltest

import (
	"bytes"
	"context"
	"maps"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
)

// unknown fails unless the result is unknown with a reason.
func unknown(t *testing.T, result channel.Result, err error) {
	t.Helper()
	if result != (channel.Result{}) || err == nil {
		t.Fatalf("got %+v, %v; want unknown with an error", result, err)
	}
}

// unknownBooked: no trustworthy answer, though it is booked. The query and the same order again tell.
func unknownBooked(trouble Trouble) func(s *suite) {
	return func(s *suite) {
		t, b := s.t, s.bench
		order := b.order(t, b.trouble(t, trouble))
		result, err := b.Channel.PayIn(t.Context(), order)
		unknown(t, result, err)
		asked, err := b.query(t, channel.KindPayIn, order)
		b.succeeded(t, order.Reference, asked, err)
		again, err := b.Channel.PayIn(t.Context(), order)
		b.succeeded(t, order.Reference, again, err)
		if again != asked {
			t.Errorf("the query says %+v, the order again %+v", asked, again)
		}
	}
}

func unknownLost(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.trouble(t, TroubleLostNoAnswer))
	result, err := b.Channel.PayIn(t.Context(), order)
	unknown(t, result, err)
	asked, err := b.query(t, channel.KindPayIn, order)
	if err != nil || asked.Outcome != channel.OutcomeNotFound {
		t.Errorf("the query says %+v, %v", asked, err)
	}
	b.booked(t, order.Reference, 0)
}

// unknownHeld gives up waiting once the order is booked for certain, since its notice is here.
func unknownHeld(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.trouble(t, TroubleHeld))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	returned := make(chan outcome, 1)
	go func() {
		result, err := b.Channel.PayIn(ctx, order)
		returned <- outcome{result, err}
	}()
	b.nextNotice(t, channel.KindPayIn, order)
	leave()
	got := <-returned
	unknown(t, got.result, got.err)
	asked, err := b.query(t, channel.KindPayIn, order)
	b.succeeded(t, order.Reference, asked, err)
}

// unknownNoTime: an order that certainly never left is still not declined.
func unknownNoTime(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.Amount)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	result, err := b.Channel.PayIn(ctx, order)
	unknown(t, result, err)
	if fault.CodeOf(err) != channel.CodeNoAnswer || fault.KindOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
	asked, err := b.query(t, channel.KindPayIn, order)
	if err != nil || asked.Outcome != channel.OutcomeNotFound {
		t.Errorf("the query says %+v, %v", asked, err)
	}
}

func pending(trouble Trouble, want channel.Outcome) func(s *suite) {
	return func(s *suite) {
		t, b := s.t, s.bench
		order := b.order(t, b.trouble(t, trouble))
		result, err := b.Channel.PayIn(t.Context(), order)
		if err != nil || result.Outcome != channel.OutcomePending || !result.BookedAt.IsZero() {
			t.Fatalf("got %+v, %v", result, err)
		}
		told := b.nextNotice(t, channel.KindPayIn, order)
		if told.Result.Outcome != want {
			t.Fatalf("the notice says %+v, want %s", told, want)
		}
		asked, err := b.query(t, channel.KindPayIn, order)
		if want == channel.OutcomeDeclined {
			b.declined(t, order.Reference, told.Result.DeclineCode, asked, err)
			return
		}
		b.succeeded(t, order.Reference, asked, err)
		if !asked.BookedAt.Equal(told.Result.BookedAt) || asked.ChannelReference != told.Result.ChannelReference {
			t.Errorf("the notice says %+v, the query %+v", told.Result, asked)
		}
	}
}

func notice(s *suite) {
	t, b := s.t, s.bench
	b.reader(t)
	order := b.paidIn(t, b.times(3))
	if told := b.nextNotice(t, channel.KindPayIn, order); told.Result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("pay in: %+v", told)
	}
	out := b.order(t, b.Amount)
	result, err := b.Channel.PayOut(t.Context(), out)
	b.succeeded(t, out.Reference, result, err)
	if told := b.nextNotice(t, channel.KindPayOut, out); told.Result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("pay out: %+v", told)
	}
	back, result, err := b.refund(t.Context(), order, b.Amount)
	b.succeeded(t, back.Reference, result, err)
	about := channel.Order{Reference: back.Reference, Amount: back.Amount}
	if told := b.nextNotice(t, channel.KindRefund, about); told.Result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("refund: %+v", told)
	}
}

func noticeThrice(s *suite) {
	t, b := s.t, s.bench
	order := b.paidIn(t, b.trouble(t, TroubleNoticeThrice))
	state, first := channel.AttemptSucceeded, channel.Notice{}
	for i := range 3 {
		told := b.nextNotice(t, channel.KindPayIn, order)
		if i == 0 {
			first = told
		}
		if told.ID != first.ID || told.Result != first.Result {
			t.Errorf("notice %d is %+v, the first was %+v", i, told, first)
		}
		var err error
		if state, err = state.Next(told.Result.Outcome); err != nil || state != channel.AttemptSucceeded {
			t.Errorf("notice %d: %s, %v", i, state, err)
		}
	}
	b.booked(t, order.Reference, 1)
}

func noticeLate(s *suite) {
	t, b := s.t, s.bench
	order := b.order(t, b.trouble(t, TroubleNoticeLate))
	result, err := b.Channel.PayIn(t.Context(), order)
	unknown(t, result, err)
	told := b.nextNotice(t, channel.KindPayIn, order)
	if state, err := channel.AttemptUnknown.Next(told.Result.Outcome); err != nil || state != channel.AttemptSucceeded {
		t.Errorf("got %s, %v from %+v", state, err, told)
	}
}

// A contradicting notice is genuine, and changes nothing: the table of moves refuses it.
func noticeContradicts(s *suite) {
	t, b := s.t, s.bench
	order := b.paidIn(t, b.trouble(t, TroubleNoticeContradicts))
	told := make(map[channel.Outcome]channel.Notice)
	for range 2 {
		n := b.nextNotice(t, channel.KindPayIn, order)
		told[n.Result.Outcome] = n
	}
	lie, ok := told[channel.OutcomeDeclined]
	if _, truth := told[channel.OutcomeSucceeded]; !ok || !truth || lie.ID == told[channel.OutcomeSucceeded].ID {
		t.Fatalf("got %+v", told)
	}
	state, err := channel.AttemptSucceeded.Next(lie.Result.Outcome)
	if state != channel.AttemptSucceeded || fault.CodeOf(err) != channel.CodeContradiction {
		t.Errorf("got %s, %v", state, err)
	}
	asked, err := b.query(t, channel.KindPayIn, order)
	b.succeeded(t, order.Reference, asked, err)
}

// noticeRefused changes every part of a genuine callback, and then only the time.
func noticeRefused(s *suite) {
	t, b := s.t, s.bench
	reader := b.reader(t)
	b.paidIn(t, b.Amount)
	genuine := b.callback(t)
	if _, err := reader.ReadNotice(genuine); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(c *channel.Callback){
		"Body":   func(c *channel.Callback) { c.Body = append(bytes.Clone(c.Body), ' ') },
		"NoBody": func(c *channel.Callback) { c.Body = nil },
		"Path":   func(c *channel.Callback) { c.Path += "/x" },
		"Query":  func(c *channel.Callback) { c.RawQuery += "x=1" },
		"Method": func(c *channel.Callback) { c.Method = "PUT" },
		"Header": func(c *channel.Callback) { c.Header = nil },
	}
	for name, change := range changes {
		callback := genuine
		callback.Header = maps.Clone(genuine.Header)
		change(&callback)
		if got, err := reader.ReadNotice(callback); fault.CodeOf(err) != channel.CodeBadNotice || got != (channel.Notice{}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	b.Clock.Advance(time.Hour)
	if _, err := reader.ReadNotice(genuine); fault.CodeOf(err) != channel.CodeBadNotice {
		t.Errorf("an hour later: %v", err)
	}
}
