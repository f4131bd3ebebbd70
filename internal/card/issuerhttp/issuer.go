// Package issuerhttp reaches card issuers that speak JSON over HTTPS with signed messages (RFC 9421, Ed25519): every
// request and answer is signed, and an answer is bound to its request.
//
// The endpoints stand under /issuer/v1. Card numbers, names, documents and codes travel in bodies only, never in a
// path.
package issuerhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// answerMax is the longest answer we read, in bytes.
const answerMax = 64 << 10

// Config says which issuer, and who we are to it.
type Config struct {
	// BaseURL is the issuer's address, without path or with one that stands before /issuer/v1.
	BaseURL string
	// Key signs what we send, IssuerKey verifies what the issuer sends.
	Key       httpsig.PrivateKey
	IssuerKey httpsig.PublicKey
	// Client sends; its Timeout must be set. Redirects are not followed.
	Client *http.Client
	// Clock tells the time of signatures.
	Clock *clock.Clock
}

// Client is a card.Issuer over HTTP. It is safe for many goroutines.
type Client struct{ peer *httpsig.Peer }

// New returns the client. It does not call the issuer. Errors: a setting that is missing or wrong.
func New(config Config) (*Client, error) {
	peer, err := httpsig.NewPeer(httpsig.PeerConfig{
		BaseURL: config.BaseURL, Key: config.Key, PeerKey: config.IssuerKey, Client: config.Client, Clock: config.Clock,
		AnswerMax: answerMax,
	})
	if err != nil {
		return nil, fmt.Errorf("card issuer: %w", err)
	}
	return &Client{peer: peer}, nil
}

type startBody struct {
	Reference string `json:"reference"`
	Number    string `json:"number"`
	Holder    string `json:"holder_name"`
	Document  string `json:"document_number"`
	Phone     string `json:"phone"`
	ExpiresOn string `json:"expires_on,omitempty"`
}

// Start implements card.Issuer.
func (c *Client) Start(ctx context.Context, r card.StartRequest) (card.Answer, error) {
	return c.call(ctx, r.Card, http.MethodPost, "/issuer/v1/bindings", startBody{
		Reference: string(r.Card), Number: r.PAN.Reveal(), Holder: r.HolderName, Document: r.Document, Phone: r.Phone,
		ExpiresOn: r.ExpiresOn,
	})
}

// Confirm implements card.Issuer.
func (c *Client) Confirm(ctx context.Context, name id.Card, code string) (card.Answer, error) {
	return c.call(ctx, name, http.MethodPost, path(name)+"/confirm", map[string]string{"code": code})
}

// Query implements card.Issuer.
func (c *Client) Query(ctx context.Context, name id.Card) (card.Answer, error) {
	return c.call(ctx, name, http.MethodGet, path(name), nil)
}

// Cancel implements card.Issuer.
func (c *Client) Cancel(ctx context.Context, name id.Card) (card.Answer, error) {
	return c.call(ctx, name, http.MethodPost, path(name)+"/cancel", map[string]string{})
}

func path(name id.Card) string { return "/issuer/v1/bindings/" + url.PathEscape(string(name)) }

// call sends a request and reads the answer. Every error means that the outcome is not known.
func (c *Client) call(ctx context.Context, name id.Card, method, path string, value any) (card.Answer, error) {
	var body []byte
	if value != nil {
		var err error
		if body, err = json.Marshal(value); err != nil {
			return card.Answer{}, fault.Wrap(err, "write a message to the issuer")
		}
	}
	got, err := c.peer.Call(ctx, method, path, nil, body)
	switch {
	case errors.Is(err, httpsig.ErrNoAnswer):
		return card.Answer{}, noAnswer(err)
	case errors.Is(err, httpsig.ErrBadAnswer):
		return card.Answer{}, badAnswer(err)
	case err != nil:
		return card.Answer{}, fault.Wrap(err, "send a message to the issuer")
	}
	return read(name, got.Status, got.Body)
}

// answerBody is what the issuer says about a binding.
type answerBody struct {
	Reference      string         `json:"reference"`
	Status         string         `json:"status"`
	DeclineCode    string         `json:"decline_code"`
	Token          string         `json:"card_token"`
	Number         string         `json:"agreement_number"`
	TransactionMax int64          `json:"transaction_limit_minor"`
	DayMax         int64          `json:"day_limit_minor"`
	Currency       money.Currency `json:"currency"`
	SignedAt       time.Time      `json:"signed_at"`
}

// textMax is the longest token or number that is stored, in bytes.
const textMax = 128

// read checks an answer. What is in it is never repeated in an error: it is a stranger's text.
func read(name id.Card, status int, text []byte) (card.Answer, error) {
	var b answerBody
	if err := json.Unmarshal(text, &b); err != nil || (status != http.StatusOK && status != http.StatusNotFound) {
		return card.Answer{}, badAnswer(fmt.Errorf("status %d", status))
	}
	if b.Reference != string(name) {
		return card.Answer{}, badAnswer(errors.New("it is about another binding"))
	}
	answer := card.Answer{Outcome: card.Outcome(b.Status), SignedAt: b.SignedAt.UTC()}
	switch answer.Outcome {
	case card.OutcomeWaiting, card.OutcomeWrongCode, card.OutcomeCancelled, card.OutcomeNotFound:
		return answer, nil
	case card.OutcomeDeclined:
		answer.DeclineCode = card.Decline(b.DeclineCode)
		return answer, nil
	case card.OutcomeSigned:
		answer.Token, answer.Number = b.Token, b.Number
		answer.TransactionMax = money.Amount{Minor: b.TransactionMax, Currency: b.Currency}
		answer.DayMax = money.Amount{Minor: b.DayMax, Currency: b.Currency}
		if err := errors.Join(answer.TransactionMax.CheckPositive(), answer.DayMax.CheckPositive()); err != nil ||
			b.Token == "" || b.Number == "" || len(b.Token)+len(b.Number) > textMax {
			return card.Answer{}, badAnswer(errors.New("signed, without token, number and limits"))
		}
		return answer, nil
	}
	return card.Answer{}, badAnswer(errors.New("its status is none"))
}

func noAnswer(err error) error {
	kind := fault.Unavailable
	if httpsig.TimedOut(err) {
		kind = fault.Timeout
	}
	// The error's text holds the URL, which has our reference at most.
	return fault.New(kind, "card.issuer_no_answer", "the card's bank did not answer").
		WithRetryAfter(time.Second).WithHint("try again").WithCause(err)
}

func badAnswer(err error) error {
	return fault.New(fault.Unavailable, "card.issuer_bad_answer", "the answer of the card's bank cannot be trusted").
		WithRetryAfter(time.Second).WithHint("try again").WithCause(err)
}
