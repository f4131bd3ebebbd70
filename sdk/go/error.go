package feiqian

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Error is a request that the server refused: problem details of RFC 9457. Compare Code, which is stable; Detail
// and Hint are for people and may change. Nothing was done, unless Status is 500 or above: then ask again with
// IdempotencyKey.
type Error struct {
	Problem

	// RetryAfter is how long the server asks to wait; 0 where it does not say.
	RetryAfter time.Duration
	// IdempotencyKey is the key that the refused act was sent with; empty for reads.
	IdempotencyKey string
}

// Error says what happened, for logs: it holds no secret.
func (e *Error) Error() string {
	text := fmt.Sprintf("feiqian: %s (%d): %s", e.Code, e.Status, e.Detail)
	if e.Param != "" {
		text += " [" + e.Param + "]"
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	if e.RequestID != "" {
		text += " (" + e.RequestID + ")"
	}
	return text
}

// NoAnswerError is a call whose answer never came, or could not be read. An act may have been done or not: ask
// again with IdempotencyKey, which does it at most once, or read what you asked for by its reference.
type NoAnswerError struct {
	IdempotencyKey string
	Err            error
}

// Error says what happened.
func (e *NoAnswerError) Error() string { return "feiqian: no answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// CodeOf returns the code of a refusal, such as payment.not_found; "" for any other error.
func CodeOf(err error) string {
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// refusal reads an answer that is not a success. What stands between us and the server may answer too, in words of
// its own: then Code is http.STATUS.
func refusal(response *http.Response, body []byte, key string) error {
	e := &Error{IdempotencyKey: key}
	if json.Unmarshal(body, &e.Problem) != nil || e.Code == "" {
		e.Problem = Problem{
			Code: fmt.Sprintf("http.%d", response.StatusCode), Title: http.StatusText(response.StatusCode),
			Detail: "the answer is not from the API", RequestID: response.Header.Get("Request-Id"),
		}
		e.Retryable = isTemporaryStatus(response.StatusCode)
	}
	e.Status = int64(response.StatusCode)
	e.RetryAfter = max(retryAfter(response.Header), time.Duration(e.Problem.RetryAfter)*time.Second)
	return e
}

// isTemporary reports whether the same call may be answered later.
func isTemporary(err error) bool {
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return refused.Retryable || isTemporaryStatus(int(refused.Status))
	}
	unanswered := (*NoAnswerError)(nil)
	return errors.As(err, &unanswered)
}

func isTemporaryStatus(status int) bool {
	return slices.Contains([]int{
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout,
	}, status)
}
