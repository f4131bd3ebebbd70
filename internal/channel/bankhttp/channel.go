// Package bankhttp reaches a bank that speaks JSON over HTTPS with signed messages (RFC 9421,
// Ed25519): every order, answer and notice is signed, and an answer is bound to its request.
//
// The bank's endpoints stand under /bank/v1; messages.go has what goes over the wire. A card issuer is a bank whose
// accounts are cards: cards.go reaches it by the same messages.
package bankhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/money"
)

// Name is the channel's name where the Config gives none.
const Name = "bank"

// graceMin is the least wait before "not found" is believed, beyond the time-out: an order may lie
// in a proxy or a retry of the transport.
const graceMin = 30 * time.Second

// Config says which bank, and who we are to it.
type Config struct {
	// Name is the channel's stable name; default "bank". Title is its name on screens; default "Bank account".
	Name, Title string
	// BaseURL is the bank's address, without path or with one that stands before /bank/v1.
	BaseURL string
	// Key signs what we send.
	Key httpsig.PrivateKey
	// BankKey verifies what the bank sends.
	BankKey httpsig.PublicKey
	// Client sends; its Timeout is the channel's and must be set. Redirects are not followed.
	Client *http.Client
	// Clock tells the time of signatures.
	Clock *clock.Clock
	// Terms are limits and price by currency; nil is DefaultTerms, and for NewCards CardTerms.
	Terms []channel.Terms
	// NotFoundGrace is how long "not found" is not believed; at least, and by default, the time-out
	// and half a minute.
	NotFoundGrace time.Duration
}

// Channel is a bank as a channel. It is safe for many goroutines.
type Channel struct {
	capabilities channel.Capabilities
	prefix       string // where the endpoints stand
	peer         *httpsig.Peer
	bankKey      httpsig.PublicKey
	clock        *clock.Clock
}

// New returns the channel. It does not call the bank.
//
// Errors: a setting that is missing or wrong.
func New(config Config) (*Channel, error) {
	peer, err := httpsig.NewPeer(httpsig.PeerConfig{
		BaseURL: config.BaseURL, Key: config.Key, PeerKey: config.BankKey, Client: config.Client, Clock: config.Clock,
		AnswerMax: answerMax,
	})
	if err != nil {
		return nil, fmt.Errorf("bank channel: %w", err)
	}
	return &Channel{
		capabilities: capabilities(config), prefix: "/bank/v1", peer: peer, bankKey: config.BankKey, clock: config.Clock,
	}, nil
}

// DefaultTerms returns limits and price where the Config gives none: 0.01 to 5,000,000 a time, at 10
// basis points.
func DefaultTerms() []channel.Terms {
	var terms []channel.Terms
	for _, currency := range []money.Currency{"CNY", "USD", "EUR", "HKD"} {
		terms = append(terms, channel.Terms{Currency: currency, Min: 1, Max: 5_000_000_00, CostRate: 10})
	}
	return terms
}

func capabilities(config Config) channel.Capabilities {
	c := channel.Capabilities{
		Name:  config.Name,
		Title: config.Title,
		Kinds: []channel.Kind{
			channel.KindPayIn, channel.KindPayOut, channel.KindRefund,
			channel.KindQuery, channel.KindStatement, channel.KindBind,
		},
		Terms:         slices.Clone(config.Terms),
		Declines:      declines(),
		Timeout:       config.Client.Timeout,
		NotFoundGrace: max(config.NotFoundGrace, config.Client.Timeout+graceMin),
	}
	if c.Name == "" {
		c.Name = Name
	}
	if c.Title == "" {
		c.Title = "Bank account"
	}
	if c.Terms == nil {
		c.Terms = DefaultTerms()
	}
	return c
}

// declines is the bank's table of decline codes. It uses our words for them.
func declines() []channel.Decline {
	line := func(code channel.DeclineCode, retry channel.Retry) channel.Decline {
		return channel.Decline{Theirs: string(code), Code: code, Retry: retry}
	}
	return []channel.Decline{
		line(channel.DeclineInsufficientFunds, channel.RetryLater),
		line(channel.DeclineAccountClosed, channel.RetryOther),
		line(channel.DeclineDoNotHonor, channel.RetryOther),
		line(channel.DeclineLimitExceeded, channel.RetryLater),
		line(channel.DeclineAccountNotFound, channel.RetryOther),
		line(channel.DeclineNameMismatch, channel.RetryOther),
		line(channel.DeclineSuspectedFraud, channel.RetryNever),
		line(channel.DeclineBankUnavailable, channel.RetryLater),
		line(channel.DeclineCurrencyMismatch, channel.RetryOther),
		line(channel.DeclineOriginalNotFound, channel.RetryNever),
		line(channel.DeclineRefundExceedsOriginal, channel.RetryNever),
		line(channel.DeclineAgreementSuspended, channel.RetryOther),
		line(channel.DeclineAgreementEnded, channel.RetryOther),
		line(channel.DeclineInvalidOrder, channel.RetryNever),
	}
}

// Capabilities implements channel.Channel.
func (c *Channel) Capabilities() channel.Capabilities { return c.capabilities }

// PayIn implements channel.Channel.
func (c *Channel) PayIn(ctx context.Context, order channel.Order) (channel.Result, error) {
	return c.order(ctx, channel.KindPayIn, orderOf(order))
}

// PayOut implements channel.Channel.
func (c *Channel) PayOut(ctx context.Context, order channel.Order) (channel.Result, error) {
	return c.order(ctx, channel.KindPayOut, orderOf(order))
}

// Refund implements channel.Channel.
func (c *Channel) Refund(ctx context.Context, order channel.RefundOrder) (channel.Result, error) {
	return c.order(ctx, channel.KindRefund, orderRequest{
		Reference: string(order.Reference), OriginalReference: string(order.Original),
		Memo: order.Memo, Amount: order.Amount,
	})
}

// order sends an order and reads the answer.
func (c *Channel) order(ctx context.Context, kind channel.Kind, order orderRequest) (channel.Result, error) {
	if err := c.capabilities.Check(kind, order.Amount); err != nil {
		return channel.Result{}, err
	}
	if err := order.check(kind); err != nil {
		return channel.Result{}, err
	}
	reply, err := c.post(ctx, "/"+string(kind), order)
	if err != nil {
		return channel.Result{}, err
	}
	return c.result(reply, expected{order.Reference, kind, order.Amount})
}

// Query implements channel.Channel.
func (c *Channel) Query(ctx context.Context, query channel.Query) (channel.Result, error) {
	if query.Reference == "" || !query.Amount.IsPositive() {
		return channel.Result{}, invalidOrder("a query has the order's reference, kind and amount")
	}
	reply, err := c.get(ctx, "/orders/"+url.PathEscape(string(query.Reference)), nil)
	if err != nil {
		return channel.Result{}, err
	}
	if reply.isNotFound(string(query.Reference)) {
		return channel.Result{Outcome: channel.OutcomeNotFound, Message: "the bank has no such order"}, nil
	}
	return c.result(reply, expected{string(query.Reference), query.Kind, query.Amount})
}

// Bind implements channel.Channel.
func (c *Channel) Bind(ctx context.Context, request channel.BindRequest) (channel.Binding, error) {
	if !c.capabilities.Supports(channel.KindBind) {
		return channel.Binding{}, fault.New(fault.Invalid, channel.CodeNotSupported, "this is no account that can be linked").
			WithParam("channel")
	}
	reply, err := c.post(ctx, "/bind", bindRequest(request))
	if err != nil {
		return channel.Binding{}, err
	}
	if reply.status == http.StatusUnprocessableEntity {
		refusal, err := reply.problem()
		if err != nil {
			return channel.Binding{}, err
		}
		return channel.Binding{}, channel.BindFault(c.capabilities.DeclineCode(refusal.Code))
	}
	var answer bindAnswer
	if err := reply.read(&answer); err != nil {
		return channel.Binding{}, err
	}
	if answer.AccountToken == "" {
		return channel.Binding{}, badAnswer(errors.New("a binding without a token"))
	}
	return channel.Binding{
		Token: answer.AccountToken, MaskedNumber: answer.MaskedNumber, BankName: answer.BankName, Currency: answer.Currency,
	}, nil
}
