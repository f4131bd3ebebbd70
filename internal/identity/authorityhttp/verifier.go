// Package authorityhttp reaches an outside party that knows people (an identity authority, a card network, a phone
// carrier, a bank that makes small deposits, a commercial database) by JSON over HTTPS with signed messages (RFC 9421,
// Ed25519): every question and answer is signed, and an answer is bound to its question.
//
// A question is POST /authority/v1/CHANNEL, a person's word POST /authority/v1/CHANNEL/answers; messages.go has what
// goes over the wire. Nothing of a person stands in a URL, a header or an error.
package authorityhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/identity"
)

// answerMax is the longest answer we read, in bytes.
const answerMax = 64 << 10

// Config says which party, for which channel, and who we are to it.
type Config struct {
	// Channel is what the party is asked for.
	Channel identity.Channel
	// BaseURL is the party's address, without path or with one that stands before /authority/v1.
	BaseURL string
	// Key signs what we send.
	Key httpsig.PrivateKey
	// AuthorityKey verifies what the party sends.
	AuthorityKey httpsig.PublicKey
	// Client sends; its Timeout is the channel's and must be set. Redirects are not followed.
	Client *http.Client
	// Clock tells the time of signatures.
	Clock *clock.Clock
}

// Verifier is a party as a channel. It is safe for many goroutines.
type Verifier struct {
	channel identity.Channel
	peer    *httpsig.Peer
}

// Asker is a Verifier of a channel that asks the person, as a bank does with a small deposit.
type Asker struct{ *Verifier }

// New returns the channel: an identity.Confirmer for identity.ChannelTransfer. It does not call the party. Errors: a
// setting that is missing or wrong.
func New(config Config) (identity.Verifier, error) {
	if !slices.Contains(identity.Channels(), config.Channel) {
		return nil, errors.New("identity channel: Channel is none of identity.Channels")
	}
	peer, err := httpsig.NewPeer(httpsig.PeerConfig{
		BaseURL: config.BaseURL, Key: config.Key, PeerKey: config.AuthorityKey, Client: config.Client, Clock: config.Clock,
		AnswerMax: answerMax,
	})
	if err != nil {
		return nil, fmt.Errorf("identity channel: %w", err)
	}
	v := &Verifier{channel: config.Channel, peer: peer}
	if config.Channel == identity.ChannelTransfer {
		return &Asker{v}, nil
	}
	return v, nil
}

// Channel implements identity.Verifier.
func (v *Verifier) Channel() identity.Channel { return v.channel }

// Timeout implements identity.Verifier.
func (v *Verifier) Timeout() time.Duration { return v.peer.Timeout() }

// Verify implements identity.Verifier.
func (v *Verifier) Verify(ctx context.Context, q identity.Query) (identity.Outcome, error) {
	return v.post(ctx, "/authority/v1/"+string(v.channel), queryOf(q), string(q.Reference))
}

// Confirm implements identity.Confirmer.
func (a *Asker) Confirm(ctx context.Context, r identity.Reply) (identity.Outcome, error) {
	return a.post(ctx, "/authority/v1/"+string(a.channel)+"/answers", reply{
		Reference: string(r.Reference), Try: r.Try, AmountMinor: r.AmountMinor,
	}, string(r.Reference))
}

// post signs and sends a message, verifies the answer, and reads the outcome. With an error it is unknown.
func (v *Verifier) post(ctx context.Context, path string, value any, reference string) (identity.Outcome, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return identity.OutcomeUnknown, badAnswer(errors.New("the question cannot be written"))
	}
	got, err := v.peer.Call(ctx, http.MethodPost, path, nil, body)
	switch {
	case errors.Is(err, httpsig.ErrNoAnswer):
		return identity.OutcomeUnknown, noAnswer(err)
	case errors.Is(err, httpsig.ErrBadAnswer):
		return identity.OutcomeUnknown, badAnswer(err)
	case err != nil:
		return identity.OutcomeUnknown, fault.Wrap(err, "ask a channel")
	}
	return v.read(got.Status, got.Body, reference)
}

// read takes the outcome of a verified answer. Its text goes into no error: it may repeat the question.
func (v *Verifier) read(status int, text []byte, reference string) (identity.Outcome, error) {
	if status != http.StatusOK {
		return identity.OutcomeUnknown, fault.New(fault.Unavailable, identity.CodeChannelFailed,
			"the channel could not do this now").WithCause(fmt.Errorf("status %d", status))
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return identity.OutcomeUnknown, badAnswer(errors.New("the answer is not JSON"))
	}
	if a.Reference != reference || a.Channel != string(v.channel) {
		return identity.OutcomeUnknown, badAnswer(errors.New("the answer is about something else"))
	}
	switch outcome := identity.Outcome(a.Outcome); outcome {
	case identity.OutcomeMatched, identity.OutcomeMismatch, identity.OutcomeNotFound, identity.OutcomeAsked:
		return outcome, nil
	case identity.OutcomeUnknown:
	}
	return identity.OutcomeUnknown, badAnswer(errors.New("the answer has no known outcome"))
}

func noAnswer(err error) error {
	kind := fault.Unavailable
	if httpsig.TimedOut(err) {
		kind = fault.Timeout
	}
	// The error's text holds the URL, which has nothing of a person.
	return fault.New(kind, identity.CodeNoAnswer, "the channel did not answer").WithCause(err)
}

func badAnswer(err error) error {
	return fault.New(fault.Unavailable, identity.CodeBadAnswer, "the channel's answer cannot be trusted").WithCause(err)
}
