package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// call is one request; Token and Key may be empty.
type call struct {
	Method, Path string
	Token, Key   string
	Body         any
}

// reply is an answer that came.
type reply struct {
	Status   int
	Body     []byte
	Replayed bool
}

// code returns the problem's code.
func (r reply) code() string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(r.Body, &problem)
	return problem.Code
}

// callTimeout is more than any answer takes; a process that hangs must not hang the test.
const callTimeout = 45 * time.Second

func newClient() *http.Client {
	return &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
}

// send sends the call once. An error means that no whole answer came.
func send(ctx context.Context, client *http.Client, base string, c call) (reply, error) {
	var body io.Reader = http.NoBody
	if c.Body != nil {
		text, err := json.Marshal(c.Body)
		if err != nil {
			return reply{}, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, c.Method, base+c.Path, body)
	if err != nil {
		return reply{}, fmt.Errorf("make the request: %w", err)
	}
	if c.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Key != "" {
		request.Header.Set("Idempotency-Key", c.Key)
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, fmt.Errorf("send: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, fmt.Errorf("read the answer: %w", err)
	}
	return reply{
		Status: response.StatusCode, Body: text, Replayed: response.Header.Get("Idempotent-Replayed") == "true",
	}, nil
}
