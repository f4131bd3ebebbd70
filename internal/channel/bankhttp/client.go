package bankhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
)

// answerMax is the longest answer we read, in bytes.
const answerMax = 1 << 20

// reply is an answer that is signed by the bank and bound to our request.
type reply struct {
	status int
	body   []byte
}

// post sends value as JSON.
func (c *Channel) post(ctx context.Context, path string, value any) (reply, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return reply{}, fault.Wrap(err, "write a message to the bank")
	}
	return c.send(ctx, http.MethodPost, path, nil, body)
}

// get asks path with query.
func (c *Channel) get(ctx context.Context, path string, query url.Values) (reply, error) {
	return c.send(ctx, http.MethodGet, path, query, nil)
}

// send calls the bank, path behind the prefix. Every error means that the outcome is not known.
func (c *Channel) send(ctx context.Context, method, path string, query url.Values, body []byte) (reply, error) {
	answer, err := c.peer.Call(ctx, method, c.prefix+path, query, body)
	switch {
	case errors.Is(err, httpsig.ErrNoAnswer):
		return reply{}, noAnswer(err)
	case errors.Is(err, httpsig.ErrBadAnswer):
		return reply{}, badAnswer(err)
	case err != nil:
		return reply{}, fault.Wrap(err, "send a message to the bank")
	}
	return reply{status: answer.Status, body: answer.Body}, nil
}

// read decodes the body of a success. Errors: any other status, a body that is not what was asked.
func (r reply) read(into any) error {
	if r.status != http.StatusOK {
		return r.failed()
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		return badAnswer(err)
	}
	return nil
}

// problem decodes the body of a refusal.
func (r reply) problem() (problem, error) {
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		return problem{}, badAnswer(err)
	}
	return p, nil
}

// isNotFound reports whether the bank says, in so many words, that it has no order under reference.
func (r reply) isNotFound(reference string) bool {
	if r.status != http.StatusNotFound {
		return false
	}
	p, err := r.problem()
	return err == nil && p.Code == "not_found" && p.notBooked(reference)
}

// failed returns the fault for an answer that is no result: what the bank did is not known.
func (r reply) failed() error {
	p, err := r.problem()
	if err != nil {
		return err
	}
	cause := fmt.Errorf("the bank answered %d %s: %s", r.status, p.Code, p.Message)
	switch p.Code {
	case "reference_reused":
		return fault.New(fault.Conflict, channel.CodeReferenceReused,
			"the bank has another order under this reference").WithCause(cause)
	case "bad_cursor":
		return fault.New(fault.Invalid, channel.CodeBadCursor, "the statement's cursor is wrong").
			WithParam("cursor").WithCause(cause)
	}
	return fault.New(fault.Unavailable, channel.CodeChannelFailed, "the bank could not do this now").WithCause(cause)
}

// result reads an answer about an order.
//
// A refusal is a decline only when the bank says that nothing is booked under the reference: after
// a first send without an answer, a refusal of the second one says nothing about the first.
func (c *Channel) result(r reply, want expected) (channel.Result, error) {
	if r.status >= 400 && r.status < 500 {
		if p, err := r.problem(); err == nil && p.notBooked(want.reference) {
			return channel.Result{
				Outcome: channel.OutcomeDeclined, DeclineCode: channel.DeclineInvalidOrder, Message: p.Code + ": " + p.Message,
			}, nil
		}
	}
	var answer orderAnswer
	if err := r.read(&answer); err != nil {
		return channel.Result{}, err
	}
	if err := want.check(answer); err != nil {
		return channel.Result{}, fault.New(fault.Unavailable, channel.CodeAnswerMismatch,
			"the bank's answer is about another order").WithCause(err)
	}
	result, err := answer.result(c.capabilities)
	if err != nil {
		return channel.Result{}, badAnswer(err)
	}
	return result, nil
}

func noAnswer(err error) error {
	kind := fault.Unavailable
	if httpsig.TimedOut(err) {
		kind = fault.Timeout
	}
	// The error's text holds the URL, which has a reference at most: no number, no name.
	return fault.New(kind, channel.CodeNoAnswer, "the bank did not answer").WithCause(err)
}

func badAnswer(err error) error {
	return fault.New(fault.Unavailable, channel.CodeBadAnswer, "the bank's answer cannot be trusted").WithCause(err)
}
