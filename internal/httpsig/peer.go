package httpsig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
)

var (
	// ErrNoAnswer is that nothing came back, or not in time. What the peer did is not known.
	ErrNoAnswer = errors.New("no answer")
	// ErrBadAnswer is that what came back is not signed by the peer for this request, or too long. What the peer did is
	// not known.
	ErrBadAnswer = errors.New("an answer that cannot be trusted")
)

// PeerConfig says which party, and who we are to it.
type PeerConfig struct {
	// BaseURL is the party's address, without a query.
	BaseURL string
	// Key signs what we send, PeerKey verifies what comes back.
	Key     PrivateKey
	PeerKey PublicKey
	// Client sends; its Timeout must be set. Redirects are not followed.
	Client *http.Client
	// Clock tells the time of signatures.
	Clock *clock.Clock
	// AnswerMax is the longest answer that is read, in bytes.
	AnswerMax int64
}

// Peer is a party that is reached by signed requests and gives signed answers, each bound to its request. It is safe
// for many goroutines.
type Peer struct {
	config PeerConfig
	base   *url.URL
	client http.Client
}

// Reply is an answer that the peer signed for our request.
type Reply struct {
	Status int
	Body   []byte
}

// NewPeer returns the peer and does not call it. Errors: a setting that is missing or wrong.
func NewPeer(config PeerConfig) (*Peer, error) {
	base, err := url.Parse(config.BaseURL)
	switch {
	case err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || base.RawQuery != "":
		return nil, errors.New("BaseURL must be an http or https address without a query")
	case config.Client == nil || config.Client.Timeout <= 0:
		return nil, errors.New("the Client must have a time-out")
	case config.Clock == nil:
		return nil, errors.New("the Clock is missing")
	}
	if err := errors.Join(config.Key.Check(), config.PeerKey.Check()); err != nil {
		return nil, err
	}
	client := *config.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Peer{config: config, base: base, client: client}, nil
}

// Timeout is the longest time of a call.
func (p *Peer) Timeout() time.Duration { return p.client.Timeout }

// Call sends a signed request, JSON where body is not nil, and verifies the answer. Errors: ErrNoAnswer, ErrBadAnswer;
// others say that nothing was sent.
func (p *Peer) Call(ctx context.Context, method, path string, query url.Values, body []byte) (Reply, error) {
	target := p.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, fmt.Errorf("write a request: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	sent := Message{
		Method: method, Path: request.URL.EscapedPath(), RawQuery: request.URL.RawQuery, Header: request.Header, Body: body,
	}
	if err := Sign(sent, p.config.Key, p.config.Clock.Now()); err != nil {
		return Reply{}, fmt.Errorf("sign a request: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, p.config.AnswerMax+1))
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	if int64(len(answer)) > p.config.AnswerMax {
		return Reply{}, fmt.Errorf(
			"%w: status %d, longer than %d bytes",
			ErrBadAnswer,
			response.StatusCode,
			p.config.AnswerMax,
		)
	}
	got := Message{Status: response.StatusCode, Header: response.Header, Body: answer, Request: &sent}
	if _, err := Verify(got, p.config.PeerKey, p.config.Clock.Now()); err != nil {
		return Reply{}, fmt.Errorf("%w: status %d: %w", ErrBadAnswer, response.StatusCode, err)
	}
	return Reply{Status: response.StatusCode, Body: answer}, nil
}

// TimedOut reports whether a call ended because its time was over.
func TimedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
