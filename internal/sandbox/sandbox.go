// Package sandbox holds what the simulated outside parties share: JSON in and out, and waits that
// end with their server. The parties themselves are the folders below.
package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyMax is the longest body of a control, in bytes.
const bodyMax = 64 << 10

// Problem is what a party says of a request that it does not take.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Strict reads one JSON value without unknown members, and reports whether body is one.
func Strict(body []byte, into any) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return false
	}
	_, err := decoder.Token()
	return errors.Is(err, io.EOF)
}

// Read takes the body of a request by Strict; where it can't, it answers 400 and reports false.
func Read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil || !Strict(body, into) {
		Write(w, http.StatusBadRequest, Problem{Code: "unreadable", Message: "the body is not what this path takes"})
		return false
	}
	return true
}

// Write answers with JSON.
func Write(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client left
}

// Wait waits for d and reports whether it passed in full; it ends early with ctx or done.
func Wait(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}
