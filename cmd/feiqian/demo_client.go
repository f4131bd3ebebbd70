package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/clock"
)

const (
	demoTimeout   = 40 * time.Second // longer than the longest ?wait=
	demoAnswerMax = 4 << 20
)

// client speaks HTTP with one server, as anybody's program would.
type client struct {
	address string
	http    *http.Client
	clock   *clock.Clock
}

func newClient(address string) *client {
	return &client{address: address, http: &http.Client{Timeout: demoTimeout}, clock: &clock.Clock{}}
}

// call is one request. Token is the bearer's; Key is the Idempotency-Key, "" for a fresh one; a nil
// Body is none.
type call struct {
	Method, Path string
	Token        string
	Key          string
	Body         any
}

// reply is the answer to a call.
type reply struct {
	Status   int
	Body     []byte
	Replayed bool
	Took     time.Duration
}

func (c *client) since(start time.Time) time.Duration { return c.clock.Now().Sub(start) }

// do sends a call. Errors: there was no answer, or none that could be read to its end.
func (c *client) do(ctx context.Context, call call) (reply, error) {
	var body io.Reader
	if call.Body != nil {
		text, err := json.Marshal(call.Body)
		if err != nil {
			return reply{}, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, c.address+call.Path, body)
	if err != nil {
		return reply{}, fmt.Errorf("write the request: %w", err)
	}
	if call.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if call.Token != "" {
		request.Header.Set("Authorization", "Bearer "+call.Token)
	}
	if call.Method == http.MethodPost {
		key := call.Key
		if key == "" {
			key = uuid.NewString()
		}
		request.Header.Set("Idempotency-Key", key)
	}
	start := c.clock.Now()
	answer, err := c.http.Do(request)
	if err != nil {
		return reply{}, fmt.Errorf("call the server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, demoAnswerMax))
	if err != nil {
		return reply{}, fmt.Errorf("read the answer to %s %s: %w", call.Method, call.Path, err)
	}
	return reply{
		Status: answer.StatusCode, Body: text, Replayed: answer.Header.Get("Idempotent-Replayed") == "true",
		Took: c.since(start),
	}, nil
}

// ask sends a call that must succeed, and reads its answer.
func ask[T any](ctx context.Context, c *client, call call) (T, reply, error) {
	var out T
	answer, err := c.do(ctx, call)
	if err != nil {
		return out, answer, err
	}
	if answer.Status >= http.StatusMultipleChoices {
		return out, answer, fmt.Errorf("%s %s: %w", call.Method, call.Path, answer.problem())
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		return out, answer, fmt.Errorf("read the answer to %s %s: %w", call.Method, call.Path, err)
	}
	return out, answer, nil
}

// fetch reads what a path shows to the owner of token.
func fetch[T any](ctx context.Context, c *client, token, path string) (T, error) {
	out, _, err := ask[T](ctx, c, call{Method: http.MethodGet, Path: path, Token: token})
	return out, err
}

// refused sends a call that must be refused with this code.
func (c *client) refused(ctx context.Context, call call, code string) (api.Problem, reply, error) {
	answer, err := c.do(ctx, call)
	if err != nil {
		return api.Problem{}, answer, err
	}
	if answer.Status < http.StatusBadRequest {
		return api.Problem{}, answer, fmt.Errorf("%s %s was answered with %d, and should be refused with %s", call.Method,
			call.Path, answer.Status, code)
	}
	problem := answer.problem()
	known, ok := errors.AsType[*refusal](problem)
	if !ok || known.Code != code {
		return api.Problem{}, answer, fmt.Errorf("%s %s should be refused with %s: %w", call.Method, call.Path, code,
			problem)
	}
	return known.Problem, answer, nil
}

// refusal is a problem (RFC 9457) as an error.
type refusal struct{ api.Problem }

func (r *refusal) Error() string {
	return fmt.Sprintf("%d %s: %s (%s)", r.Status, r.Code, r.Detail, r.RequestID)
}

func (r reply) problem() error {
	var known refusal
	if err := json.Unmarshal(r.Body, &known.Problem); err != nil || known.Code == "" {
		return fmt.Errorf("status %d, and the answer is no problem of ours", r.Status)
	}
	return &known
}
