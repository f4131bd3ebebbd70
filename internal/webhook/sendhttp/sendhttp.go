// Package sendhttp sends webhooks over HTTP, and never to where a merchant's URL must not lead: what is behind the
// operator's own walls (server-side request forgery, OWASP API7:2023). Addresses are checked when they are dialled, so
// a name that changes its address between the check and the call gains nothing; redirects are not followed; proxies of
// the environment are not used.
package sendhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/webhook"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 90 * time.Second
	idlePerHost      = 64
	headerMax        = 16 << 10
	// bodyWait is how long the first bytes of an answer may take behind its status, which alone counts.
	bodyWait = 2 * time.Second
	// drainMax is how much of an answer is read so that its connection can be used again.
	drainMax = 16 << 10
)

// Sender implements webhook.Sender.
type Sender struct {
	client  *http.Client
	sandbox bool
	clock   *clock.Clock
}

var _ webhook.Sender = (*Sender)(nil)

// New returns a sender. In a sandbox plain HTTP and loopback addresses are allowed too; live is https only.
func New(sandbox bool) *Sender {
	s := &Sender{sandbox: sandbox, clock: &clock.Clock{}}
	dialer := &net.Dialer{Timeout: dialTimeout, ControlContext: guard(sandbox)}
	s.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: handshakeTimeout,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: headerMax,
			DisableCompression: true, // a small answer must not unpack to a large one
		},
	}
	return s
}

// CheckURL refuses URLs that can never be sent to. Errors: webhook.bad_url.
func (s *Sender) CheckURL(raw string) error {
	parsed, err := url.Parse(raw)
	if err != nil {
		return webhook.BadURL("this is not a URL")
	}
	if parsed.Scheme != "https" && !s.sandbox {
		return webhook.BadURL("a webhook URL begins with https://")
	}
	address, err := netip.ParseAddr(parsed.Hostname())
	if err == nil && !allowed(address, s.sandbox) {
		return webhook.BadURL("nothing is sent to this address: it is not on the public internet")
	}
	return nil
}

// Send sends one message and returns the status, or why there is none.
func (s *Sender) Send(ctx context.Context, m webhook.Message) webhook.Answer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := newRequest(ctx, m)
	if err != nil {
		return webhook.Answer{Problem: webhook.Unreachable}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return webhook.Answer{Problem: problem(ctx, err)}
	}
	defer response.Body.Close()
	late := time.AfterFunc(bodyWait, cancel)
	defer late.Stop()
	answer := webhook.Answer{Status: response.StatusCode, RetryAfter: s.retryAfter(response.Header.Get("Retry-After"))}
	// What can't be read of the body does not change what the status says.
	answer.Body, _ = io.ReadAll(io.LimitReader(response.Body, webhook.AnswerKept))
	_, _ = io.CopyN(io.Discard, response.Body, drainMax)
	return answer
}

func newRequest(ctx context.Context, m webhook.Message) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, newBody(m.Body))
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(m.Body))
	request.GetBody = func() (io.ReadCloser, error) { return newBody(m.Body), nil }
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Feiqian-Webhooks/1"},
		"Webhook-Id": {string(m.ID)}, "Webhook-Timestamp": {strconv.FormatInt(m.Timestamp.Unix(), 10)},
		"Webhook-Signature": {m.Signature}, "Feiqian-Version": {m.APIVersion},
	}
	return request, nil
}

const secondsMax = 7 * 24 * 3600

// retryAfter reads the header, RFC 9110 §10.2.3: seconds or a date; 0 for neither.
func (s *Sender) retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), secondsMax)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(s.clock.Now()), 0)
	}
	return 0
}

// problem names why there is no answer. The error's text is not kept: it may hold addresses of the operator's network.
func problem(ctx context.Context, err error) webhook.Problem {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		netError    net.Error
	)
	switch {
	case errors.Is(err, errRefused):
		return webhook.AddressRefused
	case ctx.Err() != nil, errors.As(err, &netError) && netError.Timeout():
		return webhook.Timeout
	case errors.As(err, &name):
		return webhook.NoName
	case errors.As(err, &certificate), errors.As(err, &unknown):
		return webhook.BadCertificate
	case isProtocol(err):
		return webhook.BadAnswer
	}
	return webhook.Unreachable
}

// isProtocol reports whether the other side spoke, but not HTTP: the transport wraps everything else in known types.
func isProtocol(err error) bool {
	var (
		operation *net.OpError
		record    tls.RecordHeaderError
	)
	if errors.As(err, &record) {
		return true
	}
	return !errors.As(err, &operation) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}
