package bankhttp_test

import (
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

const notice1 = `{"notice_id":"ntc_1","reference":"att_1","kind":"pay_in","status":"succeeded",` +
	`"bank_reference":"BK1","booked_at":"2026-03-01T12:00:00Z","amount":100,"currency":"CNY"}`

// signedCallback signs body as the bank would.
func signedCallback(tb testing.TB, key httpsig.PrivateKey, now *clock.Clock, body []byte) channel.Callback {
	tb.Helper()
	header := http.Header{}
	message := httpsig.Message{Method: http.MethodPost, Path: "/notices", Header: header, Body: body}
	if err := httpsig.Sign(message, key, now.Now()); err != nil {
		tb.Fatal(err)
	}
	return channel.Callback{Method: http.MethodPost, Path: "/notices", Header: header, Body: body}
}

func noticeBench(tb testing.TB) (*bankhttp.Channel, bank.Keys, *clock.Clock) {
	tb.Helper()
	keys, err := bank.GenerateKeys()
	if err != nil {
		tb.Fatal(err)
	}
	now := new(clock.Clock)
	c, err := bankhttp.New(bankhttp.Config{
		BaseURL: "https://bank.example", Key: keys.Platform, BankKey: keys.Bank.Public(),
		Client: &http.Client{Timeout: 1}, Clock: now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c, keys, now
}

func TestReadNotice(t *testing.T) {
	t.Parallel()
	c, keys, now := noticeBench(t)
	got, err := c.ReadNotice(signedCallback(t, keys.Bank, now, []byte(notice1)))
	if err != nil || got.ID != "ntc_1" || got.Result.Outcome != channel.OutcomeSucceeded || got.Amount != cny(100) {
		t.Errorf("got %+v, %v", got, err)
	}
	// Our own key signs orders, not notices.
	_, err = c.ReadNotice(signedCallback(t, keys.Platform, now, []byte(notice1)))
	if fault.CodeOf(err) != channel.CodeBadNotice {
		t.Errorf("signed by us: %v", err)
	}
}

func TestReadNotice_Refused(t *testing.T) {
	t.Parallel()
	c, keys, now := noticeBench(t)
	for name, body := range map[string]string{
		"Empty":       "",
		"NotJSON":     "status=succeeded",
		"NoID":        `{"reference":"att_1","kind":"pay_in","status":"declined","amount":1,"currency":"CNY"}`,
		"NoReference": `{"notice_id":"n","kind":"pay_in","status":"declined","amount":1,"currency":"CNY"}`,
		"NoKind":      `{"notice_id":"n","reference":"att_1","status":"declined","amount":1,"currency":"CNY"}`,
		"QueryKind":   `{"notice_id":"n","reference":"att_1","kind":"query","status":"declined","amount":1,"currency":"CNY"}`,
		"NoAmount":    `{"notice_id":"n","reference":"att_1","kind":"pay_in","status":"declined","currency":"CNY"}`,
		"NoCurrency":  `{"notice_id":"n","reference":"att_1","kind":"pay_in","status":"declined","amount":1}`,
		"NotFound":    `{"notice_id":"n","reference":"r","kind":"pay_in","status":"not_found","amount":1,"currency":"CNY"}`,
		"Unknown":     `{"notice_id":"n","reference":"att_1","kind":"pay_in","status":"","amount":1,"currency":"CNY"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.ReadNotice(signedCallback(t, keys.Bank, now, []byte(body)))
			if fault.CodeOf(err) != channel.CodeBadNotice || got != (channel.Notice{}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// FuzzReadNotice feeds the parser of notices that are signed by the bank: nothing crashes it, and
// what it takes is complete.
func FuzzReadNotice(f *testing.F) {
	c, keys, now := noticeBench(f)
	f.Add([]byte(notice1))
	f.Add([]byte(`{"notice_id":"n","reference":"r","kind":"refund","status":"declined","amount":1,"currency":"CNY"}`))
	f.Add([]byte(`{"amount":1e3}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := c.ReadNotice(signedCallback(t, keys.Bank, now, body))
		if err != nil {
			if got != (channel.Notice{}) || fault.CodeOf(err) != channel.CodeBadNotice {
				t.Fatalf("got %+v, %v", got, err)
			}
			return
		}
		if got.ID == "" || got.Reference == "" || got.Amount.CheckPositive() != nil || !utf8.ValidString(got.Result.Message) {
			t.Fatalf("incomplete: %+v", got)
		}
		switch got.Result.Outcome {
		case channel.OutcomeSucceeded, channel.OutcomePending:
		case channel.OutcomeDeclined:
			if got.Result.DeclineCode == "" {
				t.Fatalf("a decline without code: %+v", got)
			}
		case channel.OutcomeUnknown, channel.OutcomeNotFound:
			t.Fatalf("outcome %q", got.Result.Outcome)
		}
	})
}
