// Package feiqian takes payments through a Feiqian instance: the API of merchants' servers, and the check of
// webhooks.
//
//	client, err := feiqian.New(os.Getenv("FEIQIAN_KEY"), feiqian.WithBaseURL("https://pay.example.com"))
//	payment, err := client.Payments.Create(ctx, feiqian.NewPayment{
//		Amount: 1999, Currency: "CNY", Reference: "order-1001", Description: "Tea for two",
//	})
//
// Every act carries an idempotency key, drawn for you unless you give one with [Key], and is sent again with the
// same key when the answer is lost or the server asks for patience: no repetition moves money twice. A decline is
// not an error but a payment whose State is [PaymentStateDeclined]; what the server refuses is an [Error].
//
// Amounts are whole minor units: 1999 of CNY is 19.99 yuan. The types in types.gen.go are generated from the
// OpenAPI document; this package adds only what a document cannot say. It needs the standard library alone.
package feiqian

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Version is this package's, sent in User-Agent.
const Version = "0.1.0"

// APIVersion is the dated version of the API that this package is made for, sent in Feiqian-Version: answers keep their
// form when the server goes on.
const APIVersion = "2026-12-01"

// DefaultBaseURL is where `make run` serves.
const DefaultBaseURL = "http://127.0.0.1:8080"

const (
	defaultTimeout = 40 * time.Second // longer than a server works on a request, so that its own answer comes first
	defaultRetries = 3
)

// Client calls one instance as one merchant. It is safe for many goroutines; make one and keep it.
type Client struct {
	Payments  Payments
	Checkouts Checkouts
	Refunds   Refunds
	Disputes  Disputes
	Events    Events
	Balance   Balance
	Receipts  Receipts

	PaymentLinks     PaymentLinks
	QRCodes          QRCodes
	SplitRules       SplitRules
	WebhookEndpoints WebhookEndpoints

	Signatures Signatures

	key     func() string // a function does not show what it knows when a client is printed or logged
	signer  Signer
	base    *url.URL
	http    *http.Client
	timeout time.Duration
	retries int
	wait    func(try int) time.Duration
}

// Option changes how a client calls.
type Option func(*Client) error

// WithBaseURL names the instance: https://pay.example.com. Plain http is taken for this machine only, since the key
// would travel in the clear.
func WithBaseURL(base string) Option {
	return func(c *Client) error {
		parsed, err := url.Parse(strings.TrimRight(base, "/"))
		if err != nil || parsed.Host == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
			return errors.New("feiqian: the base URL must look like https://pay.example.com")
		}
		if parsed.Scheme != "https" && (parsed.Scheme != "http" || !isLoopback(parsed.Hostname())) {
			return fmt.Errorf("feiqian: %s is not https: the secret key would travel in the clear", parsed.Host)
		}
		c.base = parsed
		return nil
	}
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// WithHTTPClient sends through client, such as one with a proxy or certificates of its own. Redirects are never
// followed, whatever it says.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) error {
		own := *client
		c.http = &own
		return nil
	}
}

// WithTimeout ends each try after a time; default 40 s. The context ends the whole call.
func WithTimeout(timeout time.Duration) Option {
	return func(c *Client) error {
		if timeout <= 0 {
			return errors.New("feiqian: a time-out must be positive")
		}
		c.timeout = timeout
		return nil
	}
}

// WithRetries sends a call up to so many times more; default 3, 0 for none.
func WithRetries(retries int) Option {
	return func(c *Client) error {
		if retries < 0 {
			return errors.New("feiqian: retries cannot be negative")
		}
		c.retries = retries
		return nil
	}
}

// New returns a client with a merchant's secret key, sk_sandbox_… or sk_live_…. Errors: the key or an option
// cannot be used. It calls nobody.
func New(key string, options ...Option) (*Client, error) {
	if !strings.HasPrefix(key, "sk_") || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("feiqian: this is not a secret key (sk_sandbox_… or sk_live_…)")
	}
	c := &Client{
		key: func() string { return key }, http: &http.Client{},
		timeout: defaultTimeout, retries: defaultRetries, wait: backoff,
	}
	for _, set := range append([]Option{WithBaseURL(DefaultBaseURL)}, options...) {
		if err := set(c); err != nil {
			return nil, err
		}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Payments, c.Checkouts, c.Refunds = Payments{c}, Checkouts{c}, Refunds{c}
	c.Disputes = Disputes{c}
	c.Events, c.Balance, c.Receipts = Events{c}, Balance{c}, Receipts{c}
	c.Signatures = Signatures{c}
	c.PaymentLinks, c.QRCodes = PaymentLinks{resource{c, "/v1/payment_links"}}, QRCodes{resource{c, "/v1/qr_codes"}}
	c.SplitRules = SplitRules{resource{c, "/v1/split_rules"}}
	c.WebhookEndpoints = WebhookEndpoints{resource{c, "/v1/webhook_endpoints"}}
	return c, nil
}

// BaseURL returns where the client calls.
func (c *Client) BaseURL() string { return c.base.String() }
