package feiqian

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	answerMax     = 16 << 20
	backoffFirst  = 250 * time.Millisecond
	backoffMax    = 8 * time.Second
	retryAfterMax = 60 * time.Second // a longer wait is the caller's decision
)

// CallOption changes one call.
type CallOption func(*call)

// Key names an act: the same key and request are done once, however often they are sent, for 30 days. Take one
// that you can find again, such as the order's number; without it a fresh one is drawn for each call.
func Key(key string) CallOption { return func(c *call) { c.key = key } }

// DryRun asks for the answer of an act and writes nothing.
func DryRun() CallOption { return func(c *call) { c.query.Set("dry_run", "true") } }

// call is one act on the server: one request, sent once or more.
type call struct {
	method, path, key string
	query             url.Values
	body              []byte
}

// Call does what this package has no method for: path is /v1/…, body and into are anything that JSON can hold, or
// nil. It retries as all methods do. Errors: *Error, *NoAnswerError.
func (c *Client) Call(ctx context.Context, method, path string, body, into any, options ...CallOption) error {
	return c.send(ctx, method, path, nil, body, into, options...)
}

// get reads into.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.send(ctx, http.MethodGet, path, query, nil, into)
}

func (c *Client) send(
	ctx context.Context, method, path string, query url.Values, body, into any, options ...CallOption,
) error {
	act := call{method: method, path: path, query: url.Values{}}
	maps.Copy(act.query, query)
	if method == http.MethodPost {
		act.key = rand.Text()
	}
	for _, set := range options {
		set(&act)
	}
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("feiqian: write the request: %w", err)
		}
		act.body = encoded
	}
	answer, err := c.persist(ctx, act)
	if err != nil || into == nil || len(answer) == 0 {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return &NoAnswerError{IdempotencyKey: act.key, Err: fmt.Errorf("read the answer: %w", err)}
	}
	return nil
}

// persist sends a call until it is answered, refused for good, or tried often enough.
func (c *Client) persist(ctx context.Context, act call) ([]byte, error) {
	for try := 0; ; try++ {
		answer, err := c.try(ctx, act)
		if err == nil || try >= c.retries || ctx.Err() != nil || !isTemporary(err) {
			return answer, err
		}
		wait := c.wait(try)
		if refused := (*Error)(nil); errors.As(err, &refused) {
			wait = max(wait, refused.RetryAfter)
		}
		if deadline, ends := ctx.Deadline(); wait > retryAfterMax || (ends && time.Until(deadline) < wait) {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// try sends a call once.
func (c *Client) try(ctx context.Context, act call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, act)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &NoAnswerError{IdempotencyKey: act.key, Err: err}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	switch {
	case err != nil:
		return nil, &NoAnswerError{IdempotencyKey: act.key, Err: err}
	case response.StatusCode >= http.StatusOK && response.StatusCode < http.StatusMultipleChoices:
		return answer, nil
	}
	return nil, refusal(response, answer, act.key)
}

func (c *Client) request(ctx context.Context, act call) (*http.Request, error) {
	target := c.base.String() + act.path
	if query := act.query.Encode(); query != "" {
		target += "?" + query
	}
	request, err := http.NewRequestWithContext(ctx, act.method, target, bytes.NewReader(act.body))
	if err != nil {
		return nil, fmt.Errorf("feiqian: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key())
	request.Header.Set("Accept", "application/json, application/problem+json")
	request.Header.Set("User-Agent", "feiqian-go/"+Version)
	request.Header.Set("Feiqian-Version", APIVersion)
	if act.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if act.key != "" {
		request.Header.Set("Idempotency-Key", act.key)
	}
	if c.signer != nil {
		return request, sign(request, act.body, c.signer, time.Now())
	}
	return request, nil
}

// backoff is how long to wait after a try, counted from 0: twice as long each time, half of it at random, so that
// many clients do not come back together.
func backoff(try int) time.Duration {
	full := min(backoffFirst<<min(try, 10), backoffMax) //nolint:mnd // far above the most, far below overflow
	random, err := rand.Int(rand.Reader, big.NewInt(int64(full/2)+1))
	if err != nil {
		return full // never: crypto/rand ends the program instead
	}
	return full/2 + time.Duration(random.Int64())
}

// retryAfter reads RFC 9110 §10.2.3: seconds or a date; 0 where there is none.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// segment is an id as a part of a path. An empty one would lead to another route.
func segment(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", errors.New("feiqian: an id is missing")
	}
	return url.PathEscape(id), nil
}
