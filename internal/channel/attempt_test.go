package channel_test

import (
	"testing"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
)

// outcomes are the columns of the table below.
var outcomes = []channel.Outcome{
	channel.OutcomeUnknown, channel.OutcomePending, channel.OutcomeSucceeded,
	channel.OutcomeDeclined, channel.OutcomeNotFound,
}

// table says for every state what each outcome makes of it; "!" is a contradiction.
var table = map[channel.AttemptState][]channel.AttemptState{
	"created":    {"unknown", "pending", "succeeded", "declined", "created"},
	"sent":       {"unknown", "pending", "succeeded", "declined", "not_booked"},
	"unknown":    {"unknown", "pending", "succeeded", "declined", "not_booked"},
	"pending":    {"pending", "pending", "succeeded", "declined", "!"},
	"succeeded":  {"succeeded", "succeeded", "succeeded", "!", "!"},
	"declined":   {"declined", "declined", "!", "declined", "declined"},
	"not_booked": {"not_booked", "!", "!", "not_booked", "not_booked"},
}

func TestAttemptNext(t *testing.T) {
	t.Parallel()
	if len(table) != len(channel.AttemptStates()) {
		t.Fatalf("the table has %d states, the package %d", len(table), len(channel.AttemptStates()))
	}
	for _, from := range channel.AttemptStates() {
		for i, outcome := range outcomes {
			t.Run(string(from)+"/"+string(outcome), func(t *testing.T) {
				t.Parallel()
				got, err := from.Next(outcome)
				want := table[from][i]
				if want == "!" {
					if got != from || fault.CodeOf(err) != channel.CodeContradiction {
						t.Fatalf("got %q, %v; want %q unchanged and a contradiction", got, err, from)
					}
					return
				}
				if err != nil || got != want {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
			})
		}
	}
}

func TestAttemptNext_FinalNeverChanges(t *testing.T) {
	t.Parallel()
	for _, from := range channel.AttemptStates() {
		for _, outcome := range append(outcomes, "nonsense") {
			if got, _ := from.Next(outcome); from.Final() && got != from {
				t.Errorf("%s after %q became %s", from, outcome, got)
			}
		}
	}
}

func TestAttemptNext_Unknown(t *testing.T) {
	t.Parallel()
	if _, err := channel.AttemptState("").Next(channel.OutcomePending); fault.CodeOf(err) != channel.CodeUnknownState {
		t.Errorf("state \"\": %v", err)
	}
	got, err := channel.AttemptSent.Next("maybe")
	if fault.CodeOf(err) != channel.CodeUnknownState || got != channel.AttemptSent {
		t.Errorf("outcome maybe: %s, %v", got, err)
	}
}

func TestAttemptSend(t *testing.T) {
	t.Parallel()
	for _, from := range channel.AttemptStates() {
		got, err := from.Send()
		if from.Final() {
			if got != from || fault.CodeOf(err) != channel.CodeContradiction {
				t.Errorf("%s: got %s, %v", from, got, err)
			}
			continue
		}
		want := from
		if from == channel.AttemptCreated {
			want = channel.AttemptSent
		}
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", from, got, err, want)
		}
	}
	if _, err := channel.AttemptState("lost").Send(); fault.CodeOf(err) != channel.CodeUnknownState {
		t.Errorf("state lost: %v", err)
	}
}
