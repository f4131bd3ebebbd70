package bankhttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

// said is what a bank of our own making answers: signed unless it says otherwise.
type said struct {
	status   int
	body     string
	unsigned bool
	location string
}

// oddBank answers as told, whatever it is asked. REF in a body stands for the order's reference.
func oddBank(t *testing.T, keys bank.Keys, now *clock.Clock, tell said) *bankhttp.Channel {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var order struct {
			Reference string `json:"reference"`
		}
		_ = json.Unmarshal(body, &order) // a query has no body
		answer := []byte(strings.ReplaceAll(tell.body, "REF", order.Reference))
		request := httpsig.Message{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: body}
		if !tell.unsigned {
			message := httpsig.Message{Status: tell.status, Header: w.Header(), Body: answer, Request: &request}
			if err := httpsig.Sign(message, keys.Bank, now.Now()); err != nil {
				t.Error(err)
			}
		}
		if tell.location != "" {
			w.Header().Set("Location", tell.location)
		}
		w.WriteHeader(tell.status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return newChannel(t, server.URL, keys, now)
}

const booked1 = `{"reference":"REF","kind":"pay_in","status":"succeeded","bank_reference":"BK1",` +
	`"booked_at":"2026-03-01T12:00:00Z","amount":100000,"currency":"CNY"}`

// Whatever comes back, only what the bank signed about this very order is believed.
func TestPayIn_OddAnswers(t *testing.T) {
	t.Parallel()
	change := func(old, with string) string { return strings.Replace(booked1, old, with, 1) }
	const absent = `{"code":"x","booked":false,"reference":"REF"}`
	cases := map[string]struct {
		tell    said
		outcome channel.Outcome
		code    string
	}{
		"Succeeded":        {said{status: 200, body: booked1}, channel.OutcomeSucceeded, ""},
		"NewMember":        {said{status: 200, body: change(`{`, `{"new_member":1,`)}, channel.OutcomeSucceeded, ""},
		"Unsigned":         {said{status: 200, body: booked1, unsigned: true}, "", channel.CodeBadAnswer},
		"UnsignedRefusal":  {said{status: 400, body: absent, unsigned: true}, "", channel.CodeBadAnswer},
		"OtherReference":   {said{status: 200, body: change("REF", "att_x")}, "", channel.CodeAnswerMismatch},
		"OtherAmount":      {said{status: 200, body: change("100000", "100001")}, "", channel.CodeAnswerMismatch},
		"OtherCurrency":    {said{status: 200, body: change("CNY", "USD")}, "", channel.CodeAnswerMismatch},
		"OtherKind":        {said{status: 200, body: change("pay_in", "refund")}, "", channel.CodeAnswerMismatch},
		"NoStatus":         {said{status: 200, body: change("succeeded", "")}, "", channel.CodeBadAnswer},
		"NotFoundStatus":   {said{status: 200, body: change("succeeded", "not_found")}, "", channel.CodeBadAnswer},
		"OddStatus":        {said{status: 200, body: change("succeeded", "perhaps")}, "", channel.CodeBadAnswer},
		"NoBookedAt":       {said{status: 200, body: change("booked_at", "at")}, "", channel.CodeBadAnswer},
		"NoBankReference":  {said{status: 200, body: change("BK1", "")}, "", channel.CodeBadAnswer},
		"FractionalAmount": {said{status: 200, body: change("100000", "100000.5")}, "", channel.CodeBadAnswer},
		"NotJSON":          {said{status: 200, body: "<html>"}, "", channel.CodeBadAnswer},
		"Empty":            {said{status: 200}, "", channel.CodeBadAnswer},
		"TooLong":          {said{status: 200, body: booked1 + strings.Repeat(" ", 1<<20)}, "", channel.CodeBadAnswer},
		"ErrorNotJSON":     {said{status: 502, body: "<html>"}, "", channel.CodeBadAnswer},
		"Error500":         {said{status: 500, body: absent}, "", channel.CodeChannelFailed},
		"Refused":          {said{status: 401, body: `{"code":"bad_signature"}`}, "", channel.CodeChannelFailed},
		"RefusedBooked":    {said{status: 422, body: `{"booked":true,"reference":"REF"}`}, "", channel.CodeChannelFailed},
		"RefusedOther":     {said{status: 422, body: `{"booked":false,"reference":"y"}`}, "", channel.CodeChannelFailed},
		"RefusedNotBooked": {said{status: 422, body: absent}, channel.OutcomeDeclined, ""},
		"NotFound":         {said{status: 404, body: `{"code":"no_such_path"}`}, "", channel.CodeChannelFailed},
		"Redirect":         {said{status: 307, body: `{}`, location: "/elsewhere"}, "", channel.CodeChannelFailed},
	}
	keys, now := newKeys(t), new(clock.Clock)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := oddBank(t, keys, now, tc.tell)
			result, err := c.PayIn(t.Context(), channel.Order{
				Reference: id.New[id.Attempt](now.Now()), AccountToken: "acc_1", Amount: cny(100000),
			})
			if result.Outcome != tc.outcome || fault.CodeOf(err) != tc.code {
				t.Errorf("got %+v, %v; want %q, %q", result, err, tc.outcome, tc.code)
			}
			if tc.outcome == channel.OutcomeUnknown && result != (channel.Result{}) {
				t.Errorf("an unknown outcome says more: %+v", result)
			}
		})
	}
}

// Only the bank's own, signed and complete "not found" is one.
func TestQuery_OddAnswers(t *testing.T) {
	t.Parallel()
	keys, now := newKeys(t), new(clock.Clock)
	reference := id.New[id.Attempt](now.Now())
	absent := `{"code":"not_found","booked":false,"reference":"` + string(reference) + `"}`
	cases := map[string]struct {
		tell    said
		outcome channel.Outcome
		code    string
	}{
		"NotFound":   {said{status: 404, body: absent}, channel.OutcomeNotFound, ""},
		"Unsigned":   {said{status: 404, body: absent, unsigned: true}, "", channel.CodeBadAnswer},
		"OtherCode":  {said{status: 404, body: `{"code":"no_such_path"}`}, "", channel.CodeChannelFailed},
		"NoPromise":  {said{status: 404, body: `{"code":"not_found"}`}, "", channel.CodeChannelFailed},
		"OtherOrder": {said{status: 404, body: strings.Replace(absent, "att_", "att_0", 1)}, "", channel.CodeChannelFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := oddBank(t, keys, now, tc.tell)
			query := channel.Query{Reference: reference, Kind: channel.KindPayIn, Amount: cny(1)}
			result, err := c.Query(t.Context(), query)
			if result.Outcome != tc.outcome || fault.CodeOf(err) != tc.code {
				t.Errorf("got %+v, %v; want %q, %q", result, err, tc.outcome, tc.code)
			}
		})
	}
}

// A bank that is not there leaves the outcome unknown, also though nothing can have been booked.
func TestPayIn_NobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := newChannel(t, server.URL, newKeys(t), new(clock.Clock))
	result, err := c.PayIn(t.Context(), channel.Order{Reference: "att_1", AccountToken: "acc_1", Amount: cny(1)})
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeNoAnswer {
		t.Errorf("got %+v, %v", result, err)
	}
}

// The client's own time-out is a fault of kind Timeout.
func TestPayIn_Timeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); server.Close() })
	keys := newKeys(t)
	c, err := bankhttp.New(bankhttp.Config{
		BaseURL: server.URL, Key: keys.Platform, BankKey: keys.Bank.Public(),
		Client: &http.Client{Timeout: 20 * time.Millisecond}, Clock: new(clock.Clock),
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.PayIn(t.Context(), channel.Order{Reference: "att_1", AccountToken: "acc_1", Amount: cny(1)})
	if result != (channel.Result{}) || fault.CodeOf(err) != channel.CodeNoAnswer || fault.KindOf(err) != fault.Timeout {
		t.Errorf("got %+v, %v", result, err)
	}
}

// A binding's fault holds neither number nor name.
func TestBind_NothingLeaks(t *testing.T) {
	t.Parallel()
	keys, now := newKeys(t), new(clock.Clock)
	request := channel.BindRequest{Number: "9555010000000017", HolderName: "Zhang"}
	for _, tell := range []said{
		{status: 422, body: `{"code":"name_mismatch"}`}, {status: 500, body: `{}`}, {status: 200, body: `{}`},
	} {
		_, err := oddBank(t, keys, now, tell).Bind(t.Context(), request)
		if err == nil || strings.Contains(err.Error(), "9555") || strings.Contains(err.Error(), "Zhang") {
			t.Errorf("status %d: %v", tell.status, err)
		}
	}
}
