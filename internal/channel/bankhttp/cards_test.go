package bankhttp_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/channel/channeltest"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
)

func TestCards(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) *channeltest.Bench {
		t.Helper()
		return newCards(t).bench
	})
}

// cards is a sandbox issuer with one card bound, and the channel to it.
type cards struct {
	bench   *channeltest.Bench
	server  *issuer.Server
	peer    *httpsig.Peer
	channel *bankhttp.Channel
}

func newCards(t *testing.T) *cards {
	t.Helper()
	keys, err := issuer.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	now := new(clock.Clock)
	notifyURL, callbacks := receiver(t)
	server, err := issuer.Start(t.Context(), issuer.Config{
		NotifyURL: notifyURL, Keys: keys, Clock: now, Timing: timing(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the issuer: %v", err)
		}
	})
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	c := &cards{server: server}
	c.channel, err = bankhttp.NewCards(bankhttp.Config{
		BaseURL: server.URL(), Key: keys.Platform, BankKey: keys.Issuer.Public(), Client: client, Clock: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.peer, err = httpsig.NewPeer(httpsig.PeerConfig{
		BaseURL:   server.URL(),
		Key:       keys.Platform,
		PeerKey:   keys.Issuer.Public(),
		Client:    client,
		Clock:     now,
		AnswerMax: 1 << 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.bench = &channeltest.Bench{
		Channel: c.channel, Token: c.bind(t, "crd_suite"), Amount: cny(10_00), Callbacks: callbacks, Clock: now,
		Declines: make(map[channel.DeclineCode]money.Amount), Troubles: make(map[channeltest.Trouble]money.Amount),
		Booked: func(t *testing.T, reference id.Attempt) int { t.Helper(); return booked(t, server.Books(), reference) },
		Total:  func(t *testing.T) int64 { t.Helper(); return total(t, server.Books()) },
	}
	magic(c.bench, issuer.MagicAmounts())
	return c
}

// call speaks with the issuer about a binding and returns the token it tells.
func (c *cards) call(t *testing.T, path string, body any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.peer.Call(t.Context(), http.MethodPost, "/issuer/v1/bindings"+path, url.Values{}, text)
	if err != nil || reply.Status != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, reply.Status, err)
	}
	var told struct {
		Token string `json:"card_token"`
	}
	if err := json.Unmarshal(reply.Body, &told); err != nil {
		t.Fatal(err)
	}
	return told.Token
}

// bind binds the first card of the seed.
func (c *cards) bind(t *testing.T, reference string) string {
	t.Helper()
	card := issuer.SeedCards()[0]
	c.call(t, "", map[string]string{
		"reference": reference, "number": card.Number, "holder_name": card.Holder, "document_number": card.Document,
		"phone": card.Phone,
	})
	code, err := c.server.Code(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	return c.call(t, "/"+reference+"/confirm", map[string]string{"code": code})
}

func (c *cards) payIn(t *testing.T, token string, minor int64) (channel.Order, channel.Result) {
	t.Helper()
	order := channel.Order{
		Reference: id.New[id.Attempt](c.bench.Clock.Now()), AccountToken: token, Amount: cny(minor),
	}
	result, err := c.channel.PayIn(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	return order, result
}

func (c *cards) declined(t *testing.T, token string, minor int64, code channel.DeclineCode) {
	t.Helper()
	order, result := c.payIn(t, token, minor)
	if result.Outcome != channel.OutcomeDeclined || result.DeclineCode != code {
		t.Errorf("%d: got %+v, want declined %s", minor, result, code)
	}
	if n := booked(t, c.server.Books(), order.Reference); n != 0 {
		t.Errorf("%d: booked %d times", minor, n)
	}
}

// TestCards_Limits: the issuer keeps the agreement's limits itself, and a card whose agreement has ended is not debited,
// but takes its money back.
func TestCards_Limits(t *testing.T) {
	t.Parallel()
	c := newCards(t)
	token := c.bench.Token
	c.declined(t, token, 5_000_01, channel.DeclineLimitExceeded)
	first, _ := c.payIn(t, token, 5_000_00)
	if _, result := c.payIn(t, token, 4_999_99); result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("within the day's limit: %+v", result)
	}
	again := c.bind(t, "crd_again") // another agreement over the same card
	c.declined(t, again, 2, channel.DeclineLimitExceeded)
	if _, result := c.payIn(t, again, 1); result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("the last fen: %+v", result)
	}
	c.bench.Clock.Advance(24 * time.Hour)
	c.call(t, "/crd_suite/cancel", struct{}{})
	c.declined(t, token, 1, channel.DeclineAgreementEnded)
	refund := channel.RefundOrder{
		Reference: id.New[id.Attempt](c.bench.Clock.Now()), Original: first.Reference, Amount: cny(1_00),
	}
	if result, err := c.channel.Refund(t.Context(), refund); err != nil || result.Outcome != channel.OutcomeSucceeded {
		t.Errorf("a refund after the end: %+v, %v", result, err)
	}
}
